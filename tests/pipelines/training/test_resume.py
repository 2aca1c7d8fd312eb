"""Going on with a run: the same seed, data and hparams, or a clear word about what is not."""

import json
import shutil

import numpy as np
import pytest

import configs
from models import checkpoint_files, checkpoints, precision
from models.devices import Card
from models.magenta import tf
from pipelines import train
from pipelines.runs import metrics_log
from pipelines.training import options, resume
from tests import cudnn_on_cpu
from tests.tiny import TINY_HPARAMS, train_tiny

NAME = "groovae_4bar"
CONTINUED = {"seed": 5, "hparams": {"learning_rate": 0.001, "batch_size": 4}, "data": None}


def test_a_new_run_has_the_seed_given_or_one_of_its_own():
    assert resume.seed({}, 3, has_checkpoint=False) == 3
    drawn = {resume.seed({}, None, has_checkpoint=False) for _ in range(5)}
    assert len(drawn) == 5
    assert all(0 <= seed < resume.MAX_SEED for seed in drawn)


def test_a_run_that_goes_on_keeps_its_seed():
    for given in (None, 5):
        assert resume.seed(CONTINUED, given, has_checkpoint=True) == 5
    assert resume.seed(CONTINUED, None, has_checkpoint=False) == 5
    assert resume.seed({}, 7, has_checkpoint=True) == 7  # A run from before seeds were written down.


def test_another_seed_is_refused_once_there_is_a_checkpoint():
    assert resume.seed(CONTINUED, 6, has_checkpoint=False) == 6
    with pytest.raises(ValueError, match="--seed=6: this run was started with seed 5"):
        resume.seed(CONTINUED, 6, has_checkpoint=True)


def test_changed_hparams_are_named():
    config = configs.with_hparams(configs.CONFIG_MAP[NAME], "learning_rate=0.0003,batch_size=4,dec_rnn_size=[7,7]")
    record = {"hparams": {"learning_rate": 0.001, "batch_size": 4, "dec_rnn_size": [7, 7], "no_longer_there": 1}}
    assert resume.changed_hparams(record, config) == {"learning_rate": [0.001, 0.0003]}


def test_other_data_is_refused_unless_allowed():
    record = {"examples": "a.tfrecord", "data": {"fingerprint": "1", "num_examples": 10}}
    same, other = ({"fingerprint": fingerprint, "num_examples": 12} for fingerprint in "12")
    assert resume.check_data(record, record["data"], "moved.tfrecord", allowed=False) == {}
    assert resume.check_data({}, other, "b.tfrecord", allowed=False) == {}
    for data in (same, other):
        with pytest.raises(ValueError, match=r"b.tfrecord: 12 examples, and not the 10 of a.tfrecord") as caught:
            resume.check_data(record, data, "b.tfrecord", allowed=False)
        assert "--allow_other_data" in str(caught.value)
        changes = resume.check_data(record, data, "b.tfrecord", allowed=True)
        assert changes == {"examples": ["10 from a.tfrecord", "12 from b.tfrecord"]}


@pytest.fixture(scope="module")
def started(tmp_path_factory, starter_records):
    """A run after one step."""
    run_dir = tmp_path_factory.mktemp("started")
    train_tiny(NAME, run_dir, starter_records, num_steps=1, seed=1)
    return run_dir


@pytest.fixture
def run_dir(started, tmp_path):
    return shutil.copytree(started, tmp_path / "run")


def record_of(run_dir):
    return json.loads((run_dir / "config.json").read_text())


def test_the_record_says_what_the_run_is_made_of(run_dir):
    record = record_of(run_dir)
    assert (record["seed"], record["precision"], record["changes"]) == (1, "fp32", [])
    assert record["data"]["num_examples"] == 220
    assert len(record["data"]["fingerprint"]) == 64
    assert {"python", "tensorflow", "magenta", "numpy"} <= set(record["versions"])


