"""What is counted of one performance, by hand."""

from __future__ import annotations

import note_seq
import numpy as np

from grooves import drums
from pipelines.dataset.report.facts import describe
from tests import midi_files


def test_describe_counts_what_there_is():
    hits = [*midi_files.groove(5), (2.2, 42, 80), (3, 100, 80), (7, 39, 80), (9, 45, 80)]
    facts = describe(midi_files.sequence(sorted(hits), qpm=90), drums.ROLAND, "funk/groove1", 1)
    assert (facts.drum_map, facts.style, facts.bpm, facts.metres) == ("roland", "funk/groove1", 90, ("4/4",))
    assert facts.num_hits == len(hits)
    assert facts.unmapped == {100: 1}
    assert facts.onsets.shape == (16, 9)
    assert facts.onsets.sum() == len(hits) - 2  # Pitch 100 is in no class, one hat shares its cell with another.
    assert facts.onsets[0].tolist() == [5, 0, 5, 0, 0, 0, 0, 0, 0]
    assert facts.onsets[7, 1] == 1 and facts.onsets[9, 5] == 1
    assert facts.num_steps == 80
    assert len(facts.window_digests) == 2 and facts.window_digests.dtype == np.uint64
    assert {0, 1 + 4, 2 + 4} <= set(facts.tokens.tolist())


def test_digests_are_of_the_grid_alone():
    hits = midi_files.groove(5)
    facts = describe(midi_files.sequence(hits), drums.ROLAND, "", 1)
    looser = [(step + 0.2, pitch, 1) for step, pitch, _ in hits]
    again = describe(midi_files.sequence(looser, qpm=77), drums.ROLAND, "rock", 1)
    assert again.grid_digest == facts.grid_digest
    assert again.window_digests.tolist() == facts.window_digests.tolist()
    other = describe(midi_files.sequence(hits[:-1]), drums.ROLAND, "", 1)
    assert other.grid_digest != facts.grid_digest


def test_nothing_to_count_is_zeros():
    facts = describe(note_seq.NoteSequence(), drums.GM, "", 1)
    assert (facts.num_hits, facts.num_steps, facts.bpm, len(facts.window_digests)) == (0, 0, 120, 0)
    assert facts.metres == ("4/4",)


def test_pitches_that_a_map_of_ones_own_does_not_name_are_in_no_class():
    own = drums.DrumMap.of("mine.txt", {60: 0, 38: -1})
    facts = describe(midi_files.sequence([(0, 60, 90), (1, 38, 80), (2, 36, 70), (3, 36, 70)]), own, "", 1)
    assert (facts.drum_map, facts.num_hits, facts.unmapped) == ("mine.txt", 4, {38: 1, 36: 2})
    assert facts.onsets.sum() == facts.onsets[0, 0] == 1
