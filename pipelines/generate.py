"""Latent vectors → NoteSequences → MIDI, with the flags of Magenta's `music_vae_generate`.

    python -m pipelines.generate --run_dir=runs/first --mode=sample --num_outputs=5 --output_dir=generated --seed=1
    python -m pipelines.generate --run_dir=runs/first --mode=interpolate --input_midi_1=a.mid --input_midi_2=b.mid \
        --num_outputs=5 --output_dir=generated
"""

from __future__ import annotations

import pathlib
import time

from absl import flags

from models import latents
from pipelines import cli
from pipelines.files import atomic
from pipelines.runs import pretrained


def define_flags() -> None:
    flags.DEFINE_string("config", None, "The config's name; default: that of the run in --run_dir.")
    flags.DEFINE_string("run_dir", None, "Folder of a run; its newest checkpoint is loaded.")
    flags.DEFINE_string("checkpoint_file", None, "A checkpoint's prefix, a folder of checkpoints, or a .tar of one.")
    flags.DEFINE_string("pretrained", None, "A trained model of the clone, by the name of its folder in pretrained/.")
    flags.DEFINE_string("output_dir", "/tmp/music_vae/generated", "Folder for the MIDI files.")
    flags.DEFINE_enum("mode", "sample", ["sample", "interpolate"], "Draw samples, or go from one MIDI to another.")
    flags.DEFINE_string("input_midi_1", None, "MIDI file to start an interpolation from.")
    flags.DEFINE_string("input_midi_2", None, "MIDI file to end an interpolation with.")
    flags.DEFINE_integer(
        "start_bar", None, "First of the bars taken from these, from 1; default: where drums begin.", 1
    )
    flags.DEFINE_integer("num_outputs", 5, "Samples, or steps of the interpolation with both ends.", lower_bound=1)
    flags.DEFINE_integer("max_batch_size", 8, "Sequences decoded at once; part of what --seed decides.", lower_bound=1)
    flags.DEFINE_float("temperature", 0.5, "Randomness of decoding: low is likeliest, 1 is as learnt.", 1e-3, 100.0)
    flags.DEFINE_enum(
        "latents", None, latents.CHOICES, "What samples are drawn from; default: the model's mixture, if it has one."
    )
    flags.DEFINE_integer("seed", None, "The same seed gives the same MIDI; default: another each time.", lower_bound=0)
    flags.DEFINE_string("hparams", "", "name=value,… that a checkpoint without a run's folder was trained with.")
    cli.define_log_flag()


def main() -> None:
    args = flags.FLAGS
    run_dir = pretrained.choose(args.run_dir, args.checkpoint_file, args.pretrained)
    if args.mode == "interpolate" and not (args.input_midi_1 and args.input_midi_2):
        raise ValueError("--mode=interpolate goes from --input_midi_1 to --input_midi_2; give both")
    if args.mode == "interpolate" and args.num_outputs < 2:
        raise ValueError(f"--num_outputs={args.num_outputs}: an interpolation has at least its 2 ends")
    output_dir = pathlib.Path(args.output_dir).expanduser()
    atomic.check_folder(output_dir)
    for path in (args.input_midi_1, args.input_midi_2):
        if path and not pathlib.Path(path).expanduser().is_file():
            raise FileNotFoundError(f"{path}: no such MIDI file")
    cli.apply_log_level(args.log)

    from models import converters
    from models.inference import TrainedModel
    from pipelines.generation import inputs, latent, outputs
    from pipelines.runs import resolution

    name, config, checkpoint = resolution.resolve_model(run_dir, args.checkpoint_file, args.config, args.hparams)
    ends = []
    if args.mode == "interpolate":
        ends = [inputs.read_example(config, path, args.start_bar) for path in (args.input_midi_1, args.input_midi_2)]
    mixture = resolution.resolve_latents(checkpoint, config, args.latents) if args.mode == "sample" else None
    model = TrainedModel(config, checkpoint, min(args.max_batch_size, args.num_outputs), args.seed, mixture)
    print(f"config      {name}")
    print(f"checkpoint  {checkpoint}")
    if mixture:
        print("latents     a mixture fitted to training windows; --latents=prior draws from the prior")
    if args.mode == "interpolate":
        sequences = latent.interpolate(model, *ends, args.num_outputs, args.temperature)
    else:
        if converters.hides_something(config.data_converter):
            print("note: this model answers what goes in; a sample is an answer to nothing in particular")
        sequences = latent.sample(model, args.num_outputs, args.temperature)
    stem = f"{name}_{args.mode}_{time.strftime('%Y-%m-%d_%H%M%S')}"
    for path, sequence in zip(outputs.write_midi(sequences, output_dir, stem), sequences, strict=True):
        print(f"{path}  {len(sequence.notes)} notes")


if __name__ == "__main__":
    cli.run(main, define_flags)
