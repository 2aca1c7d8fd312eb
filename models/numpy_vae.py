"""MusicVAE for drums in NumPy: it encodes grooves and decodes latent vectors as the TensorFlow model does.

For generation, which computes little: importing TensorFlow and building a graph take longer than a hundred samples. It
knows the layers of this project's configs and of Magenta's for drums alone: bidirectional LSTM encoders, flat or of
bars, and LSTM decoders of tokens or grooves, flat or under one conductor whose bars do not depend on each other. What
the layers are is read from the names and shapes of a checkpoint's variables.
"""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Generator, Iterator, Mapping

import numpy as np
import threadpoolctl

from grooves import tokens, views
from grooves.drums import NUM_CLASSES
from grooves.groove import NUM_PARTS, Groove
from grooves.timing import STEPS_PER_BAR
from models.checkpoints import AVERAGE

TOKEN_VELOCITY = 80 / 127  # What Magenta's DrumsConverter plays tokens with.
LIKELIEST = 0.0  # The temperature at which nothing is drawn.
ROWS_AT_ONCE = 256  # Sequences that one thread computes at once; more gain no time and take memory.
_FORGET_BIAS = 1.0  # LSTMBlockCell's.
_HALF = np.float32(0.5)
_CELL = "multi_rnn_cell/cell_{}/lstm_cell"
_State = tuple[np.ndarray, np.ndarray]  # Of an LSTM: c and h, `[n, units]` each.


@dataclasses.dataclass(frozen=True)
class _Lstm:
    """One layer in one direction: `kernel` `[4, depth + units, units]` and `bias` `[4, 1, units]`.

    The gates are c, i, f, o. As sigmoid(x) is tanh(x / 2) / 2 + 1/2, what goes into i, f and o is halved here, which
    floats lose nothing by.
    """

    kernel: np.ndarray
    bias: np.ndarray

    @classmethod
    def of(cls, kernel: np.ndarray, bias: np.ndarray) -> _Lstm:
        """Returns the layer of LSTMBlockCell's variables `[depth + units, 4 * units]` and `[4 * units]`: i, c, f, o."""
        gates = kernel.reshape(len(kernel), 4, -1).transpose(1, 0, 2)[[1, 0, 2, 3]]
        biases = bias.reshape(4, 1, -1)[[1, 0, 2, 3]]
        biases[2] += _FORGET_BIAS
        gates[1:] *= _HALF
        biases[1:] *= _HALF
        return cls(gates, biases)

    @property
    def units(self) -> int:
        return self.kernel.shape[2]

    @property
    def depth(self) -> int:
        """How many values a step it reads."""
        return self.kernel.shape[1] - self.units

    def step(self, projected: np.ndarray, state: _State) -> _State:
        """Returns the next state, given the inputs' part of the gates, `[4, n, units]`."""
        gates = state[1] @ self.kernel[:, self.depth :]
        gates += projected
        return _next_state(gates, state[0])

    def read(self, inputs: np.ndarray, state: _State) -> _State:
        """Returns the next state after inputs `[n, depth]`."""
        gates = np.concatenate([inputs, state[1]], axis=1) @ self.kernel
        gates += self.bias
        return _next_state(gates, state[0])

    def project(self, inputs: np.ndarray) -> np.ndarray:
        """Returns the part of the gates that inputs `[n, depth]` make, the bias included."""
        projected = inputs @ self.kernel[:, : self.depth]
        projected += self.bias
        return projected


def _next_state(gates: np.ndarray, cell: np.ndarray) -> _State:
    """Returns the state after gates `[4, n, units]`, which are overwritten."""
    np.tanh(gates, out=gates)
    open_by = gates[1:]
    open_by *= _HALF
    open_by += _HALF
    c, i, f, o = gates
    i *= c
    f *= cell
    cell = i + f
    return cell, o * np.tanh(cell)


