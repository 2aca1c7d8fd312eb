"""Where drums stand on the staff."""

import pytest

from grooves import drums
from pipelines.pages.notation import drum_staff


def signs(pitches):
    return {pitch: (drum.place, drum.notehead) for pitch, drum in drum_staff.drums_of(pitches).items()}


def test_the_nine_classes_stand_where_weinberg_has_them():
    pitches = [pitches[0] for pitches in drums.ROLAND_CLASSES]
    assert list(signs(pitches).items()) == sorted(
        zip(
            pitches,
            [
                *[("F4", "normal"), ("C5", "normal"), ("G5", "x"), ("G5", "x")],
                *[("A4", "normal"), ("D5", "normal"), ("E5", "normal"), ("A5", "x"), ("F5", "x")],
            ],
            strict=True,
        )
    )


@pytest.mark.parametrize("pitches", drums.ROLAND_CLASSES, ids=drums.CLASS_NAMES)
def test_what_the_roland_kit_has_is_in_the_kit(pitches):
    written = drum_staff.drums_of([*pitches, 22])  # 22 is the Roland kit's alone.
    assert all(drum.is_in_kit for drum in written.values())


def test_the_feet_play_kick_and_pedal():
    written = drum_staff.drums_of(range(128))
    assert [pitch for pitch, drum in written.items() if drum.is_played_by_foot] == [35, 36, 44]


def test_edges_of_the_roland_hi_hat_are_played_as_general_midi_can():
    written = drum_staff.drums_of([22, 26, 58])
    assert [drum.pitch for drum in written.values()] == [42, 46, 43]


def test_pitches_are_read_as_the_kit_that_the_others_speak_for():
    assert signs([48, 45, 22]) == {22: ("G5", "x"), 45: ("D5", "normal"), 48: ("E5", "normal")}
    assert signs([48, 45, 56]) == {45: ("B4", "normal"), 48: ("D5", "normal"), 56: ("E5", "triangle")}
    assert signs([48, 45]) == {45: ("D5", "normal"), 48: ("E5", "normal")}


def test_toms_of_general_midi_run_down_the_staff():
    toms = [drum for pitch, drum in drum_staff.drums_of([41, 43, 45, 47, 48, 50, 56]).items() if pitch != 56]
    heights = [drum.height for drum in toms]
    assert heights == sorted(heights)
    assert len(set(heights)) == 5  # The two mid toms are one.


def test_what_is_in_no_kit_has_a_name_and_a_sign_of_its_own():
    written = drum_staff.drums_of([39, 56, 3, 38])
    outside = [drum for drum in written.values() if not drum.is_in_kit]
    assert [drum.name for drum in outside] == ["Drum 3", "Hand clap", "Cowbell"]
    assert len({(drum.place, drum.notehead) for drum in written.values()}) == 4


def test_every_pitch_can_be_written_and_no_sign_is_of_two_drums_in_a_usual_kit():
    assert list(drum_staff.drums_of(range(128))) == list(range(128))
    written = drum_staff.drums_of([36, 38, 37, 42, 44, 50, 47, 43, 41, 49, 57, 51, 53])
    assert len({(drum.place, drum.notehead) for drum in written.values()}) == len(written)
    assert drum_staff.drums_of([]) == {}


def test_heights_count_lines_and_spaces():
    heights = [drum_staff.Drum("", place, "x", 0).height for place in ("A4", "B4", "C5", "D5")]
    assert [height - heights[0] for height in heights] == [0, 1, 2, 3]
