"""The precision of matrix products: float32, or bfloat16 where the machine has it.

State, losses, sums of gradients and updates are float32 in either case.
"""

from __future__ import annotations

import pathlib

from models.magenta import gpus, tf
from models.recurrence import Computation

PRECISIONS = ("auto", "fp32", "bf16")
_DTYPES = {"fp32": tf.float32, "bf16": tf.bfloat16}
_CPU_INFO = pathlib.Path("/proc/cpuinfo")
_CPU_FLAGS = {"avx512_bf16", "amx_bf16"}
_GPU_CAPABILITY = (8, 0)  # NVIDIA's Ampere, the first with bfloat16.


def resolve(name: str) -> str:
    """Returns "fp32" or "bf16" for one of PRECISIONS.

    auto is bf16 on a CPU that has it. On a GPU it is fp32: layers are then one operation each, which exists in fp32
    only, and from Ampere on TensorFlow computes its products in TF32.

    Raises:
        ValueError: bf16 was asked for where there is none.
    """
    if name == "auto":
        return "bf16" if not gpus() and has_bf16() else "fp32"
    if name == "bf16" and not has_bf16():
        raise ValueError(
            "--precision=bf16: this machine has no bfloat16 (it takes a CPU with avx512_bf16 or amx_bf16, or a GPU of"
            " compute capability 8.0); --precision=auto takes what there is"
        )
    return name


def has_bf16() -> bool:
    """Whether the GPUs, or without any the CPU, multiply in bfloat16."""
    if gpus():
        return all(card.capability is not None and card.capability >= _GPU_CAPABILITY for card in gpus())
    try:
        info = _CPU_INFO.read_text(encoding="ascii", errors="replace")
    except OSError:  # Not Linux.
        return False
    flags = next((line for line in info.splitlines() if line.startswith("flags")), "")
    return not _CPU_FLAGS.isdisjoint(flags.split())


def describe(name: str) -> str:
    """Returns "fp32" or "bf16", with a warning where it is slow on this machine."""
    return f"{name} (step by step; in fp32 a GPU computes a layer at once)" if gpus() and name == "bf16" else name


def computation(name: str) -> Computation:
    """Returns how layers are computed in "fp32" or "bf16"."""
    dtype = _DTYPES[name]
    return Computation(dtype, fused=bool(gpus()) and dtype == tf.float32)
