"""The set-up: which Python, what is in the lock, what is noticed, what is left alone."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement

PROJECT_DIR = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT_DIR / "setup"))

import install  # noqa: E402 - setup/ is no package: the scripts run its files before anything is installed.
import packages  # noqa: E402
import system  # noqa: E402

PYTHONS = ("3.10", "3.11", "3.12", "3.13")
LOCKS = tuple(PROJECT_DIR / f"requirements{extra}.txt" for extra in ("", "-cuda", "-beam", "-dask", "-tests"))
TOOLS = ("bash", "cksum", "dirname", "env")  # What a bare machine has, besides Python.


def marker_environment(version: str) -> dict[str, str]:
    return {
        "python_version": version,
        "python_full_version": f"{version}.4",
        "sys_platform": "linux",
        "platform_machine": "x86_64",
        "platform_system": "Linux",
        "implementation_name": "cpython",
        "extra": "",
    }


def applying(lines: list[str], version: str) -> list[Requirement]:
    requirements = [Requirement(line) for line in lines]
    environment = marker_environment(version)
    return [r for r in requirements if r.marker is None or r.marker.evaluate(environment)]


class TestLock:
    @pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
    def test_every_line_is_one_exact_version(self, path):
        lines = packages.locked(path)
        assert lines
        for line in lines:
            assert re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*( ; .+)?", line), line
            marker = line.partition(";")[2]
            assert not marker or Marker(marker)

    @pytest.mark.parametrize("name", [name for path in LOCKS for name in (path.name, f"{path.stem}.in")])
    def test_it_names_no_host_and_no_path(self, name):
        text = (PROJECT_DIR / name).read_text()
        assert not re.search(r"://|file:|--index|--extra-index|--find-links|/(root|home|opt|tmp|work)/", text)

    @pytest.mark.parametrize("version", PYTHONS)
    def test_no_package_is_locked_twice_for_one_python(self, version):
        names = [requirement.name for requirement in applying(packages.locked(LOCKS[0]), version)]
        assert len(names) == len(set(names)) > 90

    @pytest.mark.parametrize("version", PYTHONS)
    def test_everything_asked_for_is_locked_in_a_version_that_was_asked_for(self, version):
        pins = {r.name: r.specifier for r in applying(packages.locked(LOCKS[0]), version)}
        for asked in applying(packages.locked(PROJECT_DIR / "requirements.in"), version):
            locked_version = str(pins[packages.name_of(asked.name)]).removeprefix("==")
            assert asked.specifier.contains(locked_version, prereleases=True), asked

    @pytest.mark.parametrize("version", PYTHONS)
    def test_every_python_gets_the_same_tensorflow_and_protobuf_6(self, version):
        pins = {r.name: str(r.specifier) for r in applying(packages.locked(LOCKS[0]), version)}
        assert (pins["magenta"], pins["tensorflow"]) == ("==2.1.4", "==2.21.0")
        assert pins["protobuf"].startswith("==6.")

    @pytest.mark.parametrize("version", PYTHONS)
    @pytest.mark.parametrize("lock", LOCKS[2:], ids=lambda path: path.name)
    def test_the_other_locks_add_packages_and_change_none(self, lock, version):
        pins = {r.name: str(r.specifier) for r in applying(packages.locked(LOCKS[0]), version)}
        added = {r.name: str(r.specifier) for r in applying(packages.locked(lock), version)}
        assert added["apache-beam"].startswith("==2.")
        assert len(added) == len(applying(packages.locked(lock), version))
        assert {name: pins.get(name, pin) for name, pin in added.items()} == added

    def test_the_cuda_lock_has_only_nvidias_libraries_and_none_for_other_machines(self):
        lines = packages.locked(LOCKS[1])
        assert all(line.startswith("nvidia-") for line in lines)
        assert len(applying(lines, "3.12")) == len(lines) >= 10
        elsewhere = marker_environment("3.12") | {"sys_platform": "darwin", "platform_machine": "arm64"}
        assert not any(Requirement(line).marker.evaluate(elsewhere) for line in lines)

    @pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
    def test_its_head_says_how_to_install_and_to_make_it(self, path):
        head = path.read_text().split("==")[0]
        assert "pip install --no-deps -r requirements.txt" in head
        assert "uv pip compile" in head


@pytest.fixture
def scratch(tmp_path):
    """A project whose install.py only says how it was called, and a PATH without any Python."""
    project = tmp_path / "with space"
    shutil.copytree(PROJECT_DIR / "setup", project / "setup", ignore=shutil.ignore_patterns("__pycache__"))
    for path in LOCKS:
        shutil.copy(path, project)
    (project / "setup" / "install.py").write_text('import sys\nprint("SETUP", sys.executable, sys.argv[1:])\n')
    commands = tmp_path / "bin"
    commands.mkdir()
    for tool in TOOLS:
        (commands / tool).symlink_to(shutil.which(tool))
    return project


def add_command(scratch: pathlib.Path, name: str, text: str) -> None:
    path = scratch.parent / "bin" / name
    path.write_text(f"#!/usr/bin/env bash\n{text}\n")
    path.chmod(0o755)


def source(scratch: pathlib.Path, first: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Sources environment.sh in a folder that is not the project's, after `first`; prints $python at the end."""
    command = f'set -euo pipefail; {first}\nsource "{scratch}/setup/environment.sh"; echo "USES $python"'
    env = {"PATH": str(scratch.parent / "bin"), "HOME": str(scratch.parent)} | variables
    run = [shutil.which("bash"), "-c", command]
    return subprocess.run(run, capture_output=True, text=True, env=env, cwd=scratch.parent, check=False)


