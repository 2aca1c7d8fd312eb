"""The two ways to exchange gradients over machines, in real processes."""

import pytest

from benchmarks import exchange


@pytest.mark.slow
@pytest.mark.parametrize("way", exchange.WAYS)
def test_processes_exchange_and_notice_that_one_is_killed(way):
    found = exchange.measure(way, variables=[4000, 400, 8000], num_processes=2, num_steps=5)
    assert 0 < found.range[0] <= found.secs <= found.range[1] < 10
    assert found.lost_secs < exchange.LOST_LIMIT_SECS


def test_a_run_that_does_not_end_is_told():
    runs = [exchange.Exchange(1, (1, 1), lost) for lost in (0.1, None, 0.3)]
    assert exchange._ends(runs) == "not within 60 s (1 of 3 runs)"
    assert exchange._ends(runs[::2]) == "0.2 s"
