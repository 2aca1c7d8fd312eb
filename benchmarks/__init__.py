"""Ours beside stock Magenta, in one run."""
