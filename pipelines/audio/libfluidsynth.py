"""libfluidsynth 1, 2 or 3, by way of pyfluidsynth: loaded when it is first needed, so that all else works without."""

from __future__ import annotations

import ctypes
import functools
import types
from collections.abc import Callable
from typing import Any

from absl import logging

from pipelines.files import midi_files

HOW_TO_INSTALL = (
    "libfluidsynth was not found: MIDI and pictures are made without it, sound is not\n"
    "  Debian, Ubuntu: sudo apt-get install libfluidsynth3 (older ones: libfluidsynth2 or 1);"
    " macOS: brew install fluid-synth; Windows: choco install fluidsynth"
)
_LOG_LEVELS = 5


@functools.cache
def library() -> types.ModuleType:
    """Returns pyfluidsynth with its library loaded, and FluidSynth's messages sent to our log.

    Raises:
        OSError: pyfluidsynth or libfluidsynth is missing; the message says what to install.
    """
    try:
        with midi_files.importing_libraries():
            import fluidsynth
    except ModuleNotFoundError as error:
        raise OSError("pyfluidsynth is not installed: pip install pyfluidsynth") from error
    except (ImportError, OSError) as error:
        raise OSError(HOW_TO_INSTALL) from error
    _keep_quiet(fluidsynth)
    return fluidsynth


def version() -> tuple[int, int, int]:
    """Returns libfluidsynth's version, such as (2, 3, 1); libfluidsynth3 is 2.2 and later."""
    parts = [ctypes.c_int() for _ in range(3)]
    library().fluid_version(*parts)
    return tuple(part.value for part in parts)


@functools.cache
def function(name: str, returns: Any, *arguments: Any) -> Callable[..., Any]:
    """Returns a function of the library that pyfluidsynth leaves out.

    Args:
        name: The function's.
        returns: The ctypes type of what it returns.
        *arguments: Those of its arguments.
    """
    return library().cfunc(name, returns, *((f"argument_{i}", each, 1) for i, each in enumerate(arguments)))


_LogFunction = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)


@_LogFunction  # Kept by the module: FluidSynth calls it for as long as the process lives.
def _log(_level: int, message: bytes, _data: object) -> None:
    """FluidSynth complains of sound devices that are not asked for; --verbosity=1 shows what it says."""
    logging.vlog(1, "fluidsynth: %s", message.decode(errors="replace"))


def _keep_quiet(fluidsynth: types.ModuleType) -> None:
    set_log_function = fluidsynth.cfunc(
        "fluid_set_log_function",
        ctypes.c_void_p,
        ("level", ctypes.c_int, 1),
        ("function", _LogFunction, 1),
        ("data", ctypes.c_void_p, 1),
    )
    for level in range(_LOG_LEVELS):
        set_log_function(level, _log, None)
