"""What the set-up finds out about the machine, and what it asks the system for: FluidSynth, for the tests Chromium."""

from __future__ import annotations

import ctypes.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

FLUIDSYNTH_PACKAGES = ("libfluidsynth3", "libfluidsynth2", "libfluidsynth1")  # One of them, by age of the system.
CHROMIUM_PACKAGES = ("chromium-driver",)  # Brings the browser.
DRIVER_PATH = Path("/proc/driver/nvidia/version")
APT_LISTS_DIR = Path("/var/lib/apt/lists")
APT_TIMEOUT_SECS = 300
_QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def wants_cuda() -> bool:
    """Returns whether TensorFlow's GPU build would find an NVIDIA driver here."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    if DRIVER_PATH.exists():
        return True
    smi = shutil.which("nvidia-smi")
    return bool(smi) and _succeeds([smi, "-L"])


def check_disk(path: Path, needed_gb: float) -> None:
    """Raises a RuntimeError if the file system that holds `path`, or will hold it, has less space free."""
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    free_gb = shutil.disk_usage(existing).free / 1e9
    if free_gb < needed_gb:
        raise RuntimeError(f"{path} needs {needed_gb} GB of disk and {free_gb:.1f} are free: make room first")


def has_fluidsynth() -> bool:
    """Returns whether libfluidsynth 1, 2 or 3 can be loaded."""
    return ctypes.util.find_library("fluidsynth") is not None


def provide_fluidsynth() -> str:
    """Installs FluidSynth with apt where that needs no password; returns what is left to the user, or ""."""
    if _provide(has_fluidsynth, FLUIDSYNTH_PACKAGES):
        return ""
    return f"FluidSynth is missing, so there will be MIDI and pictures but no sound; {fluidsynth_advice()}"


def provide_chromium() -> str:
    """Installs Chromium and its driver as `provide_fluidsynth` does."""
    if _provide(lambda: shutil.which("chromedriver") is not None, CHROMIUM_PACKAGES):
        return ""
    return "chromedriver is missing, so the tests of pages in a browser are skipped; Debian: chromium-driver"


def fluidsynth_advice() -> str:
    """Returns how to install FluidSynth on this system."""
    if sys.platform == "darwin":
        return "to hear it: brew install fluid-synth"
    if shutil.which("apt-get"):
        return f"to hear it: sudo apt-get install {FLUIDSYNTH_PACKAGES[0]}"
    return "to hear it, install the package fluidsynth of this system"


def provide_ensurepip() -> bool:
    """Returns whether this Python can make environments; on Debian, apt may have to add that first."""
    command = [sys.executable, "-c", "import ensurepip"]
    return _provide(lambda: _succeeds(command), (venv_package(), "python3-venv"))


def venv_package() -> str:
    """Returns the Debian package that lets this Python make environments."""
    return f"python{sys.version_info.major}.{sys.version_info.minor}-venv"


def _privilege() -> list[str] | None:
    """Returns what to put before a command to run it as root, or None if that is not allowed."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and _succeeds(["sudo", "-n", "true"]):
        return ["sudo", "-n"]
    return None


def _provide(is_there: Callable[[], bool], packages: tuple[str, ...]) -> bool:
    """Returns whether something is there, if need be once apt has installed the first of `packages` that it can."""
    if is_there():
        return True
    privileged = _privilege()
    if privileged is None or not shutil.which("apt-get"):
        return False
    apt = [*privileged, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=60"]
    installs = [[*apt, "install", "--yes", "--no-install-recommends", package] for package in packages]
    if any(APT_LISTS_DIR.glob("*_Packages*")) and any(map(_succeeds, installs)):
        return is_there()
    _succeeds([*apt, "update"])
    return any(map(_succeeds, installs)) and is_there()


def _succeeds(command: list[str]) -> bool:
    """Runs a command without showing anything; returns whether it ended well in time."""
    try:
        return subprocess.run(command, timeout=APT_TIMEOUT_SECS, check=False, **_QUIET).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
