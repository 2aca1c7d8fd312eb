"""Generation: the same seed gives the same bytes, interpolation keeps its ends, and bad MIDI is told apart."""

import pathlib

import note_seq
import numpy as np
import pytest

from models.inference import TrainedModel
from pipelines.generation import latent
from pipelines.runs import resolution
from pipelines.runs.run_folder import RunFolder

STARTER_DIR = pathlib.Path(__file__).resolve().parents[2] / "data" / "starter"


def model_of(run_dir, seed=None, batch_size=2):
    _, config = resolution.resolve_config(RunFolder(run_dir), None, "")
    return TrainedModel(config, resolution.newest_checkpoint(run_dir), batch_size, seed)


def midis(model, folder, n=3):
    paths = latent.write_midi(latent.sample(model, n, temperature=1.0), folder, "sample")
    return [path.read_bytes() for path in paths]


@pytest.mark.parametrize("name", ["hier-drums_4bar_small", "groovae_4bar"])
def test_the_same_seed_gives_the_same_midi_byte_for_byte(tiny_runs, tmp_path, name):
    first, second, other = (midis(model_of(tiny_runs[name], seed), tmp_path / str(seed)) for seed in (7, 7, 8))
    assert first == second
    assert first != other


def test_files_are_named_as_upstream_names_them(tiny_runs, tmp_path):
    sequences = latent.sample(model_of(tiny_runs["groovae_4bar"], 1), 3, 1.0)
    names = [path.name for path in latent.write_midi(sequences, tmp_path, "groovae_4bar_sample_x")]
    assert names == [f"groovae_4bar_sample_x-{number:03d}-of-003.mid" for number in range(3)]


def test_samples_are_drums_that_midi_can_hold(tiny_runs, tmp_path):
    for sequence in latent.sample(model_of(tiny_runs["groovae_4bar"], 1), 4, 1.0):
        assert sequence.notes
        for note in sequence.notes:
            assert note.is_drum
            assert 0 <= note.start_time < note.end_time <= 64 / 8 + 0.2  # Four bars at 120 qpm, a step's length over.
            assert 1 <= note.velocity <= 127


def test_make_playable_mends_early_and_silent_hits():
    sequence = note_seq.NoteSequence()
    sequence.notes.add(start_time=-0.05, end_time=0.01, velocity=0, is_drum=True, pitch=36)
    latent.make_playable(sequence)
    note = sequence.notes[0]
    assert (note.start_time, note.velocity, sequence.total_time) == (0, 1, note.end_time)


def test_slerp_keeps_to_the_circle():
    x, y = np.array([2.0, 0.0]), np.array([0.0, 2.0])
    np.testing.assert_allclose(latent.slerp(x, y, 0), x)
    np.testing.assert_allclose(latent.slerp(x, y, 1), y, atol=1e-12)
    np.testing.assert_allclose(latent.slerp(x, y, 0.5), [2**0.5, 2**0.5])
    np.testing.assert_allclose(latent.slerp(x, 3 * x, 0.5), 2 * x)  # Parallel: upstream divides by zero.


@pytest.mark.parametrize("name", ["hier-drums_4bar_small", "groovae_4bar"])
def test_interpolation_decodes_both_ends(tiny_runs, name):
    model = model_of(tiny_runs[name], 3)
    paths = sorted(STARTER_DIR.rglob("*.mid"))
    ends = [latent.read_example(model.config, str(path), None) for path in (paths[0], paths[-1])]
    means = model.encode(
        np.stack([end.inputs[0] for end in ends]), np.array([64, 64]), np.zeros([2, 64, 0], np.float32)
    )
    decoded = []
    model.decode = lambda z, temperature: (
        decoded.append(z) or np.zeros([len(z), 64, model.config.data_converter.output_depth])
    )
    assert len(latent.interpolate(model, *ends, n=5, temperature=1.0)) == 5
    np.testing.assert_allclose(decoded[0][[0, -1]], means, rtol=1e-5, atol=1e-6)
    assert not np.allclose(means[0], means[1])


def test_encoding_does_not_depend_on_the_batch(tiny_runs):
    rolls = (np.random.default_rng(0).random([5, 64, 10]) < 0.2).astype(np.float32)
    arguments = rolls, np.full([5], 64), np.zeros([5, 64, 0])
    by_two, by_five = (model_of(tiny_runs["hier-drums_4bar_small"], 1, n).encode(*arguments) for n in (2, 5))
    assert by_two.shape == (5, 4)
    np.testing.assert_allclose(by_two, by_five, rtol=1e-4, atol=1e-6)


def test_start_bar_chooses_the_bars(tiny_runs, tmp_path):
    """A kick on every quarter from bar 1, a snare only in bar 3."""
    sequence = note_seq.NoteSequence()
    sequence.tempos.add(qpm=120)
    for quarter in range(4 * 7):
        sequence.notes.add(
            pitch=36, is_drum=True, instrument=9, velocity=90, start_time=quarter / 2, end_time=quarter / 2 + 0.1
        )
    sequence.notes.add(pitch=38, is_drum=True, instrument=9, velocity=90, start_time=4, end_time=4.1)
    sequence.total_time = 14
    path = tmp_path / "kicks.mid"
    note_seq.sequence_proto_to_midi_file(sequence, str(path))
    _, config = resolution.resolve_config(RunFolder(tiny_runs["hier-drums_4bar_small"]), None, "")
    for start_bar, snare_step in ((None, 32), (1, 32), (2, 16), (3, 0)):
        roll = latent.read_example(config, str(path), start_bar).inputs[0]
        np.testing.assert_array_equal(np.flatnonzero(roll[:, 0]), np.arange(0, 64, 4))
        np.testing.assert_array_equal(np.flatnonzero(roll[:, 1]), [snare_step])
    with pytest.raises(ValueError, match=r"kicks.mid: no drums throughout bars 5 to 8 of its 7; 4 bars"):
        latent.read_example(config, str(path), 5)


def midi_of(tmp_path, *, is_drum=True, metre=(4, 4), quarters=20):
    sequence = note_seq.NoteSequence()
    sequence.tempos.add(qpm=120)
    sequence.time_signatures.add(numerator=metre[0], denominator=metre[1])
    for quarter in range(quarters):
        sequence.notes.add(
            pitch=36, is_drum=is_drum, instrument=9 if is_drum else 0, velocity=90,
            start_time=quarter / 2, end_time=quarter / 2 + 0.1,
        )  # fmt: skip
    path = tmp_path / "given.mid"
    note_seq.sequence_proto_to_midi_file(sequence, str(path))
    return path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"is_drum": False}, "no drums: nothing on MIDI channel 10"),
        ({"metre": (3, 4)}, "not in 4/4: 3/4"),
        ({"quarters": 8}, "no drums throughout any 4 bars in a row of its 2"),
        ({"quarters": 0}, "no notes"),
    ],
)
def test_midi_that_cannot_be_encoded_says_why(tiny_runs, tmp_path, options, message):
    _, config = resolution.resolve_config(RunFolder(tiny_runs["hier-drums_4bar_small"]), None, "")
    with pytest.raises(ValueError, match=message):
        latent.read_example(config, str(midi_of(tmp_path, **options)), None)


def test_corrupt_midi_says_so(tiny_runs, tmp_path):
    (tmp_path / "broken.mid").write_bytes(b"MThd not really")
    _, config = resolution.resolve_config(RunFolder(tiny_runs["hier-drums_4bar_small"]), None, "")
    with pytest.raises(ValueError, match=r"broken.mid: unreadable MIDI"):
        latent.read_example(config, str(tmp_path / "broken.mid"), None)
