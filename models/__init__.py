"""Magenta's decoders in fewer operations, checkpoints, and the environment that TensorFlow needs."""

from models import environment  # noqa: F401  Before anything imports TensorFlow.
