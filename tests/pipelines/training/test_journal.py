"""The account of a run: rows are means, go on where they stopped, and a picture is not worth a run."""

import numpy as np

from pipelines.files import progress
from pipelines.runs import metrics_log
from pipelines.training import curves, journal

TAGS = ("loss", "losses/kl_bits")


def opened(run_dir, first_step=0, best_metric=None):
    (run_dir / "train").mkdir(parents=True, exist_ok=True)
    return journal.Journal(run_dir, first_step, progress.Steps(first_step, None, 4), best_metric)


def take_steps(account, first, last):
    for step in range(first, last + 1):
        account.step(step, TAGS, np.array([float(step), 0.5]))


def test_rows_are_means_of_the_steps_since_the_last_one(tmp_path):
    account = opened(tmp_path)
    take_steps(account, 1, 12)
    account.close()
    rows = metrics_log.read(tmp_path)
    assert [(row["step"], row["loss"], row["kl_bits"]) for row in rows] == [(1, 1, 0.5), (10, 6, 0.5), (12, 11.5, 0.5)]
    assert (tmp_path / "curves.png").exists()


def test_a_validation_comes_after_the_steps_before_it(tmp_path):
    account = opened(tmp_path, best_metric="loss")
    take_steps(account, 1, 3)
    row = account.validated(3, {"loss": 7.0})
    account.close()
    rows = metrics_log.read(tmp_path)
    assert [(each["split"], each["step"]) for each in rows] == [("train", 1), ("train", 3), ("validation", 3)]
    assert row == rows[-1]


def test_an_account_goes_on_after_its_first_step(tmp_path):
    account = opened(tmp_path)
    take_steps(account, 1, 20)
    account.close()
    account = opened(tmp_path, first_step=10)
    assert account.secs >= metrics_log.read(tmp_path)[-1]["secs"]
    take_steps(account, 11, 12)
    account.close()
    assert [row["step"] for row in metrics_log.read(tmp_path)] == [1, 10, 12]


def test_a_picture_that_fails_is_told_once(tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise RuntimeError("no fonts")

    monkeypatch.setattr(curves, "draw", fail)
    account = opened(tmp_path)
    take_steps(account, 1, 2)
    account.draw()
    account.close()
    assert capsys.readouterr().err.count("curves.png could not be drawn (RuntimeError: no fonts)") == 1


def test_the_best_validation_is_marked(tmp_path, monkeypatch):
    marked = []
    monkeypatch.setattr(curves, "draw", lambda _rows, _path, best: marked.append(best))
    account = opened(tmp_path, best_metric="loss")
    for step, loss in ((1, 3.0), (2, 2.0), (3, 4.0)):
        account.validated(step, {"loss": loss})
    account.close()
    assert marked[-1]["step"] == 2


def test_other_workers_keep_no_account(tmp_path, capsys):
    account = journal.NoJournal(progress.Steps(0, 2, 4))
    take_steps(account, 1, 2)
    account.close()
    assert "step 2 of 2" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
