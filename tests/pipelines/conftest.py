"""What tests of several rooms share: folders to convert, and a browser."""

from __future__ import annotations

import pathlib

import pytest

from tests import browsers, midi_files


@pytest.fixture
def mixed(tmp_path) -> pathlib.Path:
    """A folder with three kinds of drums and one file of each kind that cannot be used."""
    folder = tmp_path / "in put"
    midi_files.write(folder / "a" / "six bars.mid", midi_files.groove(6))
    midi_files.write(folder / "a" / "same bars.mid", midi_files.groove(6, alike=True))
    midi_files.write(folder / "a" / "kürzer.MID", midi_files.groove(3))
    midi_files.write(folder / "b" / "waltz.mid", midi_files.groove(8), metre=(3, 4))
    midi_files.write(folder / "b" / "Flügel.mid", midi_files.groove(8), channel=0)
    midi_files.write(folder / "b" / "silence.mid", [])
    (folder / "b" / "broken.mid").write_bytes(b"MThd\0\0\0\6 and no more")
    (folder / "b" / "empty.midi").touch()
    (folder / "info.csv").write_text(
        "midi_filename,split\na/six bars.mid,train\na/same bars.mid,validation\na/kürzer.MID,validation\n"
        "b/waltz.mid,test\nb/Flügel.mid,test\nb/silence.mid,test\nb/broken.mid,train\nb/gone.mid,train\n"
    )
    return folder


@pytest.fixture(scope="session")
def one_chromium(tmp_path_factory):
    """One browser for all tests."""
    with browsers.chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def chromium(one_chromium, tmp_path):
    """The browser, which shows nothing afterwards: a page that goes on playing takes a third of a core.

    Nothing is a file as well: from another kind of address, a page may be said to be open before it is.
    """
    yield one_chromium
    nothing = tmp_path / "nothing.html"
    nothing.touch()
    one_chromium.open(nothing)


@pytest.fixture
def browser(chromium):
    """A browser whose pages are to have no errors in the console."""
    yield chromium
    assert chromium.errors() == []
