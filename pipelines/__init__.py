"""The way of a groove, one module per stage: convert, examples, train, evaluate, generate, render, report."""

import importlib.util
import signal
import sys


def _refuse_without_packages() -> None:
    """Ends `python -m …` of a Python that lacks this project's packages, with a line that says how to enter .venv."""
    import shlex
    from pathlib import Path

    project_dir = Path(__file__).resolve().parent.parent
    shown_dir = Path() if Path.cwd() == project_dir else project_dir
    if (project_dir / ".venv" / ".drums-complete").exists():
        step = f"source {shlex.quote(str(shown_dir / '.venv' / 'bin' / 'activate'))}"
    else:
        step = f"bash {shlex.quote(str(shown_dir / 'run_train.sh'))} --help, which makes the environment .venv"
    sys.exit(f"error: {sys.executable} lacks the packages of this project; first: {step}")


# While Python looks for the module of `python -m`, that is its first argument; importing from elsewhere does nothing.
if sys.argv[:1] == ["-m"]:
    if importlib.util.find_spec("absl") is None:
        _refuse_without_packages()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Ctrl-C ends imports without a traceback, until `cli.guard` takes it.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
