"""What is decoded becomes MIDI files that every player takes, the same ones for the same seed."""

import note_seq
import pytest

from pipelines.generation import sequences, tensorflow_models
from tests.tiny import model_of


def midis(model, folder, n=3):
    paths = sequences.write_midi(tensorflow_models.sample(model, n, temperature=1.0), folder, "sample")
    return [path.read_bytes() for path in paths]


@pytest.mark.parametrize("name", ["hier-drums_4bar_small", "groovae_4bar"])
def test_the_same_seed_gives_the_same_midi_byte_for_byte(tiny_runs, tmp_path, name):
    first, second, other = (midis(model_of(tiny_runs[name], seed), tmp_path / str(seed)) for seed in (7, 7, 8))
    assert first == second
    assert first != other


def test_files_are_named_as_upstream_names_them(tiny_runs, tmp_path):
    drawn = tensorflow_models.sample(model_of(tiny_runs["groovae_4bar"], 1), 3, 1.0)
    names = [path.name for path in sequences.write_midi(drawn, tmp_path, "groovae_4bar_sample_x")]
    assert names == [f"groovae_4bar_sample_x-{number:03d}-of-003.mid" for number in range(3)]


def test_samples_are_drums_that_midi_can_hold(tiny_runs, tmp_path):
    for sequence in tensorflow_models.sample(model_of(tiny_runs["groovae_4bar"], 1), 4, 1.0):
        assert sequence.notes
        for note in sequence.notes:
            assert note.is_drum
            assert 0 <= note.start_time < note.end_time <= 64 / 8 + 0.2  # Four bars at 120 qpm, a step's length over.
            assert 1 <= note.velocity <= 127


def test_make_playable_mends_early_and_silent_hits():
    sequence = note_seq.NoteSequence()
    sequence.notes.add(start_time=-0.05, end_time=0.01, velocity=0, is_drum=True, pitch=36)
    sequences.make_playable(sequence)
    note = sequence.notes[0]
    assert (note.start_time, note.velocity, sequence.total_time) == (0, 1, note.end_time)
