"""Pictures of MIDI files, and one HTML page that shows and plays them.

    python -m pipelines.report --input=generated

The page needs nothing but the files beside it: it opens from the disk, without a server and without internet.
"""

from __future__ import annotations

import pathlib
import sys

from absl import flags

from pipelines import cli
from pipelines.files import midi_files
from pipelines.pages import listening, pianoroll

FLAGS = flags.FLAGS


def define_flags() -> None:
    flags.DEFINE_string("input", None, "A folder with MIDI files; the page is written into it.", required=True)
    flags.DEFINE_string("title", None, "The page's heading (default: the folder's name).")
    flags.DEFINE_bool(
        "score", False, "Sheet music of each, too: MusicXML of the quantized pattern, as MuseScore opens it."
    )
    flags.DEFINE_enum("background", pianoroll.LIGHT, list(pianoroll.BACKGROUNDS), "Of the pictures.")


def main() -> int:
    folder = pathlib.Path(FLAGS.input)
    if folder.is_file():
        raise ValueError(f"--input={folder}: this is a file; a folder is needed, for the page to be written into")
    unwritten = _write_scores(folder) if FLAGS.score else []
    entries = listening.write_page(folder, FLAGS.title or folder.resolve().name, FLAGS.background)
    failed = [entry for entry in entries if entry.error]
    for error in dict.fromkeys([entry.error for entry in failed] + unwritten):
        print(f"error: {error}", file=sys.stderr)
    num_playing = sum(entry.wav_path is not None for entry in entries)
    page_path = folder / listening.PAGE_NAME
    print(f"{page_path}: {cli.count(len(entries) - len(failed), 'picture')}, {num_playing} with sound")
    return cli.FAILED if failed or unwritten else 0


def _write_scores(folder: pathlib.Path) -> list[str]:
    """Writes sheet music beside each MIDI, says what of it is not on paper, and returns why others have none."""
    from pipelines.pages.notation import sheet_music

    unwritten = []
    for path in midi_files.find(folder):
        try:
            for note in sheet_music.write(path, path.with_suffix(sheet_music.SUFFIX), midi_files.printable(path.stem)):
                print(f"{path}: {note}")
        except ValueError as error:
            unwritten.append(str(error))
    return unwritten


if __name__ == "__main__":
    cli.run(main, define_flags)
