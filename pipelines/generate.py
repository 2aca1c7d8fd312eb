"""Latent vectors → NoteSequences → MIDI, with the flags of Magenta's `music_vae_generate`.

    python -m pipelines.generate --run_dir=runs/first --mode=sample --num_outputs=5 --output_dir=generated --seed=1
    python -m pipelines.generate --run_dir=runs/first --mode=interpolate --input_midi_1=a.mid --input_midi_2=b.mid \
        --num_outputs=5 --output_dir=generated
"""

from __future__ import annotations

import os
import pathlib
import time
from typing import TYPE_CHECKING

from absl import flags

from pipelines import cli

if TYPE_CHECKING:  # TensorFlow takes seconds to import: too long for a wrong flag.
    import note_seq
    import numpy as np
    from magenta.models.music_vae import data

    import configs
    from models.trained import TrainedModel

MIN_NOTE_SECS = 0.01


def sample(model: TrainedModel, n: int, temperature: float) -> list[note_seq.NoteSequence]:
    """Returns `n` NoteSequences decoded from latent vectors that are drawn from the prior.

    Raises:
        ValueError: the config decodes under controls, which nobody gave.
    """
    converter = model.config.data_converter
    if converter.control_depth:
        raise ValueError("this config decodes under controls (hits or chords), which sampling does not have")
    return _to_sequences(model, model.decode(model.draw(n), temperature))


def interpolate(
    model: TrainedModel, start: data.ConverterTensors, end: data.ConverterTensors, n: int, temperature: float
) -> list[note_seq.NoteSequence]:
    """Returns `n` NoteSequences on the way from one example to the other, both reconstructions included.

    The way is along the great circle between the posteriors' means (White, arXiv 1609.04468), as in Magenta.
    """
    import numpy as np

    steps = max(len(start.inputs[0]), len(end.inputs[0]))
    inputs, controls = (
        np.stack([np.pad(field[0], [(0, steps - len(field[0])), (0, 0)]) for field in fields])
        for fields in ((start.inputs, end.inputs), (start.controls, end.controls))
    )
    means = model.encode(inputs, np.array([start.lengths[0], end.lengths[0]]), controls)
    z = np.stack([slerp(means[0], means[1], t) for t in np.linspace(0, 1, n)])
    return _to_sequences(model, model.decode(z, temperature))


def slerp(start: np.ndarray, end: np.ndarray, t: float) -> np.ndarray:
    """Returns the point at `t` in [0, 1] on the great circle between two vectors; on the line where they are parallel."""
    import numpy as np

    cosine = np.dot(start, end) / (np.linalg.norm(start) * np.linalg.norm(end))
    omega = np.arccos(np.clip(cosine, -1, 1))
    if not np.sin(omega) > 1e-6:
        return (1 - t) * start + t * end
    return (np.sin((1 - t) * omega) * start + np.sin(t * omega) * end) / np.sin(omega)


