"""Places that no bytes can be read from. A module of its own: worker processes import it, and nothing else with it."""

from __future__ import annotations

import dataclasses
import os
import time


@dataclasses.dataclass(frozen=True)
class Deadly:
    """Kills who reads it."""

    def read(self, max_bytes: int) -> bytes:
        os._exit(3)


@dataclasses.dataclass(frozen=True)
class Endless:
    """Lets who reads it wait."""

    def read(self, max_bytes: int) -> bytes:
        time.sleep(3600)
