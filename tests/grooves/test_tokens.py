"""Tokens and hits, there and back."""

from __future__ import annotations

import numpy as np

from grooves import tokens


def test_bit_i_is_class_i():
    hits = np.eye(9, dtype=bool)
    assert tokens.from_hits(hits).tolist() == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert tokens.from_hits(np.float32([[[1, 0, 1] + [0] * 6], [[0] * 9]])).tolist() == [[5], [0]]
    np.testing.assert_array_equal(tokens.to_hits(np.array([1, 2, 4, 8, 16, 32, 64, 128, 256])), hits)


def test_all_tokens_there_and_back_in_any_integers():
    every = np.arange(tokens.NUM_TOKENS)
    assert tokens.NUM_TOKENS == 512
    for dtype in (np.uint16, np.int32, np.int64):
        hits = tokens.to_hits(every.astype(dtype))
        assert (hits.shape, hits.dtype) == ((512, 9), bool)
        made = tokens.from_hits(hits)
        assert made.dtype == np.uint16
        np.testing.assert_array_equal(made, every)


def test_padding_is_silence():
    assert not tokens.to_hits(np.array([[-1, 0]])).any()
    assert not tokens.to_one_hot(np.array([-1])).any()


def test_one_hot():
    np.testing.assert_array_equal(tokens.to_one_hot(np.uint16([[3, 511]])), np.eye(512, dtype=bool)[[[3, 511]]])