@pytest.mark.thorough
def test_a_run_goes_on_whatever_computes_its_layers(run_dir, starter_records, capsys, monkeypatch):
    """Begun in steps, it goes on with BlockLSTM, then with cuDNN, whose GPU and operation are not really here."""
    assert record_of(run_dir)["layers"] == "steps"
    variables = dict(tf.train.list_variables(checkpoints.newest(run_dir / "train")))
    assert train_tiny(NAME, run_dir, starter_records, num_steps=2, layers="block") == 0
    assert "precision fp32 (a layer at once, by BlockLSTM)\n" in capsys.readouterr().out
    monkeypatch.setattr(precision, "gpus", lambda: [Card("Ampere", (8, 0))])
    with cudnn_on_cpu.emulated(monkeypatch):
        assert train_tiny(NAME, run_dir, starter_records, num_steps=3, precision="auto", layers="cudnn") == 0
    assert "precision fp32 (a layer at once, by cuDNN)\n" in capsys.readouterr().out
    assert dict(tf.train.list_variables(checkpoints.newest(run_dir / "train"))) == variables
    assert (record_of(run_dir)["layers"], record_of(run_dir)["changes"]) == ("cudnn", [])


def test_layers_that_are_not_to_be_had_are_told(run_dir, starter_records, monkeypatch):
    monkeypatch.setattr(precision, "gpus", list)
    before = (run_dir / "config.json").read_bytes()
    with pytest.raises(ValueError, match=r"^--layers=cudnn: it takes a GPU"):
        train_tiny(NAME, run_dir, starter_records, num_steps=2, layers="cudnn")
    with pytest.raises(ValueError, match=r"^--precision=bf16: .* in fp32 alone with --layers=block"):
        train_tiny(NAME, run_dir, starter_records, num_steps=2, precision="bf16", layers="block")
    assert (run_dir / "config.json").read_bytes() == before
    run = train.check_run(run_dir.parent / "new", "cat-mel_2bar_small", "", "none.tfrecord", None)
    with pytest.raises(ValueError, match=r"^--layers=block: cat-mel_2bar_small computes with Magenta's own layers"):
        resume.read(run, options.Training(layers="block"))


def test_block_goes_on_in_fp32_with_a_run_that_was_bf16(run_dir, starter_records):
    (run_dir / "config.json").write_text(json.dumps(record_of(run_dir) | {"precision": "bf16"}))
    run = train.check_run(run_dir, NAME, "", str(starter_records / "train.tfrecord"), None)
    assert resume.read(run, options.Training(layers="block")).precision == "fp32"


def test_a_changed_rate_is_said_and_recorded(run_dir, starter_records, capsys):
    train_tiny(NAME, run_dir, starter_records, num_steps=2, hparams="learning_rate=0.0003")
    assert "changed   learning_rate 0.001 → 0.0003\n" in capsys.readouterr().out
    assert record_of(run_dir)["changes"] == [{"step": 1, "learning_rate": [0.001, 0.0003]}]
    assert record_of(run_dir)["hparams"]["learning_rate"] == 0.0003
    train_tiny(NAME, run_dir, starter_records, num_steps=3, hparams="")
    assert "changed   " not in capsys.readouterr().out
    assert record_of(run_dir)["hparams"]["learning_rate"] == 0.0003


def test_other_examples_need_a_flag(run_dir, starter_records, capsys):
    run = train.check_run(run_dir, NAME, "", str(starter_records / "validation.tfrecord"), None)
    before = {path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match="--allow_other_data"):
        train.train_run(run, 2)
    assert {path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file()} == before
    assert train.train_run(run, 2, allow_other_data=True) == 0
    assert "changed   examples 220 from " in capsys.readouterr().out


def test_a_run_from_before_goes_on(run_dir, starter_records):
    """Its record has no seed, data or precision, its checkpoints have graphs; one of stock Magenta has no record."""
    record = {name: value for name, value in record_of(run_dir).items() if name in ("config", "hparams", "examples")}
    (run_dir / "config.json").write_text(json.dumps(record))
    (run_dir / "metrics.jsonl").unlink()
    (run_dir / "train" / "model.ckpt-1.meta").write_bytes(b"a graph")
    assert train_tiny(NAME, run_dir, starter_records, num_steps=2) == 0
    (run_dir / "config.json").unlink()
    assert train_tiny(NAME, run_dir, starter_records, num_steps=3) == 0
    assert checkpoint_files.step_of(checkpoints.newest(run_dir / "train")) == 3
    assert record_of(run_dir)["seed"] is not None


def test_half_files_of_a_killed_process_are_gone(run_dir, starter_records):
    halves = ["train/model.ckpt-9.index.tempstate1", "train/model.ckpt-9.data-00000-of-00001", ".curves.ab.partial.png"]
    for name in halves:
        (run_dir / name).touch()
    train_tiny(NAME, run_dir, starter_records, num_steps=2)
    assert not any((run_dir / name).exists() for name in halves)


