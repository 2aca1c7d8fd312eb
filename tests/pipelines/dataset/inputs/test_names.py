"""Many names: all of them, in their order, as often as wanted, and small."""

from __future__ import annotations

import os
import sys

import pytest

from pipelines.dataset.inputs.names import _BLOCK_NAMES, Names


@pytest.mark.parametrize("number", [0, 1, _BLOCK_NAMES, _BLOCK_NAMES + 1, 3 * _BLOCK_NAMES])
def test_names_come_back_in_their_order(number):
    given = [f"folder/{n * 7919 % 1000} ü {n}.mid" for n in range(number)]
    names = Names(iter(given))
    assert len(names) == number
    assert list(names) == list(names) == given


def test_a_name_may_be_no_utf8_or_have_line_ends():
    given = [os.fsdecode(b"gr\xf6ve.mid"), "a\nb.mid", "鼓.mid"]
    assert list(Names(given)) == given


def test_they_take_a_few_bytes_each():
    names = Names(f"copy{n // 1000:03d}/drummer1/session1/{n % 1000}_funk_95_beat_4-4.mid" for n in range(50_000))
    assert sum(map(sys.getsizeof, names._blocks)) < 10 * len(names)
