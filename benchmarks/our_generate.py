"""This project's generation, as `python -m pipelines.generate` runs it, with the time that its parts take written down.

    python -m benchmarks.our_generate --mode=humanize --input=beats --output_dir=/tmp/humanized --parts=/tmp/parts.json

The flags are those of `pipelines.generate`; `--parts` is a JSON object of seconds by the parts' names, in the order in
which they begin, and their sum is the whole time.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable

from absl import flags

from models import numpy_vae
from pipelines import cli, generate
from pipelines.files import atomic
from pipelines.generation import manifest, outputs, player, song

START_UP, REST = "start-up", "the rest"
PARTS = (  # Which part of the time is spent where.
    ("loading the model", player, ("load",)),
    ("reading MIDI", song, ("read",)),
    ("the model", numpy_vae.NumpyVae, ("encode", "decode", "play")),
    ("writing MIDI", outputs, ("write",)),
    ("the manifest", manifest, ("describe", "describe_inputs", "describe_output", "versions", "write")),
)


class Stopwatch:
    """Measures what the parts of a process take; one of them runs at any time.

    Attributes:
        secs: By part, those in which it ran.
    """

    def __init__(self, part: str, started_secs: float) -> None:
        """Begins with a part that has been running since `started_secs` of the clock `time.monotonic`."""
        self.secs: dict[str, float] = {}
        self._part, self._since_secs = part, started_secs

    def switch(self, part: str) -> str:
        """Goes on with another part, and returns the one that ran until now."""
        before, now_secs = self._part, time.monotonic()
        self.secs[before] = self.secs.get(before, 0.0) + now_secs - self._since_secs
        self._part, self._since_secs = part, now_secs
        return before

    def timed(self, part: str, function: Callable) -> Callable:
        """Returns a function whose time counts for a part, but for what other parts take inside of it."""

        @functools.wraps(function)
        def run(*args, **kwargs):
            before = self.switch(part)
            try:
                return function(*args, **kwargs)
            finally:
                self.switch(before)

        return run


def install(stopwatch: Stopwatch) -> None:
    """Has the functions of PARTS measured from now on."""
    for part, owner, names in PARTS:
        for name in names:
            setattr(owner, name, stopwatch.timed(part, getattr(owner, name)))


def main() -> int | None:
    stopwatch = Stopwatch(START_UP, flags.FLAGS.started_secs or time.monotonic())
    stopwatch.switch(REST)
    install(stopwatch)
    status = generate.main()
    stopwatch.switch(REST)
    atomic.write_text(flags.FLAGS.parts, json.dumps(stopwatch.secs) + "\n")
    return status


def define_flags() -> None:
    generate.define_flags()
    flags.DEFINE_string("parts", None, "JSON file for the seconds by part.", required=True)
    flags.DEFINE_float("started_secs", None, "When the process was started, on time.monotonic's clock.")


if __name__ == "__main__":
    cli.run(main, define_flags)
