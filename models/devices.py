"""What TensorFlow 2.21 can do with a GPU, by its compute capability. Needs no TensorFlow.

Its wheel has code for 6.0, 7.0, 8.0 and 8.9, and intermediate code for 9.0, which the driver compiles for newer cards
(`tf.sysconfig.get_build_info()["cuda_compute_capabilities"]`).
"""

from __future__ import annotations

import dataclasses

OLDEST = (6, 0)
NEWEST = (9, 0)
HOST = "/device:CPU:0"  # Of the process that computes. A GPU waits for what it is asked, not for what it is told.
CPU_ALONE = "CUDA_VISIBLE_DEVICES=-1 computes on the CPU"


@dataclasses.dataclass(frozen=True)
class Card:
    """A GPU as the driver describes it.

    Attributes:
        name: The product's name.
        capability: Its compute capability, (major, minor); None where the driver does not tell.
    """

    name: str
    capability: tuple[int, int] | None

    @property
    def is_supported(self) -> bool:
        return self.capability is None or self.capability >= OLDEST


def describe(cards: list[Card], num_cores: int | None) -> list[str]:
    """Returns lines that name the devices in use and warn of cards that do not fit.

    Args:
        cards: All cards that the driver shows.
        num_cores: The cores of the CPU, which computes where no card can.
    """
    usable = [card for card in cards if card.is_supported]
    if usable:
        lines = [f"{len(usable)} GPU{'s' if len(usable) > 1 else ''}: {', '.join(card.name for card in usable)}"]
    else:
        lines = [f"CPU, {num_cores} cores (TensorFlow finds no GPU{' that it can use' if cards else ''})"]
    for card in cards:
        name = f"{card.name} has compute capability {_dotted(card.capability)}" if card.capability else card.name
        if not card.is_supported:
            lines.append(f"{name}; this TensorFlow needs {_dotted(OLDEST)} at least and leaves it alone")
        elif card.capability and card.capability > NEWEST:
            lines.append(
                f"{name}, newer than this TensorFlow ({_dotted(NEWEST)}): its driver compiles the code at the first"
                f" start, which takes minutes and can fail; {CPU_ALONE}"
            )
    return lines


def explain(message: str) -> str | None:
    """Returns what an error message of a GPU means for the user, or None if it is no GPU's."""
    if not any(sign in message for sign in ("CUDA_ERROR", "cudaError", "no kernel image", "PTX", "cuDNN", "cublas")):
        return None
    first_line = message.strip().splitlines()[0]
    return f"the GPU failed: {first_line};\n  the driver or the card does not fit this TensorFlow; {CPU_ALONE}"


def _dotted(capability: tuple[int, int]) -> str:
    return ".".join(map(str, capability))
