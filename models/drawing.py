"""What decoders draw when they sample: the same for the same seed, and nothing where the likeliest is asked for."""

from __future__ import annotations

from collections.abc import Callable

from grooves import groove
from models.hierarchical_decoder import core_decoders
from models.magenta import base_model, lstm_models, tf

LIKELIEST = 0.0  # The temperature at which nothing is drawn.


def draw_in_order(decoder: base_model.BaseDecoder) -> None:
    """Makes a decoder's samples repeatable: the same seed, the same samples.

    At a temperature of `LIKELIEST` decoders of tokens and of grooves draw nothing, but take what is likeliest.
    The random number of a step does not depend on the step before, so TensorFlow draws those of several steps at
    once, in any order. After this each waits for the output that it is drawn for.
    """

    def ordered(core: base_model.BaseDecoder, draw: Callable) -> Callable:
        def draw_after(rnn_output: tf.Tensor, *temperature: tf.Tensor | float):
            if any(isinstance(given, float) and given == LIKELIEST for given in temperature):
                return _likeliest(core, rnn_output)
            with tf.control_dependencies([rnn_output]):
                return draw(rnn_output, *temperature)

        return draw_after

    for core in core_decoders(decoder):
        core._sample = ordered(core, core._sample)


def _likeliest(core: base_model.BaseDecoder, outputs: tf.Tensor) -> tf.Tensor:
    """Returns what is likeliest given a step's outputs `[n, depth]`: one-hot tokens, or a groove's step."""
    if isinstance(core, lstm_models.GrooveLstmDecoder):
        hits, velocities, offsets = tf.split(outputs, groove.NUM_PARTS, axis=1)
        return tf.concat([tf.to_float(hits > 0), tf.sigmoid(velocities), tf.tanh(offsets)], axis=1)
    return tf.one_hot(tf.argmax(outputs, axis=-1), outputs.shape[-1])
