"""What the encoders and decoders here have in common: where their variables are, and how they are computed."""

from __future__ import annotations

from models.magenta import tf
from models.noise import Noise
from models.recurrence import Computation


class Computed:
    """Mixin for encoders and decoders; `MusicVAE.build` sets the first two attributes.

    Attributes:
        computation: How the layers are computed.
        noise: What dropout and scheduled sampling draw from.
        fallback_reason: Why Magenta's own layers are used instead of ours; empty where they are not.
    """

    computation: Computation = Computation()
    noise: Noise = Noise()
    fallback_reason: str = ""


def variables(cell: tf.nn.rnn_cell.MultiRNNCell, depth: int, scope=None) -> list[tuple[tf.Tensor, tf.Tensor]]:
    """Returns kernel and bias of each `LSTMBlockCell`, made in the variable scope that is open where they do not exist.

    Args:
        cell: As `lstm_utils.rnn_cell` makes it, without residual connections.
        depth: Of the input.
        scope: The variables' own; None is one named after the cell in the scope that is open.
    """
    cell(tf.zeros([1, depth]), cell.zero_state(1, tf.float32), scope)  # Makes the variables, under upstream's names.
    return [(wrapper.cell._kernel, wrapper.cell._bias) for wrapper in cell._cells]