@pytest.mark.parametrize("lost", ["train.tfrecord", "store", "half a store"])
def test_lost_data_is_told_or_made_anew(run_dir, starter_records, tmp_path, lost):
    records = tmp_path / "records"
    records.mkdir()
    shutil.copy(starter_records / "train.tfrecord", records)
    train_tiny(NAME, run_dir, records, num_steps=2)
    if lost == "train.tfrecord":
        (records / lost).unlink()
        with pytest.raises(FileNotFoundError, match="no file matches --examples_path"):
            train_tiny(NAME, run_dir, records, num_steps=3)
        assert checkpoint_files.step_of(checkpoints.newest(run_dir / "train")) == 2
        return
    (store,) = (records / ".examples").iterdir()
    if lost == "store":
        shutil.rmtree(store)
    else:
        path = max(store.glob("*.npy"), key=lambda path: path.stat().st_size)
        path.write_bytes(path.read_bytes()[:-50])
    assert train_tiny(NAME, run_dir, records, num_steps=3) == 0


def test_a_truncated_tfrecord_ends_before_anything_is_done(run_dir, starter_records, tmp_path):
    path = tmp_path / "train.tfrecord"
    path.write_bytes((starter_records / "train.tfrecord").read_bytes()[:-50])
    with pytest.raises(ValueError, match="damaged"):
        train_tiny(NAME, run_dir, tmp_path, num_steps=2)
    assert checkpoint_files.step_of(checkpoints.newest(run_dir / "train")) == 1


def test_a_config_json_that_is_damaged_is_told(run_dir, starter_records):
    (run_dir / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json: damaged"):
        train_tiny(NAME, run_dir, starter_records, num_steps=2)


def test_the_old_checkpoints_of_a_damaged_one_count(run_dir, starter_records, capsys):
    train_tiny(NAME, run_dir, starter_records, num_steps=2)
    path = run_dir / "train" / "model.ckpt-2.data-00000-of-00001"
    path.write_bytes(path.read_bytes()[:-100])
    train_tiny(NAME, run_dir, starter_records, num_steps=3)
    out, err = capsys.readouterr()
    assert "going on from step 1" in out
    assert "model.ckpt-2: cannot be read" in err
    reader = tf.train.load_checkpoint(checkpoints.newest(run_dir / "train"))
    assert reader.get_tensor("global_step") == 3


def test_a_run_without_a_checkpoint_yet_begins_with_its_seed(run_dir, starter_records):
    shutil.rmtree(run_dir / "train")
    train_tiny(NAME, run_dir, starter_records, num_steps=1)
    assert record_of(run_dir)["seed"] == 1


def test_sizes_that_are_not_the_checkpoints_are_refused(run_dir, starter_records):
    with pytest.raises(ValueError, match="of another config or other hparams"):
        train_tiny(NAME, run_dir, starter_records, 2, hparams=TINY_HPARAMS.replace("z_size=4", "z_size=5"))
    assert record_of(run_dir)["hparams"]["z_size"] == 4


@pytest.mark.parametrize(
    ("name", "hparams"),
    [
        ("hier-drums_4bar_small", ""),
        ("groovae_4bar", ""),  # With dropout.
        pytest.param(
            "hier-drums_4bar_small",
            ",sampling_schedule=exponential,sampling_rate=0.9",
            marks=pytest.mark.thorough,
        ),
    ],
)
def test_a_run_that_was_interrupted_reaches_the_same_variables(tmp_path, starter_records, name, hparams):
    """Bit for bit, those of Adam included; what was measured is the same curve."""
    for run_dir, stops in ((tmp_path / "a", (7,)), (tmp_path / "b", (3, 7))):
        for num_steps in stops:
            train_tiny(name, run_dir, starter_records, num_steps, seed=5, hparams=TINY_HPARAMS + hparams)
    first, second = (tf.train.load_checkpoint(str(tmp_path / run / "train" / "model.ckpt-7")) for run in "ab")
    shapes = first.get_variable_to_shape_map()
    assert any("Adam" in variable for variable in shapes)
    for variable in shapes:
        np.testing.assert_array_equal(first.get_tensor(variable), second.get_tensor(variable), err_msg=variable)
    losses = [metrics_log.read(tmp_path / run)[0]["loss"] for run in "ab"]
    assert losses[0] == losses[1]
