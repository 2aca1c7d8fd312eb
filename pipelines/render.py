"""MIDI → WAV, FLAC, Ogg or MP3 through FluidSynth, without a sound device: one file, or a folder with several at once.

    python -m pipelines.render --input=generated --soundfont=FluidR3_GM.sf2

Each file is stereo (WAV and FLAC: 16 bits), begins with the MIDI's first tick and is as long as the MIDI plus its tail:
the time that the last notes take to die away, 0.2 to 5 s. All are evened to one loudness, whatever the velocities;
where that would take a file's peaks above -1 dBFS, it stays softer, and its line says so.
"""

from __future__ import annotations

import os
import pathlib
import sys
from collections.abc import Mapping

from absl import flags

from pipelines import cli
from pipelines.audio import loudness, rendering, sound_files, synthesizer

FLAGS = flags.FLAGS


def define_flags() -> None:
    flags.DEFINE_string("input", None, "A MIDI file, or a folder of them (and of folders).", required=True)
    flags.DEFINE_string("output_dir", None, "Folder for the sound files (default: each beside its MIDI).")
    flags.DEFINE_string("soundfont", None, "The .sf2 to play (default: the first found in the usual places).")
    flags.DEFINE_enum("format", "wav", list(sound_files.FORMATS), "What to write; flac, ogg and mp3 are smaller.")
    flags.DEFINE_integer(
        "sample_rate",
        synthesizer.SAMPLE_RATE_HZ,
        f"Samples a second, in Hz; mp3 takes {sound_files.FORMATS['mp3'].accepts}.",
        lower_bound=synthesizer.MIN_SAMPLE_RATE_HZ,
        upper_bound=synthesizer.MAX_SAMPLE_RATE_HZ,
    )
    flags.DEFINE_float(
        "loudness",
        loudness.LUFS,
        "Loudness of every file, in LUFS (ITU-R BS.1770-4). More than -23 and many cannot reach it.",
        lower_bound=loudness.MIN_LUFS,
        upper_bound=loudness.MAX_LUFS,
    )
    flags.DEFINE_bool(
        "loop", False, "End on the last bar line, with the tail over the beginning, to be repeated without a gap."
    )
    flags.DEFINE_bool("count_in", False, "Begin with a bar of sticks, in the first tempo and metre.")
    flags.DEFINE_bool("click", False, "Have a metronome play along, to the end of the last bar.")
    flags.DEFINE_bool(
        "only_new", False, "Leave sound files of the format as they are that are younger than their MIDI."
    )
    flags.DEFINE_integer("num_workers", None, "Files rendered at once (default: one a core).", lower_bound=1)


def main() -> int:
    options = rendering.Options(
        format=FLAGS.format,
        sample_rate_hz=FLAGS.sample_rate,
        loudness_lufs=FLAGS.loudness,
        loop=FLAGS.loop,
        count_in=FLAGS.count_in,
        click=FLAGS.click,
    )
    options.check()
    jobs = rendering.plan(FLAGS.input, FLAGS.output_dir, FLAGS.only_new, options.format)
    chosen = rendering.check(FLAGS.soundfont, options)
    print(f"soundfont: {chosen}", flush=True)
    rendered, reasons = rendering.render(jobs, chosen, options, FLAGS.num_workers)
    _tell(rendered, options)
    for reason in reasons:
        print(f"error: {reason}", file=sys.stderr)
    if reasons:
        print(f"{cli.count(len(reasons), 'MIDI file')} not rendered, for the reason above", file=sys.stderr)
    return cli.FAILED if reasons else 0


def _tell(rendered: Mapping[pathlib.Path, rendering.Rendered], options: rendering.Options) -> None:
    for path, sound in rendered.items():
        held = f" (its peaks allow no {options.loudness_lufs:.1f})" if sound.is_held else ""
        print(f"{path}: {sound.secs:.2f} s, {sound.lufs:.1f} LUFS{held}, peak {sound.peak_dbfs:.1f} dBFS")
    if rendered:
        folder = FLAGS.output_dir or os.path.commonpath([path.parent for path in rendered])
        what = cli.count(len(rendered), sound_files.FORMATS[options.format].name)
        print(f"{what}, {sum(sound.secs for sound in rendered.values()):.1f} s of sound, in {folder}")


if __name__ == "__main__":
    cli.run(main, define_flags, prepare=loudness.library)
