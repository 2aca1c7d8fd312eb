"""The flows of both scripts: the order of the stages, and what is handed on to them."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import time
import zipfile

import pytest

from pipelines import cli, workflow
from pipelines.audio import rendering
from pipelines.runs import pretrained

PROJECT_DIR = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def stages(tmp_path, monkeypatch):
    """Makes the flows record their stages instead of running them; returns [[stage, flag, …], …]."""
    done = []

    def run(*flow: list[str]) -> None:
        for stage, *stage_flags in flow:
            done.append([stage, *stage_flags])
            given = dict(flag.split("=", 1) for flag in stage_flags if "=" in flag)
            if stage == "convert":
                folder = pathlib.Path(given["--output_dir"])
                folder.mkdir(parents=True, exist_ok=True)
                for name in ("report.json", "train.tfrecord", "validation.tfrecord"):
                    (folder / name).write_text("x")

    monkeypatch.setattr(workflow.stages, "run", run)
    monkeypatch.setattr(workflow, "_check_flags", lambda *_: None)
    monkeypatch.setattr(rendering, "check", lambda _: pathlib.Path("some.sf2"))
    for name in ("RUNS_DIR", "TFRECORD_DIR", "GENERATED_DIR"):
        monkeypatch.setattr(workflow, name, tmp_path / name.lower())
    monkeypatch.setattr(workflow, "QUICK_RUN_DIR", tmp_path / "runs_dir" / "quick")
    monkeypatch.setattr(pretrained, "PRETRAINED_DIR", tmp_path / "pretrained")
    return done


def make_run(run_dir: pathlib.Path, step: int, config: str = "hier-drums_4bar_small", age_secs: int = 0) -> None:
    (run_dir / "train").mkdir(parents=True)
    (run_dir / "config.json").write_text(json.dumps({"config": config}))
    index_path = run_dir / "train" / "checkpoint"
    index_path.write_text(f'model_checkpoint_path: "model.ckpt-{step}"\n')
    for ending in ("index", "data-00000-of-00001"):
        (run_dir / "train" / f"model.ckpt-{step}.{ending}").touch()
    os.utime(index_path, (time.time() - age_secs,) * 2)


def make_pretrained(name: str, config: str) -> None:
    folder = pretrained.PRETRAINED_DIR / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"config": config}))
    (folder / f"{name}.tar").touch()


class TestTrain:
    def test_data_then_training_then_evaluation(self, stages, tmp_path):
        workflow.train(["--num_steps", "7", "--config=groovae_4bar", "--hparams=batch_size=4"])
        assert [stage[0] for stage in stages] == ["convert", "train", "train"]
        assert "--input=starter" in stages[0]
        for stage, mode, split in ((stages[1], "train", "train"), (stages[2], "eval", "validation")):
            assert f"--mode={mode}" in stage
            assert f"--examples_path={tmp_path}/tfrecord_dir/starter/{split}.tfrecord*" in stage
            assert f"--run_dir={tmp_path}/runs_dir/groovae_4bar" in stage
            assert stage[-3:] == ["--num_steps", "7", "--hparams=batch_size=4"], "the user's flags come last"

    @pytest.mark.parametrize("argv", [[], ["--dataset=starter", "--seed=7"]])
    def test_starter_grooves_alone_are_the_quick_run(self, stages, argv):
        workflow.train(argv)
        assert [stage[0] for stage in stages] == ["convert", "train", "train"]
        for stage in stages[1:]:
            assert f"--run_dir={workflow.QUICK_RUN_DIR}" in stage
            assert {f"--config={workflow.QUICK_CONFIG}", *workflow.QUICK_FLAGS} <= set(stage)
            assert stage[-1] == (argv or ["--seed=1"])[-1], "the user's flags come last"

    @pytest.mark.parametrize(
        "flag", ["--config=groovae_4bar", "--num_steps=7", "--hparams=batch_size=4", "--mode=eval", "--dataset=mine"]
    )
    def test_what_is_said_of_a_run_makes_it_another_one(self, stages, tmp_path, flag):
        (tmp_path / "mine").mkdir()
        workflow.train(["--dataset=starter", flag])
        assert not any(workflow.QUICK_HPARAMS in each for stage in stages for each in stage)
        assert not any("quick" in each for stage in stages for each in stage)

    def test_a_quick_run_elsewhere_goes_on_and_another_run_stays_itself(self, stages, tmp_path):
        run_dir, command = tmp_path / "mine", f"python -m pipelines.train --hparams={workflow.QUICK_HPARAMS}"
        for settings, is_quick in ((None, True), ({"command": command}, True), ({"command": "x"}, False), ({}, False)):
            if settings is not None:
                run_dir.mkdir(exist_ok=True)
                (run_dir / "config.json").write_text(json.dumps({"config": "hier-drums_4bar_small"} | settings))
            workflow.train([f"--run_dir={run_dir}"])
            assert f"--run_dir={run_dir}" in stages[-1]
            assert (workflow.QUICK_FLAGS[0] in stages[-1]) == is_quick

    def test_mode_eval_only_evaluates_the_split_asked_for(self, stages):
        workflow.train(["--mode=eval", "--run_dir=some/run", "--split", "test", "--eval_interval_secs=60"])
        assert [stage[0] for stage in stages] == ["convert", "train"]
        assert {"--mode=eval", "--run_dir=some/run", "--eval_interval_secs=60"} <= set(stages[1])
        assert stages[1][3].endswith("/test.tfrecord*")

    def test_watching_for_checkpoints_is_left_out_after_training(self, stages):
        workflow.train(["--eval_interval_secs=60"])
        assert not any("--eval_interval_secs=60" in stage for stage in stages)

    @pytest.mark.parametrize("flag", ["--examples_path=a/*.tfrecord", "--tfds_name=groove/4bar-midionly"])
    def test_examples_that_are_given_need_no_data_set(self, stages, flag):
        workflow.train([flag])
        assert [stage[0] for stage in stages] == ["train"]
        assert flag in stages[0]

    def test_the_config_of_a_run_is_left_to_the_run(self, stages, tmp_path):
        make_run(tmp_path / "run", 5, "groovae_4bar")
        workflow.train([f"--run_dir={tmp_path / 'run'}"])
        assert not any(flag.startswith("--config") for flag in stages[1])
        workflow.train([f"--run_dir={tmp_path / 'new'}", "--num_steps=7"])
        assert f"--config={workflow.DEFAULT_CONFIG}" in stages[-1]

    def test_data_without_a_validation_split_is_trained_on_and_not_evaluated(
        self, stages, tmp_path, monkeypatch, capsys
    ):
        monkeypatch.setattr(workflow, "_has_examples", lambda *_: False)
        workflow.train([])
        assert [stage[0] for stage in stages] == ["convert", "train"]
        assert "no validation split" in capsys.readouterr().out


class TestConvert:
    @pytest.fixture
    def zip_path(self, tmp_path):
        path = tmp_path / "my grooves.zip"
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("a.mid", "x")
        return path

    def test_what_is_unchanged_is_not_converted_again(self, stages, zip_path, capsys):
        folder = workflow.convert([str(zip_path)])
        assert folder.name == "my grooves"
        assert workflow.convert([str(zip_path)]) == folder
        assert len(stages) == 1
        assert "already converted" in capsys.readouterr().out

    def test_a_changed_zip_is_converted_again(self, stages, zip_path):
        workflow.convert([str(zip_path)])
        with zipfile.ZipFile(zip_path, "a") as file:
            file.writestr("b.mid", "x")
        workflow.convert([str(zip_path)])
        assert len(stages) == 2

    def test_a_new_file_in_a_folder_is_noticed(self, stages, tmp_path):
        folder = tmp_path / "grooves" / "deep"
        folder.mkdir(parents=True)
        (folder / "a.mid").write_text("x")
        for expected in (1, 1):
            workflow.convert([str(tmp_path / "grooves")])
            assert len(stages) == expected
        (folder / "b.mid").write_text("x")
        workflow.convert([str(tmp_path / "grooves")])
        assert len(stages) == 2

    def test_a_folder_whose_name_is_no_text_is_converted_once(self, tmp_path, monkeypatch, capfd):
        folder = pathlib.Path(os.fsdecode(os.fsencode(tmp_path) + b"/odd \xff"))
        shutil.copytree(PROJECT_DIR / "data" / "starter" / "drummer1", folder)
        monkeypatch.setattr(workflow, "TFRECORD_DIR", tmp_path / "records")
        for _ in range(2):
            assert cli.guard(lambda: workflow.convert([str(folder)]) and None) == 0
        out = capfd.readouterr().out
        assert "30 files found, 30 kept" in out
        assert "already converted" in out
        report = json.loads((tmp_path / "records" / folder.name / "report.json").read_text(encoding="utf-8"))
        assert report["input"] == f"{tmp_path}/odd \\xff"

    def test_another_data_set_of_the_same_name_is_converted(self, stages, tmp_path):
        for parent in ("one", "two"):
            (tmp_path / parent / "grooves").mkdir(parents=True)
            workflow.convert([str(tmp_path / parent / "grooves")])
        assert len(stages) == 2

    def test_a_failed_conversion_is_not_taken_for_a_finished_one(self, stages, zip_path, monkeypatch):
        workflow.convert([str(zip_path)])
        with zipfile.ZipFile(zip_path, "a") as file:
            file.writestr("b.mid", "x")

        def fail(*_: list[str]) -> None:
            raise SystemExit(1)

        recording = workflow.stages.run
        monkeypatch.setattr(workflow.stages, "run", fail)
        with pytest.raises(SystemExit):
            workflow.convert([str(zip_path)])
        monkeypatch.setattr(workflow.stages, "run", recording)
        workflow.convert([str(zip_path)])
        assert len(stages) == 2

    def test_names_of_tfds_are_handed_on(self, stages):
        assert workflow.convert(["groove/4bar-midionly"]).name == "groove_4bar-midionly"
        assert "--input=groove/4bar-midionly" in stages[0]

    def test_several_data_sets_go_into_one_conversion(self, stages, zip_path):
        folder = workflow.convert(["starter", str(zip_path)], ["--styles=rock"])
        assert folder.name == "starter+my grooves"
        assert ["--input=starter", f"--input={zip_path}", "--styles=rock"] == [
            flag for flag in stages[0][1:] if flag.startswith(("--input", "--styles"))
        ]
        workflow.convert(["starter", str(zip_path)], ["--styles=funk"])
        assert len(stages) == 2

    def test_a_drum_map_that_was_edited_is_converted_with_again(self, stages, zip_path, tmp_path):
        path = tmp_path / "kit.txt"
        path.write_text("36: kick")
        flags = ["--drum_channel=1", f"--drum_map={path}"]
        for _ in range(2):
            workflow.train([f"--dataset={zip_path}", *flags])
        assert [stage[0] for stage in stages].count("convert") == 1
        assert set(flags) <= set(stages[0])
        assert not any(flag.startswith("--drum_") for stage in stages[1:] for flag in stage)
        path.write_text("36: ride")
        workflow.train([f"--dataset={zip_path}", *flags])
        workflow.train([f"--dataset={zip_path}", "--drum_channel=all", flags[1]])
        assert [stage[0] for stage in stages].count("convert") == 3

    def test_filters_are_the_conversions_and_the_stride_is_both(self, stages):
        workflow.train(["--styles=rock", "--min_bpm=90", "--stride_bars=2", "--num_steps=1"])
        convert, train, evaluate = stages
        assert {"--styles=rock", "--min_bpm=90", "--stride_bars=2"} <= set(convert)
        assert "--stride_bars=2" in train and "--stride_bars=2" in evaluate
        assert not any(flag.startswith(("--styles", "--min_bpm")) for flag in [*train, *evaluate])


class TestGenerate:
    def test_without_a_run_a_trained_model_plays(self, stages, capsys):
        for name in ("groovae", "hier-drums"):
            make_pretrained(name, {"groovae": "groovae_4bar"}.get(name, "hier-drums_4bar_small"))
        workflow.generate([])
        assert [stage[0] for stage in stages] == ["generate", "render", "report"]
        assert f"--run_dir={pretrained.PRETRAINED_DIR / 'hier-drums'}" in stages[0]
        out = capsys.readouterr().out
        assert "pretrained/hier-drums, trained before; ./run_train.sh --dataset=starter trains one of your own" in out
        workflow.generate(["--config=groovae_4bar"])
        assert f"--run_dir={pretrained.PRETRAINED_DIR / 'groovae'}" in stages[3]
        assert "./run_train.sh --config=groovae_4bar trains one" in capsys.readouterr().out

    def test_ones_own_run_comes_before_a_trained_model(self, stages, capsys):
        make_pretrained("hier-drums", "hier-drums_4bar_small")
        make_run(workflow.RUNS_DIR / "mine", 5)
        workflow.generate([])
        assert f"--run_dir={workflow.RUNS_DIR / 'mine'}" in stages[0]
        assert f"plays {workflow.RUNS_DIR / 'mine'}, the newest run\n" in capsys.readouterr().out
        workflow.generate(["--pretrained=hier-drums"])
        assert f"--run_dir={pretrained.PRETRAINED_DIR / 'hier-drums'}" in stages[3]

    def test_a_model_is_named_once_and_by_its_name(self, stages):
        with pytest.raises(FileNotFoundError, match="there are no trained models in"):
            workflow.generate(["--pretrained=hier-drums"])
        make_pretrained("hier-drums", "hier-drums_4bar_small")
        with pytest.raises(ValueError, match="known, nearest first: hier-drums"):
            workflow.generate(["--pretrained=drums"])
        with pytest.raises(ValueError, match="give one of --run_dir, --checkpoint_file and --pretrained"):
            workflow.generate(["--pretrained=hier-drums", "--run_dir=r"])
        assert stages == []

    def test_an_unknown_config_names_its_neighbours(self, stages):
        with pytest.raises(ValueError, match=r"unknown config .*; known, nearest first: hier-drums_4bar_small"):
            workflow.generate(["--config=hier-drums_4bar_smal"])
        assert not stages

    def test_what_has_its_sound_is_not_played_again(self, stages):
        workflow.generate(["--run_dir=r"])
        assert stages[1][-1] == "--only_new"

    def test_without_a_run_and_a_trained_model_a_quick_one_is_trained_first(self, stages, tmp_path, capsys):
        workflow.generate([])
        assert [stage[0] for stage in stages] == ["convert", "train", "generate", "render", "report"]
        assert f"--num_steps={workflow.QUICK_NUM_STEPS}" in stages[1]
        assert f"--run_dir={workflow.QUICK_RUN_DIR}" in stages[1]
        assert f"--run_dir={workflow.QUICK_RUN_DIR}" in stages[2]
        output = capsys.readouterr().out
        assert "no trained run" in output
        assert output.endswith(f"{tmp_path}/generated_dir/index.html\n")

    def test_the_newest_run_is_taken(self, stages):
        make_run(workflow.RUNS_DIR / "old", 900, age_secs=60)
        make_run(workflow.RUNS_DIR / "deep" / "new", 5)
        workflow.generate([])
        assert f"--run_dir={workflow.RUNS_DIR}/deep/new" in stages[0]

    def test_the_newest_run_of_a_config_is_taken(self, stages):
        make_run(workflow.RUNS_DIR / "tap", 900, "groovae_4bar_tap", age_secs=60)
        make_run(workflow.RUNS_DIR / "new", 5)
        workflow.generate(["--config=groovae_4bar_tap"])
        assert f"--run_dir={workflow.RUNS_DIR}/tap" in stages[0]
        with pytest.raises(FileNotFoundError, match=r"train one: \./run_train\.sh --config=groovae_4bar"):
            workflow.generate(["--config=groovae_4bar"])

    def test_a_quick_run_that_was_stopped_is_finished(self, stages, capsys):
        make_run(workflow.QUICK_RUN_DIR, workflow.QUICK_NUM_STEPS - 1)
        workflow.generate([])
        assert [stage[0] for stage in stages][1] == "train"
        assert f"going on from step {workflow.QUICK_NUM_STEPS - 1}" in capsys.readouterr().out

    def test_flags_reach_the_stage_they_are_for(self, stages):
        sound = ("--soundfont=a.sf2", "--sample_rate=8000")
        workflow.generate(["--run_dir", "r", *sound, "--output_dir=out", "--num_outputs=2", "--temperature", "0.5"])
        assert stages[0][0] == "generate"
        assert stages[0][-3:] == ["--num_outputs=2", "--temperature", "0.5"]
        assert {"--run_dir=r", "--output_dir=out", "--humanize_with=auto"} <= set(stages[0])
        assert stages[1] == ["render", "--input=out", "--soundfont=a.sf2", "--sample_rate=8000"]
        assert stages[2] == ["report", "--input=out"]

    def test_each_mode_has_the_model_that_suits_it_unless_one_is_named(self, stages):
        make_run(workflow.RUNS_DIR / "mine", 5)
        workflow.generate(["--mode=humanize", "--input=beat.mid"])
        assert not any(flag.startswith("--run_dir") for flag in stages[0])
        workflow.generate(["--mode=interpolate", "--humanize_with=none"])
        assert f"--run_dir={workflow.RUNS_DIR / 'mine'}" in stages[3]
        assert "--humanize_with=none" in stages[3] and "--humanize_with=auto" not in stages[3]

    def test_a_manifest_says_all(self, stages):
        make_run(workflow.RUNS_DIR / "mine", 5)
        workflow.generate(["--from_manifest=old", "--output_dir=out"])
        assert stages[0] == ["generate", "--from_manifest=old", "--output_dir=out"]

    def test_without_fluidsynth_everything_but_the_sound_is_made(self, stages, monkeypatch, capsys):
        def missing(_: str | None) -> pathlib.Path:
            raise OSError("libfluidsynth was not found: sudo apt-get install libfluidsynth3")

        monkeypatch.setattr(rendering, "check", missing)
        workflow.generate(["--run_dir=r"])
        assert [stage[0] for stage in stages] == ["generate", "report"]
        assert "sudo apt-get install" in capsys.readouterr().out

    def test_a_wrong_soundfont_ends_it_before_long_work(self, stages, monkeypatch):
        def wrong(_: str | None) -> pathlib.Path:
            raise ValueError("--soundfont=a.sf2: no such file")

        monkeypatch.setattr(rendering, "check", wrong)
        with pytest.raises(ValueError, match="no such file"):
            workflow.generate(["--soundfont=a.sf2"])
        assert stages == []
