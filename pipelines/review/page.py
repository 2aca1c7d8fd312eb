"""`evaluation.html`: an evaluation's figures, and originals beside their reconstructions to see and hear.

The page needs nothing but the folder beside it: it opens from the disk, without a server and without internet.
"""

from __future__ import annotations

import contextlib
import hashlib
import pathlib
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence

import configs
from pipelines.audio import rendering
from pipelines.evaluation import ranking
from pipelines.evaluation.results import Results
from pipelines.examples import loading, names, note_sequences
from pipelines.files import atomic, locks
from pipelines.pages import template
from pipelines.review import figures, windows

PAGE_NAME = "evaluation.html"
TEMPLATE = "evaluation.html"
BASELINES_NAME, COMPARISON_NAME = "baselines.json", "comparison.json"  # Shown where they lie beside the page.
CURVES_NAME = "curves.png"
_FILES_PREFIX = "evaluation-"  # Begins the name of the folder beside the page; a hash of what is in it follows.
_STAGING_PREFIX = ".evaluation."
_GROUPS = {ranking.BEST: "The best", ranking.BETWEEN: "Between", ranking.WORST: "The worst"}


def write(
    folder: pathlib.Path,
    found: Results,
    config: configs.Config,
    examples: loading.Examples,
    performances: note_sequences.Performances,
    *,
    curves_path: pathlib.Path | None = None,
    baselines_path: pathlib.Path | None = None,
    comparison_path: pathlib.Path | None = None,
) -> list[windows.Window]:
    """Writes the page of an evaluation, whole or not at all; it replaces an older one. Says where it is.

    Args:
        folder: Where the page goes, and beside it the folder of what it shows. It is made when missing.
        found: The evaluation, with its outputs.
        config: The config that was evaluated.
        examples: What it was evaluated on.
        performances: What these were made from; they have the names.
        curves_path: The run's curves, shown if they are there.
        baselines_path: The JSON of `pipelines.baselines`; None takes `baselines.json` beside the page, if it is there.
        comparison_path: The JSON of `pipelines.compare`; None takes `comparison.json` likewise.

    Returns:
        The windows that the page shows.

    Raises:
        BlockingIOError: another process is writing there.
        FileNotFoundError: a JSON that was named is missing.
        ValueError: a JSON is something else.
        OSError: something cannot be written.
    """
    tables = _tables(
        found, _beside(folder, BASELINES_NAME, baselines_path), _beside(folder, COMPARISON_NAME, comparison_path)
    )
    chosen = ranking.choose(found.outputs)
    of_rows = {int(found.outputs.performance[ranked.row]) for ranked in chosen}
    known = names.of_performances(performances, of_rows) if chosen else {}
    soundfont_path, silent_because = _soundfont()
    with _staging(folder) as staging:
        shown = windows.write(staging, config, found.outputs, examples.qpm, chosen, known, soundfont_path)
        has_curves = bool(curves_path and curves_path.is_file())
        if has_curves:
            shutil.copyfile(curves_path, staging / CURVES_NAME)
        files_name = f"{_FILES_PREFIX}{_digest(staging)}"
        text = template.render(
            TEMPLATE,
            **_of_evaluation(found, config, performances.where),
            tables=tables,
            files=files_name,
            curves=CURVES_NAME if has_curves else None,
            groups=_by_group(shown),
            silent_because=silent_because,
        )
        _publish(folder, staging, files_name, text)
    print(f"page: {folder / PAGE_NAME}", flush=True)
    return shown


def check_inputs(baselines_path: pathlib.Path | None, comparison_path: pathlib.Path | None) -> None:
    """Reads the JSONs that were named, before long work; raises as `write` does."""
    if baselines_path:
        figures.read_baselines(baselines_path)
    if comparison_path:
        figures.read_comparison(comparison_path)


def _beside(folder: pathlib.Path, name: str, named: pathlib.Path | None) -> pathlib.Path | None:
    if named:
        return named
    return folder / name if (folder / name).is_file() else None


def _tables(
    found: Results, baselines_path: pathlib.Path | None, comparison_path: pathlib.Path | None
) -> list[tuple[figures.Table, bool]]:
    """Returns the tables, each with whether it is folded at first."""
    tables = [(figures.of_metrics(found.metrics), False)]
    drums = figures.by_drum(found.metrics)
    if drums:
        tables.append((drums, True))
    if baselines_path:
        facts = figures.read_baselines(baselines_path)
        tables.append((figures.of_baselines(facts, found.metrics, found.num_examples), False))
    if comparison_path:
        tables.append((figures.of_comparison(figures.read_comparison(comparison_path)), False))
    return tables


def _of_evaluation(found: Results, config: configs.Config, where: str) -> dict:
    """Returns what the template says of an evaluation in words, by the template's names."""
    return {
        "title": f"{found.config}, step {found.global_step:,}",
        "facts": _facts(found, where),
        "hparams": _changed_hparams(found.config, config),
        "headlines": figures.headlines(found.metrics),
        "num_ranked": len(ranking.order(found.outputs)),
        "score": figures.in_words(ranking.score_names(found.outputs)[0]),
    }


def _facts(found: Results, where: str) -> dict[str, str]:
    return {
        "config": found.config,
        "checkpoint": found.checkpoint,
        "step": f"{found.global_step:,}",
        "data": where,
        "windows": f"{found.num_examples:,}",
        "performances": f"{found.num_performances:,}",
    }


def _changed_hparams(name: str, config: configs.Config) -> dict[str, str]:
    """Returns the hparams that are not as the config of that name has them."""
    usual = configs.CONFIG_MAP[name].hparams.values()
    return {key: str(value) for key, value in sorted(config.hparams.values().items()) if usual.get(key) != value}


def _soundfont() -> tuple[pathlib.Path | None, str]:
    """Returns the soundfont that plays; or None, and the reason."""
    try:
        return rendering.check(), ""
    except (OSError, ValueError) as error:
        return None, str(error)


def _by_group(shown: Sequence[windows.Window]) -> Mapping[str, list[windows.Window]]:
    groups = {title: [w for w in shown if w.ranked.group == group] for group, title in _GROUPS.items()}
    return {title: members for title, members in groups.items() if members}


def _digest(folder: pathlib.Path) -> str:
    """Returns a hash of a folder's files, so that what differs never has the same name."""
    hashed = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        hashed.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return hashed.hexdigest()[:12]


@contextlib.contextmanager
def _staging(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Makes a hidden folder in `folder`, which is made, too, and is held meanwhile; what is left of it is removed."""
    folder.mkdir(parents=True, exist_ok=True)
    with locks.held(folder, lambda: f"{folder}: another process is writing to it; wait until it has ended"):
        for path in folder.glob(f"{_STAGING_PREFIX}*"):  # Of a process that was killed.
            shutil.rmtree(path, ignore_errors=True)
        staging = folder / f"{_STAGING_PREFIX}{secrets.token_hex(4)}"
        staging.mkdir()
        try:
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _publish(folder: pathlib.Path, staging: pathlib.Path, files_name: str, text: str) -> None:
    """Puts files and page into their places: until the page is replaced, which is a rename, the old one is whole."""
    if not (folder / files_name).is_dir():
        staging.rename(folder / files_name)
    atomic.write_text(folder / PAGE_NAME, text)
    for path in folder.glob(f"{_FILES_PREFIX}*"):
        if path.is_dir() and path.name != files_name:
            shutil.rmtree(path, ignore_errors=True)
