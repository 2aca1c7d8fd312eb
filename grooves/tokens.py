"""Tokens: a number for each of the 512 sets of drums that a step can have; bit i is set where class i is hit."""

from __future__ import annotations

import numpy as np

from grooves.drums import NUM_CLASSES

NUM_TOKENS = 2**NUM_CLASSES


def from_hits(hits: np.ndarray) -> np.ndarray:
    """Returns the tokens `[…]` uint16 of hits `[…, 9]`, booleans or ones and zeros."""
    return hits.astype(bool) @ (1 << np.arange(NUM_CLASSES)).astype(np.uint16)


def to_hits(tokens: np.ndarray) -> np.ndarray:
    """Returns the hits `[…, 9]`, booleans, of tokens `[…]`; padding (-1) is silence."""
    bits = np.arange(NUM_CLASSES, dtype=tokens.dtype)
    return (np.maximum(tokens, 0)[..., np.newaxis] >> bits & 1).astype(bool)


def to_one_hot(tokens: np.ndarray) -> np.ndarray:
    """Returns `[…, 512]` booleans, one of them set a step, of tokens `[…]`; none for padding (-1)."""
    return tokens[..., np.newaxis] == np.arange(NUM_TOKENS, dtype=tokens.dtype)
