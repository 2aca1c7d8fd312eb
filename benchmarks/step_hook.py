"""Writes down when each training step was finished and what its loss was, in stock Magenta's loop and in ours.

Both train in a `MonitoredSession`. `install` gives the next one a hook more, which comes after all others, so that a
step's time includes whatever they do after it. The hook fetches one number more than the loop itself.
"""

from __future__ import annotations

import json
import pathlib
import time
from typing import IO

import tensorflow.compat.v1 as tf  # Each entry point has imported it before, in its own way.
from absl import flags

LOSS = "loss"  # Magenta's name of the summary; what it shows is the loss that is trained on.


class StepHook(tf.train.SessionRunHook):
    """Writes a `step_log`.

    Args:
        path: Where to.
        started_secs: `time.monotonic()` when the command was started; it is one clock for all processes.
        traced_step: The step whose executed operations are counted; 0 for none.
        stop_secs: Training ends with the first step that is finished so long after the start; 0 is never.
    """

    def __init__(self, path: str, started_secs: float, traced_step: int = 0, stop_secs: float = 0) -> None:
        self._path = pathlib.Path(path)
        self._started_secs, self._traced_step, self._stop_secs = started_secs, traced_step, stop_secs
        self._step = 0
        self._file: IO[str] | None = None

    def begin(self) -> None:
        self._loss, self._global_step = find_loss(tf.get_default_graph()), tf.train.get_global_step()

    def after_create_session(self, session: tf.Session, coord) -> None:
        self._step = int(session.run(self._global_step))
        self._file = self._path.open("a", encoding="utf-8", buffering=1)
        self._write(graph_nodes=len(session.graph.get_operations()))

    def before_run(self, run_context):
        is_traced = self._step + 1 == self._traced_step
        options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE) if is_traced else None
        return tf.train.SessionRunArgs(self._loss, options=options)

    def after_run(self, run_context, run_values) -> None:
        secs = time.monotonic() - self._started_secs
        self._step += 1
        entry = {"step": self._step, "secs": secs, "loss": float(run_values.results)}
        if self._step == self._traced_step:
            entry["operations"] = count_operations(run_values.run_metadata)
        self._write(**entry)
        if self._stop_secs and secs >= self._stop_secs:
            run_context.request_stop()

    def end(self, session: tf.Session) -> None:
        self._file.close()

    def _write(self, **entry) -> None:
        self._file.write(json.dumps(entry) + "\n")


def find_loss(graph: tf.Graph) -> tf.Tensor:
    """Returns the scalar that a model's `train` shows on TensorBoard as its loss, or raises ValueError."""
    for summary in graph.get_collection(tf.GraphKeys.SUMMARIES):
        if summary.op.name == LOSS:
            return summary.op.inputs[1]
    raise ValueError(f"the graph has no scalar summary {LOSS!r}; models of MusicVAE make one in train()")


def count_operations(run_metadata: tf.RunMetadata) -> int:
    """Returns how many operations a traced step executed, those in loops as often as they were.

    A GPU's streams list the same operations again, as kernels; they are not counted.
    """
    devices = run_metadata.step_stats.dev_stats
    return sum(len(device.node_stats) for device in devices if "stream:" not in device.device)


def define_flags() -> None:
    flags.DEFINE_string("step_log", None, "File to write the steps to.", required=True)
    flags.DEFINE_float("started_secs", None, "time.monotonic() of the command's start; default: now.")
    flags.DEFINE_integer("traced_step", 0, "Count the operations that this step executes; 0 for none.", lower_bound=0)
    flags.DEFINE_float("stop_secs", 0, "End so many seconds after the start; 0 for never.", lower_bound=0)


def install() -> None:
    """Gives every `MonitoredSession` that is made from now on the hook that the flags describe."""
    make, loaded_secs = tf.train.MonitoredSession.__init__, time.monotonic()

    def make_with_hook(session, session_creator=None, hooks=None, **options) -> None:
        args = flags.FLAGS
        started_secs = loaded_secs if args.started_secs is None else args.started_secs
        hook = StepHook(args.step_log, started_secs, args.traced_step, args.stop_secs)
        make(session, session_creator, [*(hooks or []), hook], **options)

    tf.train.MonitoredSession.__init__ = make_with_hook
