"""The precision of matrix products: float32, or bfloat16 where the machine has it; and how layers are computed in it.

State, losses, sums of gradients and updates are float32 in either case.
"""

from __future__ import annotations

import pathlib

from models.magenta import gpus, tf
from models.recurrence import BLOCK, CUDNN, STEPS, Computation

PRECISIONS = ("auto", "fp32", "bf16")
LAYERS = ("auto", STEPS, BLOCK, CUDNN)
_DTYPES = {"fp32": tf.float32, "bf16": tf.bfloat16}
_CPU_INFO = pathlib.Path("/proc/cpuinfo")
_CPU_FLAGS = {"avx512_bf16", "amx_bf16"}
_GPU_CAPABILITY = (8, 0)  # NVIDIA's Ampere, the first with bfloat16.


def resolve(name: str, layers: str = "auto") -> str:
    """Returns "fp32" or "bf16" for one of PRECISIONS, where layers are computed in one of LAYERS.

    auto is bf16 on a CPU that has it. On a GPU it is fp32: a layer is then one operation, which exists in fp32 only or,
    cuDNN's, computes in fp32 in any case; and from Ampere on TensorFlow computes its products in TF32.

    Raises:
        ValueError: bf16 was asked for where there is none.
    """
    if name == "auto":
        return "bf16" if not gpus() and has_bf16() and layers != BLOCK else "fp32"
    if name == "bf16" and layers == BLOCK:
        raise ValueError(
            f"--precision=bf16: layers are computed in fp32 alone with --layers={BLOCK}; leave one of the two out, or"
            f" give --layers={CUDNN} on a GPU"
        )
    if name == "bf16" and not has_bf16():
        raise ValueError(
            "--precision=bf16: this machine has no bfloat16 (it takes a CPU with avx512_bf16 or amx_bf16, or a GPU of"
            " compute capability 8.0); --precision=auto takes what there is"
        )
    return name


def resolve_layers(layers: str, name: str) -> str:
    """Returns how layers are computed for one of LAYERS, in the precision "fp32" or "bf16": STEPS, BLOCK or CUDNN.

    auto is BLOCK on a GPU in fp32, else STEPS.

    Raises:
        ValueError: cuDNN was asked for where there is no GPU.
    """
    if layers == "auto":
        return BLOCK if gpus() and name == "fp32" else STEPS
    if layers == CUDNN and not gpus():
        raise ValueError(
            f"--layers={CUDNN}: it takes a GPU of NVIDIA's, and TensorFlow finds none that it can use here;"
            " --layers=auto computes without"
        )
    return layers


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


def describe(name: str, layers: str = "auto") -> str:
    """Returns "fp32" or "bf16", and, where it is not step by step as on a CPU, how layers are computed in it."""
    layers = resolve_layers(layers, name)
    if layers == CUDNN:
        return f"{name} (a layer at once, by cuDNN{', which computes in fp32' if name == 'bf16' else ''})"
    if layers == BLOCK:
        return f"{name} (a layer at once, by BlockLSTM)"
    return f"{name} (step by step; in fp32 a GPU computes a layer at once)" if gpus() else name


def computation(name: str, layers: str = "auto") -> Computation:
    """Returns how layers are computed in "fp32" or "bf16", by one of LAYERS."""
    return Computation(_DTYPES[name], resolve_layers(layers, name))
