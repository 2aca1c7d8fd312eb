"""Pictures and the page: what is drawn where, and that the page holds together."""

import pathlib
import subprocess
import sys

from tests import midi_files

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_command(tmp_path):
    def run(folder, *flags):
        return subprocess.run(
            [sys.executable, "-m", "pipelines.report", f"--input={folder}", *flags],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
        )

    midi_files.write(tmp_path / "a.mid", [(0, 36, 100)])
    done = run(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{tmp_path / 'index.html'}: 1 picture, 0 with sound" in done.stdout
    assert 'class="roll light"' in (tmp_path / "index.html").read_text()
    done = run(tmp_path, "--background=dark", "--title=Night")
    assert (done.returncode, done.stderr) == (0, "")
    assert all(text in (tmp_path / "index.html").read_text() for text in ('class="roll dark"', "<h1>Night</h1>"))
    done = run(tmp_path, "--background=pink")
    assert done.returncode == 2
    assert "--background=pink: value should be one of <light|dark>" in done.stderr
    (tmp_path / "bad.mid").write_bytes(b"no MIDI")
    for folder, part in ((tmp_path, "bad.mid: cannot be read"), (tmp_path / "a.mid", "this is a file")):
        done = run(folder)
        assert done.returncode == 1
        assert part in done.stderr
        assert "Traceback" not in done.stderr