class _Variables:
    """A checkpoint's variables by name, averages in place of what they are averages of."""

    def __init__(self, values: Mapping[str, np.ndarray], checkpoint: str) -> None:
        self._values = values
        self._checkpoint = checkpoint

    def __getitem__(self, name: str) -> np.ndarray:
        value = self._values.get(f"{name}/{AVERAGE}", self._values.get(name))
        if value is None:
            raise ValueError(f"{self._checkpoint}: has no variable {name}; is it a checkpoint of drums by MusicVAE?")
        return value

    def __contains__(self, name: str) -> bool:
        return any(known.startswith(name) for known in self._values)

    def dense(self, name: str, inputs: np.ndarray) -> np.ndarray:
        return inputs @ self[f"{name}/kernel"] + self[f"{name}/bias"]

    def lstms(self, pattern: str) -> list[_Lstm]:
        """Returns the layers whose names a pattern makes of 0, 1, and so on."""
        layers: list[_Lstm] = []
        while f"{pattern.format(len(layers))}/kernel" in self or not layers:
            name = pattern.format(len(layers))
            layers.append(_Lstm.of(self[f"{name}/kernel"], self[f"{name}/bias"]))
        return layers


class NumpyVae:
    """A trained model.

    Attributes:
        sees: One of `views.ALL`: what its encoder sees.
        steps: Length of its windows, in sixteenths.
        z_size: Length of a latent vector.
        knows_feel: Whether it answers velocities and offsets; else every hit has the same velocity, on the grid.
    """

    def __init__(self, values: Mapping[str, np.ndarray], sees: str, steps: int, checkpoint: str = "checkpoint") -> None:
        """Takes a checkpoint's variables.

        Args:
            values: The variables by name.
            sees: One of `views.ALL`.
            steps: Length of the windows, in sixteenths.
            checkpoint: What errors call it.

        Raises:
            ValueError: they are not of such a model, or of one with layers that are not known here.
        """
        self.sees, self.steps = sees, steps
        self._variables = variables = _Variables(values, checkpoint)
        self.z_size = len(variables["encoder/mu/bias"])
        self._encoder = [*_encoder_levels(variables)]
        self._conductor = None
        core = "decoder"
        if "core_decoder/decoder/output_projection/bias" in variables:
            core = "core_decoder/decoder"
            self._conductor = variables.lstms("decoder/hierarchical_level_0/cell_{}/lstm_cell")
        self._core = variables.lstms(f"{core}/{_CELL}")
        self._core_name = core
        self._depth = len(variables[f"{core}/output_projection/bias"])
        self.knows_feel = self._depth == NUM_PARTS * NUM_CLASSES
        self._check(checkpoint)

    def _check(self, checkpoint: str) -> None:
        first, _ = self._encoder[0][0]
        seen = first.depth
        depth = tokens.NUM_TOKENS if self.sees == views.DRUMS else NUM_PARTS * NUM_CLASSES
        if (seen, self._depth) != (views.depth(self.sees), depth):
            raise ValueError(
                f"{checkpoint}: of another config or other hparams: it reads {seen} values a step and writes"
                f" {self._depth}, not {views.depth(self.sees)} and {depth};\n"
                "  give the --config and --hparams that it was trained with"
            )
        conducted = self._conductor and self._conductor[0].depth
        if len(self._encoder) > 2 or conducted not in (None, 1) or "decoder/hierarchical_level_1" in self._variables:
            raise ValueError(f"{checkpoint}: has layers that are not known here")

    @property
    def sizes(self) -> dict[str, object]:
        """The sizes of its layers, by the names of their hparams."""
        return {
            "z_size": self.z_size,
            "enc_rnn_size": [forwards.units for forwards, _ in self._encoder[0]],
            "dec_rnn_size": [layer.units for layer in self._core],
        }

    def encode(self, played: Groove) -> np.ndarray:
        """Returns the posteriors' means and standard deviations of grooves `[n, steps, 9]`, `[2, n, z_size]`."""

        def read(rows: slice) -> np.ndarray:
            sequence = views.see(self.sees, _rows(played, rows)).astype(np.float32)
            if len(self._encoder) == 2:
                bars = sequence.reshape(-1, STEPS_PER_BAR, sequence.shape[-1])
                sequence = _read(self._encoder[0], bars).reshape(len(sequence), self.steps // STEPS_PER_BAR, -1)
            return _read(self._encoder[-1], sequence)

        encoding = _in_threads(read, len(played.hits))
        spread = np.logaddexp(0, self._variables.dense("encoder/sigma", encoding))
        return np.stack([self._variables.dense("encoder/mu", encoding), spread])

    def decode(self, z: np.ndarray, temperature: float, random: np.random.Generator, alike: bool = False) -> Groove:
        """Draws a groove from each latent vector `[n, z_size]`.

        Args:
            z: The latent vectors.
            temperature: At 1 hits have the learnt probabilities, the lower the likelier they are, at `LIKELIEST`
                nothing is drawn.
            random: Where hits are drawn from. What is drawn for a vector does not depend on those after it.
            alike: The same numbers are drawn for all vectors, so that near ones give grooves that differ little.

        Returns:
            Grooves `[n, steps, 9]`.
        """
        width = NUM_CLASSES if self.knows_feel else 1
        uniform = None
        if temperature != LIKELIEST:
            drawn = random.random([1 if alike else len(z), self.steps, width])
            uniform = np.broadcast_to(drawn, [len(z), self.steps, width])
        return self._decode(z, temperature, uniform, None)

    def play(self, z: np.ndarray, hits: np.ndarray) -> Groove:
        """Returns how given hits `[n, steps, 9]` are played in the groove of latent vectors `[n, z_size]`.

        Raises:
            ValueError: the model knows hits alone.
        """
        if not self.knows_feel:
            raise ValueError("this model knows which drums are hit, not how; one of grooves is needed, as groovae is")
        return self._decode(z, LIKELIEST, None, hits)

    def _decode(self, z: np.ndarray, temperature: float, uniform: np.ndarray | None, hits: np.ndarray | None) -> Groove:
        draw = self._draw_groove if self.knows_feel else self._draw_tokens

        def answer_to(rows: slice) -> np.ndarray:
            given = None if hits is None else hits[rows].astype(np.float32)
            chance = None if uniform is None else uniform[rows]
            steps: list[np.ndarray] = []
            for embedding in self._conduct(z[rows].astype(np.float32)):
                outputs = self._outputs(embedding, steps[-1] if steps else None)
                values = next(outputs)
                for _ in range(STEPS_PER_BAR if self._conductor else self.steps):
                    of_step = (None if each is None else each[:, len(steps)] for each in (chance, given))
                    steps.append(draw(values, temperature, *of_step))
                    values = outputs.send(steps[-1])
            return np.stack(steps, axis=1)

        answer = _in_threads(answer_to, len(z))
        if self.knows_feel:
            decoded, *feel = np.split(answer, NUM_PARTS, axis=-1)
            return Groove(decoded, *(part * decoded for part in feel))
        decoded = tokens.to_hits(answer).astype(np.float32)
        return Groove(decoded, decoded * np.float32(TOKEN_VELOCITY), np.zeros_like(decoded))

    def _conduct(self, z: np.ndarray) -> Iterator[np.ndarray]:
        """Yields the embedding of each bar, `[n, units]`; without a conductor the latent vectors, once."""
        if self._conductor is None:
            yield z
            return
        states = self._first_states("decoder/hierarchical_level_0/initial_state", self._conductor, z)
        for _ in range(self.steps // STEPS_PER_BAR):
            below = self._conductor[0].bias  # Its input is zeros.
            for number, layer in enumerate(self._conductor):
                states[number] = layer.read(below, states[number]) if number else layer.step(below, states[number])
                below = states[number][1]
            yield below

    def _outputs(self, embedding: np.ndarray, before: np.ndarray | None) -> Generator[np.ndarray, np.ndarray, None]:
        """A coroutine: yields the outputs of step after step, `[n, depth]`, and is sent what was drawn of them.

        What was drawn are tokens `[n]`, or grooves `[n, 27]`; `before` is that of the step before the first.
        """
        first, *others = self._core
        name = self._core_name
        states = self._first_states(f"{name}/z_to_initial_state", self._core, embedding)
        constant = embedding @ first.kernel[:, self._depth : first.depth] + first.bias
        rows = first.kernel[:, : self._depth]
        drawn = before
        while True:
            heard = 0 if drawn is None else rows[:, drawn] if drawn.ndim == 1 else drawn @ rows
            states[0] = first.step(constant + heard, states[0])
            for number, layer in enumerate(others, 1):
                states[number] = layer.read(states[number - 1][1], states[number])
            drawn = yield self._variables.dense(f"{name}/output_projection", states[-1][1])

    @staticmethod
    def _draw_tokens(logits: np.ndarray, temperature: float, uniform: np.ndarray | None, _hits: None) -> np.ndarray:
        """Returns a token for each row of logits `[n, tokens]`, where `uniform` `[n, 1]` lies among the likely ones."""
        if uniform is None:
            return logits.argmax(axis=1)
        scaled = logits / np.float32(temperature)
        heights = np.exp(scaled - scaled.max(axis=1, keepdims=True)).cumsum(axis=1, dtype=np.float64)
        return (heights > uniform * heights[:, -1:]).argmax(axis=1)

    @staticmethod
    def _draw_groove(
        values: np.ndarray, temperature: float, uniform: np.ndarray | None, hits: np.ndarray | None
    ) -> np.ndarray:
        """Returns a step `[n, 27]` whose hits are given `[n, 9]`, or drawn by numbers `[n, 9]`, or the likeliest."""
        logits, velocities, offsets = np.split(values, NUM_PARTS, axis=1)
        velocities, offsets = _sigmoid(velocities), np.tanh(offsets)
        if hits is not None:  # A silent drum has neither, which is what the decoder hears of it in training.
            return np.concatenate([hits, velocities * hits, offsets * hits], axis=1)
        drawn = logits > 0 if uniform is None else uniform < _sigmoid(logits / np.float32(temperature))
        return np.concatenate([drawn.astype(np.float32), velocities, offsets], axis=1)

    def _first_states(self, name: str, layers: list[_Lstm], embeddings: np.ndarray) -> list[_State]:
        values = np.tanh(self._variables.dense(name, embeddings))
        sizes = np.cumsum([layer.units for layer in layers for _ in range(2)])[:-1]
        flat = np.split(values, sizes, axis=1)
        return list(zip(flat[::2], flat[1::2], strict=True))


def _encoder_levels(variables: _Variables) -> Iterator[list[tuple[_Lstm, _Lstm]]]:
    """Yields the layers of each level, the one that reads steps first: a pair of directions each."""
    levels = 0
    while f"encoder/hierarchical_level_{levels}/cell_0/bidirectional_rnn/fw/{_CELL.format(0)}/kernel" in variables:
        levels += 1
    for scope in [f"encoder/hierarchical_level_{level}" for level in range(levels)] or ["encoder"]:
        directions = (
            variables.lstms(f"{scope}/cell_{{}}/bidirectional_rnn/{way}/{_CELL.format(0)}") for way in ("fw", "bw")
        )
        yield list(zip(*directions, strict=True))


def _read(layers: list[tuple[_Lstm, _Lstm]], sequence: np.ndarray) -> np.ndarray:
    """Returns the encoding of sequences `[n, steps, depth]`: the last layer's outputs at both ends."""
    for forwards, backwards in layers:
        there = _run(forwards, sequence)
        back = _run(backwards, sequence[:, ::-1])
        sequence = np.concatenate([there, back[:, ::-1]], axis=-1)
    return np.concatenate([there[:, -1], back[:, -1]], axis=-1)


def _run(layer: _Lstm, sequence: np.ndarray) -> np.ndarray:
    """Returns a layer's outputs `[n, steps, units]`."""
    n, steps, depth = sequence.shape
    projected = layer.project(sequence.reshape(-1, depth)).reshape(4, n, steps, -1)
    state = (np.zeros([n, layer.units], np.float32),) * 2
    outputs = []
    for step in range(steps):
        state = layer.step(projected[:, :, step], state)
        outputs.append(state[1])
    return np.stack(outputs, axis=1)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.tanh(x * _HALF) * _HALF + _HALF


def _rows(played: Groove, rows: slice) -> Groove:
    return Groove(played.hits[rows], played.velocities[rows], played.offsets[rows])


def _in_threads(compute: Callable[[slice], np.ndarray], n: int) -> np.ndarray:
    """Returns what is computed of `n` rows, a thread for each core; it is the same for any number of cores.

    A product of matrices is no work for several threads, which wait for each other after each: on two busy cores they
    take ten times as long for five sequences.
    """
    chunks = [slice(start, start + ROWS_AT_ONCE) for start in range(0, n, ROWS_AT_ONCE)]
    with _blas().limit(limits=1, user_api="blas"):
        if len(chunks) == 1:
            return compute(chunks[0])
        from concurrent.futures import ThreadPoolExecutor  # Eight milliseconds, which a few samples do not need.

        with ThreadPoolExecutor(min(len(chunks), os.cpu_count() or 1)) as pool:
            return np.concatenate(list(pool.map(compute, chunks)))


@functools.cache
def _blas() -> threadpoolctl.ThreadpoolController:
    """Returns what sets the number of threads of NumPy's library of linear algebra."""
    return threadpoolctl.ThreadpoolController()
