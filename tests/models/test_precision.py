"""Which precision is computed in, on processors and GPUs that need not be here."""

import pytest

from models import precision
from models.devices import Card
from models.magenta import tf
from models.recurrence import Computation

AMPERE, TURING = Card("Ampere", (8, 0)), Card("Turing", (7, 5))


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Returns what makes a machine of a processor's flags and GPUs."""

    def make(flags, *cards):
        info = tmp_path / "cpuinfo"
        info.write_text(f"processor\t: 0\nflags\t\t: {flags}\n\nprocessor\t: 1\nflags\t\t: {flags}\n")
        monkeypatch.setattr(precision, "_CPU_INFO", info)
        monkeypatch.setattr(precision, "gpus", lambda: list(cards))

    return make


@pytest.mark.parametrize(
    ("flags", "cards", "chosen"),
    [
        ("fpu avx512f avx512_bf16 fsrm", (), "bf16"),
        ("fpu amx_bf16", (), "bf16"),
        ("fpu avx2 avx512f", (), "fp32"),
        ("fpu avx512_bf16x", (), "fp32"),
        ("fpu avx512_bf16", (AMPERE,), "fp32"),  # In which a GPU computes a layer at once.
    ],
)
def test_auto_takes_what_the_machine_computes_fastest(machine, flags, cards, chosen):
    machine(flags, *cards)
    assert precision.resolve("auto") == chosen


def test_bf16_is_refused_where_there_is_none(machine):
    for flags, *cards in (("avx2",), ("avx512_bf16", TURING), ("avx512_bf16", AMPERE, TURING)):
        machine(flags, *cards)
        with pytest.raises(ValueError, match=r"--precision=bf16: this machine has no bfloat16"):
            precision.resolve("bf16")
        assert precision.resolve("fp32") == "fp32"


def test_bf16_on_a_gpu_says_what_it_costs(machine):
    machine("avx2", AMPERE)
    assert precision.resolve("bf16") == "bf16"
    assert precision.describe("bf16") == "bf16 (step by step; in fp32 a GPU computes a layer at once)"
    assert precision.describe("fp32") == "fp32 (a layer at once, by BlockLSTM)"
    assert precision.describe("fp32", "cudnn") == "fp32 (a layer at once, by cuDNN)"
    assert precision.describe("bf16", "cudnn") == "bf16 (a layer at once, by cuDNN, which computes in fp32)"
    machine("avx512_bf16")
    assert precision.describe("bf16") == "bf16"


def test_a_layer_is_one_operation_on_a_gpu_in_fp32_alone(machine):
    machine("avx512_bf16", AMPERE)
    assert precision.computation("fp32") == Computation(tf.float32, "block")
    assert precision.computation("bf16") == Computation(tf.bfloat16, "steps")
    machine("avx512_bf16")
    assert precision.computation("fp32") == Computation(tf.float32, "steps")
    assert precision.computation("bf16") == Computation(tf.bfloat16, "steps")


def test_layers_are_computed_as_asked_for(machine):
    machine("avx512_bf16", AMPERE)
    for name, dtype in (("fp32", tf.float32), ("bf16", tf.bfloat16)):
        assert precision.resolve(name, "cudnn") == name
        assert precision.computation(name, "cudnn") == Computation(dtype, "cudnn")
        assert precision.computation(name, "steps") == Computation(dtype, "steps")
    assert precision.resolve("auto", "cudnn") == "fp32"
    machine("avx512_bf16")
    assert precision.resolve("auto", "steps") == "bf16"
    assert precision.computation("fp32", "block") == Computation(tf.float32, "block")


def test_cudnn_is_refused_without_a_gpu(machine):
    machine("avx512_bf16")
    with pytest.raises(ValueError, match=r"^--layers=cudnn: it takes a GPU of NVIDIA's, .* --layers=auto computes wi"):
        precision.resolve_layers("cudnn", "fp32")


def test_block_is_in_fp32_alone(machine):
    machine("avx512_bf16")
    assert precision.resolve("auto", "block") == "fp32"
    with pytest.raises(ValueError, match=r"^--precision=bf16: layers are computed in fp32 alone with --layers=block"):
        precision.resolve("bf16", "block")


def test_a_machine_without_cpuinfo_has_no_bf16(monkeypatch, tmp_path):
    monkeypatch.setattr(precision, "_CPU_INFO", tmp_path / "none")
    monkeypatch.setattr(precision, "gpus", list)
    assert precision.resolve("auto") == "fp32"
