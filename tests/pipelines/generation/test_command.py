"""The command: what each mode writes and says, what it refuses, and that its files can be made again."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import tarfile
import time

import mido
import numpy as np
import pytest

from pipelines.generation import command, outputs
from pipelines.generation.piece import Piece, notes_of
from pipelines.runs import pretrained
from tests import disks, midi_files, songs
from tests.midi_files import KICK

DRAWN = ("--seed=7", "--num_outputs=2")


@pytest.fixture
def flat(tmp_path) -> pathlib.Path:
    """Four bars of drums, written and not played, at 90 qpm."""
    return songs.write_beat(tmp_path / "in" / "flat.mid", songs.beat(4), tempos=[(0, 90)])


@pytest.fixture
def other(tmp_path) -> pathlib.Path:
    """Four other bars, at 130 qpm."""
    late = [(quarter + 0.04, pitch, velocity // 2) for quarter, pitch, velocity in songs.beat(4, 9)]
    late = [(quarter - 36, *rest) for quarter, *rest in late]
    return songs.write_beat(tmp_path / "others" / "late.mid", late, 960, tempos=[(0, 130)])


@pytest.fixture
def data_folder(tmp_path) -> pathlib.Path:
    """A little folder for neighbours to be searched in."""
    songs.write_beat(tmp_path / "data" / "a.mid", songs.beat(6), 960)
    songs.write_beat(tmp_path / "data" / "b.mid", songs.beat(6, 20), 960)
    return tmp_path / "data"


def flags_of(mode: str, flat: pathlib.Path, other: pathlib.Path, data_folder: pathlib.Path) -> list[str]:
    """Returns what a mode needs."""
    return {
        "sample": ["--mode=sample", *DRAWN],
        "form": ["--mode=sample", "--form=AB", "--seed=7", "--num_outputs=1"],
        "interpolate": ["--mode=interpolate", f"--input_midi_1={flat}", f"--input_midi_2={other}", "--num_outputs=3"],
        "reconstruct": ["--mode=reconstruct", f"--input={flat}"],
        "vary": ["--mode=vary", f"--input={flat}", "--amount=0.5", *DRAWN],
        "grid": ["--mode=grid", "--grid_size=2", "--seed=3"],
        "humanize": ["--mode=humanize", f"--input={flat}", "--keep_other_tracks"],
        "rewrite": ["--mode=humanize", f"--input={flat}", "--nokeep_hits", "--temperature=1", *DRAWN],
        "transfer": ["--mode=transfer", f"--input={flat}", f"--groove={other}", "--strength=0.5"],
        "tap": ["--mode=tap", f"--input={flat}", *DRAWN],
        "attribute": ["--mode=attribute", f"--input={flat}", "--attribute=density", "--by=-1"],
        "knn": ["--mode=knn", f"--input={flat}", f"--examples_path={data_folder}"],
        "knn-sample": ["--mode=knn", f"--examples_path={data_folder}", *DRAWN],
    }[mode]


MODES = {
    "sample": ("hier-drums", 2), "form": ("hier-drums", 1), "interpolate": ("hier-drums", 3),
    "reconstruct": ("hier-drums", 1), "vary": ("hier-drums", 2), "grid": ("hier-drums", 4),
    "humanize": ("humanize", 1), "rewrite": ("humanize", 2), "transfer": ("humanize", 1), "tap": ("tap", 2),
    "attribute": ("groovae", 1), "knn": (None, 1), "knn-sample": (None, 2),
}  # fmt: skip


def bytes_of(paths) -> list[bytes]:
    return [path.read_bytes() for path in paths]


@pytest.mark.parametrize("mode", MODES)
def test_each_mode_plays_the_model_that_suits_it_and_makes_the_same_bytes_again(
    generate, manifest_of, tmp_path, monkeypatch, flat, other, data_folder, mode
):
    """From its manifest, in another folder, called in another one."""
    model, count = MODES[mode]
    monkeypatch.chdir(flat.parent.parent)
    relative = [flag.replace(f"{tmp_path}/", "") for flag in flags_of(mode, flat, other, data_folder)]
    done = generate(*relative)
    assert (done.status, done.err, len(done.midis)) == (0, "", count)
    assert (f"pretrained/{model}/{model}.tar" in done.out) == bool(model)
    for path in done.midis:
        assert f"{path}  {len(songs.hits(path))} notes\n" in done.out
        songs.spans(path)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = generate(f"--from_manifest={tmp_path / 'out'}", output_dir=tmp_path / "again")
    assert (again.status, again.err) == (0, "")
    assert f"{count} of {count} files are the same, byte for byte, as {tmp_path / 'out'} says" in again.out
    assert [path.name for path in again.midis] == [path.name for path in done.midis]
    assert bytes_of(again.midis) == bytes_of(done.midis)
    originals = [sorted((folder / "originals").glob("*")) for folder in (tmp_path / "out", tmp_path / "again")]
    assert bytes_of(originals[0]) == bytes_of(originals[1])
    first, second = (manifest_of(folder) for folder in (tmp_path / "out", tmp_path / "again"))
    for said in (first, second):
        del said["created"]
    assert first == second


@pytest.mark.parametrize("mode", ["sample", "vary", "tap", "grid"])
def test_a_seed_gives_the_same_bytes_and_others_give_others(generate, tmp_path, flat, other, data_folder, mode):
    flags = [flag for flag in flags_of(mode, flat, other, data_folder) if not flag.startswith("--seed")]
    seeds = [["--seed=7"], ["--seed=7"], ["--seed=8"], [], []]
    runs = [generate(*flags, *seed, output_dir=tmp_path / str(number)) for number, seed in enumerate(seeds)]
    made = [bytes_of(done.midis) for done in runs]
    assert made[0] == made[1]
    assert made[0] != made[2] and made[3] != made[4]  # Without a seed, another one each time.


def test_latent_vectors_in_the_manifest_decode_to_the_outputs(generate, manifest_of, tmp_path, flat, trained_player):
    player = trained_player("groovae")
    generate("--mode=vary", f"--input={flat}", "--pretrained=groovae", *DRAWN)
    for output in manifest_of(tmp_path / "out")["outputs"]:
        z = np.array(output["latent"], np.float32)
        played = player.model.decode(z, 0.0, np.random.default_rng(1))
        expected = notes_of(type(played)(played.hits[0], played.velocities[0], played.offsets[0]))
        outputs.write(Piece("", expected, ((0.0, 90.0),), 4), tmp_path / "decoded.mid")
        assert songs.hits(tmp_path / "decoded.mid") == songs.hits(tmp_path / "out" / output["midi"])


def test_a_manifest_says_what_was_done(generate, manifest_of, tmp_path, flat):
    done = generate("--mode=vary", f"--input={flat}", "--seed=5", "--amount=0.25", "--num_outputs=2", "--qpm=77")
    said = manifest_of(tmp_path / "out")
    named = {name: said[name] for name in ("mode", "config", "checkpoint", "seed", "temperature", "earlier")}
    assert named == {
        "mode": "vary",
        "config": "hier-drums_4bar_groove_hikl",
        "checkpoint": "pretrained/hier-drums/hier-drums.tar",
        "seed": 5,
        "temperature": 0.0,
        "earlier": [],
    }
    assert said["models"]["humanize_with"]["checkpoint"] == "pretrained/groovae/groovae.tar"
    assert said["flags"]["amount"] == 0.25 and said["flags"]["input"] == [str(flat)]
    assert [each["path"] for each in said["inputs"]] == [str(flat)]
    time.strptime(said["created"], "%Y-%m-%dT%H:%M:%S")
    assert [each["midi"] for each in said["outputs"]] == [path.name for path in done.midis]
    first = said["outputs"][0]
    assert (first["label"], first["qpm"], first["num_bars"]) == ("flat, varied", 77, 4)
    assert first["facts"] == {"amount": "0.25"}
    original = tmp_path / "out" / first["original"]
    assert songs.hits(original) == [(2 * tick, *rest) for tick, *rest in songs.hits(flat)]
    assert songs.tempos(original) == [(0, 77)]
    assert said["outputs"][1]["original"] == first["original"]


def test_names_never_overwrite_and_a_folder_remembers_earlier_commands(generate, manifest_of, tmp_path, flat):
    """Three commands, of which some fall into the same second."""
    runs = [generate("--mode=humanize", f"--input={flat}", f"--timing={amount}") for amount in (0, 0.5, 1)]
    assert [len(done.midis) for done in runs] == [1, 2, 3]
    said = manifest_of(tmp_path / "out")
    assert [said["flags"]["timing"], *(each["flags"]["timing"] for each in said["earlier"])] == [1, 0.5, 0]
    names = [output["midi"] for each in (said, *said["earlier"]) for output in each["outputs"]]
    assert sorted(names) == [path.name for path in runs[-1].midis]
    assert len(list((tmp_path / "out" / "originals").iterdir())) == 3


def test_inputs_of_the_same_name_have_outputs_of_their_own(generate, tmp_path):
    for folder in ("a", "b"):
        songs.write_beat(tmp_path / "in" / folder / "beat.mid", songs.beat(1, ord(folder)))
    done = generate("--mode=humanize", f"--input={tmp_path / 'in'}")
    assert done.status == 0 and len(done.midis) == 2
    assert len(list((tmp_path / "out" / "originals").iterdir())) == 2


@pytest.mark.parametrize("name", ["x" * 200, "ü" * 100, b"gr\xfcn".decode("utf-8", "surrogateescape"), "a [1]*?"])
def test_any_name_of_an_input_makes_a_name_of_an_output(generate, manifest_of, tmp_path, name):
    path = songs.write_beat(tmp_path / f"{name}.mid", songs.beat(1))
    done = generate("--mode=humanize", f"--input={path}")
    assert (done.status, done.err, len(done.midis)) == (0, "", 1)
    assert done.midis[0].name.encode("utf-8").startswith(command.midi_files.printable(name)[:50].encode())
    again = generate(f"--from_manifest={tmp_path / 'out'}", output_dir=tmp_path / "again")
    assert again.status == 0, again.err


# ---- a drop-in for Magenta's command


def test_samples_are_called_as_magentas_and_are_as_many(generate, tmp_path):
    done = generate("--mode=sample", "--pretrained=groovae", "--num_outputs=3")
    stamp = time.strftime("%Y-%m-%d")
    for number, path in enumerate(done.midis):
        assert path.name.startswith(f"groovae_4bar_groove_sample_{stamp}_")
        assert path.name.endswith(f"-{number:03d}-of-003.mid")
    assert len(generate("--mode=sample", "--temperature=0", output_dir=tmp_path / "usual").midis) == 5


def test_samples_and_interpolations_are_plain_unless_a_humanizer_is_named(generate, tmp_path, flat, other):
    ends = [f"--input_midi_1={flat}", f"--input_midi_2={other}"]
    for flags in (["--mode=sample"], ["--mode=interpolate", *ends]):
        plain = generate(*flags, *DRAWN, output_dir=tmp_path / "plain")
        played = generate(*flags, *DRAWN, "--humanize_with=auto", output_dir=tmp_path / "played")
        assert "played by" not in plain.out and "played by   groovae_4bar_humanize_groove" in played.out
        for path in plain.midis:
            assert {velocity for *_, velocity in songs.hits(path)} == {80}
            assert not any(tick % 240 for tick, *_ in songs.hits(path))
        assert all(len({velocity for *_, velocity in songs.hits(path)}) > 3 for path in played.midis)
        shutil.rmtree(tmp_path / "plain"), shutil.rmtree(tmp_path / "played")


def test_the_tempo_is_the_inputs_the_one_that_is_given_or_a_usual_one(generate, tmp_path, flat, other):
    ends = [f"--input_midi_1={flat}", f"--input_midi_2={other}"]
    done = generate("--mode=interpolate", *ends, "--num_outputs=2")
    assert f"tempo       90 qpm, that of {flat}" in done.out
    assert all(songs.tempos(path) == [(0, 90)] for path in done.midis)
    done = generate("--mode=sample", *DRAWN, "--pretrained=tap", output_dir=tmp_path / "b")  # It knows no styles.
    assert "tempo       120 qpm, as Magenta's; --qpm sets another" in done.out
    assert all(songs.tempos(path) == [(0, 120)] for path in done.midis)
    done = generate("--mode=sample", *DRAWN, "--qpm=88.5", output_dir=tmp_path / "c")
    assert "tempo  " not in done.out and all(songs.tempos(path) == [(0, 88.5)] for path in done.midis)
    done = generate("--mode=sample", *DRAWN, "--pretrained=groovae", output_dir=tmp_path / "d")
    assert "as usual for" in done.out


# ---- humanize, as a musician uses it


@pytest.fixture
def band_song(tmp_path) -> pathlib.Path:
    """Two empty bars, five of drums on a tempo map, and a bass throughout, at 480 ticks a quarter."""
    tracks = [
        songs.conductor(480, [(0, 90), (14, 120)]),
        songs.notes_track(songs.beat(5, 2), 480),
        songs.notes_track([(quarter, 40, 70) for quarter in range(28)], 480, 0),
    ]
    return songs.write(tmp_path / "in" / "band.mid", tracks)


def cells(path: pathlib.Path, ppq: int) -> list[tuple[int, int]]:
    """Returns sixteenth and pitch of each drum."""
    return sorted((int(tick / ppq * 4 + 0.5), pitch) for tick, pitch, _ in songs.hits(path))


def test_a_humanized_song_lies_over_its_input_in_a_sequencer(generate, band_song):
    """Empty bars and the tempo map stay; no hit is added or lost; other instruments go along where asked for."""
    done = generate("--mode=humanize", f"--input={band_song}")
    (path,) = done.midis
    assert cells(path, 960) == cells(band_song, 480)
    assert songs.tempos(path) == [(0, 90), (14, 120)]
    assert songs.messages(path, 0) == []
    assert sum(message.time for message in mido.MidiFile(path).tracks[0]) == 7 * 4 * 960


def test_other_tracks_go_along_where_they_are_asked_for(generate, band_song):
    (path,) = generate("--mode=humanize", f"--input={band_song}", "--keep_other_tracks").midis
    assert songs.hits(path, 0) == [(2 * tick, *rest) for tick, *rest in songs.hits(band_song, 0)]
    assert cells(path, 960) == cells(band_song, 480)


def test_amounts_of_0_write_the_inputs_own_ticks_and_velocities(generate, band_song):
    (path,) = generate("--mode=humanize", f"--input={band_song}", "--timing=0", "--dynamics=0").midis
    assert songs.hits(path) == [(2 * tick, *rest) for tick, *rest in songs.hits(band_song)]


def test_a_tempo_that_is_given_replaces_the_map(generate, band_song):
    (path,) = generate("--mode=humanize", f"--input={band_song}", "--qpm=101").midis
    assert songs.tempos(path) == [(0, 101)]


def test_some_bars_alone(generate, band_song):
    flags = ["--mode=humanize", f"--input={band_song}", "--start_bar=4", "--num_bars=2", "--keep_other_tracks"]
    (path,) = generate(*flags).midis
    expected = [(step - 48, pitch) for step, pitch in cells(band_song, 480) if 48 <= step < 80]
    assert cells(path, 960) == expected
    assert songs.hits(path, 0) == [(quarter * 960, 40, 70) for quarter in range(8)]
    assert songs.tempos(path) == [(0, 90), (2, 120)]


@pytest.mark.parametrize("drum_channel", ["1", "all"])
@pytest.mark.parametrize("midi_type", [0, 1])
def test_drums_on_another_channel(generate, tmp_path, drum_channel, midi_type):
    path = songs.write_beat(tmp_path / "a.mid", songs.beat(2), 480, channel=0, midi_type=midi_type)
    (made,) = generate("--mode=humanize", f"--input={path}", f"--drum_channel={drum_channel}").midis
    expected = sorted((int(quarter * 4), pitch) for quarter, pitch, _ in songs.beat(2))
    assert cells(made, 960) == expected


def test_a_thousand_bars_are_played(generate, tmp_path):
    path = songs.write_beat(tmp_path / "long.mid", [(4 * bar, KICK, 90) for bar in range(1000)])
    done = generate("--mode=humanize", f"--input={path}")
    assert done.status == 0 and len(songs.hits(done.midis[0])) == 1000


# ---- folders


def test_in_a_folder_what_cannot_be_read_is_named_and_the_rest_is_played(generate, manifest_of, tmp_path, mixed):
    done = generate("--mode=humanize", f"--input={mixed}")
    assert done.status == 1
    assert [path.name.partition("_humanize")[0] for path in done.midis] == ["kürzer", "same bars", "six bars"]
    errors = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert [pathlib.Path(line.removeprefix("error: ").partition(": ")[0]).name for line in errors] == [
        *("Flügel.mid", "broken.mid", "empty.midi", "silence.mid", "waltz.mid")
    ]
    assert "takes them as drums" in errors[0] and errors[-1].endswith("in 3/4; the models know bars of 4/4 alone")
    assert len(manifest_of(tmp_path / "out")["outputs"]) == 3


@pytest.mark.parametrize("mode", ["vary", "tap"])
def test_what_a_file_becomes_does_not_depend_on_those_beside_it(generate, tmp_path, mode):
    path = songs.write_beat(tmp_path / "in" / "c.mid", songs.beat(2))
    alone = generate(f"--mode={mode}", f"--input={tmp_path / 'in'}", *DRAWN, output_dir=tmp_path / "alone")
    songs.write_beat(tmp_path / "in" / "a.mid", songs.beat(3))
    (tmp_path / "in" / "b.mid").touch()  # No MIDI.
    beside = generate(f"--mode={mode}", f"--input={tmp_path / 'in'}", *DRAWN, output_dir=tmp_path / "beside")
    assert (alone.status, beside.status) == (0, 1)
    made = [each for each in beside.midis if each.name.startswith(path.stem)]
    assert bytes_of(made) == bytes_of(alone.midis) and len(beside.midis) == 4


def test_outputs_within_a_folder_of_inputs_are_not_taken_for_inputs(generate, manifest_of, flat):
    folder = flat.parent
    for count in (1, 2):
        done = generate("--mode=humanize", f"--input={folder}", output_dir=folder / "out")
        assert len(done.midis) == count
        assert [each["path"] for each in manifest_of(folder / "out")["inputs"]] == [str(flat)]
    done = generate("--mode=humanize", f"--input={folder}", output_dir=folder)
    assert done.status == 1 and done.err == (
        f"error: {folder}: what is written there would be an input next time; give another --output_dir\n"
    )


def test_one_file_that_cannot_be_read_is_one_line_and_nothing_else(generate, tmp_path):
    path = songs.write_beat(tmp_path / "waltz.mid", songs.beat(3), metre=(3, 4))
    done = generate("--mode=reconstruct", f"--input={path}")
    assert (done.status, done.err) == (1, f"error: {path}: in 3/4; the models know bars of 4/4 alone\n")
    assert not (tmp_path / "out").exists()


# ---- forms


@pytest.mark.parametrize(
    ("flags", "form"),
    [
        (["--num_bars=4"], None),
        (["--num_bars=8"], "AB"),
        (["--num_bars=16"], "AABA"),
        (["--num_bars=32"], "AABAAABA"),
        (["--num_bars=16", "--form=ab"], "AABB"),
        (["--form=abc"], "ABC"),
    ],
)
def test_a_piece_is_as_long_as_its_bars_or_its_form(generate, manifest_of, tmp_path, flags, form):
    done = generate("--mode=sample", "--num_outputs=1", "--seed=1", *flags)
    (output,) = manifest_of(tmp_path / "out")["outputs"]
    assert output["num_bars"] == 4 * len(form or "A")
    assert output["facts"].get("form") == form
    length = sum(message.time for message in mido.MidiFile(done.midis[0]).tracks[0])
    assert length == output["num_bars"] * 4 * 960


# ---- what is refused, before long work


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--mode=interpolate"], "--mode=interpolate goes from --input_midi_1 to --input_midi_2; give both"),
        (
            ["--mode=interpolate", "--input_midi_1={flat}", "--input_midi_2={flat}", "--num_outputs=1"],
            "--num_outputs=1: an interpolation has at least its 2 ends",
        ),
        (["--mode=sample", "--input_midi_1=no.mid"], "no.mid: no such MIDI file"),
        (["--mode=humanize"], "--mode=humanize works on an --input: a flat --input, played: its notes with new"),
        (["--mode=humanize", "--input=gone.mid"], "gone.mid: no such file or folder"),
        (["--mode=transfer", "--input={flat}"], "--mode=transfer takes the timing and dynamics of --groove, a MIDI"),
        (["--mode=transfer", "--input={flat}", "--groove=gone.mid"], "gone.mid: no such MIDI file"),
        (["--mode=attribute", "--input={flat}"], "--mode=attribute needs an --attribute, as density or swing, of"),
        (["--mode=grid", "--input={flat}"], "--mode=grid lies between four MIDI files, and --input names 1"),
        (["--form=AB1"], "--form=AB1: letters alone, one for each four bars, as AABA"),
        (["--form="], "--form=: letters alone, one for each four bars, as AABA"),
        (["--form=ÄB"], "--form=ÄB: letters alone, one for each four bars, as AABA"),
        (["--form=" + "A" * 257], "--form: 257 letters; 256 at most"),
        (["--mode=vary", "--input={flat}", "--form=AB"], "--form=AB: samples have a form; --mode=vary follows its"),
        (["--num_bars=6"], "--num_bars=6: a piece is made of windows of 4 bars; give a multiple of that, up to 1024"),
        (["--num_bars=4000"], "--num_bars=4000: a piece is made of windows of 4 bars; give a multiple of that, up to"),
        (
            ["--num_bars=16", "--form=ABC"],
            "--num_bars=16 and --form=ABC: 3 letters do not fit into 4 windows of 4 bars; give a multiple of 12 bars",
        ),
        (
            ["--mode=humanize", "--input={flat}", "--num_outputs=3"],
            "--num_outputs=3: --mode=humanize draws nothing at --temperature=0, so that all would be the same; give",
        ),
        (["--mode=humanize", "--input={flat}", "--pretrained=hier-drums"], "hier-drums_4bar_groove_hikl: knows which"),
        (["--pretrained=groovy"], "unknown --pretrained='groovy'; known, nearest first: groovae, "),
        (["--pretrained=tap", "--run_dir=runs/x"], "give one of --run_dir, --checkpoint_file and --pretrained: where"),
        (["--humanize_with=hier-drums"], "--humanize_with=hier-drums: plays no dynamics and timing; one of groovae's"),
        (["--humanize_with=nobody"], "unknown --pretrained='nobody'; known, nearest first: "),
        (["--mode=reconstruct", "--input={flat}", "--start_bar=9"], "{flat}: has 4 bars, so that --start_bar=9 is"),
        (["--mode=reconstruct", "--input={flat}", "--drum_map=jazz"], "--drum_map=jazz: no such file, and none of"),
        (["--mode=reconstruct", "--input={flat}", "--drum_channel=3"], "{flat}: no drums: nothing on MIDI channel 3;"),
        (["--pretrained=groovae", "--config=groovae_4bar"], "this run was trained with --config=groovae_4bar_groove"),
        (["--pretrained=tap", "--latents=mixture"], "--latents=mixture: there is no "),
    ],
)
def test_what_does_not_fit_together_is_said_in_a_line(generate, tmp_path, flat, flags, message):
    done = generate(*(flag.format(flat=flat) for flag in flags))
    assert done.status == 1
    assert done.err.startswith("error: ") and message.format(flat=flat) in done.err
    assert done.err.count("\n") <= 2 and "Traceback" not in done.err and "unexpected" not in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "flag",
    ["--mode=sing", "--amount=2", "--qpm=5", "--drum_channel=17", "--num_outputs=0", "--temperature=-1", "stray"],
)
def test_values_out_of_range_are_usage_errors(generate, flag):
    done = generate(flag)
    assert done.status == 2 and done.err.startswith("error: ") and "--help lists the flags" in done.err


# ---- making again


def test_what_cannot_be_made_again_is_said(generate, tmp_path, flat):
    generate("--mode=humanize", f"--input={flat}")
    path = tmp_path / "out" / "manifest.json"
    said = json.loads(path.read_text())
    name = said["outputs"][0]["midi"]

    def refused(message: str, *flags: str, changed: dict | str | None = None, out: str = "again") -> None:
        if changed is not None:
            path.write_text(changed if isinstance(changed, str) else json.dumps(changed))
        done = generate(f"--from_manifest={path}", *flags, output_dir=tmp_path / out)
        assert done.status == 1 and done.err.startswith("error: ") and done.err.count("\n") <= 2
        assert message in done.err and "unexpected" not in done.err
        assert not (tmp_path / "again").exists()

    refused(f"{tmp_path / 'out' / name}: is there already; give another --output_dir", out="out")
    refused("--from_manifest has all flags but --output_dir in it; leave out --qpm, --seed", "--seed=1", "--qpm=90")
    refused("made with another checkpoint than", changed=said | {"checkpoint_sha256": "0" * 64})
    refused("manifest.json: damaged (", changed="{")
    refused("manifest.json: no manifest of pipelines.generate", changed="{}")
    refused("has no seed, or a damaged one", changed=said | {"seed": "x"})
    refused("has flags that pipelines.generate does not know: sing", changed=said | {"flags": {"sing": 1}})
    for flag, value in (("mode", "sing"), ("amount", "x"), ("num_bars", [1]), ("input", 5), ("timing", 2), ("qpm", {})):
        refused(f"has a flag that cannot be: {flag} = ", changed=said | {"flags": said["flags"] | {flag: value}})
    refused("unknown --pretrained='gone'", changed=said | {"flags": said["flags"] | {"pretrained": "gone"}})
    path.write_text(json.dumps(said))
    flat.write_bytes(flat.read_bytes() + b"\0")
    refused(f"{flat}: is not what it was when {path} was made with it")
    flat.unlink()
    refused(f"{flat}: is missing, and {path} was made with it")
    path.unlink()
    refused(f"{path}: no such manifest; pipelines.generate writes one beside what it makes")


def test_files_that_come_out_otherwise_are_counted(generate, tmp_path, flat):
    generate("--mode=vary", f"--input={flat}", *DRAWN)
    path = tmp_path / "out" / "manifest.json"
    said = json.loads(path.read_text())
    said["outputs"][1]["sha256"] = "0" * 64
    path.write_text(json.dumps(said))
    done = generate(f"--from_manifest={path}", output_dir=tmp_path / "again")
    assert done.status == 1 and len(done.midis) == 2
    assert f"1 of 2 files are the same, byte for byte, as {path} says\n" in done.out


# ---- models and disks that fail


@pytest.fixture
def copied(tmp_path) -> pathlib.Path:
    """A trained model's folder, to be damaged."""
    return pathlib.Path(shutil.copytree(pretrained.PRETRAINED_DIR / "groovae", tmp_path / "models" / "groovae"))


