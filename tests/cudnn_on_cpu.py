"""`CudnnRNNV3` for a CPU, which has none: what cuDNN's documentation says of it, read from the same flat parameters.

`cudnnRNNMode_t` has the equations of CUDNN_LSTM, `cudnnGetRNNWeightParams` the numbers of gates and directions.
"""

from __future__ import annotations

import collections
import contextlib
from collections.abc import Iterator

import numpy as np

from models.magenta import tf

Outputs = collections.namedtuple("Outputs", ["output", "output_h", "output_c", "reserve_space", "host_reserved"])


def regions(directions: int, depth: int, units: int) -> tuple[list, int]:
    """Returns, for each direction, (start, shape) of W_i, W_f, W_c, W_o, R_i, …, R_o, b_Wi, …, b_Ro; and the size."""
    start = 0

    def take(shapes: list[tuple[int, ...]]) -> list[tuple[int, tuple[int, ...]]]:
        nonlocal start
        found = []
        for shape in shapes:
            found.append((start, shape))
            start += int(np.prod(shape))
        return found

    matrices = [take([(units, depth)] * 4 + [(units, units)] * 4) for _ in range(directions)]
    vectors = [take([(units,)] * 8) for _ in range(directions)]
    return [of_one + biases for of_one, biases in zip(matrices, vectors, strict=True)], start


def computed_by_numpy(inputs, h, c, parameters) -> np.ndarray:
    """Returns the outputs, float64 `[steps, batch, directions * units]`; the second direction reads from the end."""
    steps, _, depth = inputs.shape
    directions, _, units = h.shape
    places, size = regions(directions, depth, units)
    assert parameters.shape == (size,)
    outputs = []
    for number, of_direction in enumerate(places):
        of_one = [parameters[at : at + np.prod(shape)].reshape(shape).astype(float) for at, shape in of_direction]
        w, r, b_w, b_r = of_one[:4], of_one[4:8], of_one[8:12], of_one[12:]
        h_now, c_now = h[number].astype(float), c[number].astype(float)
        by_step = {}
        for t in range(steps) if number == 0 else reversed(range(steps)):
            i, f, new, o = (inputs[t] @ w[g].T + h_now @ r[g].T + b_w[g] + b_r[g] for g in range(4))
            c_now = _sigmoid(f) * c_now + _sigmoid(i) * np.tanh(new)
            h_now = by_step[t] = _sigmoid(o) * np.tanh(c_now)
        outputs.append(np.stack([by_step[t] for t in range(steps)]))
    return np.concatenate(outputs, axis=2)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def op_by_numpy(**given) -> Outputs:
    """Is `CudnnRNNV3` with the outputs alone, and no gradient."""
    check(given)
    arrays = [given[name] for name in ("input", "input_h", "input_c", "params")]
    output = tf.numpy_function(lambda *each: computed_by_numpy(*each).astype(np.float32), arrays, tf.float32)
    steps, batch, _ = given["input"].shape
    output.set_shape([steps, batch, int(given["input_h"].shape[0]) * int(given["input_h"].shape[2])])
    return Outputs(output, None, None, None, None)


def op_by_tensorflow(**given) -> Outputs:
    """Is `CudnnRNNV3` with the outputs alone, and gradients that TensorFlow derives; it computes in float32."""
    check(given)
    inputs, h, c, parameters = (tf.to_float(given[name]) for name in ("input", "input_h", "input_c", "params"))
    steps, _, depth = inputs.shape.as_list()
    directions, _, units = h.shape.as_list()
    outputs = []
    for number, places in enumerate(regions(directions, depth, units)[0]):
        of_one = [tf.reshape(parameters[at : at + int(np.prod(shape))], shape) for at, shape in places]
        w, r, biases = tf.concat(of_one[:4], 0), tf.concat(of_one[4:8], 0), tf.concat(of_one[8:], 0)
        from_inputs = tf.unstack(
            tf.einsum("tbd,ud->tbu", inputs, w) + biases[: 4 * units] + biases[4 * units :], num=steps
        )
        h_now, c_now = h[number], c[number]
        by_step = {}
        for t in range(steps) if number == 0 else reversed(range(steps)):
            i, f, new, o = tf.split(from_inputs[t] + tf.matmul(h_now, r, transpose_b=True), 4, axis=1)
            c_now = tf.sigmoid(f) * c_now + tf.sigmoid(i) * tf.tanh(new)
            h_now = by_step[t] = tf.sigmoid(o) * tf.tanh(c_now)
        outputs.append(tf.stack([by_step[t] for t in range(steps)]))
    return Outputs(tf.cast(tf.concat(outputs, 2), given["input"].dtype), None, None, None, None)


def check(given: dict) -> None:
    """Fails where the real one would, or would compute something else than is computed here."""
    steps, batch, depth = given["input"].shape.as_list()
    directions, _, units = given["input_h"].shape.as_list()
    assert given["input_h"].shape == given["input_c"].shape == [directions, batch, units]
    assert given["params"].shape == [regions(directions, depth, units)[1]]
    assert len({given[name].dtype for name in ("input", "input_h", "input_c", "params")}) == 1
    assert given["sequence_lengths"].dtype == tf.int32
    assert tf.get_static_value(given["sequence_lengths"]).tolist() == [steps] * batch
    assert given["direction"] == ("unidirectional" if directions == 1 else "bidirectional")
    assert (given["rnn_mode"], given["is_training"]) == ("lstm", True)
    assert given.keys() == {
        *("input", "input_h", "input_c", "params", "sequence_lengths"),
        *("rnn_mode", "direction", "is_training"),
    }  # All else as it is by default: major by time, no projection, no dropout.


@contextlib.contextmanager
def emulated(monkeypatch, operation=op_by_tensorflow) -> Iterator[None]:
    """Puts `operation` in the place of TensorFlow's `CudnnRNNV3`."""
    with monkeypatch.context() as patch:
        patch.setattr(tf.raw_ops, "CudnnRNNV3", operation)
        yield
