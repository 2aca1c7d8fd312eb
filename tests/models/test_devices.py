"""What is said about GPUs; none is needed for it."""

import pytest

from models import devices
from models.devices import Card


@pytest.mark.parametrize(
    ("cards", "lines"),
    [
        ([], ["CPU, 2 cores (TensorFlow finds no GPU)"]),
        ([Card("A", (8, 0))], ["1 GPU: A"]),
        ([Card("A", (7, 5)), Card("B", None)], ["2 GPUs: A, B"]),
        (
            [Card("Old", (5, 2))],
            [
                "CPU, 2 cores (TensorFlow finds no GPU that it can use)",
                "Old has compute capability 5.2; this TensorFlow needs 6.0 at least and leaves it alone",
            ],
        ),
    ],
)
def test_what_is_computed_on(cards, lines):
    assert devices.describe(cards, 2) == lines


def test_a_card_that_is_too_new_is_used_with_a_warning():
    used, warning = devices.describe([Card("New", (12, 0))], 2)
    assert used == "1 GPU: New"
    assert "12.0, newer than this TensorFlow (9.0)" in warning
    assert "CUDA_VISIBLE_DEVICES=-1" in warning


def test_errors_of_a_gpu_say_what_to_do():
    message = "CUDA_ERROR_NO_BINARY_FOR_GPU: no kernel image is available\n\nOriginal stack trace"
    explained = devices.explain(message)
    assert explained.startswith("the GPU failed: CUDA_ERROR_NO_BINARY_FOR_GPU: no kernel image is available;")
    assert "Original stack trace" not in explained
    assert devices.explain("No space left on device") is None
