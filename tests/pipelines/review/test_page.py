"""The page of an evaluation: from a run that was really trained, with every file that it names."""

import dataclasses
import html.parser
import json
import pathlib
import re
import urllib.parse

import numpy as np
import pytest

from pipelines import train
from pipelines.audio import rendering
from pipelines.evaluation import metrics, ranking, results
from pipelines.examples import loading, note_sequences
from pipelines.review import page
from tests import sounds


class Page(html.parser.HTMLParser):
    """Collects where a page points and its ids, and checks that its tags are closed."""

    def __init__(self, path: pathlib.Path):
        super().__init__()
        self.links, self.ids, self.tags, self._open = [], [], [], []
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.links += [value for name, value in attrs if name in ("href", "src", "data-sound")]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in ("meta", "img", "link", "br", "input", "wbr", "rect", "path"):
            self._open.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("rect", "path"):
            assert self._open.pop() == tag


@pytest.fixture(
    scope="module", params=[pytest.param("hier-drums_4bar_small", marks=pytest.mark.thorough), "groovae_4bar"]
)
def evaluated(request, tiny_runs, starter_records):
    """The results of a tiny run, with the arguments that its page needs."""
    run = train.check_run(tiny_runs[request.param], None, "", str(starter_records / "validation.tfrecord"), None)
    examples = loading.load(run.config, "validation", run.examples_path)
    checkpoint = str(run.checkpoint_dir / "model.ckpt-2")
    found = results.evaluate(run.name, run.config, examples, checkpoint)
    return found, run.config, examples, note_sequences.find(run.config, "validation", run.examples_path)


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_all_that_the_page_names_is_there_and_nothing_else(tmp_path, evaluated, tiny_runs):
    curves_path = tiny_runs[evaluated[0].config] / "curves.png"
    shown = page.write(tmp_path, *evaluated, curves_path=curves_path)
    read = Page(tmp_path / "evaluation.html")
    named = set()
    for link in read.links:
        parts = urllib.parse.urlsplit(link)
        assert not parts.scheme
        if parts.path:
            assert (tmp_path / urllib.parse.unquote(parts.path)).is_file()
            named.add(parts.path)
        else:
            assert parts.fragment in read.ids
    assert "http" not in read.text
    assert len(set(read.ids)) == len(read.ids)
    assert named == set(files_of(tmp_path)) - {"evaluation.html"}
    assert any(name.endswith("/curves.png") for name in named)
    assert len(shown) == 10
    assert all("alt" in attrs for tag, attrs in read.tags if tag == "img")


def test_windows_are_the_best_the_worst_and_some_between(tmp_path, evaluated):
    found, _, examples, _ = evaluated
    shown = page.write(tmp_path, *evaluated)
    name = ranking.score_names(found.outputs)[0]
    scores = [window.ranked.scores[name] for window in shown]
    everywhere = ranking.of_windows(found.outputs, name)
    assert scores == sorted(scores, reverse=True)
    assert (scores[0], scores[-1]) == (np.nanmax(everywhere), np.nanmin(everywhere))
    assert scores[0] > scores[-1]
    assert len({int(examples.performance[window.ranked.row]) for window in shown}) == 10
    ids = Page(tmp_path / "evaluation.html").ids
    assert [name for name in ids if name.startswith("window-")] == [f"window-{window.ranked.row}" for window in shown]


def test_a_windows_scores_are_its_metrics(tmp_path, evaluated):
    outputs = evaluated[0].outputs
    for window in page.write(tmp_path, *evaluated):
        row = slice(window.ranked.row, window.ranked.row + 1)
        alone = metrics.Outputs(
            outputs.performance[row],
            tokens=None if outputs.tokens is None else outputs.tokens[row],
            decoded_tokens={name: tokens[row] for name, tokens in outputs.decoded_tokens.items()},
            groove=part_of(outputs.groove, row),
            decoded_groove=part_of(outputs.decoded_groove, row),
            lengths=None if outputs.lengths is None else outputs.lengths[row],
        )
        computed = metrics.compute(alone)
        assert {name: pytest.approx(computed[name]) for name in window.ranked.scores} == window.ranked.scores


def part_of(groove, row):
    qpm = groove.qpm[row] if np.ndim(groove.qpm) else groove.qpm
    return type(groove)(groove.hits[row], groove.velocities[row], groove.offsets[row], qpm)


def test_the_figures_are_the_evaluations(tmp_path, evaluated):
    page.write(tmp_path, *evaluated)
    text = (tmp_path / "evaluation.html").read_text()
    shown = re.search(r"<b>hit_<wbr>f1</b>.*?<td>([^<]*)<small>([^<]*)", text, re.DOTALL).groups()
    found = evaluated[0].metrics["hit_f1"]
    assert shown == (f"{found.value:.3f}", f"{found.interval[0]:.3f} to {found.interval[1]:.3f}")
    assert "z_size</dt><dd>4</dd>" in text  # Other than in the config.


