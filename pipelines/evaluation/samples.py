"""Samples beside data: does what a model draws look like what drummers play?

`compare` gives one flat dictionary. It speaks of four sets of windows: `samples`, drawn from the model and decoded;
`validation`, the target that each is compared with; `train`, the ceiling, as other drummers' grooves are no more like
the target than that; `shuffled`, the floor: validation's windows with each hit moved to a cell of its window at random.
A name that ends in none of them is of the samples.

- `DESCRIPTOR_SET`, `DESCRIPTOR_std_SET`: mean and standard deviation over the windows of a set (`descriptors`).
- `step_histogram_1_SET` … `16`, `drum_histogram_kick_SET` …: share of all hits of the set on that sixteenth of the
  bar, on that drum.
- `DESCRIPTOR_overlap`, `DESCRIPTOR_overlap_train`, `DESCRIPTOR_overlap_shuffled`: overlap area with validation, from 0
  to 1; `DESCRIPTOR_kl` …: KL divergence, nats (`distributions`). `overlap_mean` …: the mean over all descriptors.
- `copies_at_0`, `copies_at_1`, `copies_at_2`: share of windows whose nearest training window has the same hits, or
  differs in at most one cell, or two; `nearest_distance_median`: the median of that distance, cells. Each also of
  `_validation` and `_shuffled`: what is played has copies, too.
- `empty_windows`, `empty_bars`: shares without any hit; also of `_validation` and `_train`.
- `num_samples`, `num_validation`, `num_train`: windows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

import configs
from grooves import drums, tokens
from grooves.groove import NUM_PARTS, Groove
from models.inference import TrainedModel
from models.magenta import data
from pipelines.evaluation import descriptors, distributions, nearest
from pipelines.examples import loading

TARGET = "validation"
SAMPLES = "samples"
COMPARED = (SAMPLES, "train", "shuffled")  # With the target, in the order of the table.
COPY_CELLS = (0, 1, 2)
_COPIES = ("copies_", "nearest_", "empty_")  # How the names begin that `copies` and `silence` give.


@dataclasses.dataclass(frozen=True)
class Windows:
    """Windows of drums, `[n, steps, 9]`, and whether their velocities and offsets mean anything: tokens have none."""

    groove: Groove
    has_feel: bool

    def __len__(self) -> int:
        return len(self.groove.hits)


def check(config: configs.Config) -> None:
    """Refuses a config that has no windows of nine drums, or whose samples need more than a latent vector.

    Raises:
        ValueError: it is such a one.
    """
    converter = config.data_converter
    if converter.control_depth:
        raise ValueError("this config decodes under controls (hits or chords), which sampling does not have")
    depth = NUM_PARTS * drums.NUM_CLASSES if has_feel(config) else tokens.NUM_TOKENS
    is_drums = isinstance(converter, data.DrumsConverter | data.GrooveConverter)
    if not is_drums or converter.output_depth != depth:
        raise ValueError("this config's outputs are not the nine drums; give one of hier-drums, cat-drums or GrooVAE")


def has_feel(config: configs.Config) -> bool:
    """Whether a config's windows have velocities and offsets."""
    return isinstance(config.data_converter, data.GrooveConverter)


def draw(model: TrainedModel, n: int, temperature: float) -> Windows:
    """Returns `n` windows decoded from latent vectors that the model draws; it has the seed."""
    return _windows(model.config, model.decode(model.draw(n), temperature))


def of_examples(config: configs.Config, examples: loading.Examples) -> Windows:
    """Returns all examples as windows."""
    rows = np.arange(len(examples))
    if not has_feel(config):
        return _of_tokens(examples.tokens(rows))
    return _windows(config, examples.dense(rows)[1])


def shuffled(windows: Windows, seed: int) -> Windows:
    """Returns as many windows, in each of which every hit has moved to a random cell, with its velocity and offset."""
    cells = windows.groove.join().reshape(len(windows), *windows.groove.hits.shape[1:-1], NUM_PARTS, -1)
    flat = cells.swapaxes(2, 3).reshape(len(windows), -1, NUM_PARTS)
    moved = np.random.default_rng(seed).permuted(np.tile(np.arange(flat.shape[1]), [len(flat), 1]), axis=1)
    parts = np.moveaxis(np.take_along_axis(flat, moved[..., np.newaxis], axis=1), -1, 0)
    hits, velocities, offsets = parts.reshape(NUM_PARTS, *windows.groove.hits.shape)
    groove = dataclasses.replace(windows.groove, hits=hits, velocities=velocities, offsets=offsets)
    return dataclasses.replace(windows, groove=groove)


def compare(sets: Mapping[str, Windows], seed: int) -> dict[str, float]:
    """Compares sets of windows with the target.

    Args:
        sets: By name, `validation` and `train` at least, all of one length; the floor is made here.
        seed: Of the floor, and of what is drawn where a set is large.

    Returns:
        Numbers by the names that this module's first lines explain.

    Raises:
        ValueError: the sets' windows differ in length.
    """
    sets = {**sets, "shuffled": shuffled(sets[TARGET], seed)}
    lengths = {name: windows.groove.hits.shape[1] for name, windows in sets.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"windows of different lengths, in steps, cannot be compared: {lengths}")
    found = {f"num_{name}": len(sets[name]) for name in (SAMPLES, TARGET, "train") if name in sets}
    found |= likeness(sets, seed)
    for name, windows in sets.items():
        if name != "train":
            found |= copies(windows, sets["train"], _suffix(name))
        if name != "shuffled":
            found |= silence(windows, _suffix(name))
    return found


