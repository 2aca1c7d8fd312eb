"""The modes of generation: from latent vectors, songs and rhythms to pieces, a function each.

What they share is a band: the model that composes, and perhaps another one that plays what it has composed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from grooves import transforms, views
from grooves.groove import Groove
from grooves.timing import QPM, STEPS_PER_BAR
from pipelines.evaluation import nearest
from pipelines.generation import feel, fills, latent, manner, selection
from pipelines.generation.piece import USUAL_TEMPOS, Piece, Tempos, notes_of, song_of
from pipelines.generation.player import Player
from pipelines.generation.song import Song

NUM_NEIGHBOURS = 20  # K of "Learning to Groove" (arXiv 1905.06118), section 4.


@dataclasses.dataclass(frozen=True, eq=False)
class Band:
    """Who plays.

    Attributes:
        composer: The model that answers latent vectors.
        random: All that is drawn comes from here.
        temperature: Of its decoding.
        humanizer: A model of grooves that plays the hits of a composer without feel; None leaves them as they are.
    """

    composer: Player
    random: np.random.Generator
    temperature: float
    humanizer: Player | None = None

    def play(self, z: np.ndarray, alike: bool = False) -> Groove:
        """Returns the grooves `[n, steps, 9]` of latent vectors `[n, z_size]`, humanized; `alike` as in `decode`."""
        return self.humanized(self.composer.model.decode(z, self.temperature, self.random, alike))

    def humanized(self, composed: Groove) -> Groove:
        """Returns grooves `[n, steps, 9]` as the humanizer plays their hits."""
        return humanized(self.humanizer, composed) if self.humanizer else composed

    def piece(self, label: str, played: Groove, z: np.ndarray, tempos: Tempos = USUAL_TEMPOS, **more) -> Piece:
        """Returns a groove `[steps, 9]` as a piece."""
        notes = notes_of(played, self.composer.kit)
        return Piece(label, notes, tempos, len(played.hits) // STEPS_PER_BAR, latent=z, **more)


def sample(band: Band, n: int, form: str = "A") -> list[Piece]:
    """Returns `n` pieces that the composer draws, each of as many windows as the form has letters.

    The same letter is the same theme, and where a letter is followed by another, or by the end, its last bar is a fill.
    """
    letters = len(set(form))
    themes = band.composer.draw(n * letters, band.random).reshape(n, letters, -1)
    if len(form) == 1:
        z = themes[:, 0]
        played = band.play(z)
        return [band.piece(f"sample {i + 1}", _row(played, i), z[[i]]) for i in range(n)]
    pieces = []
    for number in range(n):
        z = latent.along(form, themes[number], band.composer.draw(len(form), band.random))
        composed = band.composer.model.decode(z, band.temperature, band.random, alike=True)
        composed = fills.add(band.composer, composed, z, latent.ends_a_phrase(form), band.random)
        played = _joined(band.humanized(composed))
        pieces.append(band.piece(f"sample {number + 1}", played, z, facts={"form": form}))
    return pieces


def interpolate(band: Band, start: Song, end: Song, n: int) -> list[Piece]:
    """Returns `n` pieces on the way from one song's first window to another's, both reconstructions included."""
    z = latent.way(*_first_means(band.composer, [start, end]), n)
    played = band.play(z, alike=True)
    shares = np.linspace(0, 1, n)
    return [
        band.piece(f"{share:.0%} of the way", _row(played, i), z[[i]], facts={"way": f"{share:.2f}"})
        for i, share in enumerate(shares)
    ]


def grid(band: Band, corners: Sequence[Song], size: int) -> list[Piece]:
    """Returns `size` times `size` pieces of the plane between four songs' first windows, or else four samples."""
    if corners:
        ends = _first_means(band.composer, corners)
        labels = [song.label for song in corners]
    else:
        ends = band.composer.draw(4, band.random)
        labels = [f"sample {number}" for number in range(1, 5)]
    z = latent.plane(ends, size)
    played = band.play(z.reshape(size * size, -1), alike=True)
    names = dict(zip([(0, 0), (0, size - 1), (size - 1, 0), (size - 1, size - 1)], labels, strict=True))
    return [
        band.piece(
            names.get((row, column), f"row {row + 1}, column {column + 1}"),
            _row(played, row * size + column),
            z[row, column][np.newaxis],
            place=(row, column),
        )
        for row in range(size)
        for column in range(size)
    ]


