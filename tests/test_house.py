"""The house keeps its order: imports between rooms run one way, and each module of logic has a test of its name."""

from __future__ import annotations

import ast
import graphlib
import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]

# Each room with the rooms that its modules may import, whether at the top of a module or inside of a function.
MAY_IMPORT = {
    "grooves": set(),
    "models": {"grooves"},
    "configs": {"grooves", "models"},
    "pipelines/files": set(),
    "pipelines/pages": {"grooves", "pipelines/files"},
    "pipelines/audio": {"grooves", "pipelines/files"},
    "pipelines/dataset": {"grooves", "models", "pipelines/files", "pipelines/pages"},
    "pipelines/examples": {"grooves", "models", "configs", "pipelines/files", "pipelines/dataset"},
    "pipelines/runs": {"models", "configs", "pipelines/files"},
    "pipelines/evaluation": {
        *("grooves", "models", "configs"),
        *("pipelines/files", "pipelines/examples"),
    },
    "pipelines/training": {
        *("models", "configs"),
        *("pipelines/files", "pipelines/examples", "pipelines/runs", "pipelines/evaluation"),
    },
    "pipelines/generation": {
        *("grooves", "models", "configs"),
        *("pipelines/files", "pipelines/audio", "pipelines/dataset"),
        *("pipelines/examples", "pipelines/runs", "pipelines/evaluation"),
    },
    "pipelines/notebook": {
        *("grooves", "pipelines/files", "pipelines/pages", "pipelines/audio"),
        "pipelines/generation",
    },
    "pipelines/review": {
        *("grooves", "models", "configs"),
        *("pipelines/files", "pipelines/pages", "pipelines/audio"),
        *("pipelines/examples", "pipelines/evaluation", "pipelines/generation"),
    },
}
ENTRANCES = {"pipelines", "benchmarks", "data", "setup"}  # What people run; it may import every room.
WITHOUT_TESTS_OF_THEIR_NAME = {"__init__"}


def modules() -> dict[str, pathlib.Path]:
    """Returns the project's modules by their dotted names, tests aside."""
    rooms = (ROOT / name for name in ("grooves", "models", "pipelines", "benchmarks", "data"))
    paths = [ROOT / "configs.py", *(path for room in rooms for path in sorted(room.rglob("*.py")))]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def room_of(module: str) -> str:
    """Returns the room that a module lies in: "pipelines/dataset" of "pipelines.dataset.formats.midi"."""
    path = "/".join(module.split("."))
    return max((room for room in MAY_IMPORT if f"{path}/".startswith(f"{room}/")), key=len, default=path.split("/")[0])


def imports_of(path: pathlib.Path, known: set[str]) -> set[str]:
    """Returns the project's modules that a file imports anywhere, but for those that only type checkers import."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
        elif isinstance(node, ast.Import):
            names = {alias.name for alias in node.names}
        else:
            continue
        exact = names & known
        found |= {name for name in exact if not any(other.startswith(f"{name}.") for other in exact)}
    return found


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    found = modules()
    return {name: imports_of(path, set(found)) - {name} for name, path in found.items()}


def test_rooms_import_only_what_lies_below_them(graph):
    list(
        graphlib.TopologicalSorter(MAY_IMPORT).static_order()
    )  # Raises CycleError if the table itself runs in a circle.
    wrong = [
        f"{module} imports {other}"
        for module, others in graph.items()
        for other in sorted(others)
        if room_of(module) not in ENTRANCES and room_of(other) not in {room_of(module), *MAY_IMPORT[room_of(module)]}
    ]
    assert not wrong


def test_no_module_imports_itself_by_way_of_others(graph):
    list(graphlib.TopologicalSorter(graph).static_order())


def test_the_table_names_no_import_that_is_not_there(graph):
    used = {room: set() for room in MAY_IMPORT}
    for module, others in graph.items():
        if room_of(module) in used:
            used[room_of(module)] |= {room_of(other) for other in others} - {room_of(module)}
    assert used == MAY_IMPORT


@pytest.mark.parametrize("module", ["pipelines.pages.pianoroll", "pipelines.dataset.formats.midi", "models.magenta"])
def test_importing_libraries_prints_nothing(module):
    """pyfluidsynth, which note-seq imports, prints where it found its library if `CI` is set."""
    environment = os.environ | {"CI": "true"}
    program = [sys.executable, "-c", f"import {module}"]
    done = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_each_module_of_logic_has_a_test_of_its_name():
    missing = [
        str(path.relative_to(ROOT))
        for path in modules().values()
        if path.stem not in WITHOUT_TESTS_OF_THEIR_NAME
        and path.relative_to(ROOT).parts[0] not in ("benchmarks", "data")
        and not (ROOT / "tests" / path.relative_to(ROOT).with_name(f"test_{path.name}")).exists()
    ]
    assert not missing


def test_tests_mirror_the_folders():
    strays = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("test_*.py")
        if path.parent != ROOT / "tests" and not (ROOT / path.parent.relative_to(ROOT / "tests")).is_dir()
    ]
    assert not strays


def test_the_tree_says_of_each_module_what_it_says_of_itself():
    house = (ROOT / "docs" / "house.md").read_text(encoding="utf-8")
    tree = " ".join(house[house.index("## The tree") :].split())
    missing = []
    for path in modules().values():
        says = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).split("\n\n")[0]
        name = f"{path.parent.name}/" if path.stem == "__init__" else path.name
        if f"{name} {' '.join(says.split()).split('. ')[0].rstrip('.')}" not in tree:
            missing.append(str(path.relative_to(ROOT)))
    assert not missing


# A file of the project, from its root or from one of BASES; what a run makes is none.
FILE_NAME = re.compile(r"(?<!/)\b(?!drums/|generated/|run_dir/)(?:[a-z]\w*/)+\w+\.(?:py|sh|txt|html|png)\b")
BASES = ("", "docs", "pipelines", "pipelines/dataset", "pipelines/pages")


def test_documents_name_files_that_are_there():
    missing = []
    for document in (ROOT / "README.md", ROOT / "RESULTS.md", *sorted((ROOT / "docs").glob("*.md"))):
        names = FILE_NAME.findall(document.read_text(encoding="utf-8"))
        missing += [(document.name, name) for name in names if not any((ROOT / base / name).exists() for base in BASES)]
    assert not missing


def test_the_readme_is_what_a_newcomer_reads():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 200
