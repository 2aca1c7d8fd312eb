"""The locks, what of them is installed, and uv, which installs them. Standard library only.

The locks are complete, so nothing is resolved (--no-deps) and Magenta's pins are never read. requirements.txt pins uv's
own version too: pip installs that, and uv everything else, from where pip's settings say that packages come from.
"""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

PROJECT_DIR = Path(__file__).resolve().parent.parent
TENSORFLOWS = ("tensorflow", "tensorflow-cpu", "tensorflow-gpu", "tensorflow-macos", "tf-nightly")
SHOWN_LOG_LINES, SHOWN_COLUMNS = 6, 200

# What pip calls it, and the variable in which uv is told.
PIP_SETTINGS = {
    "index-url": "UV_INDEX_URL",
    "extra-index-url": "UV_EXTRA_INDEX_URL",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
}
# These would send the packages elsewhere, or change which ones.
DIVERTING = (
    *("PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_REQUIRE_VIRTUALENV", "PYTHONPATH", "PYTHONHOME"),
    *("UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_TARGET", "UV_PREFIX", "UV_CONSTRAINT", "UV_OVERRIDE", "UV_EXCLUDE_NEWER"),
)

# Everything the stages import. That it loads is the proof that an installation works; and it compiles these modules and
# no others, in 14 s of one core. uv's --compile-bytecode compiles four times as many, in 38 s of cores.
ESSENTIALS = """
import os, warnings
warnings.simplefilter("ignore")
os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")
import tensorflow as tf
tf.compat.v1.keras.layers.Dense
import magenta.models.music_vae.configs, magenta.models.music_vae.trained_model
import google_crc32c, matplotlib.pyplot, note_seq, pebble, pretty_midi, pyloudnorm, pytest, soundfile
import tensorflow_datasets, tqdm
"""
# The same of each further lock, by its name.
EXTRA_IMPORTS = {
    "": "",
    "beam": "import apache_beam",
    "dask": "import apache_beam.runners.dask.dask_runner",
    "tests": "import apache_beam.runners.dask.dask_runner, ipywidgets, nbclient, selenium",
}


def lock_path(name: str = "") -> Path:
    """Returns the path of the lock called `name`; the main one has no name."""
    return PROJECT_DIR / f"requirements{name and '-'}{name}.txt"


def locked(path: Path) -> list[str]:
    """Returns the requirements of a lock, each `name==version` or `name==version ; marker`."""
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]


def name_of(line: str) -> str:
    """Returns the normalized name of the distribution that a line of the lock asks for."""
    return re.sub(r"[-_.]+", "-", re.split(r"[=;\s]", line, maxsplit=1)[0]).lower()


def installed_versions() -> dict[str, str]:
    """Returns the version of each distribution in this environment, by normalized name.

    Any of TensorFlow's builds counts as `tensorflow`.
    """
    versions: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"]
        if name:
            versions.setdefault(name_of(name), distribution.version)
    for build in TENSORFLOWS:
        if build in versions:
            versions.setdefault("tensorflow", versions[build])
    return versions


def missing(lines: list[str], present: dict[str, str]) -> list[str]:
    """Returns the lines of which no version is `present`; tf-keras follows the TensorFlow that is there."""
    wanted = [line for line in lines if name_of(line) not in present and _applies(line)]
    if "tensorflow" in present:
        major_minor = ".".join(present["tensorflow"].split(".")[:2])
        wanted = [f"tf-keras=={major_minor}.*" if name_of(line) == "tf-keras" else line for line in wanted]
    return wanted


def install(python: Path, lines: list[str], held_fd: int) -> None:
    """Installs locked `lines` into the environment of `python`: pip installs uv if it is one of them, uv the others.

    Both keep the file descriptor `held_fd` open. Raises a RuntimeError that says why one failed, and what to do.
    """
    uv = [line for line in lines if name_of(line) == "uv"]
    if uv:
        flags = ("--no-deps", "--no-input", "--progress-bar=off", "--disable-pip-version-check")
        _run([str(python), "-m", "pip", "install", *flags, *uv], environment(), held_fd)
    settings = pip_settings(python)
    command = [str(python), "-m", "uv", "pip", "install", "--python", str(python), "--no-deps"]
    command += ["--build-constraints", str(lock_path())]  # What has no wheel is built with the locked setuptools.
    command += ["--no-index"] * (settings.get("no-index", "").lower() in ("1", "true", "yes", "on"))
    if lines:
        _run([*command, *lines], uv_environment(settings), held_fd)


