"""MIDI → NoteSequence TFRecords, one set per split.

    python -m pipelines.convert --input=starter --output_dir=data/tfrecord/starter
    python -m pipelines.convert --input=groove.zip --input=my/midi --styles=funk,rock --output_dir=data/tfrecord/funky
    python -m pipelines.convert --input=lakh --output_dir=lakh_records --num_shards=100 --runner=DirectRunner

Writes `{train,validation,test}.tfrecord` (or shards of them), `report.json` and the same as a page, `report.html`: what
was found, kept and skipped, why, and how many four-bar windows there are. With `--runner`, the work is done by Apache
Beam (`pipelines/dataset/beam`), and all of Beam's own flags are taken.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from absl import flags

from grooves import channels, drum_map_file
from pipelines import cli
from pipelines.dataset import conversion, record_set
from pipelines.dataset.performance import Options
from pipelines.dataset.report import table
from pipelines.dataset.selection import Selection


def define_flags() -> None:
    flags.DEFINE_multi_string(
        "input",
        None,
        "What to convert: starter, a folder, a zip, a MIDI file, groove, a TFDS name or a TFRecord.",
        required=True,
    )
    flags.DEFINE_string("output_dir", None, "Folder for the TFRecords and the report.", required=True)
    flags.DEFINE_bool("overwrite", False, "Replace what an earlier run with other settings wrote there.")
    flags.DEFINE_enum(
        "drum_channel",
        str(channels.PERCUSSION),
        channels.CHOICES,
        "Which MIDI channel has the drums; all: every note is a drum. NoteSequences say themselves which notes are.",
        case_sensitive=False,
    )
    flags.DEFINE_string(
        "drum_map",
        drum_map_file.AUTO,
        "How pitches are read: roland, gm, auto (as the hits speak for), or a file with a line as 36: kick for each.",
    )
    flags.DEFINE_integer("stride_bars", 1, "Bars from one window to the next, for counting.", lower_bound=1)
    flags.DEFINE_list("styles", [], "Only these styles of info.csv, for instance funk,rock/folk.")
    flags.DEFINE_list("drummers", [], "Only these drummers of info.csv.")
    flags.DEFINE_list("beat_types", [], "Only these of info.csv: beat, fill.")
    flags.DEFINE_list("time_signatures", [], "Only these, for instance 4-4.")
    flags.DEFINE_float("min_bpm", None, "Only from this tempo on, quarters a minute.", lower_bound=0)
    flags.DEFINE_float("max_bpm", None, "Only up to this tempo, quarters a minute.", lower_bound=0)
    flags.DEFINE_list("splits", [], "Only these: train, validation, test.")
    flags.DEFINE_integer("num_shards", 1, "TFRecord files a split.", lower_bound=1, upper_bound=record_set.MAX_SHARDS)
    flags.DEFINE_integer("num_workers", None, "Processes to convert in; default: one a core.", lower_bound=1)
    flags.DEFINE_float(
        "file_timeout_secs", conversion.FILE_TIMEOUT_SECS, "A file that takes longer is skipped.", lower_bound=0.1
    )
    flags.DEFINE_string("tfds_data_dir", None, "Where TFDS keeps its data sets; default: its own choice.")
    flags.DEFINE_string("runner", None, "Convert with Apache Beam on this runner; all of Beam's flags are taken.")


def main(beam_flags: Sequence[str] = ()) -> None:
    args = flags.FLAGS
    filters = (args.styles, args.drummers, args.beat_types, args.min_bpm, args.max_bpm, args.time_signatures)
    selection = Selection(*filters, args.splits)
    options = Options(
        drum_map_file.choose(args.drum_map),
        drum_channel=channels.parse(args.drum_channel),
        stride_bars=args.stride_bars,
        selection=selection,
    )
    convert = conversion.convert
    if args.runner is not None:
        from pipelines.dataset.beam import runner

        convert = functools.partial(runner.convert, runner=args.runner, beam_flags=beam_flags)
    report = convert(
        args.input,
        args.output_dir,
        options=options,
        num_shards=args.num_shards,
        num_workers=args.num_workers,
        file_timeout_secs=args.file_timeout_secs,
        tfds_data_dir=args.tfds_data_dir,
        overwrite=args.overwrite,
    )
    table.print_report(report, args.output_dir)


if __name__ == "__main__":
    cli.run(main, define_flags, passes_on="runner")
