"""What the encoders and decoders here have in common: their variables, and how their layers are computed."""

from __future__ import annotations

from models.magenta import tf
from models.recurrence import Computation
from models.stateless_random import StatelessRandom


class OwnLayers:
    """Mixin for encoders and decoders that compute their layers here; `MusicVAE.build` sets the first two attributes.

    Attributes:
        computation: How the layers are computed.
        random: The random numbers of dropout and scheduled sampling.
        fallback_reason: Why Magenta computes the layers instead; empty where it does not.
    """

    computation: Computation = Computation()
    random: StatelessRandom = StatelessRandom()
    fallback_reason: str = ""


def variables_of(cell: tf.nn.rnn_cell.MultiRNNCell, depth: int, scope=None) -> list[tuple[tf.Tensor, tf.Tensor]]:
    """Returns kernel and bias of each `LSTMBlockCell`; makes them, in the open variable scope, where they do not exist.

    Args:
        cell: The cells of `lstm_utils.rnn_cell`, without residual connections.
        depth: The size of the input.
        scope: The scope of the variables; None is one named after the cell in the open scope.
    """
    cell(tf.zeros([1, depth]), cell.zero_state(1, tf.float32), scope)  # Makes the variables, under upstream's names.
    return [(wrapper.cell._kernel, wrapper.cell._bias) for wrapper in cell._cells]
