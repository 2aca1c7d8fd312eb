"""What the set-up finds out about the machine, and the one library it asks the system for: FluidSynth."""

from __future__ import annotations

import ctypes.util
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

FLUIDSYNTH_PACKAGES = ("libfluidsynth3", "libfluidsynth2", "libfluidsynth1")  # One of them, by age of the system.
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
    if has_fluidsynth():
        return ""
    privileged = _privilege()
    if shutil.which("apt-get") and privileged is not None:
        _apt_install_first(FLUIDSYNTH_PACKAGES, privileged)
        if has_fluidsynth():
            return ""
    return f"FluidSynth is missing, so there will be MIDI and pictures but no sound; {fluidsynth_advice()}"


def fluidsynth_advice() -> str:
    """Returns how to install FluidSynth on this system."""
    if sys.platform == "darwin":
        return "to hear it: brew install fluid-synth"
    if shutil.which("apt-get"):
        return f"to hear it: sudo apt-get install {FLUIDSYNTH_PACKAGES[0]}"
    return "to hear it, install the package fluidsynth of this system"


def provide_ensurepip() -> bool:
    """Returns whether this Python can make environments; on Debian, apt may have to add that first."""
    if _succeeds([sys.executable, "-c", "import ensurepip"]):
        return True
    privileged = _privilege()
    if not shutil.which("apt-get") or privileged is None:
        return False
    _apt_install_first((venv_package(), "python3-venv"), privileged)
    return _succeeds([sys.executable, "-c", "import ensurepip"])


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


def _apt_install_first(packages: tuple[str, ...], privileged: list[str]) -> bool:
    """Installs the first of `packages` that apt can; returns whether there was one."""
    apt = [*privileged, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=60"]
    install = [*apt, "install", "--yes", "--no-install-recommends"]
    if any(APT_LISTS_DIR.glob("*_Packages*")) and any(_succeeds([*install, package]) for package in packages):
        return True
    _succeeds([*apt, "update"])
    return any(_succeeds([*install, package]) for package in packages)


def _succeeds(command: list[str]) -> bool:
    """Runs a command without showing anything; returns whether it ended well in time."""
    try:
        return subprocess.run(command, timeout=APT_TIMEOUT_SECS, check=False, **_QUIET).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
