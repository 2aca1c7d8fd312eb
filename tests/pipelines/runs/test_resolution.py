"""A run's folder stands for a config with its hparams, and for its newest checkpoint."""

import pytest

from pipelines.runs import resolution
from pipelines.runs.run_folder import RunFolder


def test_a_runs_hparams_count_and_overrides_after_them(tiny_runs):
    run = RunFolder(tiny_runs["groovae_4bar"])
    name, config = resolution.resolve_config(run, None, "z_size=5")
    assert name == "groovae_4bar"
    assert config.hparams.z_size == 5
    assert (config.hparams.batch_size, config.hparams.dec_rnn_size) == (4, [6, 6])


def test_another_config_than_the_runs_is_refused(tiny_runs):
    run = RunFolder(tiny_runs["groovae_4bar"])
    with pytest.raises(ValueError, match="was trained with --config=groovae_4bar, not groovae_4bar_tap"):
        resolution.resolve_config(run, "groovae_4bar_tap", "")


@pytest.mark.parametrize("run", [None, "new"])
def test_without_a_run_a_config_has_to_be_named(tmp_path, run):
    with pytest.raises(ValueError, match="which config"):
        resolution.resolve_config(run and RunFolder(tmp_path / run), None, "")
