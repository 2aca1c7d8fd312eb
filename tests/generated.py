"""Folders as `pipelines.generate` and `pipelines.render` leave them, for the tests of their page."""

from __future__ import annotations

import hashlib
import json
import pathlib
from collections.abc import Iterable, Mapping

from pipelines.audio import rendering
from tests import midi_files

# The first one is a file in a folder, as no name can have a slash.
HOSTILE_NAMES = ("<script>alert(1)</script>", "a\"b'", "100%", "ü #1")


def write_groove(folder: pathlib.Path, name: str, *, qpm: float = 120, shift: int = 0, num_bars: int = 2) -> str:
    """Writes a MIDI file with a hit in each bar, one moved by `shift` steps from bar to bar; returns its name."""
    hits = [(16 * bar + step, midi_files.CLOSED_HAT, 60) for bar in range(num_bars) for step in range(0, 16, 4)]
    hits += [(16 * bar + (bar + shift) % 16, midi_files.SNARE, 110) for bar in range(num_bars)]
    midi_files.write(folder / f"{name}.mid", sorted(hits), tempos=[(0, qpm)])
    return f"{name}.mid"


def render(folder: pathlib.Path, soundfont_path: pathlib.Path) -> None:
    """Writes the WAV of each MIDI in a folder and below, beside it."""
    _, reasons = rendering.render(rendering.plan(folder), soundfont_path, num_workers=1)
    if reasons:
        raise ValueError(reasons[0])


def output(folder: pathlib.Path, midi: str, **more: object) -> dict[str, object]:
    """Returns what a manifest says of an output."""
    digest = hashlib.sha256((folder / midi).read_bytes()).hexdigest()
    return {"midi": midi, "sha256": digest, "label": midi[:-4], "original": None, "qpm": 120.0, "num_bars": 2} | more


def command(mode: str, outputs: Iterable[Mapping[str, object]], **more: object) -> dict[str, object]:
    """Returns a manifest."""
    return {
        **{"mode": mode, "config": "groovae_4bar", "checkpoint": "pretrained/groovae/groovae.tar"},
        **{"checkpoint_sha256": "0123abcd", "seed": 7, "temperature": 0.5, "flags": {"amount": 0.3}},
        **{"versions": {"python": "3.11.7"}, "created": "2026-11-27T01:33:00", "inputs": [], "outputs": list(outputs)},
    } | more


def write_manifest(folder: pathlib.Path, manifest: object) -> None:
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
