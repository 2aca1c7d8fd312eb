"""Imports of Magenta's that nothing here uses, put off until something does: a second of four at each start."""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Sequence

PUT_OFF = {"bokeh.plotting", "tensorflow_datasets"}  # For plots in notebooks, and for data sets that TFDS keeps.
LEFT_OUT = "sklearn"  # tf-slim, which does without it, takes a metric for clusters from it.


class _PutOff(importlib.abc.MetaPathFinder):
    """Finds the modules in PUT_OFF in a way that loads them when they are first used."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target=None):
        if fullname not in PUT_OFF:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None:
            spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec


@contextlib.contextmanager
def lazy_imports() -> Iterator[None]:
    """Imports within do not load what they need not load. What is imported afterwards is imported as ever."""
    finder = _PutOff()
    leaves_out = LEFT_OUT not in sys.modules
    sys.meta_path.insert(0, finder)
    if leaves_out:
        sys.modules[LEFT_OUT] = None  # Importing it raises ImportError.
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        if leaves_out:
            del sys.modules[LEFT_OUT]
