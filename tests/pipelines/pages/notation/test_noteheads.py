"""Marks of noteheads."""

from pipelines.pages.notation import drum_staff, noteheads
from pipelines.pages.notation.noteheads import Head

DRUMS = drum_staff.drums_of([36, 38, 40, 42, 44, 46, 49, 50, 51, 39])
KICK, SNARE, RIM, CLOSED, PEDAL, OPEN, CRASH, TOM, CLAP = (DRUMS[x] for x in (36, 38, 40, 42, 44, 46, 49, 50, 39))


def marked(*hits):
    return noteheads.marked([Head(drum, velocity) for drum, velocity in hits])


def test_soft_strokes_on_the_snare_are_ghost_notes():
    heads = marked((SNARE, 100), (SNARE, 40), (SNARE, 39), (RIM, 39), (SNARE, 90))
    assert [head.is_ghost for head in heads] == [False, False, True, True, False]
    assert [head.velocity for head in heads] == [100, 40, 39, 39, 90]


def test_nothing_else_is_a_ghost_note():
    heads = marked(*((drum, velocity) for drum in (KICK, CLOSED, TOM, CRASH) for velocity in (120, 5)))
    assert not any(head.is_ghost for head in heads)


def test_strokes_that_stand_out_are_accented():
    heads = marked((TOM, 60), (TOM, 60), (TOM, 91), *[(SNARE, 60)] * 3, (SNARE, 90), (SNARE, 91))
    assert [head.is_accented for head in heads] == [False, False, True, *[False] * 4, True]


def test_a_backbeat_among_ghost_notes_needs_no_accent():
    heads = marked(*[(SNARE, 30)] * 9, (SNARE, 110), (SNARE, 118))
    assert not any(head.is_accented for head in heads)


def test_cymbals_and_feet_have_no_accents():
    heads = marked(*((drum, velocity) for drum in (KICK, CLOSED, CRASH) for velocity in (20, 20, 20, 127)))
    assert not any(head.is_accented for head in heads)


def test_the_closed_hat_after_an_open_one_is_signed():
    heads = marked(*((drum, 80) for drum in (CLOSED, OPEN, OPEN, KICK, CLOSED, CLOSED, OPEN, PEDAL, CLOSED)))
    assert [head.sign for head in heads] == ["", "open-string", "open-string", "", "stopped", "", "open-string", "", ""]


def test_a_drum_outside_of_the_kit_has_its_name_once():
    heads = marked((CLAP, 80), (SNARE, 80), (CLAP, 90))
    assert [head.label for head in heads] == ["Hand clap", "", ""]


def test_no_heads_have_no_marks():
    assert noteheads.marked([]) == []
