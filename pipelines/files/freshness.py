"""When an output is stale: once something that it depends on is no longer the same.

What records and examples depend on is said here and nowhere else. Each gets a fingerprint, which is kept with the
output and compared when it is wanted again. Editing a page or a table makes nothing stale.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import pathlib
import re
from collections.abc import Iterable, Sequence

from pipelines.files import midi_files

_PROJECT_DIR = pathlib.Path(__file__).resolve().parents[2]
# The code that a record's bytes come from, and that which makes tensors of records, or of a TFDS dataset's MIDI.
_RECORD_CODE = (
    *("grooves", "pipelines/files/midi_files.py", "pipelines/dataset/formats", "pipelines/dataset/inputs"),
    *(
        f"pipelines/dataset/{module}.py"
        for module in ("conversion", "performance", "record_set", "report/facts", "selection")
    ),
)
_EXAMPLE_CODE = (
    *("grooves", "models/converters.py", "pipelines/dataset/formats"),
    *(f"pipelines/dataset/inputs/{module}.py" for module in ("sequence_files", "tfds_input")),
    *(f"pipelines/examples/{module}.py" for module in ("loading", "note_sequences", "store")),
)
_EXAMPLE_PACKAGES = ("magenta", "note-seq")
_FILE_FLAG = re.compile(r"--?drum_map=(.*)", re.DOTALL)  # Of the conversion's flags, the one that may name a file.
_MAX_NAMED_BYTES = 2**20  # The conversion takes none that is larger.


def of_records(inputs: Sequence[tuple[str, pathlib.Path]], flags: Iterable[str]) -> str:
    """Returns the fingerprint of a conversion's TFRecords.

    Args:
        inputs: Each as `--input` takes it, with the path that it stands for, which need not exist (a TFDS name's).
        flags: Further flags of the conversion.
    """
    lines = [f"code {_of_code(_RECORD_CODE)}", *(f"flag {flag}{_of_named_file(flag)}" for flag in flags)]
    lines += [f"input {path.resolve() if path.exists() else name} {_of_files(path)}" for name, path in inputs]
    return midi_files.printable("\n".join(lines) + "\n")


def of_examples(records: str, converter: str) -> str:
    """Returns the fingerprint of a split's tensors.

    Args:
        records: That of the records that they are made of.
        converter: The converter with all of its settings, as text.
    """
    versions = [f"{package} {importlib.metadata.version(package)}" for package in _EXAMPLE_PACKAGES]
    return _digest("\n".join([_of_code(_EXAMPLE_CODE), *versions, converter, records]).encode())


def _of_named_file(flag: str) -> str:
    """Returns what changes when the file that a flag names does; "" where it names none."""
    named = _FILE_FLAG.fullmatch(flag)
    path = pathlib.Path(named[1]).expanduser() if named else None
    if path is None or not path.is_file():
        return ""
    with path.open("rb") as file:
        return f" content {_digest(file.read(_MAX_NAMED_BYTES + 1))}"


def _of_files(path: pathlib.Path) -> str:
    """Returns what changes when a file is changed, or one in a folder: names, sizes and times."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    stats = [(str(file.relative_to(path)), file.stat()) for file in files]
    lines = [f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats]
    return f"{len(files)} files {_digest(chr(10).join(lines).encode('utf-8', 'surrogateescape'))[:16]}"


def _of_code(places: Sequence[str]) -> str:
    """Returns what changes when a module of the project does, among those named and those in the folders named."""
    paths = [_PROJECT_DIR / place for place in places]
    modules = [file for path in paths for file in ([path] if path.is_file() else sorted(path.rglob("*.py")))]
    return _digest(b"".join(module.read_bytes() for module in modules))[:16]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