def likeness(sets: Mapping[str, Windows], seed: int) -> dict[str, float]:
    """Returns what the sets are like, and how much like the target: descriptors, overlaps and KL divergences."""
    described = {name: descriptors.describe(w.groove, has_feel=w.has_feel) for name, w in sets.items()}
    found = {}
    for key, target in described[TARGET].items():
        for name in described:
            if not key.endswith("histogram"):
                found |= _statistics(key, name, described[name][key])
        for name in (name for name in COMPARED if name in described):
            alike = distributions.compare(target, described[name][key], seed)
            if alike:
                found |= {f"{key}_overlap{_suffix(name)}": alike.overlap, f"{key}_kl{_suffix(name)}": alike.kl}
    for name in (name for name in COMPARED if name in described):
        overlaps = [value for key, value in found.items() if key.endswith(f"_overlap{_suffix(name)}")]
        if overlaps:
            found[f"overlap_mean{_suffix(name)}"] = float(np.mean(overlaps))
    for name, windows in sets.items():
        found |= _histograms(name, windows.groove.hits > 0.5)
    return found


def copies(windows: Windows, training: Windows, suffix: str = "") -> dict[str, float]:
    """Returns how near windows are to their nearest training window, by name with a suffix."""
    _, distances = nearest.nearest(windows.groove.hits > 0.5, training.groove.hits > 0.5)
    found = {f"copies_at_{cells}{suffix}": float(np.mean(distances <= cells)) for cells in COPY_CELLS}
    return found | {f"nearest_distance_median{suffix}": float(np.median(distances))}


def silence(windows: Windows, suffix: str = "") -> dict[str, float]:
    """Returns which shares of windows and of bars are empty, by name with a suffix."""
    empty = descriptors.empty_bars(windows.groove.hits > 0.5)
    return {
        f"empty_windows{suffix}": float(empty.all(axis=1).mean()),
        f"empty_bars{suffix}": float(empty.mean()),
    }


def table(found: Mapping[str, float]) -> str:
    """Returns what `compare` has found as a person reads it: a line for each descriptor, columns for each set."""
    names = [name for name in COMPARED if f"overlap_mean{_suffix(name)}" in found]
    lines = [
        f"{'':<24}{TARGET:>18}" + "".join(f"{name:>26}" for name in names),
        f"{'':<24}{'mean':>10}{'std':>8}" + f"{'mean':>10}{'overlap':>8}{'KL':>8}" * len(names),
    ]
    for key in (key.removesuffix("_overlap_train") for key in found if key.endswith("_overlap_train")):
        cells = _cell(found, f"{key}_{TARGET}", 10) + _cell(found, f"{key}_std_{TARGET}", 8)
        for name in names:
            compared = (f"{key}_overlap{_suffix(name)}", f"{key}_kl{_suffix(name)}")
            cells += _cell(found, f"{key}_{name}", 10) + "".join(_cell(found, column, 8) for column in compared)
        lines.append(f"{key:<24}{cells}")
    overlaps = "".join(f"{'':>10}{_cell(found, f'overlap_mean{_suffix(name)}', 8)}{'':>8}" for name in names)
    lines.append(f"{'overlap_mean':<24}{'':>18}{overlaps}")
    for key in (key.removesuffix(f"_{TARGET}") for key in found if key.startswith(_COPIES) and key.endswith(TARGET)):
        cells = "".join(f"{_cell(found, f'{key}{_suffix(name)}', 10)}{'':>16}" for name in names)
        lines.append(f"{key:<24}{_cell(found, f'{key}_{TARGET}', 10)}{'':>8}{cells}")
    return "\n".join(line.rstrip() for line in lines)


def _cell(found: Mapping[str, float], key: str, width: int) -> str:
    return f"{found[key]:>{width}.3f}" if key in found else " " * width


def _suffix(name: str) -> str:
    return "" if name == SAMPLES else f"_{name}"


def _statistics(key: str, name: str, values: np.ndarray) -> dict[str, float]:
    values = values[~np.isnan(values)]
    if not len(values):
        return {}
    return {f"{key}_{name}": float(values.mean()), f"{key}_std_{name}": float(values.std())}


def _histograms(name: str, hits: np.ndarray) -> dict[str, float]:
    """Returns the shares of all hits of a set on each sixteenth of the bar and on each drum."""
    total = max(int(hits.sum()), 1)
    by_step = [hits[:, step :: descriptors.STEPS_PER_BAR].sum() / total for step in range(descriptors.STEPS_PER_BAR)]
    found = {f"step_histogram_{step}_{name}": float(share) for step, share in enumerate(by_step, start=1)}
    by_drum = zip(drums.CLASS_NAMES, hits.sum(axis=(0, 1)) / total, strict=True)
    return found | {f"drum_histogram_{descriptors.key_of(drum)}_{name}": float(share) for drum, share in by_drum}


def _windows(config: configs.Config, outputs: np.ndarray) -> Windows:
    """Returns tensors `[n, steps, output_depth]` of a config's outputs as windows."""
    if not has_feel(config):
        return _of_tokens(outputs.argmax(axis=-1))
    groove = Groove.split(outputs)
    is_hit = groove.hits > 0.5  # Decoders give every cell a velocity and an offset.
    return Windows(Groove(is_hit, groove.velocities * is_hit, groove.offsets * is_hit), has_feel=True)


def _of_tokens(steps: np.ndarray) -> Windows:
    hits = tokens.to_hits(steps)
    return Windows(Groove(hits, hits, np.zeros_like(hits)), has_feel=False)
