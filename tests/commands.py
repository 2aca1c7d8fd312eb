"""Entry points called within a test's process: the same parsing, messages and exit status, without their start."""

from __future__ import annotations

import dataclasses
import pathlib

from absl import flags

from pipelines import cli, generate


@dataclasses.dataclass(frozen=True)
class Done:
    """What came of a command.

    Attributes:
        status: Its exit status.
        out: What it printed.
        err: What it printed on stderr.
        midis: The MIDI files that its output folder has, in the order of their names.
    """

    status: int
    out: str
    err: str
    midis: list[pathlib.Path]


def run_generate(capsys, output_dir: pathlib.Path, *arguments: str) -> Done:
    """Runs `python -m pipelines.generate` with these flags."""
    _take_flags_away()
    capsys.readouterr()
    try:
        generate.define_flags()
        cli.parse_flags(["generate", f"--output_dir={output_dir}", *arguments], "python -m pipelines.generate")
        status = cli.guard(generate.main)
    except SystemExit as error:
        status = error.code
    finally:
        _take_flags_away()
    printed = capsys.readouterr()
    midis = sorted(output_dir.glob("*.mid")) if output_dir.is_dir() else []
    return Done(status, printed.out, printed.err, midis)


def _take_flags_away() -> None:
    """Takes out the command's flags, and those of Magenta's commands, which have the same names."""
    for module, defined in list(flags.FLAGS.flags_by_module_dict().items()):
        if module.startswith(("pipelines", "magenta")):
            for flag in list(defined):  # It shrinks as flags go.
                delattr(flags.FLAGS, flag.name)