def read_example(config: configs.Config, path: str, start_bar: int | None) -> data.ConverterTensors:
    """Returns the one example that a MIDI file gives.

    Args:
        config: Whose encoder it is for.
        path: A MIDI file; for drum configs with at least four bars of drums.
        start_bar: Which four bars, counted from 1; None takes the first four that have drums in them.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it gives no example, and why.
    """
    from pipelines import drums, examples

    from magenta.models.music_vae import data  # isort: skip  After what prepares TensorFlow.

    midi = pathlib.Path(path).expanduser().read_bytes()
    try:
        sequence = drums.read_at_constant_tempo(midi)
        if not isinstance(config.data_converter, data.DrumsConverter | data.GrooveConverter):
            return _only_example(examples.tensors_of(config.data_converter, sequence))
        reason = drums.reason_to_skip(sequence)
        if reason:
            raise ValueError(reason)
        bars = config.hparams.max_seq_len // drums.STEPS_PER_BAR
        for first_bar in [start_bar] if start_bar else range(1, drums.num_bars(sequence) + 1):
            tensors = examples.tensors_of(config.data_converter, drums.cut_bars(sequence, first_bar, bars))
            if tensors.inputs:
                return tensors
        place = f"bars {start_bar} to {start_bar + bars - 1}" if start_bar else f"any {bars} bars in a row"
        raise ValueError(
            f"no drums throughout {place} of its {drums.num_bars(sequence)};"
            f" {bars} bars without a bar of silence are needed, --start_bar chooses where they begin"
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _only_example(tensors: data.ConverterTensors) -> data.ConverterTensors:
    if len(tensors.inputs) != 1:
        raise ValueError(f"gives {len(tensors.inputs)} examples for this config; one is needed, so cut the MIDI to it")
    return tensors


def _to_sequences(model: TrainedModel, tensors: np.ndarray) -> list[note_seq.NoteSequence]:
    sequences = model.config.data_converter.from_tensors(tensors)
    for sequence in sequences:
        make_playable(sequence)
    return sequences


def make_playable(sequence: note_seq.NoteSequence) -> None:
    """Mends in place what MIDI cannot hold.

    GrooVAE's offsets can put the first hit before time 0, and its velocities can be 0, which MIDI reads as a note's end.
    """
    for note in sequence.notes:
        note.start_time = max(0.0, note.start_time)
        note.end_time = max(note.start_time + MIN_NOTE_SECS, note.end_time)
        note.velocity = max(1, note.velocity)
    sequence.total_time = max((note.end_time for note in sequence.notes), default=0.0)


def write_midi(
    sequences: list[note_seq.NoteSequence], output_dir: str | os.PathLike[str], stem: str
) -> list[pathlib.Path]:
    """Writes `stem-000-of-00N.mid` and so on, each file whole or not at all. Returns the paths."""
    import note_seq
    from pipelines import atomic

    paths = []
    for number, sequence in enumerate(sequences):
        path = pathlib.Path(output_dir) / f"{stem}-{number:03d}-of-{len(sequences):03d}.mid"
        with atomic.replacing(path) as partial:
            note_seq.sequence_proto_to_midi_file(sequence, str(partial))
        paths.append(path)
    return paths


def define_flags() -> None:
    flags.DEFINE_string("config", None, "The config's name; default: that of the run in --run_dir.")
    flags.DEFINE_string("run_dir", None, "Folder of a run; its newest checkpoint is loaded.")
    flags.DEFINE_string("checkpoint_file", None, "A checkpoint's prefix, a folder of checkpoints, or a .tar of one.")
    flags.DEFINE_string("output_dir", "/tmp/music_vae/generated", "Folder for the MIDI files.")
    flags.DEFINE_enum(
        "mode", "sample", ["sample", "interpolate"], "Sample from the prior, or go from one MIDI to another."
    )
    flags.DEFINE_string("input_midi_1", None, "MIDI file to start an interpolation from.")
    flags.DEFINE_string("input_midi_2", None, "MIDI file to end an interpolation with.")
    flags.DEFINE_integer(
        "start_bar", None, "First of the bars taken from these, from 1; default: where drums begin.", 1
    )
    flags.DEFINE_integer("num_outputs", 5, "Samples, or steps of the interpolation with both ends.", lower_bound=1)
    flags.DEFINE_integer("max_batch_size", 8, "Sequences decoded at once; part of what --seed decides.", lower_bound=1)
    flags.DEFINE_float("temperature", 0.5, "Randomness of decoding: low is likeliest, 1 is as learnt.", 1e-3, 100.0)
    flags.DEFINE_integer("seed", None, "The same seed gives the same MIDI; default: another each time.", lower_bound=0)
    flags.DEFINE_string("hparams", "", "name=value,… that a checkpoint without a run's folder was trained with.")
    cli.define_log_flag()


def main() -> None:
    args = flags.FLAGS
    if (args.run_dir is None) == (args.checkpoint_file is None):
        raise ValueError("give one of --run_dir and --checkpoint_file: where is the trained model?")
    if args.mode == "interpolate" and not (args.input_midi_1 and args.input_midi_2):
        raise ValueError("--mode=interpolate goes from --input_midi_1 to --input_midi_2; give both")
    if args.mode == "interpolate" and args.num_outputs < 2:
        raise ValueError(f"--num_outputs={args.num_outputs}: an interpolation has at least its 2 ends")
    output_dir = pathlib.Path(args.output_dir).expanduser()
    output_dir.mkdir(parents=True, exist_ok=True)
    for path in (args.input_midi_1, args.input_midi_2):
        if path and not pathlib.Path(path).expanduser().is_file():
            raise FileNotFoundError(f"{path}: no such MIDI file")
    cli.apply_log_level(args.log)

    from models.trained import TrainedModel

    from pipelines import runs

    name, config = runs.resolve(args.run_dir, args.config, args.hparams)
    ends = []
    if args.mode == "interpolate":
        ends = [read_example(config, path, args.start_bar) for path in (args.input_midi_1, args.input_midi_2)]
    checkpoint = args.checkpoint_file or runs.newest_checkpoint(args.run_dir)
    batch_size = min(args.max_batch_size, max(args.num_outputs, len(ends)))
    model = TrainedModel(config, checkpoint, batch_size, args.seed)
    print(f"config      {name}")
    print(f"checkpoint  {checkpoint}")
    if args.mode == "interpolate":
        sequences = interpolate(model, *ends, args.num_outputs, args.temperature)
    else:
        sequences = sample(model, args.num_outputs, args.temperature)
    stem = f"{name}_{args.mode}_{time.strftime('%Y-%m-%d_%H%M%S')}"
    for path, sequence in zip(write_midi(sequences, output_dir, stem), sequences, strict=True):
        print(f"{path}  {len(sequence.notes)} notes")


if __name__ == "__main__":
    cli.run(main, define_flags)