REAL = f'exec "{sys.executable}" "$@"'
TOO_OLD = 'if [[ "$1" == --version ]]; then echo "Python 3.8.18"; else exit 1; fi'
BROKEN = "echo 'shim: command not found' >&2; exit 127"
NO_ENSUREPIP = f'if [[ "$2" == "import ensurepip" ]]; then exit 1; fi; exec "{sys.executable}" "$@"'


class TestChoiceOfPython:
    def test_commands_that_do_not_fit_are_passed_over(self, scratch):
        add_command(scratch, "python3.11", BROKEN)
        add_command(scratch, "python3.12", TOO_OLD)
        add_command(scratch, "python3", REAL)
        result = source(scratch)
        assert result.returncode == 0, result.stderr
        assert result.stderr == ""
        assert f"SETUP {sys.executable}" in result.stdout
        assert f"USES {scratch}/.venv/bin/python" in result.stdout

    def test_one_that_can_make_environments_is_preferred(self, scratch):
        add_command(scratch, "python3.11", f"export CHOSEN=3.11; {NO_ENSUREPIP}")
        add_command(scratch, "python3.13", f"export CHOSEN=3.13; {REAL}")
        (scratch / "setup" / "install.py").write_text('import os\nprint("SETUP", os.environ["CHOSEN"])\n')
        assert "SETUP 3.13" in source(scratch).stdout

    def test_without_any_that_fits_one_line_says_so(self, scratch):
        add_command(scratch, "python3", TOO_OLD)
        result = source(scratch)
        assert result.returncode == 1
        assert result.stderr.count("\n") == 1
        assert "no Python 3.10, 3.11, 3.12 or 3.13" in result.stderr
        assert "PYTHON=" in result.stderr

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ("/nonexistent", "there is no such command"),
            ("python3.8", "is Python 3.8.18; needed: Python 3.10"),
            ("shim", "is no Python that runs; needed: Python 3.10"),
        ],
    )
    def test_a_chosen_python_that_does_not_fit_is_refused_in_one_line(self, scratch, given, said):
        add_command(scratch, "python3.8", TOO_OLD)
        add_command(scratch, "shim", BROKEN)
        result = source(scratch, PYTHON=given)
        assert result.returncode == 1
        assert result.stderr.count("\n") == 1
        assert said in result.stderr
        assert "SETUP" not in result.stdout

    def test_an_unknown_venv_is_refused(self, scratch):
        result = source(scratch, VENV="mine")
        assert result.returncode == 1
        assert "VENV=none" in result.stderr

    def test_the_active_environment_is_used_as_it_is(self, scratch):
        add_command(scratch, "python", REAL)
        result = source(scratch, VENV="none")
        assert f"USES {scratch.parent}/bin/python" in result.stdout
        assert not (scratch / ".venv").exists()