def reconstruct(band: Band, song: Song) -> Piece:
    """Returns what the composer makes of a song: encoded, and decoded again."""
    return _changed(band, song, lambda z: z, "reconstructed")


def vary(band: Band, song: Song, amount: float) -> Piece:
    """Returns a variation of a song, from 0, its reconstruction, to 1, another groove; one direction for all bars."""
    other = band.composer.draw(1, band.random)[0]

    def move(z: np.ndarray) -> np.ndarray:
        return np.stack([latent.slerp(each, other, amount) for each in z])

    return _changed(band, song, move, "varied", amount=f"{amount:g}")


def change_attribute(band: Band, song: Song, name: str, by: float) -> Piece:
    """Returns a song with more of an attribute, or less, or nearer to a style.

    Raises:
        ValueError: the composer has no such attribute, or none at all.
    """
    if band.composer.attributes is None:
        raise ValueError(
            f"{band.composer.checkpoint}: no attributes.npz beside it; python -m pipelines.export --examples_path=…"
            " makes one"
        )
    attributes = band.composer.attributes
    return _changed(band, song, lambda z: attributes.move(z, name, by), "changed", **{name: f"{by:+g}"})


def humanize(humanizer: Player, song: Song, timing: float, dynamics: float) -> Piece:
    """Returns a song's notes as a model plays their hits: none is added, none lost."""
    played, z = _expected(humanizer, song)
    facts = {"timing": f"{timing:g}", "dynamics": f"{dynamics:g}"}
    return _replayed(song, played, timing, dynamics, z, facts)


