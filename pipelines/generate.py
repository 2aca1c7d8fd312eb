"""Drums out of a trained model: samples, variations, performances, kits, as MIDI; a drop-in for `music_vae_generate`.

    python -m pipelines.generate --pretrained=hier-drums --mode=sample --num_outputs=5 --output_dir=generated --seed=1
    python -m pipelines.generate --mode=humanize --input=beat.mid --output_dir=generated
    python -m pipelines.generate --mode=tap --input=tapping.wav --output_dir=generated

`./run_generate.sh` takes the same flags and adds sound, pictures and a page.
"""

from __future__ import annotations

import sys

from absl import flags

from grooves import channels
from models import latents
from pipelines import cli
from pipelines.generation import command


def define_flags() -> None:
    _define_model_flags()
    _define_input_flags()
    _define_musical_flags()
    cli.define_log_flag()


def _define_model_flags() -> None:
    flags.DEFINE_string("config", None, "The config's name; default: that of the run in --run_dir.")
    flags.DEFINE_string("run_dir", None, "Folder of a run; its newest checkpoint is loaded.")
    flags.DEFINE_string("checkpoint_file", None, "A checkpoint's prefix, a folder of checkpoints, or a .tar of one.")
    flags.DEFINE_string(
        "pretrained",
        None,
        "A trained model of the clone, by the name of its folder in pretrained/. Default, where no model is named: the"
        " one that suits the mode.",
    )
    flags.DEFINE_string("hparams", "", "name=value,… that a checkpoint without a run's folder was trained with.")
    flags.DEFINE_string(
        "humanize_with",
        None,
        "Which model of grooves plays what a model without dynamics and timing has composed: a trained model's name, a"
        " run, a checkpoint; auto takes one of the clone; none leaves every hit on the grid, equally loud. Default:"
        " none for sample and interpolate, as in Magenta, else auto.",
    )
    flags.DEFINE_enum(
        "latents", None, latents.CHOICES, "What samples are drawn from; default: the model's mixture, if it has one."
    )
    flags.DEFINE_integer(
        "max_batch_size", 8, "Sequences decoded at once, by models that TensorFlow computes.", lower_bound=1
    )


def _define_input_flags() -> None:
    flags.DEFINE_multi_string(
        "input",
        [],
        "A MIDI file, or a folder of them, for modes that take one; for tap also a recording (WAV, FLAC, OGG). Can be"
        " given several times.",
    )
    flags.DEFINE_string("groove", None, "transfer: the MIDI file whose timing and dynamics the notes get.")
    flags.DEFINE_string("input_midi_1", None, "interpolate: the MIDI file to start from.")
    flags.DEFINE_string("input_midi_2", None, "interpolate: the MIDI file to end with.")
    flags.DEFINE_integer(
        "start_bar", None, "First of the bars taken from an input, from 1; default: where drums begin.", 1
    )
    flags.DEFINE_integer(
        "num_bars", None, "How many bars are taken from an input; of samples, how long a piece is.", lower_bound=1
    )
    flags.DEFINE_enum(
        "drum_channel",
        None,
        channels.CHOICES,
        "The MIDI channel that has the drums; default: 10, and for tap all.",
    )
    flags.DEFINE_string(
        "drum_map",
        None,
        "How pitches are read: roland, gm, auto, or a file with a line `pitch: drum` each; default: auto.",
    )
    flags.DEFINE_bool("keep_other_tracks", False, "Other instruments of an input go into the output, too.")
    flags.DEFINE_string("examples_path", None, "knn: a folder of MIDI files to search; default: the starter grooves.")
    flags.DEFINE_string(
        "from_manifest",
        None,
        "A manifest.json, whose files are made again: the same bytes. Of other flags, only --output_dir.",
    )


def _define_musical_flags() -> None:
    flags.DEFINE_string("output_dir", "/tmp/music_vae/generated", "Folder for the MIDI files.")
    flags.DEFINE_enum("mode", "sample", [*command.MODES], f"What to do. {command.modes_help()}")
    flags.DEFINE_integer(
        "num_outputs",
        None,
        "Samples; steps of an interpolation with both ends; variations of each input. Default: 5, and 1 where"
        " nothing is drawn.",
        lower_bound=1,
    )
    flags.DEFINE_float(
        "temperature",
        None,
        "Randomness of decoding: 0 is the likeliest, 1 is as learnt. Default: 0.5, and 0 where an input is to be"
        " recognized.",
        0.0,
        100.0,
    )
    flags.DEFINE_float("amount", 0.3, "vary: from 0, the input as the model hears it, to 1, another groove.", 0.0, 1.0)
    flags.DEFINE_integer("grid_size", 5, "grid: cells on a side.", 2, 50)
    flags.DEFINE_float("timing", 1.0, "How much of the timing is applied: 0 keeps the input's, 1 is all.", 0.0, 1.0)
    flags.DEFINE_float(
        "dynamics", None, "How much of the dynamics is applied, likewise; default: 1, and 0.5 of taps'.", 0.0, 1.0
    )
    flags.DEFINE_float("strength", 1.0, "transfer: of both, timing and dynamics.", 0.0, 1.0)
    flags.DEFINE_bool("keep_hits", True, "humanize: no hit is added or lost; --nokeep_hits lets the model do both.")
    flags.DEFINE_string(
        "attribute",
        None,
        "attribute: of what there shall be more: density, syncopation, swing, velocity_spread, fill; or a style, as"
        " funk.",
    )
    flags.DEFINE_float(
        "by",
        1.0,
        "attribute: how much more, in standard deviations of the data; below 0, less.",
        -10.0,
        10.0,
    )
    flags.DEFINE_string("form", None, "sample: the form of a longer piece, a letter for each four bars, as AABA.")
    flags.DEFINE_float(
        "qpm",
        None,
        "Tempo in quarters a minute; default: the input's, of a recording an estimate, and without any one that is"
        " usual for the style.",
        20.0,
        400.0,
    )
    flags.DEFINE_integer("seed", None, "The same seed gives the same MIDI; default: another each time.", lower_bound=0)


def main() -> int:
    args = flags.FLAGS
    cli.apply_log_level(args.log)
    own = {flag.name: flag for flag in args.get_flags_for_module(sys.modules[define_flags.__module__])}
    given = {name: flag.value for name, flag in own.items()}
    asked = [name for name, flag in own.items() if flag.present]
    return command.run(given, asked, lambda name, value: _parse(own[name], value))


def _parse(flag: flags.Flag, value: object) -> object:
    """Returns a flag's value that a file had, checked as one of the command line is; errors as absl's parsers."""
    if value is None and flag.default is None:
        return None
    if isinstance(flag, flags.MultiFlag) and isinstance(value, list):
        return [flag.parser.parse(each) for each in value]
    return flag.parser.parse(value)


if __name__ == "__main__":
    cli.run(main, define_flags)
