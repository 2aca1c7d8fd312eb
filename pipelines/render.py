"""MIDI → WAV through FluidSynth, without a sound device: one file, or a folder with several at once.

    python -m pipelines.render --input=generated --soundfont=FluidR3_GM.sf2

Each WAV is 16-bit stereo, begins with the MIDI's first tick and is as long as the MIDI plus its tail: the time that the
last notes take to die away, 0.2 to 5 s. Its peak is always at -1 dBFS, whatever the velocities: nothing clips, and
files compare in loudness.
"""

from __future__ import annotations

import os
import sys

from absl import flags

from pipelines import cli
from pipelines.audio import rendering, synthesizer

FLAGS = flags.FLAGS


def define_flags() -> None:
    flags.DEFINE_string("input", None, "A MIDI file, or a folder of them (and of folders).", required=True)
    flags.DEFINE_string("output_dir", None, "Folder for the WAVs (default: each beside its MIDI).")
    flags.DEFINE_string("soundfont", None, "The .sf2 to play (default: the first found in the usual places).")
    flags.DEFINE_integer(
        "sample_rate",
        synthesizer.SAMPLE_RATE_HZ,
        "Samples a second, in Hz.",
        lower_bound=synthesizer.MIN_SAMPLE_RATE_HZ,
        upper_bound=synthesizer.MAX_SAMPLE_RATE_HZ,
    )
    flags.DEFINE_bool("only_new", False, "Leave WAVs as they are that are younger than their MIDI.")
    flags.DEFINE_integer("num_workers", None, "Files rendered at once (default: one a core).", lower_bound=1)


def main() -> int:
    jobs = rendering.plan(FLAGS.input, FLAGS.output_dir, FLAGS.only_new)
    chosen = rendering.check(FLAGS.soundfont)
    print(f"soundfont: {chosen}")
    rendered, reasons = rendering.render(jobs, chosen, FLAGS.sample_rate, FLAGS.num_workers)
    for wav_path, secs in rendered.items():
        print(f"{wav_path}: {secs:.2f} s, peak {rendering.PEAK_DBFS:.1f} dBFS")
    for reason in reasons:
        print(f"error: {reason}", file=sys.stderr)
    if rendered:
        folder = FLAGS.output_dir or os.path.commonpath([wav_path.parent for wav_path in rendered])
        print(f"{cli.count(len(rendered), 'WAV')}, {sum(rendered.values()):.1f} s of sound, in {folder}")
    if reasons:
        print(f"{cli.count(len(reasons), 'MIDI file')} not rendered, for the reason above", file=sys.stderr)
    return cli.FAILED if reasons else 0


if __name__ == "__main__":
    cli.run(main, define_flags)
