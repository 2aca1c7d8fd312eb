"""A run becomes a folder that plays by its name, in Magenta's own code too, and means the same as the run."""

import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from magenta.models.music_vae import trained_model

from models import checkpoints, latents, slim
from models.magenta import tf
from pipelines import export
from pipelines.evaluation import evaluator
from pipelines.examples import loading
from pipelines.runs import pretrained, resolution, trained
from pipelines.runs.run_folder import RunFolder
from tests.models.test_interchange import upstream_config
from tests.tiny import TINY_HPARAMS, model_of, train_tiny

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAME = "hier-drums_4bar_small"
METRICS = {"config": NAME, "global_step": 2, "num_examples": 8, "loss": 123.4567, "loss_low": 120.0, "loss_high": 130.0}


@pytest.fixture(scope="module")
def exported(tiny_runs, tmp_path_factory) -> pathlib.Path:
    """The tiny run of hier-drums_4bar_small, exported, with metrics and notes."""
    folder = tmp_path_factory.mktemp("exported")
    (folder / "validation.json").write_text(json.dumps(METRICS))
    (folder / "notes.md").write_text("Good at nothing.\n")
    export.export_run(
        str(tiny_runs[NAME]),
        str(folder / "pretrained" / "drums"),
        metrics_paths=[str(folder / "validation.json")],
        dataset="starter",
        notes_path=str(folder / "notes.md"),
    )
    return folder / "pretrained" / "drums"


def test_the_variables_are_the_models_rounded_and_nothing_else(exported, tiny_runs):
    trained = model_of(tiny_runs[NAME]).variables()
    with checkpoints.unpacked(exported / "drums.tar") as prefix:
        reader = tf.train.load_checkpoint(prefix)
        assert set(reader.get_variable_to_shape_map()) == set(trained)
        assert not any("Adam" in name or "power" in name for name in trained)
        for name, value in trained.items():
            np.testing.assert_array_equal(reader.get_tensor(name), slim.rounded(value))
        assert reader.get_tensor("global_step") == 2


def test_magentas_trained_model_loads_the_tar_and_samples(exported, tiny_runs):
    theirs = trained_model.TrainedModel(upstream_config(NAME), 4, str(exported / "drums.tar"))
    assert len(theirs.sample(4, length=64, temperature=0.5)) == 4
    inputs = (np.random.default_rng(0).random([2, 64, 10]) < 0.2).astype(np.float32)
    _, mean, _ = theirs.encode_tensors([*inputs, *inputs], [64] * 4)
    ours = model_of(tiny_runs[NAME]).encode(inputs, np.full([2], 64), np.zeros([2, 64, 0]))
    np.testing.assert_allclose(mean[:2], ours, atol=0.02 * np.abs(ours).max())


def test_settings_and_card_say_what_it_is(exported, tiny_runs):
    settings = json.loads((exported / "config.json").read_text())
    of_run = json.loads((tiny_runs[NAME] / "config.json").read_text())
    for key in ("config", "hparams", "data", "seed", "precision", "devices", "versions"):
        assert settings[key] == of_run[key]
    assert settings["step"] == 2
    assert "examples" not in settings, "where the data lay on one machine"
    text = (exported / "README.md").read_text()
    for part in (
        "# drums\n",
        "Good at nothing.",
        "123.4567 | 120.0000 to 130.0000",
        "`enc_rnn_size=[8]`",
        "starter grooves",
    ):
        assert part in text


def test_again_it_is_the_same_and_the_notes_stay(exported, tiny_runs, tmp_path):
    shutil.copytree(exported, tmp_path / "drums")
    (tmp_path / "drums" / "mine.txt").touch()
    export.export_run(str(tiny_runs[NAME]), str(tmp_path / "drums"), title="Drums")
    assert (tmp_path / "drums" / "drums.tar").read_bytes() == (exported / "drums.tar").read_bytes()
    text = (tmp_path / "drums" / "README.md").read_text()
    assert "# Drums\n" in text and "Good at nothing." in text
    assert sorted(path.name for path in (tmp_path / "drums").iterdir()) == [
        "README.md",
        "config.json",
        "drums.tar",
        "mine.txt",
    ]


