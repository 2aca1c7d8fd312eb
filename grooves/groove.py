"""A groove: which drums are hit on each step, how loud, and how far from the step. The layout of its tensors."""

from __future__ import annotations

import dataclasses

import numpy as np

from grooves.drums import NUM_CLASSES
from grooves.timing import QPM

NUM_PARTS = 3  # Of a step in a tensor: hits | velocities | offsets, one value a drum each.


@dataclasses.dataclass(frozen=True, eq=False)
class Groove:
    """Drums on the grid of sixteenths, one groove or a batch of them.

    Attributes:
        hits: `[steps, drums]` or `[n, steps, drums]`, 1 where a drum is hit, 0 elsewhere; so are the shapes below.
        velocities: In [0, 1]; 0 where there is no hit.
        offsets: In [-1, 1], half a step early (1) to half a step late (-1); 0 where there is no hit.
        qpm: Quarters a minute; of a batch also `[n]`.
    """

    hits: np.ndarray
    velocities: np.ndarray
    offsets: np.ndarray
    qpm: np.ndarray | float = QPM

    @classmethod
    def split(cls, steps: np.ndarray, qpm: np.ndarray | float = QPM) -> Groove:
        """Returns the groove of a tensor `[…, steps, 27]` = 9 hits | 9 velocities | 9 offsets, as views of it."""
        return cls(*np.split(steps, NUM_PARTS, axis=-1), qpm=qpm)

    @classmethod
    def from_notes(
        cls,
        steps: np.ndarray,
        drums: np.ndarray,
        velocities: np.ndarray,
        offsets: np.ndarray,
        *,
        num_steps: int,
        num_drums: int = NUM_CLASSES,
        qpm: float = QPM,
    ) -> Groove:
        """Lays notes on the grid: of several in one cell the loudest stays, of equally loud ones the first.

        Args:
            steps: `[n]` integers, below `num_steps`.
            drums: `[n]` integers, below `num_drums`.
            velocities: `[n]`, in [0, 1].
            offsets: `[n]`, in [-1, 1], early is positive.
            num_steps: Length of the groove.
            num_drums: Its drums, as a rule the nine classes.
            qpm: Quarters a minute.

        Returns:
            A groove of `[num_steps, num_drums]` float64 arrays.
        """
        laid = np.zeros([NUM_PARTS, num_steps, num_drums])
        quietest_first = np.lexsort((-np.arange(len(steps)), velocities))  # The last one written stays.
        values = np.stack([np.ones(len(steps)), velocities, offsets])
        laid[:, steps[quietest_first], drums[quietest_first]] = values[:, quietest_first]
        return cls(*laid, qpm=qpm)

    def join(self) -> np.ndarray:
        """Returns the tensor that `split` splits, `[…, steps, 27]`, a copy."""
        return np.concatenate([self.hits, self.velocities, self.offsets], axis=-1)
