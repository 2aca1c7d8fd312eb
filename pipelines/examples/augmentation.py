"""Augmentation: other windows made of a batch's own, anew for each step of training, as a config's hparams ask for."""

from __future__ import annotations

import dataclasses

import numpy as np

from grooves import timing, tokens, transforms
from grooves.groove import Groove
from models.magenta import HParams, data

Batch = tuple[np.ndarray, ...]  # Inputs, outputs, controls, lengths, as `loading.Examples.dense` returns them.


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """How likely each change of a training window is; several can come together, in this order.

    Windows take parts from others of their batch. Configs whose outputs are tokens or grooves of whole bars can be
    augmented.
    """

    voices: float = 0.0  # Each drum becomes another window's, or not, with even chances.
    bars: float = 0.0  # Each bar becomes another window's, or not, with even chances.
    shift: float = 0.0  # The window begins with another of its bars, as a loop.
    swap: float = 0.0  # Two drums that can do each other's work, as closed hi-hat and ride, change places.
    hide_hits: float = 0.0  # So many hits are hidden from the encoder, in all windows.
    same_style: bool = False  # Voices and bars are those of a window of the same style.

    @classmethod
    def of(cls, hparams: HParams) -> Augmentation:
        """Returns what the hparams `augment_…` ask for; nothing where a config has none of them."""
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(**{name: getattr(hparams, f"augment_{name}", 0.0) for name in names})

    def __bool__(self) -> bool:
        return any(dataclasses.astuple(dataclasses.replace(self, same_style=False)))

    def apply(
        self,
        batch: Batch,
        converter: data.BaseNoteSequenceConverter,
        random: np.random.Generator,
        styles: np.ndarray | None = None,
    ) -> Batch:
        """Returns a batch of changed windows.

        Args:
            batch: Inputs, outputs, controls, lengths; outputs that are tokens come as `[n, steps]`.
            converter: Has `encoder_inputs`, which says what the encoder sees of a groove.
            random: All that is drawn.
            styles: `[n]`, what counts as the windows' style; None is one style for all.
        """
        _, outputs, controls, lengths = batch
        has_tokens = outputs.ndim == 2
        groove = _of_tokens(outputs) if has_tokens else Groove.split(outputs)
        groove = self._changed(groove, random, styles if self.same_style else None)
        seen = groove
        if self.hide_hits:
            seen = transforms.without_hits(groove, random.random(groove.hits.shape, np.float32) < self.hide_hits)
        inputs = converter.encoder_inputs(seen).astype(np.float32)
        outputs = tokens.from_hits(groove.hits).astype(outputs.dtype) if has_tokens else groove.join()
        return inputs, outputs, controls, lengths

    def _changed(self, groove: Groove, random: np.random.Generator, styles: np.ndarray | None) -> Groove:
        num_windows, num_steps, num_drums = groove.hits.shape
        num_bars = num_steps // timing.STEPS_PER_BAR

        def chosen(probability: float, *shape: int) -> np.ndarray:
            return random.random([num_windows, *shape], np.float32) < probability

        def another() -> Groove:
            rows = random.permutation(num_windows)
            return transforms.taken(groove, rows if styles is None else _within(styles, rows))

        if self.voices:
            is_theirs = chosen(self.voices, 1, 1) & chosen(0.5, 1, num_drums)
            groove = transforms.with_parts_of(groove, another(), is_theirs)
        if self.bars:
            is_theirs = chosen(self.bars, 1, 1) & np.repeat(chosen(0.5, num_bars, 1), timing.STEPS_PER_BAR, axis=1)
            groove = transforms.with_parts_of(groove, another(), is_theirs)
        if self.shift:
            later = chosen(self.shift) * random.integers(1, num_bars, num_windows)
            groove = transforms.shifted(groove, later * timing.STEPS_PER_BAR)
        if self.swap:
            pairs = np.array(transforms.EXCHANGEABLE)[random.integers(len(transforms.EXCHANGEABLE), size=num_windows)]
            stays = ~chosen(self.swap)
            pairs[stays, 1] = pairs[stays, 0]
            groove = transforms.with_exchanged(groove, pairs)
        return groove


def _within(styles: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Returns a permutation that exchanges windows of one style among themselves, in the order of another one."""
    exchanged = np.empty_like(rows)
    exchanged[np.argsort(styles, kind="stable")] = rows[np.argsort(styles[rows], kind="stable")]
    return exchanged


def _of_tokens(outputs: np.ndarray) -> Groove:
    hits = tokens.to_hits(outputs)
    return Groove(hits, hits, np.zeros_like(hits))
