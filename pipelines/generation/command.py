"""A command of `pipelines.generate`, from its flags to the files of an output folder and their manifest."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from grooves import channels, drum_map_file
from grooves.groove import Groove
from models.numpy_vae import LIKELIEST
from pipelines.files import atomic, midi_files, progress
from pipelines.generation import inputs, latent, manifest, modes, outputs, player
from pipelines.generation.inputs import Reading
from pipelines.generation.piece import USUAL_TEMPOS, Piece
from pipelines.generation.player import Player
from pipelines.runs import pretrained

FAILED = 1
USUAL_OUTPUTS, USUAL_TEMPERATURE = 5, 0.5
MAX_SOURCE_CHARACTERS = 50  # Of an input's name that outputs are called after; file systems take 255 bytes.
ORIGINALS = "originals"  # The folder of what pieces were made of.
STARTER = "starter"  # What neighbours are called after where nothing else is named.
STARTER_DIR = pathlib.Path(__file__).resolve().parents[2] / "data" / "starter"
NONE, AUTO = "none", "auto"
_NOT_KEPT = ("output_dir", "from_manifest", "log", "seed")  # Flags that a manifest keeps elsewhere, or not at all.


@dataclasses.dataclass(frozen=True)
class Mode:
    """A mode of generation.

    Attributes:
        says: What it does.
        model: The trained model of the clone that suits it.
        humanizer: The one that plays what a model without feel composes in it.
        draws: Whether several outputs of one input differ.
        temperature: The usual one.
        takes_input: Whether it works on `--input`.
    """

    says: str
    model: str | None
    humanizer: str | None = None
    draws: bool = False
    temperature: float = LIKELIEST
    takes_input: bool = True


MODES: Mapping[str, Mode] = {
    "sample": Mode("new drums", "hier-drums", "humanize", True, USUAL_TEMPERATURE, False),
    "interpolate": Mode(
        "the way from --input_midi_1 to --input_midi_2", "hier-drums", "humanize", True, USUAL_TEMPERATURE, False
    ),
    "reconstruct": Mode("--input as the model hears it", "hier-drums", "groovae"),
    "vary": Mode("variations of --input, --amount away from it", "hier-drums", "groovae", True),
    "grid": Mode(
        "the plane between four inputs, or four samples", "hier-drums", "humanize", False, USUAL_TEMPERATURE, False
    ),
    "humanize": Mode("a flat --input, played: its notes with new timing and dynamics", "humanize"),
    "transfer": Mode("the notes of --input in the timing and dynamics of --groove", "humanize"),
    "tap": Mode("a rhythm, or a recording of tapping, made a whole kit", "tap", None, True, USUAL_TEMPERATURE),
    "attribute": Mode("--input with more of an --attribute, by --by", "groovae", "groovae"),
    "knn": Mode("as humanize, by the 20 nearest of --examples_path instead of a model", None, None, False, 0.0, False),
}


def modes_help() -> str:
    """Returns a sentence of all modes, for `--help`."""
    return "; ".join(f"{name}: {mode.says}" for name, mode in MODES.items())


@dataclasses.dataclass(frozen=True)
class Request:
    """What a command asks for: the flags of `pipelines.generate`, by their names, checked and with their defaults."""

    flags: Mapping[str, object]
    mode: Mode
    output_dir: pathlib.Path
    seed: int
    num_outputs: int
    temperature: float
    stamp: str | None  # A part of the outputs' names; None is the time.

    def __getattr__(self, name: str):
        try:
            return self.flags[name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def kept_flags(self) -> dict[str, object]:
        """Those flags that a manifest keeps by their names."""
        return manifest.with_whole_paths({name: value for name, value in self.flags.items() if name not in _NOT_KEPT})

    @property
    def dynamics_share(self) -> float:
        """How much of the dynamics is applied."""
        usual = 0.5 if self.flags["mode"] == "tap" else 1.0
        return usual if self.flags["dynamics"] is None else self.flags["dynamics"]

    @property
    def reading(self) -> Reading:
        drum_channel = self.drum_channel and channels.parse(self.drum_channel)
        drum_map = self.drum_map and drum_map_file.choose(self.drum_map)
        return Reading(self.start_bar, self.num_bars, drum_channel, drum_map, self.qpm)


def run(given: Mapping[str, object], asked: Sequence[str], parse: Callable[[str, object], object]) -> int:
    """Does what flags say, and returns the exit status.

    Args:
        given: The value of each flag of `pipelines.generate`.
        asked: The names of those that the user gave.
        parse: Returns a flag's value of what a manifest says of it; raises ValueError or TypeError.

    Raises:
        OSError: a file is missing or cannot be written.
        ValueError: flags do not fit together, or a model or an input cannot be used; why.
    """
    if given["from_manifest"]:
        return _run_again(given, asked, parse)
    _, status = _make(_request(given))
    return status


def _run_again(given: Mapping[str, object], asked: Sequence[str], parse: Callable[[str, object], object]) -> int:
    """Makes the files of a manifest again; the status says whether they are the same bytes."""
    others = sorted(set(asked) - {"from_manifest", "output_dir", "log"})
    if others:
        raise ValueError(f"--from_manifest has all flags but --output_dir in it; leave out --{', --'.join(others)}")
    path = pathlib.Path(given["from_manifest"]).expanduser()
    said = manifest.read(path)
    said_flags = manifest.parse_flags(said, given, parse, path)
    manifest.check_inputs(said, path)
    flags = {**given, **said_flags, "output_dir": given["output_dir"], "seed": said["seed"], "from_manifest": None}
    request = _request(flags, said.get("stamp"))
    there = [output["midi"] for output in said["outputs"] if (request.output_dir / output["midi"]).exists()]
    if there:
        raise FileExistsError(f"{request.output_dir / there[0]}: is there already; give another --output_dir")
    made, status = _make(request, lambda found: manifest.check_model(found, said, path))
    differing = manifest.differing(made["outputs"], said["outputs"])
    same = len(made["outputs"]) - len(differing)
    print(f"{same} of {len(said['outputs'])} files are the same, byte for byte, as {path} says")
    return status if same == len(said["outputs"]) else FAILED


def _request(flags: Mapping[str, object], stamp: str | None = None) -> Request:
    """Checks flags and fills in what they leave open; errors as `run`."""
    name = flags["mode"]
    mode = MODES[name]
    _check(flags, mode)
    output_dir = pathlib.Path(flags["output_dir"]).expanduser()
    atomic.check_folder(output_dir)
    seed = flags["seed"] if flags["seed"] is not None else int(np.random.default_rng().integers(2**31))
    temperature = mode.temperature if flags["temperature"] is None else flags["temperature"]
    draws = mode.draws or (name == "knn" and not flags["input"]) or temperature != mode.temperature == LIKELIEST
    num_outputs = flags["num_outputs"] or (USUAL_OUTPUTS if mode.draws or (name == "knn" and not flags["input"]) else 1)
    if num_outputs > 1 and not draws:
        raise ValueError(
            f"--num_outputs={num_outputs}: --mode={name} draws nothing at --temperature=0, so that all would be the"
            " same; give a --temperature above 0, or leave --num_outputs out"
        )
    return Request(flags, mode, output_dir, seed, num_outputs, temperature, stamp)


def _check(flags: Mapping[str, object], mode: Mode) -> None:
    """Refuses flags that do not fit together, before long work."""
    name = flags["mode"]
    if name == "interpolate":
        if not (flags["input_midi_1"] and flags["input_midi_2"]):
            raise ValueError("--mode=interpolate goes from --input_midi_1 to --input_midi_2; give both")
        if flags["num_outputs"] == 1:
            raise ValueError("--num_outputs=1: an interpolation has at least its 2 ends")
    if mode.takes_input and not flags["input"]:
        raise ValueError(f"--mode={name} works on an --input: {mode.says}")
    if name == "transfer" and not flags["groove"]:
        raise ValueError("--mode=transfer takes the timing and dynamics of --groove, a MIDI file")
    if name == "attribute" and not flags["attribute"]:
        raise ValueError("--mode=attribute needs an --attribute, as density or swing, of which there shall be more")
    if flags["form"] is not None:
        _check_form(flags)
    for flag in ("input_midi_1", "input_midi_2", "groove"):
        if flags[flag] and not pathlib.Path(flags[flag]).expanduser().is_file():
            raise FileNotFoundError(f"{flags[flag]}: no such MIDI file")


def _check_form(flags: Mapping[str, object]) -> None:
    form = flags["form"]
    if flags["mode"] != "sample":
        raise ValueError(f"--form={form}: samples have a form; --mode={flags['mode']} follows its input")
    if not form.isalpha() or not form.isascii():
        raise ValueError(f"--form={form}: letters alone, one for each four bars, as AABA")
    if len(form) > latent.MAX_SECTIONS:
        raise ValueError(f"--form: {len(form)} letters; {latent.MAX_SECTIONS} at most")


def _form(request: Request, bars: int) -> str:
    """Returns a letter for each window of a piece."""
    form = (request.form or "").upper()
    if request.num_bars is None:
        return form or "A"
    if request.num_bars % bars or request.num_bars > latent.MAX_SECTIONS * bars:
        raise ValueError(
            f"--num_bars={request.num_bars}: a piece is made of windows of {bars} bars; give a multiple of that, up to"
            f" {latent.MAX_SECTIONS * bars}"
        )
    sections = request.num_bars // bars
    if not form:
        return ("AABA" * sections)[:sections] if sections != 2 else "AB"
    if sections % len(form):
        raise ValueError(
            f"--num_bars={request.num_bars} and --form={form}: {len(form)} letters do not fit into {sections} windows"
            f" of {bars} bars; give a multiple of {len(form) * bars} bars"
        )
    return "".join(letter * (sections // len(form)) for letter in form)


def _make(request: Request, check: Callable[[str], None] = lambda _: None) -> tuple[dict[str, object], int]:
    """Makes the files and their manifest; returns what that says of them, and the exit status.

    Where this is interrupted, the manifest has what was made before.

    Args:
        request: What to make.
        check: Raises an error where the model's checkpoint, which it is given, is not the one that is asked for.
    """
    random = np.random.default_rng(request.seed)
    band = _band(request, random)
    if band is None and request.flags["mode"] != "knn":
        from pipelines.generation import tensorflow_command

        made, status = tensorflow_command.make(request, check)
        manifest.write(request.output_dir, made)
        return made, status
    if band:
        check(band.composer.checkpoint)
        _announce(request, band)
    of_inputs = manifest.describe_inputs(_input_paths(request))
    status = 0
    with outputs.stamped(request.output_dir, request.stamp) as stamp:
        writer = _Writer(request, stamp)
        made = _describe(request, band, stamp, of_inputs, writer.outputs)
        try:
            for piece in _pieces(request, band, random):
                if isinstance(piece, Exception):
                    print(f"error: {piece}", file=sys.stderr)
                    status = FAILED
                else:
                    writer.write(piece)
        finally:
            if writer.outputs:
                manifest.write(request.output_dir, made)
    return made, status


def _describe(
    request: Request, band: modes.Band | None, stamp: str, of_inputs: list[dict], of_outputs: list[dict]
) -> dict[str, object]:
    """Returns what the manifest says."""
    return {
        "mode": request.flags["mode"],
        **(_described(band.composer) if band else {}),
        "seed": request.seed,
        "temperature": request.temperature,
        "stamp": stamp,
        "flags": request.kept_flags,
        "models": {"humanize_with": _described(band.humanizer)} if band and band.humanizer else {},
        "inputs": of_inputs,
        **({"grid_size": request.grid_size} if request.flags["mode"] == "grid" else {}),
        "outputs": of_outputs,
        "versions": manifest.versions(),
        "created": time.strftime("%Y-%m-%dT%H:%M:%S"),
    }


def _described(found: Player) -> dict[str, str]:
    return manifest.describe(found.config, found.checkpoint)


def _band(request: Request, random: np.random.Generator) -> modes.Band | None:
    """Loads the models; None where only TensorFlow computes them, or none plays."""
    if request.flags["mode"] == "knn":
        return None
    named = [request.run_dir, request.checkpoint_file, request.pretrained]
    run_dir = (
        pretrained.choose(*named)
        if any(name is not None for name in named)
        else str(pretrained.locate(request.mode.model))
    )
    composer = player.load(run_dir, request.checkpoint_file, request.config, request.hparams, request.latents)
    if composer is None:
        return None
    return modes.Band(composer, random, request.temperature, _humanizer(request, composer))


def _humanizer(request: Request, composer: Player) -> Player | None:
    usual = NONE if request.flags["mode"] in ("sample", "interpolate") else AUTO
    named = request.humanize_with or usual
    if named == NONE or (named == AUTO and (composer.model.knows_feel or not request.mode.humanizer)):
        return None
    if named == AUTO:
        if request.mode.humanizer not in pretrained.names():
            return None
        named = request.mode.humanizer
    found = player.load(*player.find(named))
    if found is None or not found.model.knows_feel:
        raise ValueError(f"--humanize_with={named}: plays no dynamics and timing; one of groovae's configs does")
    return found


def _announce(request: Request, band: modes.Band) -> None:
    composer = band.composer
    print(f"config      {composer.config}")
    print(f"checkpoint  {composer.checkpoint}")
    if band.humanizer:
        print(f"played by   {band.humanizer.config}; --humanize_with=none leaves hits on the grid, equally loud")
    if composer.mixture and not request.mode.takes_input and not request.input:
        print("latents     a mixture fitted to training windows; --latents=prior draws from the prior")
    if request.flags["mode"] == "sample" and composer.model.sees in ("hits", "taps"):
        print("note: this model answers what goes in; a sample is an answer to nothing in particular")


@dataclasses.dataclass(frozen=True)
class _Made:
    """A piece, what it is called after, and which of how many of that it is."""

    piece: Piece
    source: str
    number: int
    total: int


def _pieces(request: Request, band: modes.Band | None, random: np.random.Generator) -> Iterator[_Made | Exception]:
    """Yields the pieces of a command, and why an input of several gives none."""
    name = request.flags["mode"]
    if name in ("sample", "interpolate", "grid") or (name == "knn" and not request.input):
        pieces = _set_tempo(request, band, _of_latent_space(request, band, random))
        source = band.composer.config if band else STARTER
        yield from (_Made(piece, source, number, len(pieces)) for number, piece in enumerate(pieces))
        return
    paths = _inputs(request)
    make = _of_input(request, band, paths)
    for path in progress.track(paths, len(paths), name) if len(paths) > 1 else paths:
        try:
            # What is drawn for a file does not depend on those beside it.
            seeds = [request.seed, zlib.crc32(os.fsencode(path.name))]
            own = band and dataclasses.replace(band, random=np.random.default_rng(seeds))
            for output in range(request.num_outputs):
                yield _Made(make(path, own), path.stem, output, request.num_outputs)
        except (ValueError, OSError) as error:
            if len(paths) == 1:
                raise
            yield error


def _of_latent_space(request: Request, band: modes.Band | None, random: np.random.Generator) -> list[Piece]:
    name = request.flags["mode"]
    if name == "knn":
        return modes.sample_neighbours(_neighbours(request), request.num_outputs, random)
    if name == "sample":
        return modes.sample(band, request.num_outputs, _form(request, band.composer.bars))
    read = request.reading.drums
    if name == "interpolate":
        ends = (read(pathlib.Path(path).expanduser()) for path in (request.input_midi_1, request.input_midi_2))
        return modes.interpolate(band, *ends, request.num_outputs)
    paths = _inputs(request)
    if len(paths) not in (0, 4):
        raise ValueError(f"--mode=grid lies between four MIDI files, and --input names {len(paths)}")
    return modes.grid(band, [read(path) for path in paths], request.grid_size)


def _of_input(
    request: Request, band: modes.Band | None, paths: Sequence[pathlib.Path]
) -> Callable[[pathlib.Path, modes.Band | None], Piece]:
    """Returns what makes a piece of a file."""
    name, reading = request.flags["mode"], request.reading
    timing, dynamics = request.timing, request.dynamics_share
    if name == "knn":
        windows = _neighbours(request)
        return lambda path, _: modes.play_as_neighbours(reading.drums(path, True), windows, timing, dynamics)
    if name == "transfer":
        whole = dataclasses.replace(reading, start_bar=None, num_bars=None, qpm=None)
        groove = whole.drums(pathlib.Path(request.groove).expanduser())
        both = timing * request.strength, dynamics * request.strength
        return lambda path, own: modes.transfer(own.composer, reading.drums(path, True), groove, *both)
    if name == "humanize":
        if not band.composer.model.knows_feel:
            raise ValueError(
                f"{band.composer.config}: knows which drums are hit, not how; --mode=humanize takes groovae's"
            )
        if not request.keep_hits:
            return lambda path, own: modes.reconstruct(own, reading.drums(path, True))
        return lambda path, own: modes.humanize(own.composer, reading.drums(path, True), timing, dynamics)
    if name == "tap":
        return lambda path, own: _tap(own, reading, path, dynamics)
    if name == "attribute":
        return lambda path, own: modes.change_attribute(own, reading.drums(path), request.attribute, request.by)
    if name == "vary":
        return lambda path, own: modes.vary(own, reading.drums(path), request.amount)
    return lambda path, own: modes.reconstruct(own, reading.drums(path))


def _tap(band: modes.Band, reading: Reading, path: pathlib.Path, dynamics: float) -> Piece:
    rhythm, found = reading.rhythm(path)
    if found:
        print(f"{path}: {found}")
    return modes.tap(band, rhythm, dynamics)


def _inputs(request: Request) -> list[pathlib.Path]:
    """Returns the files that `--input` names; outputs that lie in a folder of them are none."""
    return inputs.files(request.input, request.flags["mode"] == "tap", without=request.output_dir)


def _input_paths(request: Request) -> list[pathlib.Path]:
    named = [request.input_midi_1, request.input_midi_2, request.groove]
    return [*_inputs(request), *(pathlib.Path(name).expanduser() for name in named if name)]


def _neighbours(request: Request) -> Groove:
    folder = pathlib.Path(request.examples_path).expanduser() if request.examples_path else STARTER_DIR
    windows = inputs.windows_of(inputs.files([str(folder)]), 4)
    print(f"neighbours  {len(windows.hits)} windows of {folder}")
    return windows


def _set_tempo(request: Request, band: modes.Band | None, pieces: list[Piece]) -> list[Piece]:
    """Gives pieces without an input one tempo, and says which: that of the first input, or of a style."""
    if request.qpm is not None:
        qpm, why = request.qpm, ""
    elif request.input or request.input_midi_1:
        first = request.input_midi_1 or str(_inputs(request)[0])
        qpm, why = request.reading.drums(pathlib.Path(first).expanduser()).qpm, f"that of {first}"
    elif band and band.composer.attributes and band.composer.attributes.styles:
        attributes = band.composer.attributes
        style = attributes.style_of(np.concatenate([piece.latent for piece in pieces]))
        qpm, why = attributes.qpm_of(style), f"as usual for {style}, which these are nearest to; --qpm sets another"
    else:
        qpm, why = USUAL_TEMPOS[0][1], "as Magenta's; --qpm sets another"
    if why:
        print(f"tempo       {qpm:g} qpm, {why}")
    return [dataclasses.replace(piece, tempos=((0.0, qpm),)) for piece in pieces]


class _Writer:
    """Writes pieces into the output folder, and what each was made of into a folder in it, once.

    Attributes:
        outputs: What the manifest says of them.
    """

    def __init__(self, request: Request, stamp: str) -> None:
        self._request, self._stamp = request, stamp
        self._stems: dict[str, int] = {}
        self.outputs: list[dict] = []

    def write(self, made: _Made) -> None:
        folder, piece = self._request.output_dir, made.piece
        if not self._request.keep_other_tracks:
            piece = dataclasses.replace(piece, backing=None)
        if made.number == 0:
            self._stem = self._new_stem(made.source)
        path = folder / f"{self._stem}-{made.number:03d}-of-{made.total:03d}.mid"
        sha256 = outputs.write(piece, path)
        original = self._original(piece) if piece.original else None
        self.outputs.append(manifest.describe_output(piece, path, sha256, original, folder))
        print(f"{path}  {len(piece.notes)} notes")

    def _new_stem(self, source: str) -> str:
        """Returns what files of a source are called but for their numbers; sources may have the same name."""
        source = midi_files.printable(source)[:MAX_SOURCE_CHARACTERS]
        stem = f"{source}_{self._request.flags['mode']}_{self._stamp}"
        self._stems[stem] = self._stems.get(stem, 0) + 1
        return stem if self._stems[stem] == 1 else f"{stem}_{self._stems[stem]}"

    def _original(self, piece: Piece) -> pathlib.Path:
        path = self._request.output_dir / ORIGINALS / f"{self._stem}.mid"
        if not path.exists():
            song = piece.original
            path.parent.mkdir(exist_ok=True)
            outputs.write(Piece(song.label, song.notes, song.tempos, song.num_bars, backing=piece.backing), path)
        return path
