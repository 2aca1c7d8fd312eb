"""What every entry point shares: parsing flags, and ending with a sentence instead of a traceback.

An entry point defines its flags in a function, so that importing a stage never defines one:

    if __name__ == "__main__":
        cli.run(main, define_flags)
"""

from __future__ import annotations

import errno
import functools
import io
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable

from absl import app, flags

from pipelines import stages

FAILED = 1
USAGE = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells report it.
LOG_LEVELS = ("DEBUG", "INFO", "WARN", "ERROR", "FATAL")
_NEXT_STEPS = {
    errno.ENOENT: "check the path",
    errno.EACCES: "give another path, or change its permissions",
    errno.EPERM: "give another path, or change its permissions",
    errno.EROFS: "give a path that can be written to",
    errno.ENOTDIR: "a part of this path is a file; give another path",
    errno.EISDIR: "give a file in it",
}


def run(
    main: Callable[..., int | None],
    define_flags: Callable[[], None],
    passes_on: str = "",
    prepare: Callable[[], object] = lambda: None,
) -> None:
    """Parses the command line, calls `main()` and exits with its status.

    Errors end the process with one or two lines on stderr; `--verbosity=1` adds the traceback.

    Args:
        main: The entry point. Reads `flags.FLAGS`; what it returns is the exit status (None is 0).
        define_flags: Defines this entry point's flags.
        passes_on: A flag for something with flags of its own: where it is given, unknown ones are no error, and
            `main` takes a list of all that is left.
        prepare: What a stage does before its turn comes; as `stages.await_turn` takes it.
    """

    def work(argv: list[str]) -> int:
        stages.await_turn(prepare)
        return guard(functools.partial(main, argv[1:]) if passes_on else main)

    define_flags()
    app.run(work, flags_parser=functools.partial(_parse, passes_on=passes_on))


def guard(main: Callable[[], int | None]) -> int:
    """Calls `main()` and turns what it raises into an exit status and a line on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # Names of files need not be text.
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # As the package leaves it while a command imports.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        status = main() or 0
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return FAILED
    except Exception as error:  # The outermost frame: nothing above could tell the user.
        if flags.FLAGS.is_parsed() and flags.FLAGS["verbosity"].value > 0:
            traceback.print_exc()
        print(f"error: {explain(error)}", file=sys.stderr)
        return FAILED


def explain(error: Exception) -> str:
    """Returns what failed and what to do next, in one or two lines, for any exception."""
    kind = type(error).__name__
    text = str(error).strip()
    if isinstance(error, MemoryError) or (kind == "ResourceExhaustedError" and "OOM" in text):
        return "out of memory; a smaller batch needs less: --hparams=batch_size=64"
    if getattr(error, "errno", None) == errno.ENOSPC or "No space left on device" in text:
        return f"the disk is full ({_first_line(text)}); free some space and run the command again"
    if isinstance(error, OSError) and error.filename is not None:
        next_step = _NEXT_STEPS.get(error.errno)
        return f"{error.filename}: {error.strerror}" + (f"; {next_step}" if next_step else "")
    if isinstance(error, (ValueError, OSError)):
        return text or kind
    return f"unexpected {kind}: {_first_line(text)}\n  --verbosity=1 shows where it happened"


def count(number: int, noun: str) -> str:
    """Returns "1 file" or "2 files"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def define_log_flag() -> None:
    """Defines `--log`, as Magenta's commands have it."""
    flags.DEFINE_enum("log", "WARN", LOG_LEVELS, "How much TensorFlow tells: DEBUG, INFO, WARN, ERROR or FATAL.")


def apply_log_level(level: str) -> None:
    """Lets TensorFlow and Magenta tell as much as `--log` says; takes effect before TensorFlow is imported."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "0" if level in ("DEBUG", "INFO") else "3"
    if level in ("DEBUG", "INFO"):
        from models.magenta import tf

        tf.logging.set_verbosity(getattr(tf.logging, level))


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else "no further message"


def parse_flags(argv: list[str], program: str, is_passed_on: bool = False) -> list[str]:
    """Parses flags and returns what is left of `argv`, whose first item is no flag.

    Unknown flags and stray arguments end the process with status 2, unless they are passed on; the message sends to
    the help of `program`.
    """
    try:
        rest = flags.FLAGS(argv, known_only=is_passed_on)
    except flags.Error as error:
        _usage_error(_name_missing_flag(str(error)), program)
    if len(rest) > 1 and not is_passed_on:
        _usage_error(f"not a flag: {' '.join(rest[1:])} (flags are written --name=value)", program)
    return rest


def _parse(argv: list[str], passes_on: str) -> list[str]:
    """Parses the command line of an entry point."""
    spec = sys.modules["__main__"].__spec__
    program = f"python -m {spec.name}" if spec else f"python {argv[0]}"
    app.define_help_flags()
    is_passed_on = bool(passes_on) and any(re.match(rf"--?{passes_on}(=|$)", argument) for argument in argv[1:])
    flags.FLAGS.set_gnu_getopt(is_passed_on)  # A value that stands apart from its flag is followed by further flags.
    return parse_flags(argv, program, is_passed_on)


def _name_missing_flag(message: str) -> str:
    """Says of a required flag that is not given what it is for; other messages of absl are kept."""
    missing = re.match(r"flag --(\w+)=None: .* must have a value other than None", message)
    if not missing:
        return message
    text = flags.FLAGS[missing[1]].help.removesuffix(";\n    repeat this option to specify a list of values")
    return f"--{missing[1]} is missing: {text}"


def _usage_error(message: str, program: str) -> None:
    print(f"error: {' '.join(message.splitlines())}\n  {program} --help lists the flags", file=sys.stderr)
    sys.exit(USAGE)
