"""Magenta's encoders and decoders: the same variables and the same function, computed in fewer operations."""

from models import environment  # noqa: F401  Before anything imports TensorFlow.
