"""`manifest.json`: what made the files of an output folder, enough to make them again.

    {"mode": …, "config": …, "checkpoint": …, "checkpoint_sha256": …, "seed": …, "temperature": …, "flags": {…},
     "models": {…}, "inputs": […], "outputs": […], "versions": {…}, "created": …, "earlier": […]}

The newest command is at the top, those before it in `earlier`.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import pathlib
import platform
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import numpy as np

from pipelines.files import atomic, locks
from pipelines.generation.piece import Piece
from pipelines.runs import trained

NAME = "manifest.json"
EARLIER = "earlier"
_PROJECT_DIR = pathlib.Path(__file__).resolve().parents[2]
_PACKAGES = ("numpy", "mido")
_PATHS = {"run_dir", "checkpoint_file", "input", "groove", "input_midi_1", "input_midi_2", "examples_path"}
_NAMES_OR_PATHS = {"humanize_with", "drum_map"}
_STAMP = re.compile(r"[0-9_.-]+")
_NEEDED = {"mode": str, "flags": dict, "seed": int, "outputs": list}  # To make files again.


def describe(config: str, checkpoint: str) -> dict[str, str]:
    """Returns which model played."""
    path = pathlib.Path(checkpoint).expanduser().absolute()
    shown = path.relative_to(_PROJECT_DIR) if path.is_relative_to(_PROJECT_DIR) else path
    return {"config": config, "checkpoint": str(shown), "checkpoint_sha256": trained.checksum(checkpoint)}


def describe_output(
    piece: Piece, path: pathlib.Path, sha256: str, original: pathlib.Path | None, folder: pathlib.Path
) -> dict:
    """Returns what is to be said of a piece that was written to a file with this checksum."""
    described = {
        "midi": path.relative_to(folder).as_posix(),
        "sha256": sha256,
        "label": piece.label,
        "original": original and original.relative_to(folder).as_posix(),
        "qpm": round(piece.tempos[0][1], 3),
        "num_bars": piece.num_bars,
        "facts": dict(piece.facts),
    }
    if piece.place:
        described["row"], described["column"] = piece.place
    if piece.latent is not None:
        described["latent"] = [list(map(float, map(str, vector))) for vector in piece.latent.astype(np.float32)]
    return described


def describe_inputs(paths: Iterable[pathlib.Path]) -> list[dict[str, str]]:
    """Returns which files went in; of one that cannot be read there is no checksum."""
    described = []
    for path in dict.fromkeys(path.absolute() for path in paths):
        described.append({"path": str(path)})
        with contextlib.suppress(OSError):
            described[-1]["sha256"] = trained.file_checksum(path)
    return described


def with_whole_paths(flags: Mapping[str, object]) -> dict[str, object]:
    """Returns flags in which the paths of files do not depend on the folder that a command was called in."""
    changed = dict(flags)
    for name in _PATHS & flags.keys():
        value = flags[name]
        changed[name] = [_whole(path) for path in value] if isinstance(value, list) else value and _whole(value)
    for name in _NAMES_OR_PATHS & flags.keys():
        if flags[name] and any(pathlib.Path(f"{_whole(flags[name])}{ending}").exists() for ending in ("", ".index")):
            changed[name] = _whole(flags[name])
    return changed


def _whole(path: str) -> str:
    return str(pathlib.Path(path).expanduser().absolute())


def versions() -> dict[str, str]:
    """Returns the versions of what computes."""
    found = {package: importlib.metadata.version(package) for package in _PACKAGES}
    return {"python": platform.python_version(), **found, "machine": platform.machine()}


def write(folder: pathlib.Path, made: Mapping[str, object]) -> None:
    """Writes what a command has made into its folder's manifest, above what earlier commands have.

    Raises:
        OSError: it cannot be written, or another process writes there for long.
    """
    path = folder / NAME
    with locks.held(folder, lambda: f"{folder}: another process is writing its {NAME}; run the command again"):
        try:
            before = _parse(path)
        except (FileNotFoundError, ValueError):  # Of a damaged one, what it said is lost; what was made is there.
            before = {}
        older = before.pop(EARLIER, [])
        earlier = [*([before] if before else []), *(older if isinstance(older, list) else [])]
        atomic.write_text(path, _in_lines({**made, EARLIER: earlier}) + "\n")


def _in_lines(manifest: Mapping[str, object]) -> str:
    """Returns JSON with a line for each name, and one for each of a list's objects: vectors would take thousands."""
    lines = []
    for name, value in manifest.items():
        # Names of files need not be text; in ASCII, JSON keeps them whatever they are.
        if isinstance(value, list) and value and isinstance(value[0], dict):
            shown = "[\n  " + ",\n  ".join(map(json.dumps, value)) + "\n ]"
        else:
            shown = json.dumps(value)
        lines.append(f" {json.dumps(name)}: {shown}")
    return "{\n" + ",\n".join(lines) + "\n}"


