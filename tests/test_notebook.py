"""`notebooks/drums.ipynb`: clean as it lies there, and run from start to end, beside Colab's own packages too."""

from __future__ import annotations

import ast
import importlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "setup"))

import packages  # setup/ is no package: the scripts run its files before anything is installed.

PROJECT_DIR = pathlib.Path(__file__).resolve().parents[1]
NOTEBOOK = PROJECT_DIR / "notebooks" / "drums.ipynb"
SET_UP = '!VENV=none PYTHON="{sys.executable}" bash -c "source setup/environment.sh"'

# What Colab has, as far as it matters here.
COLABS_PACKAGES = (
    *("tensorflow==2.19.1", "numpy==2.0.2", "protobuf==5.29.5"),
    *("ipykernel==6.17.1", "ipython==7.34.0", "ipywidgets==7.7.1", "nbclient==0.10.2"),
)
VERSIONS = "import importlib.metadata as m; print(*map(m.version, ('tensorflow', 'numpy', 'protobuf', 'ipykernel')))"
SHORT_TRAINING = (
    "--config=hier-drums_4bar_small --num_steps=2 --eval_num_batches=1"
    " --hparams=batch_size=4,enc_rnn_size=[8],dec_rnn_size=[6,6],z_size=4"
)
SHORT = {"GRID_SIZE": 2}
TRAINED = {"DATASET": "starter", "MINUTES": 30, "MORE_FLAGS": SHORT_TRAINING}
EXECUTE = """
import sys, nbclient, nbformat
path, cwd = sys.argv[1:]
notebook = nbformat.read(path, 4)
nbclient.NotebookClient(notebook, timeout=900, resources={"metadata": {"path": cwd}}).execute()
nbformat.write(notebook, path)
"""


@pytest.fixture(scope="module")
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def code_cells(notebook) -> dict[str, str]:
    """Returns the source of each code cell as Python, by its id."""
    transform = TransformerManager().transform_cell
    return {cell.id: transform(cell.source) for cell in notebook.cells if cell.cell_type == "code"}


class TestAsItLiesThere:
    def test_it_is_a_notebook_written_as_jupyter_writes_one(self, notebook):
        nbformat.validate(notebook)
        text = NOTEBOOK.read_text(encoding="utf-8")
        assert text == json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n"

    def test_it_holds_no_outputs_and_nothing_of_who_ran_it(self, notebook):
        assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
        kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
        assert notebook.metadata == {"kernelspec": kernel, "language_info": {"name": "python"}}
        assert [cell.id for cell in notebook.cells if cell.metadata] == []
        run = [cell for cell in notebook.cells if cell.cell_type == "code" and (cell.outputs or cell.execution_count)]
        assert run == []

    def test_its_cells_have_names(self, notebook):
        ids = [cell.id for cell in notebook.cells]
        assert len(ids) == len(set(ids))
        assert [id for id in ids if not re.fullmatch(r"[a-z]+(-[a-z]+)*", id)] == []

    def test_every_code_cell_compiles(self, notebook):
        for id, source in code_cells(notebook).items():
            compile(source, id, "exec")

    def test_what_it_calls_is_there(self, notebook):
        trees = [ast.parse(source) for source in code_cells(notebook).values()]
        nodes = [node for tree in trees for node in ast.walk(tree)]
        (imported,) = (node for node in nodes if isinstance(node, ast.ImportFrom))
        modules = {alias.name: importlib.import_module(f"{imported.module}.{alias.name}") for alias in imported.names}
        used = [
            (node.value.id, node.attr)
            for node in nodes
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules
        ]
        assert {name for name, _ in used} == set(modules)
        assert [f"{name}.{attribute}" for name, attribute in used if not hasattr(modules[name], attribute)] == []

    def test_the_examples_that_it_names_are_there(self, notebook):
        namespace = {"pathlib": pathlib}
        source = code_cells(notebook)["midi-changed"]
        for line in re.findall(r"^[A-Z]+ = .*/.*$|^STARTER = .*$", source, re.MULTILINE):
            exec(line, namespace)
        assert all((PROJECT_DIR / namespace[name]).is_file() for name in ("FUNK", "BOSSA"))

    def test_the_address_is_the_readmes(self, notebook):
        (address,) = re.findall(r'^REPOSITORY = "(.+?)"', code_cells(notebook)["set-up"], re.MULTILINE)
        in_readme = re.findall(r"git clone (<.+?>) drums", (PROJECT_DIR / "README.md").read_text(encoding="utf-8"))
        assert in_readme
        assert set(in_readme) == {address}


