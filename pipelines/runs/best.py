"""`run_dir/best`: the checkpoint that validation liked best, beside the newest ones in `run_dir/train`.

    best/model.ckpt-N     as in train/, by another name for the same files where the disk can do that
    best/metrics.json     what validation measured of it

A process that is killed here leaves the old one or the new one.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil

from models import checkpoint_files
from pipelines.files import atomic
from pipelines.runs.run_folder import RunFolder

METRICS_NAME = "metrics.json"


def keep(run_dir: pathlib.Path, checkpoint: str, row: dict) -> None:
    """Puts a complete checkpoint, of which validation has measured `row`, in the place of the one before.

    Raises:
        OSError: the files could not be made; the old one is still there.
    """
    best_dir, name = RunFolder(run_dir).best_dir, pathlib.Path(checkpoint).name
    best_dir.mkdir(parents=True, exist_ok=True)
    for path in checkpoint_files.files_of(checkpoint):  # The index comes last: until then this is no checkpoint.
        _link(path, best_dir / path.name)
    checkpoint_files.write_index(best_dir, name)  # The moment.
    atomic.write_text(best_dir / METRICS_NAME, json.dumps({"checkpoint": name, **row}, indent=2) + "\n")
    for path in sorted(best_dir.glob("model.ckpt-*"), reverse=True):  # Indices before data.
        if not path.name.startswith(f"{name}."):
            path.unlink(missing_ok=True)


def holds(run_dir: pathlib.Path, row: dict) -> bool:
    """Whether the checkpoint that `row` was measured of is the one that is kept, with its metrics."""
    best_dir = RunFolder(run_dir).best_dir
    try:
        written = json.loads((best_dir / METRICS_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    name = written.get("checkpoint") if isinstance(written, dict) else None
    return bool(name) and written.get("step") == row["step"] and checkpoint_files.is_complete(str(best_dir / name))


def _link(source: pathlib.Path, target: pathlib.Path) -> None:
    """Makes `target` the same file as `source`, or a copy where the disk has no links; whole or not at all."""
    with atomic.replacing(target) as partial:
        try:
            os.link(source, partial)
        except OSError:
            shutil.copyfile(source, partial)
