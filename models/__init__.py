"""Magenta's model: the same functions and variables, computed in fewer operations."""
