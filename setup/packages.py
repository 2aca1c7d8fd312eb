"""The lock, what of it is installed, and pip. Standard library only.

requirements.txt is a complete lock, so pip resolves nothing (--no-deps) and never reads Magenta's pins.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BUILD_TOOLS = ("setuptools", "wheel")  # Installed first: what has no wheel is built with the locked ones.
PIP_FLAGS = (
    *("--no-deps", "--no-compile", "--no-build-isolation", "--no-warn-script-location"),
    *("--disable-pip-version-check", "--no-input", "--progress-bar=off"),
)
LARGE = ("tensorflow", "llvmlite", "pandas", "pyarrow", "scipy")  # About half of the work.
TENSORFLOWS = ("tensorflow", "tensorflow-cpu", "tensorflow-gpu", "tensorflow-macos", "tf-nightly")
SHOWN_LOG_LINES, SHOWN_COLUMNS = 6, 200

# Everything the stages import. That it loads is the proof that an installation works; and as pip leaves
# byte-compiling out, these modules and no others are compiled here, in 8 s.
ESSENTIALS = """
import os, warnings
warnings.simplefilter("ignore")
os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")
import tensorflow as tf
tf.compat.v1.keras.layers.Dense
import magenta.models.music_vae.configs, magenta.models.music_vae.trained_model
import google_crc32c, matplotlib.pyplot, note_seq, pebble, pretty_midi, pytest, tensorflow_datasets, tqdm
"""
EXTRA_IMPORTS = {"": "", "beam": "import apache_beam"}  # The same of each further lock, by its name.


def locked(lock_path: Path) -> list[str]:
    """Returns the requirements of a lock, each `name==version` or `name==version ; marker`."""
    lines = (line.split("#")[0].strip() for line in lock_path.read_text().splitlines())
    return [line for line in lines if line]


def name_of(line: str) -> str:
    """Returns the normalized name of the distribution that a line of the lock asks for."""
    return _normalized(re.split(r"[=;\s]", line, maxsplit=1)[0])


def installed_versions() -> dict[str, str]:
    """Returns the version of each distribution in this environment, by normalized name.

    Any of TensorFlow's builds counts as `tensorflow`.
    """
    versions: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"]
        if name:
            versions.setdefault(_normalized(name), distribution.version)
    for build in TENSORFLOWS:
        if build in versions:
            versions.setdefault("tensorflow", versions[build])
    return versions


def missing(lines: list[str], present: dict[str, str]) -> list[str]:
    """Returns the requirements of which no version is present; tf-keras follows the TensorFlow that is there.

    Args:
        lines: Lines of the lock.
        present: Version of each installed distribution.
    """
    wanted = [line for line in lines if name_of(line) not in present and _applies(line)]
    if "tensorflow" in present:
        major_minor = ".".join(present["tensorflow"].split(".")[:2])
        wanted = [f"tf-keras=={major_minor}.*" if name_of(line) == "tf-keras" else line for line in wanted]
    return wanted


def forget_half_installed(venv_dir: Path) -> None:
    """Removes the metadata of packages that pip was interrupted at, so that it installs them again.

    pip writes the file INSTALLER after all files of a package.
    """
    for metadata_dir in venv_dir.glob("lib/python*/site-packages/*.dist-info"):
        if not (metadata_dir / "INSTALLER").exists():
            shutil.rmtree(metadata_dir)


def install(python: Path, log_dir: Path, lines: list[str], held_fd: int) -> None:
    """Installs the locked `lines` with two pips at once, one for the large packages, one for the small.

    Args:
        python: The environment's interpreter.
        log_dir: Where pip's output goes.
        lines: Lines of the lock.
        held_fd: A file descriptor to keep open while pip runs.

    Raises:
        RuntimeError: If pip fails; the text holds the end of what it said.
    """
    tools = [line for line in lines if name_of(line) in BUILD_TOOLS]
    large = [line for line in lines if name_of(line) in LARGE or name_of(line).startswith("nvidia-")]
    small = [line for line in lines if line not in tools and line not in large]
    with tempfile.TemporaryDirectory() as scratch:
        for group in ({"tools": tools}, {"large": large, "small": small}):
            running = []
            for name, part in group.items():
                if part:
                    requirements_path = Path(scratch, f"{name}.txt")
                    requirements_path.write_text("\n".join(part) + "\n")
                    running.append(Pip(python, requirements_path, log_dir / f"install-{name}.log", held_fd))
            _wait(running)


class Pip:
    """A running `pip install`, with its output in a file."""

    def __init__(self, python: Path, requirements_path: Path, log_path: Path, held_fd: int) -> None:
        self.log_path = log_path
        command = [str(python), "-m", "pip", "install", *PIP_FLAGS, "-r", str(requirements_path)]
        streams = {"stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
        with log_path.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, env=environment(), pass_fds=(held_fd,), **streams)

    def log(self) -> str:
        """Returns what it has said so far."""
        return self.log_path.read_text(errors="replace")

    def stop(self) -> None:
        """Ends it, if it still runs."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()


def check_essentials(python: Path, advice: str, extra: str = "") -> None:
    """Imports what the stages import, and compiles it on the way.

    Raises:
        RuntimeError: If it does not load, with `advice`.
    """
    env = environment() | {"PYTHONDONTWRITEBYTECODE": ""}
    code = ESSENTIALS + EXTRA_IMPORTS[extra]
    result = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=False, env=env)
    if result.returncode:
        reason = tail(result.stderr, 1) if result.returncode > 0 else f"signal {-result.returncode}"
        raise RuntimeError(f"the installed packages do not work together: {reason}\n  {advice}")


def environment() -> dict[str, str]:
    """Returns the process environment without what would send pip's packages elsewhere."""
    diverting = ("PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_REQUIRE_VIRTUALENV", "PYTHONPATH", "PYTHONHOME")
    return {name: value for name, value in os.environ.items() if name not in diverting}


def tail(text: str, num_lines: int = SHOWN_LOG_LINES) -> str:
    """Returns the last lines of `text`, without the ends of very long ones."""
    return "\n".join(line[:SHOWN_COLUMNS] for line in text.strip().splitlines()[-num_lines:])


def _wait(pips: list[Pip]) -> None:
    """Waits for all, counting packages on a terminal.

    Raises:
        RuntimeError: If one fails.
    """
    try:
        while any(pip.process.poll() is None for pip in pips):
            time.sleep(0.2)
            if sys.stdout.isatty():
                num_packages = sum(pip.log().count("Collecting ") for pip in pips)
                print(f"\r  pip: {num_packages} packages", end="", flush=True)
    finally:
        for pip in pips:
            pip.stop()
        if sys.stdout.isatty():
            print("\r\033[K", end="", flush=True)
    for pip in pips:
        if pip.process.returncode:
            raise RuntimeError(
                f"pip could not install everything (its log: {pip.log_path}):\n{tail(pip.log())}\n"
                "check the network connection and run the command again; it goes on where it stopped"
            )


def _applies(line: str) -> bool:
    """Returns whether the line's marker, if it has one, holds for this Python."""
    try:
        from packaging.markers import Marker
    except ImportError:
        from pip._vendor.packaging.markers import Marker  # The same; no environment has to have its own.
    _, _, marker = line.partition(";")
    return not marker or Marker(marker.strip()).evaluate()


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