def adapted(replaced: dict[str, str], **settings: object) -> str:
    """Returns the notebook as JSON with other settings at the tops of its cells and with lines replaced."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        for name in [name for name in settings if re.search(rf"^{name} = .*# @param", cell.source, re.MULTILINE)]:
            line = f"{name} = {settings.pop(name)!r}"
            cell.source = re.sub(rf"^{name} = .*$", lambda _, line=line: line, cell.source, flags=re.MULTILINE)
        for old in [old for old in replaced if old in cell.source]:
            cell.source = cell.source.replace(old, replaced.pop(old))
    assert not settings
    assert not replaced
    return nbformat.writes(notebook)


def copy_project(folder: pathlib.Path) -> pathlib.Path:
    """Copies the files that git knows or would add."""
    list_files = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(list_files, cwd=PROJECT_DIR, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git clone")
    for name in filter(None, os.fsdecode(listed.stdout).split("\0")):
        if (PROJECT_DIR / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT_DIR / name, folder / name)
    return folder


def execute(python: str, path: pathlib.Path, scratch: pathlib.Path):
    """Runs a notebook in the folder that it lies in, with a kernel of `python`; returns it with its outputs."""
    own = {"JUPYTER_DATA_DIR": str(scratch / "jupyter"), "IPYTHONDIR": str(scratch / "ipython")}
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")} | own
    command = [python, "-c", EXECUTE, str(path), str(path.parent)]
    done = subprocess.run(command, env=env, cwd=path.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    return nbformat.read(path, as_version=4)


def said(notebook, id: str) -> str:
    """Returns the text that a cell has printed."""
    (cell,) = (cell for cell in notebook.cells if cell.id == id)
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def count_shown(notebook, id: str, tag: str) -> int:
    """Returns how many of an HTML element a cell shows."""
    (cell,) = (cell for cell in notebook.cells if cell.id == id)
    shown = [output.data.get("text/html", "") for output in cell.outputs if output.output_type == "display_data"]
    return sum(html.count(f"<{tag} ") for html in shown)


def check_everything_was_heard(notebook, num_trained: int) -> None:
    numbers = {"samples": 5, "humanize": 2, "midi-changed": 6, "train-heard": num_trained}
    assert {id: count_shown(notebook, id, "img") for id in numbers} == numbers
    assert count_shown(notebook, "taps-made-drums", "img") >= 2
    if "no sound" not in said(notebook, "samples"):
        assert {id: count_shown(notebook, id, "audio") for id in numbers} == numbers
        assert count_shown(notebook, "taps-made-drums", "audio") == 3
        assert re.search(r"taps\.wav: \d+ taps at 9[56]\.\d qpm, found", said(notebook, "taps-made-drums"))
    for id in ("midi-changed", "taps-made-drums"):
        assert "nothing was given, so this is the example" in said(notebook, id)
    (sliders,) = (cell for cell in notebook.cells if cell.id == "grid")
    assert any("application/vnd.jupyter.widget-view+json" in output.get("data", {}) for output in sliders.outputs)
    assert re.search(r"^generated/drums\.zip: \d+ files", said(notebook, "download"), re.MULTILINE)


@pytest.mark.thorough
def test_from_start_to_end_in_a_copy_of_the_project(tmp_path):
    clone = copy_project(tmp_path / "a b [2]")
    path = clone / "notebooks" / "drums.ipynb"
    path.write_text(adapted({SET_UP: "_exit_code = 0"}, **SHORT, TRAIN=False), encoding="utf-8")
    check_everything_was_heard(execute(sys.executable, path, tmp_path), num_trained=0)
    assert (clone / "generated" / "drums.zip").is_file()
    assert not (clone / "runs").exists()


@pytest.fixture
def colabs_python(tmp_path):
    """The Python of an environment with Colab's TensorFlow, NumPy and Jupyter, deleted after the test: 3 GB."""
    folder = tmp_path / "colab"
    yield make_colabs_environment(folder)
    shutil.rmtree(folder)


def make_colabs_environment(folder: pathlib.Path) -> str:
    """Makes it, and returns its Python."""
    uv = [sys.executable, "-m", "uv"]
    env = packages.uv_environment(packages.pip_settings(pathlib.Path(sys.executable)))
    python = folder / "bin" / "python"
    for command in (
        [*uv, "venv", "--seed", "--python", sys.executable, str(folder)],
        [*uv, "pip", "install", "--python", str(python), *COLABS_PACKAGES],
    ):
        done = subprocess.run(command, env=env, cwd=PROJECT_DIR, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no environment like Colab's can be made here: {packages.tail(done.stderr, 2)}")
    return str(python)


@pytest.mark.slow
def test_from_an_address_to_drums_beside_colabs_packages(colabs_python, tmp_path):
    before = subprocess.run([colabs_python, "-c", VERSIONS], capture_output=True, text=True, check=True).stdout
    repository = copy_project(tmp_path / "repository")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(repository)]
    for command in (["init", "-q"], ["add", "--all"], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *command], check=True)
    path = tmp_path / "my notebooks" / "drums.ipynb"
    path.parent.mkdir()
    path.write_text(adapted({}, **SHORT, **TRAINED, REPOSITORY=repository.as_uri()), encoding="utf-8")
    notebook = execute(colabs_python, path, tmp_path)
    assert "lacks, and now gets: " in said(notebook, "set-up")
    check_everything_was_heard(notebook, num_trained=3)
    assert (path.parent / "drums" / "generated" / "drums.zip").is_file()
    assert (path.parent / "drums" / "runs" / "notebook-starter" / "train" / "checkpoint").is_file()
    after = subprocess.run([colabs_python, "-c", VERSIONS], capture_output=True, text=True, check=True).stdout
    assert after == before
