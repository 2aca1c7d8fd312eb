"""Models that only TensorFlow computes: melodies are sampled and interpolated, and nothing else."""

from __future__ import annotations

import pathlib

import mido
import numpy as np
import pytest

import configs
from models.magenta import tf
from tests import songs

CONFIG = "cat-mel_2bar_small"
HPARAMS = "enc_rnn_size=[8],dec_rnn_size=[8],z_size=4"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> str:
    """A small model of melodies with random variables."""
    config = configs.with_hparams(configs.CONFIG_MAP[CONFIG], HPARAMS)
    with tf.Graph().as_default(), tf.Session() as session:
        converter, steps = config.data_converter, config.hparams.max_seq_len
        config.model.build(config.hparams, converter.output_depth, is_training=False)
        z = config.model.encode(tf.zeros([1, steps, converter.input_depth]), tf.fill([1], steps)).loc
        config.model.sample(1, steps, z, temperature=1.0)
        session.run(tf.global_variables_initializer())
        random = np.random.default_rng(5)
        for variable in tf.trainable_variables():
            variable.load(random.normal(0, 0.6, variable.shape.as_list()), session)
        return tf.train.Saver().save(session, str(tmp_path_factory.mktemp("melodies") / "model.ckpt"))


@pytest.fixture
def melody(tmp_path) -> pathlib.Path:
    """Two bars on channel 1."""
    notes = [(quarter, 60 + quarter, 90) for quarter in range(8)]
    return songs.write(tmp_path / "melody.mid", [songs.conductor(480), songs.notes_track(notes, 480, 0, 0.9)])


@pytest.fixture
def flags(checkpoint) -> list[str]:
    return [f"--checkpoint_file={checkpoint}", f"--config={CONFIG}", f"--hparams={HPARAMS}"]


def test_melodies_are_sampled_and_made_again(generate, manifest_of, tmp_path, checkpoint, flags):
    done = generate("--mode=sample", *flags, "--num_outputs=3", "--seed=4", "--temperature=1.5")
    assert done.status == 0, done.err
    assert done.out.startswith(f"config      {CONFIG}\ncheckpoint  {checkpoint}\n")
    assert [path.name.startswith(f"{CONFIG}_sample_") for path in done.midis] == [True] * 3
    assert any(m.type == "note_on" for path in done.midis for m in mido.MidiFile(path))
    said = manifest_of(tmp_path / "out")
    assert (said["mode"], said["config"], said["checkpoint"], said["seed"]) == ("sample", CONFIG, checkpoint, 4)
    assert [output["midi"] for output in said["outputs"]] == [path.name for path in done.midis]
    again = generate(f"--from_manifest={tmp_path / 'out'}", output_dir=tmp_path / "again")
    assert again.status == 0 and "3 of 3 files are the same, byte for byte" in again.out
    assert [path.read_bytes() for path in again.midis] == [path.read_bytes() for path in done.midis]


def test_melodies_are_interpolated_with_a_temperature_of_0_too(generate, manifest_of, tmp_path, flags, melody):
    other = songs.write(tmp_path / "b.mid", [songs.notes_track([(n, 50, 90) for n in range(8)], 480, 0, 0.5)])
    ends = [f"--input_midi_1={melody}", f"--input_midi_2={other}"]
    done = generate("--mode=interpolate", *flags, *ends, "--num_outputs=4", "--temperature=0", "--seed=1")
    assert done.status == 0, done.err
    assert len(done.midis) == 4
    assert [each["path"] for each in manifest_of(tmp_path / "out")["inputs"]] == [str(melody), str(other)]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--mode=humanize", "--input={melody}"], f"--mode=humanize plays four-four drums; {CONFIG} is for sample and"),
        (["--mode=grid"], f"--mode=grid plays four-four drums; {CONFIG} is for sample and interpolate alone"),
        (
            ["--mode=sample", "--hparams=z_size=8,enc_rnn_size=[8],dec_rnn_size=[8]"],
            "of another config or other hparams",
        ),
        (["--mode=sample", "--latents=mixture"], "--latents=mixture: there is no "),
    ],
)
def test_what_does_not_go_is_said_in_a_line(generate, tmp_path, flags, melody, more, message):
    done = generate(*flags, *(flag.format(melody=melody) for flag in more))
    assert done.status == 1 and message in done.err
    assert done.err.count("\n") <= 2 and "unexpected" not in done.err
    assert not (tmp_path / "out").exists()


def test_another_checkpoint_is_refused(generate, tmp_path, flags):
    generate("--mode=sample", *flags, "--num_outputs=1", "--seed=4")
    path = tmp_path / "out" / "manifest.json"
    path.write_text(path.read_text().replace('"checkpoint_sha256": "', '"checkpoint_sha256": "0'))
    done = generate(f"--from_manifest={path}", output_dir=tmp_path / "again")
    assert done.status == 1 and "made with another checkpoint than" in done.err
    assert not (tmp_path / "again").exists()
