"""Places of bytes: what is read from each, and what refuses to be."""

from __future__ import annotations

import pickle

import pytest

from pipelines.dataset.inputs.locations import InFolder, Inline, Unreadable


def test_a_file_is_read_up_to_its_limit(tmp_path):
    (tmp_path / "a.mid").write_bytes(b"MThd")
    place = pickle.loads(pickle.dumps(InFolder(str(tmp_path / "a.mid"))))
    assert place.read(4) == b"MThd"
    with pytest.raises(ValueError, match="larger than 0 MiB"):
        place.read(3)
    with pytest.raises(FileNotFoundError):
        InFolder(str(tmp_path / "gone.mid")).read(4)


def test_bytes_that_are_here_are_given_and_a_reason_is_raised():
    assert Inline(b"MThd").read(1) == b"MThd"
    with pytest.raises(ValueError, match=r"^the folder cannot be read$"):
        Unreadable("the folder cannot be read").read(1)
