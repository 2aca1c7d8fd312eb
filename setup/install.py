"""Makes or completes the environment that the scripts run in. Standard library only.

    python setup/install.py --state=KEY --venv=.venv     # a virtual environment of its own
    python setup/install.py --state=KEY                  # the active environment gets only what it lacks

The file `.drums-complete`, written last, holds KEY; while it is missing or differs, the set-up runs again. With
--extra=NAME, requirements-NAME.txt is installed as well, and KEY ends in " with NAME": complete without it, too.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import packages
import system

MARKER = ".drums-complete"
INSTALLED_GB, INSTALLED_CUDA_GB = 3, 8  # Disk that an installation takes.
INTERRUPTED = 130  # 128 + SIGINT, as shells report it.


def main() -> int:
    """Sets up what the flags name. Returns the exit status."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--state", required=True, help="what the environment will be complete for")
    parser.add_argument("--extra", default="", choices=packages.EXTRA_IMPORTS, help="a further lock to install")
    parser.add_argument("--venv", type=Path, help="the virtual environment; without it, the active one")
    parser.add_argument("--this_python", action="store_true", help="an environment of another Python is remade")
    args = parser.parse_args()
    try:
        if args.venv:
            set_up_venv(args.venv, args.state, not args.this_python, args.extra)
        else:
            complete_active(args.state, args.extra)
    except (OSError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the next run finishes the set-up", file=sys.stderr)
        return INTERRUPTED
    return 0


def set_up_venv(venv_dir: Path, state: str, any_python: bool, extra: str = "") -> None:
    """Makes the virtual environment, or finishes or renews it, unless it is complete for `state`.

    With `any_python`, one that works is kept even if it is of another Python than this. `extra` names a further lock.
    Raises a RuntimeError that says what to do if it cannot be made.
    """
    with only_one_set_up() as lock_fd:
        usable = is_usable(venv_dir, any_python)
        if usable and _is_complete(venv_dir, state):
            return
        cuda = system.wants_cuda()
        size_gb = INSTALLED_CUDA_GB if cuda else INSTALLED_GB
        system.check_disk(venv_dir, size_gb)
        start_secs = time.monotonic()
        if usable:
            (venv_dir / MARKER).unlink(missing_ok=True)
            packages.forget_half_installed(venv_dir)
        else:
            make_venv(venv_dir)
        locks = "requirements.txt" + (f" and requirements-{extra}.txt" if extra else "")
        driver = ", with CUDA for the NVIDIA driver" if cuda else ""
        print(f"installing {locks} into {venv_dir} ({size_gb} GB, about a minute{driver})", flush=True)
        advice = f"delete {venv_dir} and run the command again"
        _fill(venv_dir / "bin" / "python", _locked(extra, cuda), advice, extra, lock_fd)
        _finish(venv_dir, state)
        print(f"installed in {time.monotonic() - start_secs:.0f} s", flush=True)


def complete_active(state: str, extra: str = "") -> None:
    """Installs into the active environment what it lacks; what is there keeps its version.

    Raises a RuntimeError if the environment is the system's own, or does not work afterwards.
    """
    with only_one_set_up() as lock_fd:
        prefix = Path(sys.prefix)
        present = packages.installed_versions()
        cuda = "tensorflow" not in present and system.wants_cuda()
        lines = packages.missing(_locked(extra, cuda), present)
        if lines:
            refuse_system_python()
            system.check_disk(prefix, 1 if "tensorflow" in present else INSTALLED_GB)
            names = ", ".join(sorted({packages.name_of(line) for line in lines}))
            print(f"{prefix} lacks, and now gets: {names}", flush=True)
        if lines or not (prefix / MARKER).exists():
            kept = f"TensorFlow {present['tensorflow']} was kept" if "tensorflow" in present else "all is new"
            advice = f"{kept}; without VENV=none the command makes an environment of its own"
            _fill(Path(sys.executable), lines, advice, extra, lock_fd)
        with contextlib.suppress(OSError):  # Not ours to write: then the next run looks again.
            _finish(prefix, state)


def make_venv(venv_dir: Path) -> None:
    """Makes the virtual environment, in place of what is there. Raises a RuntimeError if this Python cannot."""
    if venv_dir.is_symlink():
        venv_dir.unlink()
    if not system.provide_ensurepip():
        raise RuntimeError(
            f"{sys.executable} cannot make environments: sudo apt-get install {system.venv_package()}, "
            "or name another Python: PYTHON=/path/to/python3"
        )
    command = [sys.executable, "-m", "venv", "--clear", str(venv_dir)]
    made = subprocess.run(command, capture_output=True, text=True, check=False, env=packages.environment())
    if made.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{packages.tail(made.stdout + made.stderr)}")


def is_usable(venv_dir: Path, any_python: bool) -> bool:
    """Returns whether packages can be installed into `venv_dir`: made there, of this Python or any, with pip."""
    activate_path = venv_dir / "bin" / "activate"
    if not activate_path.exists() or str(venv_dir) not in activate_path.read_text():
        return False
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if not any_python and not (venv_dir / "lib" / f"python{version}").is_dir():
        return False
    command = [str(venv_dir / "bin" / "python"), "-c", "import pip"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def refuse_system_python() -> None:
    """Raises a RuntimeError if this Python belongs to a system that forbids pip to change it (PEP 668)."""
    is_system = sys.prefix == sys.base_prefix
    if is_system and Path(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED").exists():
        raise RuntimeError(
            f"VENV=none: {sys.executable} belongs to the system, which forbids pip to change it; "
            "activate an environment of your own, or leave VENV out"
        )


@contextlib.contextmanager
def only_one_set_up() -> Iterator[int]:
    """Waits until no other script sets up this project. Yields the lock's file descriptor.

    The lock is on requirements.txt itself, and ends with the last process that holds the descriptor.
    """
    with packages.lock_path().open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another script, which is setting up", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            pass  # A file system without locks.
        yield file.fileno()


def _locked(extra: str, cuda: bool) -> list[str]:
    """Returns the lines of the lock, of the one called `extra` if that is not empty, and of the one for CUDA."""
    names = ["", *filter(None, [extra]), *(["cuda"] if cuda else [])]
    return [line for name in names for line in packages.locked(packages.lock_path(name))]


def _fill(python: Path, lines: list[str], advice: str, extra: str, lock_fd: int) -> None:
    """Installs `lines` and checks that all works; what the system has to give is installed meanwhile, or asked for."""
    provides = [system.provide_fluidsynth, *([system.provide_chromium] if extra == "tests" else [])]
    notes: list[str] = []
    thread = threading.Thread(target=lambda: notes.extend(provide() for provide in provides))
    thread.start()
    try:
        packages.install(python, lines, lock_fd)
        packages.check_essentials(python, advice, extra)
    finally:
        thread.join()
        for note in filter(None, notes):
            print(note, flush=True)


def _is_complete(prefix: Path, state: str) -> bool:
    marker = prefix / MARKER
    return marker.exists() and f"{marker.read_text().strip()} with ".startswith(f"{state} with ")


def _finish(prefix: Path, state: str) -> None:
    unfinished = prefix / f"{MARKER}.{os.getpid()}"
    unfinished.write_text(state + "\n")
    unfinished.replace(prefix / MARKER)


if __name__ == "__main__":
    sys.exit(main())