def test_rounding_leaves_the_metrics_as_they_are(starter_records, tmp_path):
    """Of a run that has learnt enough for its weights to matter."""
    train_tiny(NAME, tmp_path / "run", starter_records, 60, 1, f"{TINY_HPARAMS},learning_rate=0.02")
    export.export_run(str(tmp_path / "run"), str(tmp_path / "drums"))
    _, config, path = resolution.resolve_model(str(tmp_path / "drums"), None, None, "")
    assert path == str(tmp_path / "drums" / "drums.tar")
    examples = loading.load(config, "validation", str(starter_records / "validation.tfrecord"))
    opened = evaluator.Evaluator(config, examples, sampled=False)
    before = opened.evaluate(trained.newest_checkpoint(RunFolder(tmp_path / "run")))
    with checkpoints.unpacked(path) as prefix:
        after = opened.evaluate(prefix)
    opened.close()
    assert before["loss"] < 250 and before["loss"] != after["loss"]
    assert after["loss"] == pytest.approx(before["loss"], rel=1e-3)
    assert after["teacher_forced_accuracy"] == pytest.approx(before["teacher_forced_accuracy"], abs=1e-3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "no JSON"),
        ("[]", "not written by pipelines.evaluate"),
        (json.dumps(METRICS | {"global_step": 7}), f"of {NAME} at step 7, but the checkpoint is of {NAME} at step 2"),
        (json.dumps(METRICS | {"config": "other"}), "of other at step 2"),
    ],
)
def test_metrics_of_something_else_are_refused(tiny_runs, tmp_path, content, message):
    (tmp_path / "m.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        export.export_run(str(tiny_runs[NAME]), str(tmp_path / "out"), metrics_paths=[str(tmp_path / "m.json")])
    assert not (tmp_path / "out").exists()


def test_a_run_without_settings_is_refused(tmp_path):
    with pytest.raises(ValueError, match="give a run that this project has trained"):
        export.export_run(str(tmp_path), str(tmp_path / "out"))


def test_a_command_says_nothing_of_the_machine():
    given = "python -m pipelines.train --run_dir=/me/runs/b --hparams=a=[1,2],b=2 '--examples_path=/d/x y/*.tfrecord'"
    expected = "python -m pipelines.train --run_dir=runs/b '--hparams=a=[1,2],b=2' '--examples_path=x y/*.tfrecord'"
    assert export.portable(given) == expected
    assert export.portable("") == ""


@pytest.mark.parametrize("flag", ["--run_dir={0}", "--checkpoint_file={0}/drums.tar"])
def test_the_folder_and_its_tar_play(exported, tmp_path, flag):
    command = [sys.executable, "-m", "pipelines.generate", flag.format(exported), f"--output_dir={tmp_path}"]
    done = subprocess.run([*command, "--num_outputs=1"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"config      {NAME}\ncheckpoint  {exported}/drums.tar\n")


@pytest.fixture(scope="module")
def exported_with_latents(tiny_runs, starter_records, tmp_path_factory) -> pathlib.Path:
    """The tiny run, exported with a mixture of its training windows."""
    folder = tmp_path_factory.mktemp("with_latents") / "drums"
    export.export_run(str(tiny_runs[NAME]), str(folder), examples_path=str(starter_records / "train.tfrecord"))
    return folder


def test_the_mixture_is_that_of_the_training_windows(exported_with_latents, tiny_runs, starter_records):
    _, config = resolution.resolve_config(RunFolder(tiny_runs[NAME]), None, "")
    examples = loading.load(config, "train", str(starter_records / "train.tfrecord"))
    inputs, _, controls, lengths = examples.dense(np.arange(len(examples)))
    means, stddevs = model_of(tiny_runs[NAME]).posterior(inputs, lengths, controls)
    mixture = trained.latents_of(str(exported_with_latents / "drums.tar"), config.hparams.z_size, None)
    drawn = mixture.draw(20000, np.random.default_rng(0))
    np.testing.assert_allclose(drawn.mean(axis=0), means.mean(axis=0), atol=0.1)
    np.testing.assert_allclose(drawn.var(axis=0), means.var(axis=0) + (stddevs**2).mean(axis=0), rtol=0.2)
    assert "`latents.npz` is a mixture" in (exported_with_latents / "README.md").read_text()


def test_samples_come_from_the_mixture_unless_the_prior_is_asked_for(exported_with_latents, exported, tmp_path):
    def sample(folder: pathlib.Path, *flags: str) -> tuple[str, list[bytes]]:
        output_dir = tmp_path / str(len(list(tmp_path.iterdir())))
        command = [sys.executable, "-m", "pipelines.generate", f"--run_dir={folder}", "--seed=1", "--num_outputs=3"]
        done = subprocess.run(
            [*command, f"--output_dir={output_dir}", *flags], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout, [path.read_bytes() for path in sorted(output_dir.glob("*.mid"))]

    far_off = latents.Mixture(np.ones([1]), np.full([1, 4], 100.0), np.zeros([1, 4, 4]))
    folder = tmp_path / "drums"
    shutil.copytree(exported_with_latents, folder)
    far_off.write(folder / "latents.npz")
    said, midi = sample(folder)
    assert "latents     a mixture fitted to training windows; --latents=prior draws from the prior\n" in said
    assert midi == sample(folder)[1]
    said, from_prior = sample(folder, "--latents=prior")
    assert "latents " not in said
    assert midi != from_prior == sample(exported)[1]


def test_a_mixture_that_is_not_there_is_told_and_an_old_one_goes(exported, exported_with_latents, tiny_runs, tmp_path):
    _, config = resolution.resolve_config(RunFolder(tiny_runs[NAME]), None, "")
    with pytest.raises(
        FileNotFoundError, match=r"--latents=mixture: there is no .*latents.npz; python -m pipelines.export"
    ):
        trained.latents_of(str(exported / "drums.tar"), config.hparams.z_size, "mixture")
    shutil.copytree(exported_with_latents, tmp_path / "drums")
    export.export_run(str(tiny_runs[NAME]), str(tmp_path / "drums"))
    assert not (tmp_path / "drums" / "latents.npz").exists()


def test_it_is_not_trained_on(exported, monkeypatch):
    from pipelines import train

    assert pretrained.tar_of(exported)
    with pytest.raises(ValueError, match="a trained model, which stays as it is"):
        train.check_run(str(exported), None, "", "x.tfrecord", None)
