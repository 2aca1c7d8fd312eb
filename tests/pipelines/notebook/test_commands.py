"""Commands from a notebook: what they say, what they write, how they stop and fail."""

import re
import sys

import pytest

from pipelines.audio import rendering
from pipelines.notebook import commands, tabs
from tests.sounds import needs_library
from tests.tiny import TINY_HPARAMS


class TestRun:
    def test_the_command_is_shown_then_what_it_says(self, tmp_path, monkeypatch, capfd):
        monkeypatch.chdir(tmp_path)
        assert commands.run("generate", "--mode=sample", "--num_outputs=1", "--seed=1", "--output_dir=a b")
        said = capfd.readouterr().out.splitlines()
        assert said[0] == "$ python -m pipelines.generate --mode=sample --num_outputs=1 --seed=1 '--output_dir=a b'"
        assert said[1].startswith("config ")
        assert len(list((tmp_path / "a b").glob("*.mid"))) == 1

    def test_a_failure_is_an_error_with_what_was_said_last(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(RuntimeError, match=r"^--mode=vary works on an --input"):
            commands.run("generate", "--mode=vary")
        with pytest.raises(RuntimeError, match="Unknown command line flag 'nosuch'"):
            commands.run("generate", "--nosuch=1")
        with pytest.raises(RuntimeError, match=r"pipelines\.nosuch failed, with exit status 1"):
            commands.run("nosuch")

    def test_it_is_told_to_stop_when_its_time_is_over(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert commands.run("convert", "--input=starter", "--output_dir=out", minutes=0) is False

    @pytest.mark.slow
    def test_whoever_interrupts_training_keeps_what_was_trained(self, starter_records, tmp_path, monkeypatch):
        class Cell:
            """Interrupts when the first step is told."""

            text, is_interrupted = "", False

            def write(self, text):
                self.text += text
                if text.startswith("step ") and not self.is_interrupted:
                    self.is_interrupted = True
                    raise KeyboardInterrupt

            def flush(self):
                pass

        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "stdout", cell := Cell())
        flags = (
            f"--examples_path={starter_records / 'train.tfrecord'}",
            f"--hparams={TINY_HPARAMS}",
            "--num_steps=3000",
        )
        assert commands.run("train", "--config=hier-drums_4bar_small", "--run_dir=run", *flags) is False
        monkeypatch.undo()
        assert "stopping; a second signal ends at once" in cell.text
        assert re.search(r"model\.ckpt-\d+", (tmp_path / "run" / "train" / "checkpoint").read_text())


class TestGenerate:
    def test_flags_are_those_of_the_command(self):
        asked = {"amount": 0.3, "keep_hits": False, "keep_other_tracks": True, "qpm": None, "input": ["a", "b c"]}
        flags = ["--amount=0.3", "--nokeep_hits", "--keep_other_tracks", "--input=a", "--input=b c"]
        assert list(commands._flags(asked)) == flags

    @needs_library
    def test_results_and_what_they_were_made_of_have_sound(self, made):
        for folder, num_files in ((made / "humanized", 2), (made / "grid", 4)):
            midis = list(folder.rglob("*.mid"))
            assert len(midis) == num_files
            assert all(path.with_suffix(".wav").stat().st_size > 100_000 for path in midis)

    def test_an_error_of_the_command_leaves_nothing(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(RuntimeError, match="no such file"):
            commands.generate("varied", mode="vary", input="nowhere.mid")
        assert not list(tmp_path.rglob("*.mid"))


class TestRender:
    def test_without_fluidsynth_it_says_so_and_goes_on(self, tmp_path, monkeypatch, capsys):
        def check():
            raise OSError("libfluidsynth was not found; sudo apt-get install libfluidsynth3")

        monkeypatch.setattr(rendering, "check", check)
        path = tabs.write("beat", "kick x---------------", 120, 1, tmp_path)
        commands.render(path)
        assert capsys.readouterr().out == (
            "no sound: libfluidsynth was not found; sudo apt-get install libfluidsynth3\n"
        )
        assert not path.with_suffix(".wav").exists()

    @needs_library
    def test_a_file_that_cannot_be_played_is_named_and_others_are_rendered(self, tmp_path, capsys):
        path = tabs.write("beat", "kick x---------------", 120, 1, tmp_path)
        (tmp_path / "broken.mid").write_bytes(b"MThd")
        commands.render(tmp_path)
        assert path.with_suffix(".wav").is_file()
        assert f"no sound: {tmp_path / 'broken.mid'}" in capsys.readouterr().out

    @needs_library
    def test_what_has_a_sound_is_not_rendered_again(self, tmp_path):
        wav_path = tabs.write("beat", "kick x---------------", 120, 1, tmp_path).with_suffix(".wav")
        commands.render(tmp_path)
        before = wav_path.stat().st_mtime_ns
        commands.render(tmp_path)
        assert wav_path.stat().st_mtime_ns == before
