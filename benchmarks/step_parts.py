"""Which part of a training step an operation belongs to, by the line of the program that made it."""

from __future__ import annotations

import pathlib
import re

from models.magenta import tf

BACKWARDS = ", backwards"
OTHER = "other"
_MADE_BY_GRAPPLER = re.compile(
    "((ConstantFolding|ArithmeticOptimizer|LoopOptimizer|RemapperOptimizer)/(ReorderCastLikeAndValuePreserving_[^_]+_)?)*"
)
# By file and function, "" is any; of those that called one another the innermost counts.
_PARTS = {
    ("stateless_random.py", ""): "random numbers",
    ("encoders.py", ""): "encoder",
    ("hierarchical_decoder.py", "_conduct"): "conductor",
    ("hierarchical_decoder.py", "_metrics"): "metrics",
    ("decoders.py", "_score"): "loss",
    ("decoders.py", "metrics"): "metrics",
    ("decoders.py", ""): "decoder",
    ("hierarchical_decoder.py", ""): "decoder",
    ("objective.py", ""): "loss",
    ("vae.py", "encode"): "latent vector",
    ("vae.py", "dense"): "latent vector",  # Within `encode`.
    ("vae.py", "_auxiliary_loss"): "auxiliary loss",
    ("vae.py", ""): "loss",
    ("lstm_models.py", "encode"): "encoder",
    ("lstm_models.py", "hierarchical_reconstruction_loss"): "decoder",
    ("lstm_models.py", ""): "decoder",
    ("base_model.py", "train"): "scalars",
    ("base_model.py", "encode"): "latent vector",
    ("base_model.py", ""): "loss",
    ("train_step.py", "_decay_weights"): "optimizer",
    ("train_step.py", "_warm_up"): "optimizer",
    ("train_step.py", "_averaged"): "averages",
    ("train_step.py", ""): "scalars",
    ("feeding.py", ""): "input",
    ("gradients.py", ""): "clipping",
    ("optimizer.py", "apply_gradients"): "optimizer",
    ("traced_step.py", "_stock_batch"): "input",
    ("traced_step.py", "_stock_clipped"): "clipping",
}


def part_of(graph: tf.Graph, name: str) -> str:
    """Returns the part of an executed operation; `BACKWARDS` behind it says that it is of its gradient.

    Args:
        graph: The graph as the program made it.
        name: The operation's, after the graph was optimized.
    """
    operation = original(graph, name)
    if operation is None:
        return OTHER
    forward = operation._original_op
    if forward is not None and operation.name.startswith("gradients"):
        while forward._original_op is not None:
            forward = forward._original_op
        return _made_in(forward) + BACKWARDS
    if operation.name.startswith("gradients"):
        return "loss" + BACKWARDS
    return _made_in(operation)


def original(graph: tf.Graph, name: str) -> tf.Operation | None:
    """Returns the operation of the program that an optimized graph's stems from, as far as its name says so."""
    name = name[_MADE_BY_GRAPPLER.match(name).end() :]
    while name:
        try:
            return graph.get_operation_by_name(name)
        except (KeyError, ValueError):
            name = name.rpartition("/")[0]
    return None


def _made_in(operation: tf.Operation) -> str:
    for frame in reversed(list(operation.traceback)):
        file = pathlib.PurePath(frame.filename).name
        if frame.name.startswith("<"):  # A lambda's place is that of the function around it.
            continue
        for key in ((file, frame.name), (file, "")):
            if key in _PARTS:
                return _PARTS[key]
    return OTHER
