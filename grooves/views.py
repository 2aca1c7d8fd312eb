"""Views: what an encoder sees of a groove, the whole of it or a part that the decoder completes."""

from __future__ import annotations

import numpy as np

from grooves import transforms
from grooves.drums import NUM_CLASSES
from grooves.groove import NUM_PARTS, Groove

DRUMS = "drums"  # Which drums are hit, and whether there is none: all that a model of tokens knows.
GROOVE = "groove"  # Hits, velocities and offsets.
HITS = "hits"  # The hits alone: a pattern that is to be humanized.
TAPS = "taps"  # One line, played in time but with one velocity: a rhythm that is to become a kit.
ALL = (DRUMS, GROOVE, HITS, TAPS)


def depth(view: str) -> int:
    """Returns the number of values a step."""
    return NUM_CLASSES + 1 if view == DRUMS else NUM_PARTS * NUM_CLASSES


def see(view: str, played: Groove) -> np.ndarray:
    """Returns what an encoder sees of grooves, `[…, steps, depth]`: of DRUMS booleans, else numbers as the groove's."""
    if view == DRUMS:
        hits = played.hits.astype(bool)
        return np.concatenate([hits, ~hits.any(axis=-1, keepdims=True)], axis=-1)
    if view == HITS:
        return transforms.only_hits(played).join()
    if view == TAPS:
        return transforms.with_fixed_velocities(transforms.tapped(played)).join()
    return played.join()
