"""What the encoders and decoders here have in common: their variables, and how their layers are computed."""

from __future__ import annotations

from models import own_hparams, recurrence
from models.magenta import HParams, tf
from models.stateless_random import StatelessRandom


class OwnLayers:
    """Mixin for encoders and decoders that compute their layers here.

    `MusicVAE.build` sets the first two attributes, and the `build` of encoders and decoders what dropout keeps of the
    inputs of each layer, `_keep_prob`, and of decoders the `_hparams`.

    Attributes:
        computation: How the layers are computed.
        random: The random numbers of dropout and scheduled sampling.
        fallback_reason: Why Magenta computes the layers instead; empty where it does not.
    """

    computation: recurrence.Computation = recurrence.Computation()
    random: StatelessRandom = StatelessRandom()
    fallback_reason: str = ""
    _keep_prob: float
    _hparams: HParams
    _time: tf.Tensor | int = 0

    def _first_state(self, cell: tf.nn.rnn_cell.MultiRNNCell, embedding: tf.Tensor, name: str) -> tuple:
        """Returns c and h of each layer of `cell`, `[batch, units]`, made of an embedding `[batch, depth]`.

        As Magenta's `lstm_utils.initial_cell_state_from_embedding`, but for where its weights begin.
        """
        sizes = tf.nest.flatten(cell.state_size)
        stddev = own_hparams.value(self._hparams, "latent_init_stddev")
        values = tf.layers.dense(
            embedding,
            sum(sizes),
            activation=tf.tanh,
            kernel_initializer=tf.random_normal_initializer(stddev=stddev),
            name=name,
        )
        return tf.nest.pack_sequence_as(cell.state_size, tf.split(values, sizes, axis=1))

    def _drop_out_by_example(self, cell: tf.nn.rnn_cell.MultiRNNCell, num_rows: int) -> None:
        """Lets Magenta's cells, made by `lstm_utils.rnn_cell`, draw their dropout from `random`.

        Args:
            cell: Computes one step after the other; in a loop over the steps, `_time` is to be the step.
            num_rows: Of its inputs.
        """

        def drop_out(values: tf.Tensor, *_) -> tf.Tensor:
            values.set_shape([num_rows, None])
            return self.random.dropout(values, self._keep_prob, time=self._time)

        for wrapper in cell._cells:
            wrapper._input_keep_prob, wrapper._dropout = self._keep_prob, drop_out

    def _run_layers(
        self, variables: list[tuple[tf.Tensor, tf.Tensor]], inputs: recurrence.Inputs, state: tuple
    ) -> tf.Tensor:
        """Returns the last layer's outputs, `[steps, batch, units]`, of the products' dtype.

        Args:
            variables: As of `variables_of`.
            inputs: The inputs of the first layer, after dropout.
            state: c and h of each layer, `[batch, units]`.
        """
        layers = [recurrence.Layer(tf.expand_dims(kernel, 0), tf.expand_dims(bias, 0)) for kernel, bias in variables]
        states = [(tf.expand_dims(c, 0), tf.expand_dims(h, 0)) for c, h in state]
        shapes = [[inputs.steps, 1, *layer_state.c.shape.as_list()] for layer_state in state[:-1]]
        masks = [self.random.dropout_mask(shape, self._keep_prob, axis=2) for shape in shapes]
        return tf.squeeze(recurrence.outputs(layers, inputs, states, self.computation, masks), 1)


def variables_of(
    cell: tf.nn.rnn_cell.MultiRNNCell, depth: int, scope=None, *, hparams: HParams, loud_rows: int = 0
) -> list[tuple[tf.Tensor, tf.Tensor]]:
    """Returns kernel and bias of each `LSTMBlockCell`; makes them, in the open variable scope, where they do not exist.

    Args:
        cell: The cells of `lstm_utils.rnn_cell`, without residual connections.
        depth: The size of the input.
        scope: The scope of the variables; None is one named after the cell in the open scope.
        hparams: With `input_init_stddev` of `own_hparams`.
        loud_rows: So many rows of the lowest layer's kernel, from the first, are of hits or tokens.
    """
    stddev = own_hparams.value(hparams, "input_init_stddev")

    def begin(getter, name: str, *args, **options):
        if stddev and name.endswith("cell_0/lstm_cell/kernel"):
            options["initializer"] = _LoudInputs(loud_rows, stddev)
        return getter(name, *args, **options)

    with tf.variable_scope(tf.get_variable_scope(), custom_getter=begin):
        cell(tf.zeros([1, depth]), cell.zero_state(1, tf.float32), scope)  # Makes them, under upstream's names.
    return [(wrapper.cell._kernel, wrapper.cell._bias) for wrapper in cell._cells]


class _LoudInputs(tf.glorot_uniform_initializer):
    """Glorot's values, but for the first rows, which are normal ones of a standard deviation of their own."""

    def __init__(self, num_rows: int, stddev: float) -> None:
        super().__init__()
        self._num_rows, self._stddev = num_rows, stddev

    def __call__(self, shape, dtype=None, partition_info=None) -> tf.Tensor:
        """Returns the first values of a kernel, `[rows, columns]`."""
        quiet = super().__call__(shape, dtype, partition_info)
        loud = tf.random.normal([self._num_rows, shape[1]], stddev=self._stddev)
        return tf.concat([loud, quiet[self._num_rows :]], axis=0)
