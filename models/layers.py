"""What the encoders and decoders here have in common: their variables, and how their layers are computed."""

from __future__ import annotations

from models import recurrence
from models.magenta import tf
from models.stateless_random import StatelessRandom


class OwnLayers:
    """Mixin for encoders and decoders that compute their layers here.

    `MusicVAE.build` sets the first two attributes, and the `build` of encoders and decoders what dropout keeps of the
    inputs of each layer, `_keep_prob`.

    Attributes:
        computation: How the layers are computed.
        random: The random numbers of dropout and scheduled sampling.
        fallback_reason: Why Magenta computes the layers instead; empty where it does not.
    """

    computation: recurrence.Computation = recurrence.Computation()
    random: StatelessRandom = StatelessRandom()
    fallback_reason: str = ""
    _keep_prob: float

    def _run_layers(
        self, variables: list[tuple[tf.Tensor, tf.Tensor]], inputs: recurrence.Inputs, state: tuple
    ) -> tf.Tensor:
        """Returns the last layer's outputs, `[steps, batch, units]`, of the products' dtype.

        Args:
            variables: As of `variables_of`.
            inputs: The inputs of the first layer, after dropout.
            state: c and h of each layer, `[batch, units]`.
        """
        layers = [recurrence.Layer(kernel[tf.newaxis], bias[tf.newaxis]) for kernel, bias in variables]
        states = [(c[tf.newaxis], h[tf.newaxis]) for c, h in state]
        shapes = [[inputs.steps, 1, *layer_state.c.shape.as_list()] for layer_state in state[:-1]]
        masks = [self.random.dropout_mask(shape, self._keep_prob) for shape in shapes]
        return recurrence.outputs(layers, inputs, states, self.computation, masks)[:, 0]


def variables_of(cell: tf.nn.rnn_cell.MultiRNNCell, depth: int, scope=None) -> list[tuple[tf.Tensor, tf.Tensor]]:
    """Returns kernel and bias of each `LSTMBlockCell`; makes them, in the open variable scope, where they do not exist.

    Args:
        cell: The cells of `lstm_utils.rnn_cell`, without residual connections.
        depth: The size of the input.
        scope: The scope of the variables; None is one named after the cell in the open scope.
    """
    cell(tf.zeros([1, depth]), cell.zero_state(1, tf.float32), scope)  # Makes the variables, under upstream's names.
    return [(wrapper.cell._kernel, wrapper.cell._bias) for wrapper in cell._cells]