def pip_settings(python: Path) -> dict[str, str]:
    """Returns pip's settings by name, from its files and variables; a variable precedes a file, as in pip."""
    command = [str(python), "-m", "pip", "config", "list", "--disable-pip-version-check"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False, env=environment()).stdout
    found = re.findall(r"^(global|install|:env:)\.([\w-]+)=(.+)$", listed, re.MULTILINE)
    found.sort(key=lambda setting: ("global", "install", ":env:").index(setting[0]))
    return {name: " ".join(ast.literal_eval(value).split()) for _, name, value in found}


def uv_environment(settings: dict[str, str]) -> dict[str, str]:
    """Returns the process environment in which uv finds packages where pip does; uv's own variables precede."""
    env = {PIP_SETTINGS[name]: value for name, value in settings.items() if name in PIP_SETTINGS and value}
    if "UV_FIND_LINKS" in env:
        env["UV_FIND_LINKS"] = env["UV_FIND_LINKS"].replace(" ", ",")
    if "UV_EXTRA_INDEX_URL" in env:
        env["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # As pip: what one index lacks may be in the next.
    if Path(ssl.get_default_verify_paths().cafile or "").is_file():
        env["UV_SYSTEM_CERTS"] = "true"  # As pip does; uv brings its own certificates, which no company's proxy is in.
    if not os.access(Path.home(), os.W_OK):
        env["UV_NO_CACHE"] = "true"
    return env | environment()


def environment() -> dict[str, str]:
    """Returns the process environment without what would change where packages go and which they are."""
    return {name: value for name, value in os.environ.items() if name not in DIVERTING}


def forget_half_installed(venv_dir: Path) -> None:
    """Removes the metadata of packages that an installation was killed at, so that they are installed again.

    uv and pip write the files INSTALLER and RECORD after all others of a package.
    """
    for metadata_dir in venv_dir.glob("lib/python*/site-packages/*.dist-info"):
        if not all((metadata_dir / name).exists() for name in ("INSTALLER", "RECORD")):
            shutil.rmtree(metadata_dir)


def check_essentials(python: Path, advice: str, extra: str = "") -> None:
    """Imports what the stages import, and compiles it on the way. Raises a RuntimeError with `advice` if that fails."""
    env = environment() | {"PYTHONDONTWRITEBYTECODE": ""}
    code = ESSENTIALS + EXTRA_IMPORTS[extra]
    result = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=False, env=env)
    if result.returncode:
        reason = tail(result.stderr, 1) if result.returncode > 0 else f"signal {-result.returncode}"
        raise RuntimeError(f"the installed packages do not work together: {reason}\n  {advice}")


def tail(text: str, num_lines: int = SHOWN_LOG_LINES) -> str:
    """Returns the last lines of `text`, without the ends of very long ones."""
    return "\n".join(line[:SHOWN_COLUMNS] for line in text.strip().splitlines()[-num_lines:])


def _run(command: list[str], env: dict[str, str], held_fd: int) -> None:
    """Runs pip or uv, and shows on a terminal what is being downloaded. Raises a RuntimeError if it fails."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "errors": "replace"}
    output = ""
    # uv reads the settings of the project that it runs in: this one, whatever folder the user is in.
    with subprocess.Popen(command, env=env, cwd=PROJECT_DIR, pass_fds=(held_fd,), **streams) as process:
        try:
            for line in process.stdout:
                output += line
                if sys.stdout.isatty() and re.match(" *Download(ing|ed) ", line):
                    print(f"\r\033[K  {line.strip()[:SHOWN_COLUMNS]}", end="", flush=True)
        except BaseException:
            process.terminate()
            raise
        finally:
            print("\r\033[K" * sys.stdout.isatty(), end="", flush=True)
    if process.returncode:
        raise RuntimeError(f"{command[2]} could not install everything: {_reason(output)}")


def _reason(output: str) -> str:
    """Returns why pip or uv failed, and what to do: a line each for the network, else the end of what was said."""
    advice = "run the command again; it goes on where it stopped"
    broken = re.search(r"connection broken by '(\w+)", output)  # pip
    unreachable = re.search(r"cause: (Failed to .*)\n(?:.*\n)*.*cause: (.*)", output)  # uv
    if not broken and not unreachable:
        return f"\n{tail(output)}\n  {advice}"
    reason = ": ".join(unreachable.groups()) if unreachable else f"no connection ({broken[1]})"
    return f"{reason}\n  check the network connection, or the proxy and the index that pip is set to, and {advice}"


def _applies(line: str) -> bool:
    """Returns whether the line's marker, if it has one, holds for this Python."""
    try:
        from packaging.markers import Marker
    except ImportError:
        from pip._vendor.packaging.markers import Marker  # The same; no environment has to have its own.
    _, _, marker = line.partition(";")
    return not marker or Marker(marker.strip()).evaluate()
