"""How gradients are added up the fastest: what is tried, and what is said where it fails."""

import time

from pipelines.training import all_reduce, placement
from pipelines.training.all_reduce import Trial
from pipelines.training.placement import COPY, NCCL, RING


def test_what_takes_the_least_time_is_used():
    assert Trial({NCCL: 0.001, COPY: 0.002}).fastest == NCCL
    assert Trial({NCCL: 0.003, COPY: 0.002}).fastest == COPY
    assert Trial({}, "no answer within 60 s").fastest == COPY
    assert str(Trial({NCCL: 0.0123, COPY: 0.2})) == "nccl 12 ms, copy 2e+02 ms"
    assert str(Trial({}, "no answer within 60 s")) == "no answer within 60 s"


def test_a_trial_is_of_both_on_the_devices_themselves():
    trial = all_reduce.tried(placement.of_cpu_devices(3, RING))
    assert not trial.failure
    assert trial.secs.keys() == {RING, COPY}
    assert all(0 < secs < 10 for secs in trial.secs.values())
    assert trial.fastest == min(trial.secs, key=trial.secs.get)


def test_nccl_without_gpus_fails_and_is_not_used():
    trial = all_reduce.tried(placement.of_gpus(2, NCCL))
    assert trial == Trial({}, "TensorFlow finds 0 GPUs, not 2")
    assert trial.fastest == COPY


def test_what_never_answers_is_ended():
    started = time.monotonic()
    trial = all_reduce.tried(placement.of_cpu_devices(2, RING), within_secs=0.5)
    assert trial == Trial({}, "no answer within 0.5 s")
    assert time.monotonic() - started < 5


def test_sums_that_are_wrong_are_found(monkeypatch):
    """As of GPUs that do not reach each other's memory and read something else there."""
    right = all_reduce.gradients.total
    monkeypatch.setattr(
        all_reduce.gradients,
        "total",
        lambda *given: [
            each + 1 if given[3] == RING and not place else each for place, each in enumerate(right(*given))
        ],
    )
    assert all_reduce.measure(placement.of_cpu_devices(2, RING)) == Trial({}, "ring adds up wrongly")