def _truncate(path: pathlib.Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip(path: pathlib.Path) -> None:
    """Changes a byte in the middle of the variables."""
    folder = path.parent / "unpacked"
    with tarfile.open(path) as tar:
        tar.extractall(folder, filter="data")
    (data,) = folder.rglob("*.data-*")
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 255
    data.write_bytes(content)
    with tarfile.open(path, "w") as tar:
        for file in folder.rglob("*"):
            if file.is_file():
                tar.add(file, file.name)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "groovae.tar").unlink(), "no checkpoint in"),
        (lambda f: _truncate(f / "groovae.tar"), "groovae.tar: cannot be unpacked"),
        (lambda f: (f / "groovae.tar").write_bytes(b""), "groovae.tar"),
        (lambda f: _flip(f / "groovae.tar"), "the checkpoint cannot be read ("),
        (lambda f: (f / "config.json").write_text("{"), "config.json: damaged ("),
        (
            lambda f: shutil.copy(f.parents[1] / "other.tar", f / "groovae.tar"),
            "give the --config and --hparams that it was trained with",
        ),
        (lambda f: _truncate(f / "latents.npz"), "latents.npz: damaged ("),
        (lambda f: (f / "latents.npz").write_bytes(b"no numbers"), "latents.npz: damaged ("),
        (lambda f: _truncate(f / "attributes.npz"), "attributes.npz: damaged ("),
        (lambda f: np.savez(f / "attributes.npz", names=[]), "attributes.npz: damaged ("),
    ],
)
def test_a_damaged_model_is_said_in_a_line(generate, tmp_path, copied, damage, message):
    shutil.copy(pretrained.PRETRAINED_DIR / "hier-drums" / "hier-drums.tar", tmp_path / "other.tar")
    damage(copied)
    done = generate("--mode=sample", f"--run_dir={copied}")
    assert done.status == 1 and done.err.startswith("error: ") and message in done.err
    assert done.err.count("\n") <= 2 and "unexpected" not in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["--checkpoint_file={tar}"],
            "which config? --config=NAME, for instance hier-drums_4bar_small or groovae_4bar",
        ),
        (["--checkpoint_file={tar}", "--config=groovae_4bar_tap"], "of another config or other hparams: "),
        (["--checkpoint_file={tar}", "--config=groovae_2bar_humanize"], "of another config or other hparams: "),
        (["--checkpoint_file={tar}", "--config=groove"], "known, nearest first: "),
        (["--checkpoint_file=gone.tar", "--config=groovae_4bar"], "gone.tar: no such checkpoint"),
        (["--run_dir=gone"], "no checkpoint in gone/train; train first: ./run_train.sh --run_dir=gone"),
    ],
)
def test_a_model_that_is_named_wrongly_is_said_in_a_line(generate, tmp_path, copied, flags, message):
    tar = shutil.copy(copied / "groovae.tar", tmp_path / "my.tar")
    done = generate("--mode=sample", *(flag.format(tar=tar) for flag in flags))
    assert done.status == 1 and message in done.err and done.err.count("\n") <= 2
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_without_its_folder_plays_with_its_config(generate, tmp_path, copied):
    tar = shutil.copy(copied / "groovae.tar", tmp_path / "my.tar")
    flags = ["--mode=sample", "--config=groovae_4bar_groove", f"--checkpoint_file={tar}", "--latents=prior", *DRAWN]
    done = generate(*flags)
    assert done.status == 0, done.err
    same = generate("--mode=sample", "--pretrained=groovae", "--latents=prior", "--qpm=120", *DRAWN,
                    output_dir=tmp_path / "same")  # fmt: skip
    assert bytes_of(same.midis) == bytes_of(done.midis)


