"""MIDI → WAV through FluidSynth, without a sound device: one file, or a folder with several at once.

python -m pipelines.render --input=generated --soundfont=FluidR3_GM.sf2
"""

from __future__ import annotations

import os
import sys

import numpy as np
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
        rendering.SAMPLE_RATE_HZ,
        "Samples a second, in Hz.",
        lower_bound=synthesizer.MIN_SAMPLE_RATE_HZ,
        upper_bound=synthesizer.MAX_SAMPLE_RATE_HZ,
    )
    flags.DEFINE_integer("num_workers", None, "Files rendered at once (default: one a core).", lower_bound=1)


def main() -> int:
    rendering.plan(FLAGS.input, FLAGS.output_dir)
    chosen = rendering.check(FLAGS.soundfont)
    print(f"soundfont: {chosen}")
    rendered, failed = rendering.render(FLAGS.input, FLAGS.output_dir, chosen, FLAGS.sample_rate, FLAGS.num_workers)
    for result in rendered:
        level = 20 * np.log10(result.peak)
        print(f"{result.wav_path}: {result.duration_secs:.2f} s, peak {level:.1f} dBFS")
    for result in failed:
        print(f"error: {result.reason}", file=sys.stderr)
    if rendered:
        secs = sum(result.duration_secs for result in rendered)
        folder = FLAGS.output_dir or os.path.commonpath([result.wav_path.parent for result in rendered])
        print(f"{cli.count(len(rendered), 'WAV')}, {secs:.1f} s of sound, in {folder}")
    if failed:
        print(f"{cli.count(len(failed), 'MIDI file')} not rendered, for the reason above", file=sys.stderr)
    return cli.FAILED if failed else 0


if __name__ == "__main__":
    cli.run(main, define_flags)
