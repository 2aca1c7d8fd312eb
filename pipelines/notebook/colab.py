"""What Google Colab alone has: its own uploads and downloads, and the browser's microphone.

Each waits for the person in front of it, so a cell calls these only when it was asked to.
"""

from __future__ import annotations

import base64
import contextlib
import os
import pathlib
import sys
import tempfile
from collections.abc import Iterator

from pipelines.files import atomic

MICROPHONE_JS = pathlib.Path(__file__).with_name("microphone.js")
MAX_SECS = 120
_WAV_PREFIX = "data:audio/wav;base64,"


def is_here() -> bool:
    """Returns whether this is a notebook of Colab."""
    return "google.colab" in sys.modules


def upload() -> dict[str, bytes]:
    """Shows Colab's button for uploads and waits; returns the files by their names. Cancelled, there are none."""
    from google.colab import files

    with _scratch():  # Colab leaves copies where the notebook works, "a (1).mid" beside an "a.mid".
        return files.upload()


def record(path: pathlib.Path, secs: float) -> str:
    """Shows a button, records the browser's microphone for so long, and writes a WAV of 16 bits in one channel.

    Args:
        path: The WAV.
        secs: At most; there is a button that ends it sooner.

    Returns:
        Why there is no recording, or "".

    Raises:
        OSError: the WAV cannot be written.
        ValueError: `secs` is out of range.
    """
    from google.colab import output

    if not 0 < secs <= MAX_SECS:
        raise ValueError(f"{secs:g} seconds: up to {MAX_SECS} are recorded; more can be uploaded as a file")
    answer = output.eval_js(microphone_js(secs))
    if not str(answer).startswith(_WAV_PREFIX):
        return f"the browser gave no recording ({answer})"
    with atomic.replacing(path) as partial:
        partial.write_bytes(base64.b64decode(answer.removeprefix(_WAV_PREFIX)))
    return ""


def download(path: pathlib.Path) -> None:
    """Has the browser download a file."""
    from google.colab import files

    files.download(str(path))


def microphone_js(secs: float) -> str:
    """Returns JavaScript whose value is a promise: of a WAV as a data URL, or of why there is none."""
    return f"(() => {{\n{MICROPHONE_JS.read_text(encoding='utf-8')}\nreturn recordMicrophone({secs:g});\n}})()"


@contextlib.contextmanager
def _scratch() -> Iterator[None]:
    """Works in a folder that is deleted afterwards."""
    before = pathlib.Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)
