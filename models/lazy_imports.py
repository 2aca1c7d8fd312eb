"""Imports of Magenta's that nothing here uses, put off until something does, and no look for garbage while importing.

Together more than half of what importing Magenta takes otherwise.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
import types
from collections.abc import Iterator

# What note-seq has for notebooks, sound and melodies, and data sets that TFDS keeps.
PUT_OFF = (
    "IPython",
    "IPython.display",
    "bokeh",
    "bokeh.plotting",
    "fluidsynth",
    "pandas",
    "scipy.linalg",
    "tensorflow_datasets",
)
LEFT_OUT = ("scipy.ndimage", "sklearn")  # tf-keras and tf-slim do without: for augmenting pictures, and for clusters.


class _Later(types.ModuleType):
    """Stands for a module, which is imported when something of it is used."""

    def __getattr__(self, name: str):
        if name.startswith("__"):  # What the import system asks is no use.
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        part = sys.modules.get(f"{self.__name__}.{name}")
        if isinstance(part, _Later):
            return part
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        module = importlib.import_module(self.__name__)
        if not hasattr(module, name):
            with contextlib.suppress(ModuleNotFoundError):
                importlib.import_module(f"{self.__name__}.{name}")  # This makes it an attribute.
        return getattr(module, name)


@contextlib.contextmanager
def lazy_imports() -> Iterator[None]:
    """Imports within do not load what they need not load. What is imported afterwards is imported as ever."""
    stand_ins = {name: _Later(name) for name in PUT_OFF} | dict.fromkeys(LEFT_OUT)  # None raises ImportError.
    stand_ins = {name: each for name, each in stand_ins.items() if name not in sys.modules}
    sys.modules.update(stand_ins)
    collects = gc.isenabled()
    gc.disable()  # Nearly all of a million new objects stay.
    try:
        yield
    finally:
        for name, stand_in in stand_ins.items():
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]
        gc.freeze()  # Later looks for garbage leave them out.
        if collects:
            gc.enable()