class TestMarker:
    """An environment is set up again when, and only when, it is not the finished one for this state."""

    @pytest.fixture
    def finished(self, scratch):
        add_command(scratch, "python3", REAL)
        record_state = (
            "import pathlib, sys\n"
            "state, venv = (argument.split('=', 1)[1] for argument in sys.argv[1:3])\n"
            "folder = pathlib.Path(venv, 'bin'); folder.mkdir(parents=True, exist_ok=True)\n"
            "python = folder / 'python'; python.unlink(missing_ok=True); python.symlink_to(sys.executable)\n"
            "(folder.parent / '.drums-complete').write_text(state + '\\n')\n"
            "print('SETUP')\n"
        )
        (scratch / "setup" / "install.py").write_text(record_state)
        assert "SETUP" in source(scratch).stdout
        return scratch

    def test_a_finished_one_is_not_set_up_again(self, finished):
        result = source(finished)
        assert result.returncode == 0
        assert "SETUP" not in result.stdout

    def test_a_second_run_adds_little_time(self, finished):
        elapsed_secs = []
        for _ in range(3):
            start_secs = time.monotonic()
            source(finished)
            elapsed_secs.append(time.monotonic() - start_secs)
        assert min(elapsed_secs) < 0.5

    def test_an_unfinished_one_is_noticed(self, finished):
        (finished / ".venv" / ".drums-complete").unlink()
        assert "SETUP" in source(finished).stdout

    def test_a_changed_lock_is_noticed(self, finished):
        with (finished / "requirements.txt").open("a") as file:
            file.write("another==1.0\n")
        assert "SETUP" in source(finished).stdout

    def test_an_extra_lock_is_added_once_and_needed_by_no_other_script(self, finished):
        assert "SETUP" in source(finished, "extra_lock=beam").stdout
        assert "SETUP" not in source(finished, "extra_lock=beam").stdout
        assert "SETUP" not in source(finished).stdout
        assert "SETUP" in source(finished, "extra_lock=another").stdout

    def test_a_vanished_python_is_noticed(self, finished):
        python = finished / ".venv" / "bin" / "python"
        python.unlink()
        python.symlink_to("/nonexistent/python3")
        assert "SETUP" in source(finished).stdout

    def test_a_moved_copy_is_noticed(self, finished):
        moved = finished.parent / "moved"
        finished.rename(moved)
        assert "SETUP" in source(moved).stdout

    def test_a_new_driver_is_noticed(self, finished):
        if system.DRIVER_PATH.exists():
            pytest.skip("this machine has an NVIDIA driver")
        add_command(finished, "nvidia-smi", "exit 0")
        assert "SETUP" in source(finished).stdout
        assert "SETUP" not in source(finished).stdout

    def test_a_chosen_python_is_compared(self, finished):
        assert "SETUP" in source(finished, PYTHON=sys.executable).stdout


class TestModulesOutsideOfTheEnvironment:
    """`python -m …` of a Python without the packages: -S leaves out those that this one has."""

    @pytest.fixture
    def project(self, tmp_path):
        for folder in ("pipelines", "benchmarks", "data"):
            (tmp_path / "a b" / folder).mkdir(parents=True)
            shutil.copy(PROJECT_DIR / folder / "__init__.py", tmp_path / "a b" / folder)
            (tmp_path / "a b" / folder / "stage.py").write_text("print('ran')\n")
        return tmp_path / "a b"

    def run(self, *arguments: str, cwd: pathlib.Path, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False)

    @pytest.mark.parametrize("folder", ["pipelines", "benchmarks", "data"])
    def test_one_line_says_how_to_make_and_to_enter_it(self, project, folder):
        result = self.run("-S", "-m", f"{folder}.stage", cwd=project)
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr.endswith("first: bash run_train.sh --help, which makes the environment .venv\n")
        (project / ".venv").mkdir()
        (project / ".venv" / ".drums-complete").write_text("")
        result = self.run("-S", "-m", f"{folder}.stage", cwd=project)
        assert result.stderr.count("\n") == 1
        assert result.stderr.endswith("first: source .venv/bin/activate\n")

    def test_from_another_folder_the_line_can_be_pasted_too(self, project):
        (project / ".venv").mkdir()
        (project / ".venv" / ".drums-complete").write_text("")
        result = self.run("-S", "-m", "pipelines.stage", cwd=project.parent, PYTHONPATH=str(project))
        assert result.stderr.endswith(f"first: source '{project}/.venv/bin/activate'\n")

    def test_inside_of_it_nothing_is_said(self, project):
        result = self.run("-m", "pipelines.stage", cwd=project)
        assert (result.returncode, result.stdout, result.stderr) == (0, "ran\n", "")

    def test_importing_is_left_to_the_importer(self, project):
        assert self.run("-S", "-c", "import pipelines.stage", cwd=project).stdout == "ran\n"