def humanized(humanizer: Player, composed: Groove) -> Groove:
    """Returns grooves `[n, steps, 9]` as a model plays their hits."""
    bars = humanizer.bars
    if composed.hits.shape[1] == humanizer.model.steps:
        return humanizer.model.play(humanizer.means(composed), composed.hits)
    windows = selection.select(composed.hits.shape[1] // STEPS_PER_BAR, bars)
    played = []
    for number in range(len(composed.hits)):
        heard = windows.cut(_row(composed, number))
        played.append(windows.join(humanizer.model.play(humanizer.means(heard), heard.hits)).join())
    return Groove.split(np.stack(played))


def rewrite(humanizer: Player, song: Song, temperature: float, random: np.random.Generator) -> Piece:
    """Returns what a humanizer plays of a song where it may add hits and leave some out."""
    return reconstruct(Band(humanizer, random, temperature), song)


def transfer(player: Player, song: Song, groove: Song, timing: float, dynamics: float) -> Piece:
    """Returns a song's notes in the groove of another one.

    A model that hears hits alone plays them, and what it plays gets the other performance's manner. One that hears
    timing, too, plays them from the other's latent vectors, over and over where it is shorter.
    """
    if player.model.sees == views.HITS:
        played, z = _expected(player, song)
        played = manner.of(groove.groove(), _expected(player, groove)[0]).added_to(played)
    else:
        chosen = selection.select(song.num_bars, player.bars)
        _, of_groove = _heard(player, groove)
        z = of_groove[np.arange(len(chosen.heard)) % len(of_groove)]
        played = chosen.join(player.model.play(z, chosen.cut(song.groove()).hits))
    facts = {"groove": groove.label, "timing": f"{timing:g}", "dynamics": f"{dynamics:g}"}
    return _replayed(song, played, timing, dynamics, z, facts)


def tap(band: Band, rhythm: Song, dynamics: float) -> Piece:
    """Returns a kit that fits a tapped rhythm.

    Args:
        band: Its composer makes a kit of taps.
        rhythm: Every note is a tap, of any drum class.
        dynamics: From 0, the model's own, to 1, where steps that are tapped as loud as the loudest sound twice as loud
            as those tapped at half of that.
    """
    chosen, z = _heard(band.composer, rhythm)
    played = chosen.join(band.play(z))
    loudness = rhythm.groove().velocities.max(axis=-1)
    tapped = loudness > 0
    factors = np.ones(len(loudness))
    factors[tapped] = (loudness[tapped] / loudness[tapped].mean()) ** dynamics
    louder = np.clip(played.velocities * factors[:, np.newaxis], 0, 1)
    played = dataclasses.replace(played, velocities=louder)
    return band.piece(f"{rhythm.label} as a kit", played, z, rhythm.tempos, original=rhythm, backing=rhythm)


def play_as_neighbours(song: Song, windows: Groove, timing: float, dynamics: float) -> Piece:
    """Returns a song's notes as the mean of its K nearest windows plays them.

    Args:
        song: The notes.
        windows: `[n, steps, 9]`, those that are searched.
        timing: As `humanize`.
        dynamics: As `humanize`.
    """
    chosen = selection.select(song.num_bars, windows.hits.shape[1] // STEPS_PER_BAR)
    hits = chosen.cut(song.groove()).hits
    played = chosen.join(nearest.mean_of_neighbours(windows, hits, NUM_NEIGHBOURS))
    return _replayed(song, played, timing, dynamics, None, {"neighbours": str(min(NUM_NEIGHBOURS, len(windows.hits)))})


def sample_neighbours(windows: Groove, n: int, random: np.random.Generator) -> list[Piece]:
    """Returns `n` windows `[…, steps, 9]` drawn from the data, each played as the mean of its K nearest neighbours."""
    pieces = []
    for number, row in enumerate(random.choice(len(windows.hits), n, replace=n > len(windows.hits)), 1):
        written = transforms.with_fixed_velocities(_row(windows, int(row)), 1.0)
        song = song_of(dataclasses.replace(written, offsets=np.zeros_like(written.offsets)), QPM, f"sample {number}")
        pieces.append(dataclasses.replace(play_as_neighbours(song, windows, 1, 1), label=song.label, original=None))
    return pieces


def _changed(band: Band, song: Song, move: Callable[[np.ndarray], np.ndarray], how: str, **facts: str) -> Piece:
    """Returns a song whose latent vectors were moved.

    A humanizer that hears how the song is played, and not its hits alone, plays the new hits in the song's own feel.
    """
    chosen, z = _heard(band.composer, song)
    z = move(z).astype(np.float32)
    composed = band.composer.model.decode(z, band.temperature, band.random)
    if band.humanizer and band.humanizer.model.sees == views.GROOVE and band.humanizer.bars == band.composer.bars:
        _, of_song = _heard(band.humanizer, song)
        played = band.humanizer.model.play(of_song, composed.hits)
    else:
        played = band.humanized(composed)
    return band.piece(
        f"{song.label}, {how}", chosen.join(played), z, song.tempos, original=song, facts=facts, backing=song
    )


def _heard(player: Player, song: Song) -> tuple[selection.Selection, np.ndarray]:
    """Returns the windows that a player hears of a song, and their latent vectors `[n, z_size]`."""
    chosen = selection.select(song.num_bars, player.bars)
    return chosen, player.means(chosen.cut(song.groove()))


def _expected(player: Player, song: Song) -> tuple[Groove, np.ndarray]:
    """Returns a song's hits `[steps, 9]` as a model plays them, and the latent vectors that it plays them from."""
    chosen, z = _heard(player, song)
    return chosen.join(player.model.play(z, chosen.cut(song.groove()).hits)), z


def _first_means(player: Player, songs: Sequence[Song]) -> np.ndarray:
    """Returns the latent vector of each song's first window, `[songs, z_size]`."""
    firsts = [song.bars(0, min(song.num_bars, player.bars)) for song in songs]
    return np.concatenate([_heard(player, first)[1] for first in firsts])


def _replayed(
    song: Song, played: Groove, timing: float, dynamics: float, z: np.ndarray | None, facts: dict[str, str]
) -> Piece:
    notes = feel.apply(song, played, timing, dynamics)
    unknown = int((song.classes < 0).sum())
    if unknown:
        facts = facts | {"left as they are": f"{unknown} notes of drums that the model does not know"}
    return Piece(song.label, notes, song.tempos, song.num_bars, song, z, facts, song)


def _joined(windows: Groove) -> Groove:
    """Returns windows `[n, steps, 9]` one after the other, `[n * steps, 9]`."""
    return Groove(*(part.reshape(-1, part.shape[-1]) for part in (windows.hits, windows.velocities, windows.offsets)))


def _row(windows: Groove, number: int) -> Groove:
    return Groove(windows.hits[number], windows.velocities[number], windows.offsets[number])