@sounds.needs_library
def test_what_has_hits_is_heard(tmp_path, evaluated):
    shown = page.write(tmp_path, *evaluated)
    players = [attrs for tag, attrs in Page(tmp_path / "evaluation.html").tags if tag == "audio"]
    sides = [side for window in shown for side in window.sides]
    assert len(players) == sum(side.wav is not None for side in sides) >= 10
    assert all(side.wav for window in shown for side in window.sides[:1])
    assert len({attrs["aria-label"] for attrs in players}) == len(players)


@sounds.needs_library
def test_both_sides_are_heard_in_time_with_each_other(tmp_path, evaluated, browser):
    page.write(tmp_path, *evaluated)
    browser.open(tmp_path / page.PAGE_NAME)
    number = browser.js("samples.findIndex(({ sides }) => sides.length === 2)")
    if number < 0:
        pytest.skip("this tiny model decodes no hits")
    browser.js("choose(samples[arguments[0]], { play: true, side: 0 })", number)
    browser.wait("loops.isPlaying && loops.now.track === current.sides[0].track")
    before = browser.js("[loops.context.currentTime, loops.barsAt(loops.context.currentTime)]")
    browser.find(".transport .sides button:last-child").click()
    browser.wait("loops.isPlaying && loops.now.track === current.sides[1].track")
    after = browser.js("[loops.context.currentTime, loops.barsAt(loops.context.currentTime)]")
    secs_per_bar = browser.js("current.sides[0].track.secs / current.sides[0].bars")
    assert abs((after[1] - before[1]) * secs_per_bar - (after[0] - before[0])) < 0.003


def test_without_a_soundfont_the_page_says_how_to_get_one(tmp_path, evaluated, monkeypatch):
    def missing():
        raise OSError("no soundfont found; <install> one")

    monkeypatch.setattr(rendering, "check", missing)
    page.write(tmp_path, *evaluated)
    read = Page(tmp_path / "evaluation.html")
    assert "Nothing plays here: no soundfont found; &lt;install&gt; one" in read.text
    assert not any(tag == "audio" for tag, _ in read.tags)
    assert not any(name.endswith(".wav") for name in files_of(tmp_path))


def test_a_new_page_replaces_the_old_one_and_touches_nothing_else(tmp_path, evaluated, monkeypatch):
    (tmp_path / "metrics.json").write_text("{}")
    (tmp_path / "evaluation-notes.txt").write_text("mine")
    page.write(tmp_path, *evaluated)
    before = files_of(tmp_path)
    page.write(tmp_path, *evaluated)
    assert files_of(tmp_path) == before  # The same evaluation, byte for byte.
    (tmp_path / ".evaluation.dead").mkdir()  # Of a process that was killed.
    monkeypatch.setattr(ranking, "NUMBERS", ranking.NUMBERS | {ranking.BETWEEN: 1})
    page.write(tmp_path, *evaluated)
    assert len({name.split("/")[0] for name in files_of(tmp_path)}) == 4
    assert sum(name.endswith("-played.mid") for name in files_of(tmp_path)) == 7
    assert not (tmp_path / ".evaluation.dead").exists()


def test_what_fails_leaves_the_old_page_whole(tmp_path, evaluated, monkeypatch):
    page.write(tmp_path, *evaluated)
    before = files_of(tmp_path)

    def full(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr(ranking, "NUMBERS", ranking.NUMBERS | {ranking.BETWEEN: 1})
    monkeypatch.setattr(page.template, "render", full)
    with pytest.raises(OSError, match="No space left"):
        page.write(tmp_path, *evaluated)
    assert files_of(tmp_path) == before
    assert len(list(tmp_path.iterdir())) == 2


def test_what_is_not_decoded_has_figures_alone(tmp_path, evaluated):
    """Configs with controls, and those of other instruments."""
    found, *others = evaluated
    outputs = dataclasses.replace(found.outputs, decoded_tokens={}, decoded_groove=None)
    assert page.write(tmp_path, dataclasses.replace(found, outputs=outputs), *others) == []
    text = Page(tmp_path / "evaluation.html").text
    assert "there is nothing to show beside them" in text
    assert "<b>loss</b>" in text


def test_jsons_beside_the_page_are_shown(tmp_path, evaluated):
    baselines = {"silence": {"hit_f1": 0.0}, "commonest_<token>": {"hit_f1": 0.125}}
    facts = {"config": evaluated[0].config, "num_examples": 3, "baselines": baselines}
    (tmp_path / "baselines.json").write_text(json.dumps(facts))
    page.write(tmp_path, *evaluated)
    text = (tmp_path / "evaluation.html").read_text()
    assert "What is reached without a model" in text
    assert "commonest &lt;token&gt;" in text
    assert "<td>0.125</td>" in text
    assert "These are not the" in text
    assert "Samples beside data" not in text
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(ValueError, match=r"other\.json: is no JSON of python -m pipelines\.compare"):
        page.write(tmp_path, *evaluated, comparison_path=tmp_path / "other.json")
    with pytest.raises(FileNotFoundError, match=r"gone\.json"):
        page.check_inputs(tmp_path / "gone.json", None)