class TestInstall:
    @pytest.fixture
    def steps(self, monkeypatch):
        """Replaces what downloads or imports for seconds; returns the list of what was done."""
        done = []
        monkeypatch.setattr(packages, "install", lambda python, *_: done.append(("install", python)))
        monkeypatch.setattr(packages, "check_essentials", lambda python, *_: done.append(("check", python)))
        monkeypatch.setattr(system, "provide_fluidsynth", lambda: "")
        monkeypatch.setattr(system, "wants_cuda", lambda: False)
        monkeypatch.setattr(system, "check_disk", lambda *_: None)
        return done

    def test_an_interrupted_installation_is_finished_by_the_next(self, steps, tmp_path, monkeypatch):
        venv_dir = tmp_path / "a b" / ".venv"
        finish = packages.install

        def interrupted(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr(packages, "install", interrupted)
        with pytest.raises(KeyboardInterrupt):
            install.set_up_venv(venv_dir, "state", any_python=True)
        assert not (venv_dir / install.MARKER).exists()

        site_packages = next(venv_dir.glob("lib/python*/site-packages"))
        for name, is_whole in (("whole-1.0", True), ("half-1.0", False)):
            (site_packages / f"{name}.dist-info").mkdir()
            for file in ("INSTALLER", "RECORD") if is_whole else ("METADATA",):
                (site_packages / f"{name}.dist-info" / file).write_text("")
        monkeypatch.setattr(packages, "install", finish)
        install.set_up_venv(venv_dir, "state", any_python=True)
        assert steps == [("install", venv_dir / "bin" / "python"), ("check", venv_dir / "bin" / "python")]
        assert (venv_dir / install.MARKER).read_text() == "state\n"
        assert (site_packages / "whole-1.0.dist-info").exists()
        assert not (site_packages / "half-1.0.dist-info").exists()

        install.set_up_venv(venv_dir, "state", any_python=True)
        assert len(steps) == 2, "a finished environment is left alone"

    def test_what_is_no_environment_is_remade(self, steps, tmp_path):
        venv_dir = tmp_path / ".venv"
        (venv_dir / "bin").mkdir(parents=True)
        (venv_dir / "bin" / "python").symlink_to("/nonexistent/python3")
        (venv_dir / "bin" / "activate").write_text(str(venv_dir))
        install.set_up_venv(venv_dir, "state", any_python=True)
        assert subprocess.run([venv_dir / "bin" / "python", "-c", ""], check=False).returncode == 0

    def test_an_environment_made_elsewhere_or_of_another_python_is_not_usable(self, tmp_path):
        venv_dir = tmp_path / ".venv"
        (venv_dir / "bin").mkdir(parents=True)
        (venv_dir / "lib" / "python3.9").mkdir(parents=True)
        (venv_dir / "bin" / "python").symlink_to(sys.executable)
        (venv_dir / "bin" / "activate").write_text('VIRTUAL_ENV="/elsewhere/.venv"\n')
        assert not install.is_usable(venv_dir, any_python=True)
        (venv_dir / "bin" / "activate").write_text(f'VIRTUAL_ENV="{venv_dir}"\n')
        assert not install.is_usable(venv_dir, any_python=False)

    def test_a_link_to_another_copys_environment_is_replaced_and_that_one_left_alone(self, steps, tmp_path):
        install.set_up_venv(tmp_path / "theirs", "state", any_python=True)
        (tmp_path / ".venv").symlink_to(tmp_path / "theirs")
        install.set_up_venv(tmp_path / ".venv", "state", any_python=True)
        assert not (tmp_path / ".venv").is_symlink()
        assert (tmp_path / "theirs" / install.MARKER).exists()

    def test_too_little_disk_is_an_error_before_anything_is_made(self, tmp_path, monkeypatch):
        usage = shutil.disk_usage(tmp_path)._replace(free=1_500_000_000)
        monkeypatch.setattr(system, "wants_cuda", lambda: False)
        monkeypatch.setattr(system.shutil, "disk_usage", lambda _: usage)
        with pytest.raises(RuntimeError, match=r"needs 3 GB of disk and 1\.5 are free"):
            install.set_up_venv(tmp_path / "new" / ".venv", "state", any_python=True)
        assert not (tmp_path / "new").exists()

    def test_with_a_driver_the_cuda_lock_is_installed_too(self, steps, tmp_path, monkeypatch):
        lines = []
        monkeypatch.setattr(system, "wants_cuda", lambda: True)
        monkeypatch.setattr(packages, "install", lambda _, given, __: lines.extend(given))
        monkeypatch.setattr(install, "make_venv", lambda *_: (tmp_path / ".venv").mkdir())
        install.set_up_venv(tmp_path / ".venv", "state", any_python=True)
        assert {"tensorflow", "nvidia-cudnn-cu12"} <= {packages.name_of(line) for line in lines}

    def test_an_extra_lock_is_installed_where_it_is_lacking(self, steps, tmp_path, monkeypatch):
        lines = []
        monkeypatch.setattr(packages, "install", lambda _, given, __: lines.append(set(given)))
        install.set_up_venv(tmp_path / ".venv", "state", any_python=True)
        install.set_up_venv(tmp_path / ".venv", "state with beam", any_python=True, extra="beam")
        install.set_up_venv(tmp_path / ".venv", "state with beam", any_python=True, extra="beam")
        install.set_up_venv(tmp_path / ".venv", "state", any_python=True)
        assert len(lines) == 2
        assert lines[1] - lines[0] == set(packages.locked(LOCKS[2]))

    def test_an_extra_lock_is_added_to_the_active_environment(self, steps, tmp_path, monkeypatch):
        lines = []
        base = {packages.name_of(line): "1" for line in packages.locked(LOCKS[0])}
        monkeypatch.setattr(packages, "installed_versions", lambda: base | {"tensorflow": "2.21.0"})
        monkeypatch.setattr(packages, "install", lambda _, given, __: lines.extend(given))
        monkeypatch.setattr(sys, "prefix", str(tmp_path))
        install.complete_active("state with beam", "beam")
        assert {"apache-beam", "fastavro"} <= {packages.name_of(line) for line in lines}
        assert not {packages.name_of(line) for line in lines} & base.keys()
        assert (tmp_path / install.MARKER).read_text() == "state with beam\n"

    def test_two_at_once_wait_for_each_other(self, tmp_path, monkeypatch, capfd):
        monkeypatch.setattr(packages, "PROJECT_DIR", tmp_path)
        packages.lock_path().write_text("")
        order = []

        def second() -> None:
            with install.only_one_set_up():
                order.append("second")

        with install.only_one_set_up():
            thread = threading.Thread(target=second)
            thread.start()
            time.sleep(0.3)
            order.append("first")
        thread.join()
        assert order == ["first", "second"]
        assert "waiting for another script" in capfd.readouterr().out

    def test_packages_that_do_not_work_together_are_named(self, tmp_path):
        python = tmp_path / "python"
        python.write_text("#!/bin/sh\necho Traceback >&2\necho ImportError: no good >&2\nexit 1\n")
        python.chmod(0o755)
        with pytest.raises(RuntimeError, match="do not work together: ImportError: no good\n  do this"):
            packages.check_essentials(python, "do this")


@pytest.fixture
def python(tmp_path, monkeypatch):
    """Makes a stand-in for an environment's python, in which pip has no settings; `pip` and `uv` are what they do."""

    def make(pip: str = "exit 0", uv: str = "exit 0", settings: str = "") -> pathlib.Path:
        path = tmp_path / "python"
        (tmp_path / "settings").write_text(settings)
        config = f'if [ "$3" = config ]; then cat "{tmp_path}/settings"; exit 0; fi'
        tools = f'{config}; echo "$@" >>"{tmp_path}/log"; if [ "$2" = pip ]; then {pip}; fi; {uv}'
        path.write_text(f"#!/bin/sh\n{tools}\n")
        path.chmod(0o755)
        return path

    for name in [name for name in os.environ if name.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(name)
    return make


def install_lines(python: pathlib.Path, *lines: str) -> list[str]:
    """Installs with a stand-in; returns the commands it was given."""
    with (python.parent / "lock").open("w") as lock:
        packages.install(python, list(lines), lock.fileno())
    return (python.parent / "log").read_text().splitlines()


PIPS_NETWORK_ERROR = """
echo "WARNING: Retrying (Retry(total=0)) after connection broken by 'ProxyError('no proxy')': /simple/uv/" >&2
echo "ERROR: No matching distribution found for uv==1" >&2; exit 1"""
UVS_NETWORK_ERROR = """
echo "error: Request failed after 3 retries" >&2; echo "  cause: Failed to fetch: http://host/simple/six/" >&2
echo "  cause: client error (Connect)" >&2; echo "  cause: Connection refused (os error 111)" >&2; exit 2"""
TEN_LINES = "for n in 1 2 3 4 5 6 7 8 9 10; do echo line $n; done; exit 1"


class TestUv:
    def test_pip_installs_uv_and_uv_the_rest_into_this_environment(self, python):
        path = python()
        pip, uv = install_lines(path, "six==1.17.0", "uv==1", "old==1 ; python_version < '3'")
        assert pip.startswith("-m pip install --no-deps") and pip.endswith(" uv==1")
        assert uv.startswith(f"-m uv pip install --python {path} --no-deps")
        assert uv.endswith("six==1.17.0 uv==1 old==1 ; python_version < '3'")
        assert f"--build-constraints {LOCKS[0]}" in uv, "what has no wheel is built with the locked tools"

    def test_a_uv_that_is_there_is_used_as_it_is(self, python):
        assert len(install_lines(python(), "six==1.17.0")) == 1

    def test_pips_settings_are_handed_on_and_uvs_own_precede(self, python, monkeypatch):
        settings = (
            ":env:.index-url='https://env/simple'\n"
            "global.extra-index-url='\\nhttps://a/simple\\nhttps://b/simple'\n"
            "global.index-url='https://file/simple'\n"
            "install.find-links='/wheels /more'\n"
            "global.timeout='9'\n"
        )
        found = packages.pip_settings(python(settings=settings))
        assert found["index-url"] == "https://env/simple"
        monkeypatch.setenv("UV_FIND_LINKS", "/mine")
        env = packages.uv_environment(found)
        assert env["UV_INDEX_URL"] == "https://env/simple"
        assert env["UV_EXTRA_INDEX_URL"] == "https://a/simple https://b/simple"
        assert env["UV_INDEX_STRATEGY"] == "unsafe-best-match"
        assert env["UV_FIND_LINKS"] == "/mine"
        monkeypatch.delenv("UV_FIND_LINKS")
        assert packages.uv_environment(found)["UV_FIND_LINKS"] == "/wheels,/more"

    def test_without_settings_of_pips_no_index_is_named(self, python, monkeypatch):
        monkeypatch.setenv("UV_SYSTEM_PYTHON", "1")
        env = packages.uv_environment(packages.pip_settings(python()))
        assert {name for name in env if name.startswith("UV_")} <= {"UV_SYSTEM_CERTS", "UV_NO_CACHE"}

    def test_a_machine_that_has_no_index_gets_none(self, python):
        assert "--no-index" in install_lines(python(settings=":env:.no-index='1'\n"), "six==1")[0]

    @pytest.mark.parametrize(
        ("pip", "uv", "said"),
        [
            (PIPS_NETWORK_ERROR, "exit 0", "pip could not install everything: no connection (ProxyError)"),
            (
                "exit 0",
                UVS_NETWORK_ERROR,
                "uv could not install everything: Failed to fetch: http://host/simple/six/: Connection refused (os",
            ),
        ],
    )
    def test_without_a_network_two_lines_say_so(self, python, pip, uv, said):
        with pytest.raises(RuntimeError) as error:
            install_lines(python(pip, uv), "uv==1", "six==1")
        assert said in str(error.value)
        assert "check the network connection" in str(error.value)
        assert str(error.value).count("\n") == 1

    def test_another_failure_shows_the_end_of_what_was_said_and_what_to_do(self, python):
        with pytest.raises(RuntimeError) as error:
            install_lines(python(uv=TEN_LINES), "six==1.17.0")
        assert "line 10" in str(error.value)
        assert "line 2\n" not in str(error.value)
        assert "run the command again" in str(error.value)


class TestActiveEnvironment:
    LINES = ("six==1.17.0", "tensorflow==2.21.0", "tf-keras==2.21.0", "old==1 ; python_version < '3'")

    def test_what_is_present_keeps_its_version(self):
        assert packages.missing(self.LINES, {"six": "1.0", "tensorflow": "2.21.0", "tf-keras": "2.0"}) == []

    def test_only_what_is_lacking_and_applies_is_added(self):
        assert packages.missing(self.LINES, {"six": "1.0"}) == ["tensorflow==2.21.0", "tf-keras==2.21.0"]

    def test_tf_keras_follows_the_tensorflow_that_is_there(self):
        assert packages.missing(self.LINES, {"six": "1", "tensorflow": "2.19.1"}) == ["tf-keras==2.19.*"]

    def test_names_are_compared_as_pip_does(self):
        assert packages.name_of("Typing_Extensions==4.0 ; python_version > '3'") == "typing-extensions"
        assert {"packaging", "pytest", "tensorflow"} <= set(packages.installed_versions())

    def test_the_systems_own_python_is_refused(self, tmp_path, monkeypatch):
        (tmp_path / "EXTERNALLY-MANAGED").write_text("")
        monkeypatch.setattr(install.sysconfig, "get_path", lambda _: str(tmp_path))
        monkeypatch.setattr(sys, "prefix", sys.base_prefix)
        with pytest.raises(RuntimeError, match="belongs to the system"):
            install.refuse_system_python()


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """A PATH with only the commands a test makes; apt-get, if made, writes its arguments to the log it returns."""
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "env").symlink_to("/usr/bin/env")
    monkeypatch.setattr(system, "APT_LISTS_DIR", tmp_path)

    def make(name: str, text: str) -> None:
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)

    return make


