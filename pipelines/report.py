"""Pictures of MIDI files, and one HTML page that shows and plays them.

    python -m pipelines.report --input=generated

The page needs nothing but the files beside it: it opens from the disk, without a server and without internet.
"""

from __future__ import annotations

import pathlib
import sys

from absl import flags

from pipelines import cli
from pipelines.pages import listening, pianoroll

FLAGS = flags.FLAGS


def define_flags() -> None:
    flags.DEFINE_string("input", None, "A folder with MIDI files; the page is written into it.", required=True)
    flags.DEFINE_string("title", None, "The page's heading (default: the folder's name).")
    flags.DEFINE_enum("background", pianoroll.LIGHT, list(pianoroll.BACKGROUNDS), "Of the pictures.")


def main() -> int:
    folder = pathlib.Path(FLAGS.input)
    if folder.is_file():
        raise ValueError(f"--input={folder}: this is a file; a folder is needed, for the page to be written into")
    entries = listening.write_page(folder, FLAGS.title or folder.resolve().name, FLAGS.background)
    failed = [entry for entry in entries if entry.error]
    for entry in failed:
        print(f"error: {entry.error}", file=sys.stderr)
    num_playing = sum(entry.wav_path is not None for entry in entries)
    page_path = folder / listening.PAGE_NAME
    print(f"{page_path}: {cli.count(len(entries) - len(failed), 'picture')}, {num_playing} with sound")
    return cli.FAILED if failed else 0


if __name__ == "__main__":
    cli.run(main, define_flags)
