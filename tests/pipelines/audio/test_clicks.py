"""Clicks: when they come, which are loud, and with what sound."""

import mido
import pytest

from pipelines.audio import clicks, score
from tests.pipelines.audio.test_score import hit, metre, tempo, write_track
from tests.sounds import needs_library, without_kits


def of(path, font, **kinds):
    return clicks.of_score(score.read(path), font, **({"count_in": False, "metronome": False} | kinds))


@needs_library
def test_a_bar_counts_in_in_the_first_tempo_and_metre(tmp_path, font):
    path = write_track(tmp_path / "a.mid", metre(3, 4), tempo(60), *hit(), metre(4, 4, 1430), tempo(200), *hit())
    found = of(path, font, count_in=True)
    assert [hit.secs for hit in found.hits] == pytest.approx([-3, -2, -1])
    assert found.before_secs == pytest.approx(3)
    assert [hit.velocity for hit in found.hits] == [clicks.ACCENT_VELOCITY, clicks.VELOCITY, clicks.VELOCITY]
    assert {hit.key for hit in found.hits} == {37}


@needs_library
def test_a_metronome_clicks_to_the_end_of_the_last_bar(tmp_path, font):
    path = write_track(tmp_path / "a.mid", tempo(120), *hit(), tempo(60, 1910), *hit())
    found = of(path, font, metronome=True)
    assert [hit.secs for hit in found.hits] == pytest.approx([0, 0.5, 1, 1.5, 2, 3, 4, 5])
    assert (found.before_secs, found.end_secs) == (0, pytest.approx(6))
    loud = [hit.velocity == clicks.ACCENT_VELOCITY for hit in found.hits]
    assert loud == [True, False, False, False] * 2
    assert {hit.key for hit in found.hits[::4]} == {76}
    assert {hit.key for hit in found.hits[1::4]} == {77}


@needs_library
def test_both_click_together_and_neither_clicks_nothing(tmp_path, font):
    path = write_track(tmp_path / "a.mid", metre(6, 8), *hit())
    assert [hit.secs for hit in of(path, font, count_in=True, metronome=True).hits] == pytest.approx(
        [beat / 4 for beat in range(-6, 6)]
    )
    assert of(path, font) == clicks.Clicks()


@needs_library
def test_a_sound_that_the_soundfont_has_not_is_replaced(font):
    assert clicks.find_key(font, (0, 127, 38)) == 38
    with pytest.raises(ValueError, match="has no sound to click with; choose another with --soundfont"):
        clicks.find_key(font, (0, 127))


@needs_library
def test_a_soundfont_without_drums_is_named_before_long_work(tmp_path):
    with pytest.raises(ValueError, match=r"no kits\.sf2: has no drum kit to click with"):
        clicks.check(without_kits(tmp_path / "no kits.sf2"))


@needs_library
@pytest.mark.parametrize(("kind", "flag"), [("count_in", "--count_in"), ("metronome", "--click")])
def test_beats_too_fast_to_click_are_an_error(tmp_path, font, kind, flag):
    path = write_track(tmp_path / "a.mid", mido.MetaMessage("set_tempo", tempo=1000), *hit(4800))
    with pytest.raises(ValueError, match=rf"a\.mid: its beats are 1 ms apart, .* \(50 ms at least\); leave out {flag}"):
        of(path, font, **{kind: True})