def test_an_output_folder_that_is_a_file_is_said(generate, tmp_path, flat):
    done = generate("--mode=humanize", f"--input={flat}", output_dir=flat)
    assert (done.status, done.err) == (
        1,
        f"error: {flat}: Not a directory; a part of this path is a file; give another path\n",
    )


def test_a_read_only_disk_is_said_before_anything_is_made(generate, tmp_path, flat):
    with disks.small(tmp_path / "disk", 64) as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        done = generate("--mode=humanize", f"--input={flat}", output_dir=disk / "out")
        assert done.status == 1 and done.out == ""
        assert done.err == f"error: {disk / 'out'}: Read-only file system; give a path that can be written to\n"


def test_a_full_disk_is_said_and_what_is_there_is_whole(generate, tmp_path):
    with disks.small(tmp_path / "disk", 64) as disk:
        done = generate("--mode=sample", "--pretrained=groovae", "--num_outputs=60", output_dir=disk / "out")
        assert done.status == 1 and done.err.startswith("error: the disk is full (") and done.err.count("\n") == 1
        assert not [path.name for path in (disk / "out").rglob("*partial*")]
        assert done.midis and all(songs.hits(path) for path in done.midis if path.stat().st_size)
        assert all(path.stat().st_size for path in done.midis)


def test_a_damaged_mixture_can_be_done_without(generate, copied):
    _truncate(copied / "latents.npz")
    done = generate("--mode=sample", f"--run_dir={copied}", "--latents=prior", *DRAWN)
    assert done.status == 0 and len(done.midis) == 2


def test_midi_of_other_programs_is_read(generate, tmp_path):
    """As the project's own tests of conversion write it: one track, notes off by velocity 0."""
    path = midi_files.write(tmp_path / "a.mid", midi_files.at_random(3))
    done = generate("--mode=humanize", f"--input={path}", "--timing=0", "--dynamics=0")
    assert [(p, v) for _, p, v in songs.hits(done.midis[0])] and len(songs.hits(done.midis[0])) == len(songs.hits(path))