class TestSystem:
    @pytest.mark.skipif(sys.platform != "linux", reason="CUDA is for Linux")
    @pytest.mark.parametrize(("text", "wanted"), [("exit 0", True), ("exit 9", False), (None, False)])
    def test_cuda_is_for_machines_with_a_working_driver(self, commands, tmp_path, monkeypatch, text, wanted):
        monkeypatch.setattr(system, "DRIVER_PATH", tmp_path / "no driver")
        monkeypatch.setattr(system.platform, "machine", lambda: "x86_64")
        if text:
            commands("nvidia-smi", text)
        assert system.wants_cuda() is wanted

    def test_the_drivers_own_file_is_enough(self, tmp_path, monkeypatch):
        monkeypatch.setattr(system.platform, "machine", lambda: "x86_64")
        monkeypatch.setattr(system.sys, "platform", "linux")
        monkeypatch.setattr(system, "DRIVER_PATH", tmp_path)
        assert system.wants_cuda()
        monkeypatch.setattr(system.platform, "machine", lambda: "aarch64")
        assert not system.wants_cuda()

    def apt(self, commands, tmp_path, monkeypatch, available: str) -> pathlib.Path:
        """Makes an apt-get that installs only `available`, and a FluidSynth that is there from then on."""
        log = tmp_path / "log"
        installed = tmp_path / "installed"
        has = f'case "$*" in *" {available}") : >"{installed}"; exit 0;; *update) exit 0;; esac; exit 100'
        commands("apt-get", f'echo "$*" >>"{log}"; {has}')
        monkeypatch.setattr(system, "has_fluidsynth", installed.exists)
        return log

    def test_as_root_the_library_of_this_system_is_installed(self, commands, tmp_path, monkeypatch):
        log = self.apt(commands, tmp_path, monkeypatch, "libfluidsynth2")
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        assert system.provide_fluidsynth() == ""
        assert "install --yes --no-install-recommends libfluidsynth3" in log.read_text()

    def test_sudo_is_used_only_where_it_needs_no_password(self, commands, tmp_path, monkeypatch):
        log = self.apt(commands, tmp_path, monkeypatch, "libfluidsynth3")
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        commands("sudo", "exit 1")
        assert "sudo apt-get install libfluidsynth3" in system.provide_fluidsynth()
        assert not log.exists()
        commands("sudo", 'shift; [ "$1" = true ] || exec "$@"')
        assert system.provide_fluidsynth() == ""

    def test_what_apt_cannot_install_is_left_to_the_user_in_one_line(self, commands, tmp_path, monkeypatch):
        self.apt(commands, tmp_path, monkeypatch, "nothing")
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        note = system.provide_fluidsynth()
        assert "MIDI and pictures but no sound" in note
        assert "\n" not in note

    def test_a_library_that_is_there_is_not_installed_again(self, commands, tmp_path, monkeypatch):
        log = self.apt(commands, tmp_path, monkeypatch, "libfluidsynth3")
        monkeypatch.setattr(system, "has_fluidsynth", lambda: True)
        assert system.provide_fluidsynth() == ""
        assert not log.exists()