def read(path: pathlib.Path) -> dict:
    """Reads a manifest whose files are to be made again.

    Args:
        path: The file, or the folder that it lies in.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it is damaged, or no manifest, or lacks what is needed.
    """
    path = path / NAME if path.is_dir() else path
    manifest = _parse(path)
    for name, kind in _NEEDED.items():
        if not isinstance(manifest.get(name), kind):
            raise ValueError(f"{path}: has no {name}, or a damaged one; nothing can be made again from this")
    if not _STAMP.fullmatch(str(manifest.get("stamp", "0"))):  # It becomes a part of names.
        raise ValueError(f"{path}: has a damaged stamp; nothing can be made again from this")
    if not all(isinstance(output, dict) and isinstance(output.get("midi"), str) for output in manifest["outputs"]):
        raise ValueError(f"{path}: has outputs without names; nothing can be made again from this")
    return manifest


def _parse(path: pathlib.Path) -> dict:
    """Returns what a manifest says; errors as `read`."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{path}: no such manifest; pipelines.generate writes one beside what it makes"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: damaged ({error}); nothing can be made again from this") from error
    if not isinstance(manifest, dict) or "outputs" not in manifest:
        raise ValueError(f"{path}: no manifest of pipelines.generate")
    return manifest


def parse_flags(
    said: Mapping[str, object], known: Collection[str], parse: Callable[[str, object], object], path: pathlib.Path
) -> dict[str, object]:
    """Returns the values of a manifest's flags, as `parse` makes them of a name and what is said of it.

    Raises:
        ValueError: there are flags that are not known, or values that a flag cannot have.
    """
    unknown = sorted(said["flags"].keys() - set(known))
    if unknown:
        raise ValueError(f"{path}: has flags that pipelines.generate does not know: {', '.join(unknown)}")
    parsed = {}
    for name, value in said["flags"].items():
        try:
            parsed[name] = parse(name, value)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: has a flag that cannot be: {name} = {json.dumps(value)} ({error})") from error
    return parsed


def check_inputs(said: Mapping[str, object], path: pathlib.Path) -> None:
    """Refuses to make a manifest's files again of other inputs.

    Raises:
        FileNotFoundError: an input is missing.
        ValueError: an input is another file than it was.
    """
    named = said.get("inputs")
    for known in named if isinstance(named, list) else []:
        if not isinstance(known, dict) or not isinstance(known.get("path"), str) or "sha256" not in known:
            continue
        file = pathlib.Path(known["path"])
        if not file.is_file():
            raise FileNotFoundError(f"{file}: is missing, and {path} was made with it")
        if trained.file_checksum(file) != known["sha256"]:
            raise ValueError(f"{file}: is not what it was when {path} was made with it (its SHA-256 differs)")


def check_model(checkpoint: str, said: Mapping[str, object], path: pathlib.Path) -> None:
    """Refuses to make a manifest's files again with another model.

    Raises:
        ValueError: the checkpoint is another one.
    """
    if said.get("checkpoint_sha256") not in (None, trained.checksum(checkpoint)):
        raise ValueError(
            f"{path}: made with another checkpoint than {checkpoint} is now (their SHA-256 differ);"
            " the same bytes need the same one"
        )


def differing(made: Sequence[Mapping], said: Sequence[Mapping]) -> list[str]:
    """Returns the names of outputs that are not, byte for byte, what a manifest says of them."""
    known = {output["midi"]: output.get("sha256") for output in said}
    return [output["midi"] for output in made if known.get(output["midi"]) != output["sha256"]]
