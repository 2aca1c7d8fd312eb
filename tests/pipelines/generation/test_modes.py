"""What each mode promises of its pieces, with the trained models of the clone."""

from __future__ import annotations

import collections
import dataclasses
import itertools

import numpy as np
import pytest

from grooves.groove import Groove
from grooves.timing import QPM
from pipelines.generation import inputs, latent, modes, outputs, piece, selection, song
from pipelines.generation.inputs import Reading
from pipelines.generation.piece import Piece
from tests import songs
from tests.midi_files import CLOSED_HAT, KICK, SNARE


@pytest.fixture
def band(trained_player):
    """Returns a function that makes a band of models by their names; what it draws begins anew each time."""

    def make(composer: str, humanizer: str | None = None, temperature: float = 0.0, seed: int = 1) -> modes.Band:
        other = humanizer and trained_player(humanizer)
        return modes.Band(trained_player(composer), np.random.default_rng(seed), temperature, other)

    return make


def beat(tmp_path, num_bars: int, first_bar: int = 0, **how) -> song.Song:
    path = songs.write_beat(tmp_path / f"{num_bars} bars.mid", songs.beat(num_bars, first_bar), 480, **how)
    return Reading().drums(path)


def alike(first: Piece, second: Piece) -> bool:
    """Whether two pieces have the same notes."""
    return all(
        np.array_equal(getattr(first.notes, field.name), getattr(second.notes, field.name))
        for field in dataclasses.fields(first.notes)
    )


def hits_of(made: Piece) -> np.ndarray:
    """Returns the hits of a piece, `[num_bars, 16, 9]` booleans."""
    read = song.Song(
        made.label, made.notes, classes_of(made), made.tempos, made.num_bars, None
    )  # Its pitches are the first of each class.
    return read.groove().hits.reshape(-1, 16, 9) > 0


def classes_of(made: Piece) -> np.ndarray:
    class_of = {pitch: number for number, pitch in enumerate((36, 38, 42, 46, 43, 47, 50, 49, 51))}
    return np.array([class_of[pitch] for pitch in made.notes.pitches.tolist()], np.int8)


# ---- humanize, transfer


@pytest.mark.parametrize("num_bars", [1, 2, 3, 5, 9, 100])
def test_humanize_keeps_every_note_of_a_song_of_any_length(tmp_path, trained_player, num_bars):
    found = beat(tmp_path, num_bars, tempos=[(0, 90), (2, 130)])
    made = modes.humanize(trained_player("humanize"), found, 1, 1)
    assert (made.num_bars, made.label, made.tempos, made.original) == (num_bars, found.label, found.tempos, found)
    cells = [collections.Counter(zip(notes.steps, notes.pitches, strict=True)) for notes in (found.notes, made.notes)]
    assert cells[0] == cells[1]
    assert len(set(made.notes.velocities)) > 4 and not np.isin(made.notes.quarters * 4 % 1, [0]).all()
    assert made.latent.shape == (len(selection.select(num_bars, 4).heard), 256)


def test_what_humanize_plays_is_what_the_model_answers(tmp_path, trained_player):
    """At timing and dynamics of 1, the place and loudness of a note alone in its cell are the model's."""
    player, found = trained_player("humanize"), beat(tmp_path, 4)
    made = modes.humanize(player, found, 1, 1)
    windows = Groove(*(part[np.newaxis] for part in np.split(found.groove().join(), 3, axis=-1)))
    answer = player.model.play(player.means(windows), windows.hits)
    steps, classes = found.notes.steps, found.classes
    expected = sorted(
        zip(
            steps / 4 - answer.offsets[0, steps, classes] / 8,
            found.notes.pitches,
            np.clip(np.round(answer.velocities[0, steps, classes] * 127), 1, 127),
            strict=True,
        )
    )
    got = sorted(zip(made.notes.quarters, made.notes.pitches, made.notes.velocities, strict=True))
    np.testing.assert_allclose(got, expected, atol=1e-6)


@pytest.mark.parametrize("mode", ["humanize", "transfer", "neighbours"])
def test_amounts_of_0_give_back_the_song_and_others_lie_between(tmp_path, trained_player, mode):
    found, other = beat(tmp_path, 5), beat(tmp_path, 3, 4)
    windows = Groove(*(part[np.newaxis] for part in np.split(songs.groove(1).join(), 3, axis=-1)))
    play = {
        "humanize": lambda t, d: modes.humanize(trained_player("humanize"), found, t, d),
        "transfer": lambda t, d: modes.transfer(trained_player("humanize"), found, other, t, d),
        "neighbours": lambda t, d: modes.play_as_neighbours(found, windows, t, d),
    }[mode]

    def moved(timing: float, dynamics: float) -> np.ndarray:
        """Returns quarter and velocity of each note, `[n, 2]`, in the order of their steps and pitches."""
        notes = play(timing, dynamics).notes
        order = np.lexsort((notes.pitches, notes.steps))
        return np.stack([notes.quarters[order], notes.velocities[order]], axis=1)

    none, half, whole = moved(0, 0), moved(0.5, 0.5), moved(1, 1)
    order = np.lexsort((found.notes.pitches, found.notes.steps))
    np.testing.assert_array_equal(none[:, 0], found.notes.quarters[order])
    np.testing.assert_array_equal(none[:, 1], found.notes.velocities[order])
    np.testing.assert_allclose(half[:, 0], (none[:, 0] + whole[:, 0]) / 2, atol=1e-9)
    np.testing.assert_allclose(half[:, 1], (none[:, 1] + whole[:, 1]) / 2, atol=1)
    np.testing.assert_array_equal(moved(1, 0), np.stack([whole[:, 0], none[:, 1]], axis=1))
    np.testing.assert_array_equal(moved(0, 1), np.stack([none[:, 0], whole[:, 1]], axis=1))
    assert not np.array_equal(none, whole)


def test_notes_that_no_model_knows_are_kept_and_counted(tmp_path, trained_player):
    path = songs.write_beat(tmp_path / "a.mid", [*songs.beat(2), (1.5, 3, 77), (2.3, 99, 78)])
    found = Reading().drums(path)
    made = modes.humanize(trained_player("humanize"), found, 1, 1)
    assert made.facts["left as they are"] == "2 notes of drums that the model does not know"
    kept = np.isin(made.notes.pitches, [3, 99])
    assert made.notes.quarters[kept].tolist() == pytest.approx([1.5, 2.3], abs=0.001)
    assert made.notes.velocities[kept].tolist() == [77, 78]
    assert "left as they are" not in modes.humanize(trained_player("humanize"), beat(tmp_path, 1), 1, 1).facts


@pytest.mark.parametrize("name", ["humanize", "groovae"])
def test_a_song_in_its_own_groove_is_played_much_as_before(tmp_path, trained_player, name):
    """Nearer to it than in another song's groove."""
    player = trained_player(name)
    late = [(quarter + 0.06, pitch, max(1, velocity - 50)) for quarter, pitch, velocity in songs.beat(4)]
    found = Reading().drums(songs.write_beat(tmp_path / "late.mid", late, 960))
    straight = beat(tmp_path, 4)
    own, other = (modes.transfer(player, found, groove, 1, 1) for groove in (found, straight))

    def far(made: Piece) -> float:
        return float(np.abs(made.notes.quarters - found.notes.quarters).mean())

    assert far(own) < 0.7 * far(other)
    assert own.facts["groove"] == "late" and other.facts["groove"] == "4 bars"


def test_a_groove_gives_its_place_and_loudness_to_other_notes(tmp_path, trained_player):
    """A snare that is always late and loud is so in another pattern of another length, too; the kick is as it was."""
    pattern = [(quarter, 36, 80) for quarter in range(16)]
    late = [(quarter + 0.05, 38, 120) for quarter in (1, 3, 5, 7, 9, 11, 13, 15)]
    groove = Reading().drums(songs.write_beat(tmp_path / "late.mid", [*pattern, *late], 960))
    written = [(quarter, 36, 80) for quarter in (0, 2.5, 4, 6.5)] + [(quarter, 38, 80) for quarter in (1, 3, 5, 7)]
    found = Reading().drums(songs.write_beat(tmp_path / "plain.mid", written, 960))
    made = modes.transfer(trained_player("humanize"), found, groove, 1, 1)
    is_snare = made.notes.pitches == 38
    late_by = (made.notes.quarters + 0.125) % 0.25 - 0.125
    assert late_by[is_snare] == pytest.approx(0.04, abs=0.012) and np.abs(late_by[~is_snare]).max() < 0.02
    assert made.notes.velocities[is_snare].min() > 105 and made.notes.velocities[~is_snare].max() < 100


def test_a_short_groove_comes_over_and_over(tmp_path, trained_player):
    player = trained_player("groovae")
    found, groove = beat(tmp_path, 8), beat(tmp_path, 4, 3)
    made = modes.transfer(player, found, groove, 1, 1)
    of_groove = player.means(Groove(*(part[np.newaxis] for part in np.split(groove.groove().join(), 3, axis=-1))))
    np.testing.assert_allclose(made.latent, np.repeat(of_groove, 2, axis=0), atol=1e-6)


# ---- reconstruct, vary, attribute


@pytest.mark.parametrize("name", ["hier-drums", "groovae"])
@pytest.mark.parametrize("num_bars", [1, 3, 4, 9])
def test_a_reconstruction_has_the_songs_bars_and_tempo_and_much_of_its_pattern(tmp_path, band, name, num_bars):
    found = beat(tmp_path, num_bars, tempos=[(0, 91)])
    made = modes.reconstruct(band(name), found)
    assert (made.num_bars, made.tempos, made.original) == (num_bars, found.tempos, found)
    expected, got = found.groove().hits.reshape(-1, 16, 9) > 0, hits_of(made)
    assert got.shape == expected.shape
    assert (got & expected).sum() / (got | expected).sum() > 0.5
    if name == "hier-drums":
        assert set(made.notes.velocities) == {80} and not (made.notes.quarters * 4 % 1).any()
    else:
        assert len(set(made.notes.velocities)) > 4


def test_what_is_composed_without_feel_is_played_by_the_humanizer(tmp_path, band):
    found = beat(tmp_path, 4)
    flat, played = modes.reconstruct(band("hier-drums"), found), modes.reconstruct(band("hier-drums", "groovae"), found)
    assert (hits_of(flat) == hits_of(played)).all()
    assert len(set(played.notes.velocities)) > 4
    late = [(quarter + 0.06, *rest) for quarter, *rest in songs.beat(4)]
    late = Reading().drums(songs.write_beat(tmp_path / "late.mid", late, 960))
    behind = modes.reconstruct(band("hier-drums", "groovae"), late)
    assert behind.notes.quarters.mean() > played.notes.quarters.mean() + 0.02  # In the song's own feel.


def test_a_variation_of_0_is_the_reconstruction_and_more_is_farther(tmp_path, band):
    found = beat(tmp_path, 5)
    rebuilt = modes.reconstruct(band("groovae"), found)
    assert alike(modes.vary(band("groovae"), found, 0.0), rebuilt)
    far = [
        np.mean([np.abs(modes.vary(band("groovae", seed=s), found, by).latent - rebuilt.latent).mean() for s in (1, 2)])
        for by in (0.1, 0.3, 0.6, 1.0)
    ]
    assert (np.diff([0, *far]) > 0).all()
    whole = modes.vary(band("groovae"), found, 1.0)
    np.testing.assert_allclose(whole.latent[0], whole.latent[-1])  # Another groove, the same for all bars.
    assert whole.facts == {"amount": "1"}


def test_variations_differ_and_come_again_with_their_seed(tmp_path, band):
    found, one = beat(tmp_path, 4), band("groovae")
    first, second = (modes.vary(one, found, 0.5) for _ in range(2))
    assert not alike(first, second)
    again = band("groovae")
    assert all(alike(made, modes.vary(again, found, 0.5)) for made in (first, second))


def test_more_of_an_attribute_is_more_of_it(tmp_path, band):
    found = beat(tmp_path, 4)
    counts = [len(modes.change_attribute(band("groovae"), found, "density", by).notes) for by in (-2, 0, 2)]
    assert counts[0] < counts[1] < counts[2]
    assert alike(
        modes.change_attribute(band("groovae"), found, "density", 0), modes.reconstruct(band("groovae"), found)
    )
    assert modes.change_attribute(band("groovae"), found, "density", 1.5).facts == {"density": "+1.5"}


def test_an_attribute_that_there_is_none_of_is_said(tmp_path, band):
    found = beat(tmp_path, 1)
    with pytest.raises(ValueError, match=r"^unknown --attribute=denseness; attributes are density, .* styles .*funk"):
        modes.change_attribute(band("groovae"), found, "denseness", 1)
    with pytest.raises(ValueError, match=r"humanize.tar: no attributes.npz beside it; python -m"):
        modes.change_attribute(band("humanize"), found, "density", 1)


# ---- interpolate, grid


@pytest.mark.parametrize(
    ("composer", "humanizer"), [("hier-drums", None), ("hier-drums", "humanize"), ("groovae", None)]
)
def test_the_ends_of_an_interpolation_are_the_reconstructions(tmp_path, band, composer, humanizer):
    ends = beat(tmp_path, 4), beat(tmp_path, 6, 9)
    made = modes.interpolate(band(composer, humanizer), *ends, 5)
    assert len(made) == 5 and {each.num_bars for each in made} == {4}
    for end, of_end in zip(ends, (made[0], made[-1]), strict=True):
        first_bars = end.bars(0, 4)
        rebuilt = modes.Band.piece(
            band(composer), "", _first(band(composer, humanizer).play(of_end.latent)), of_end.latent
        )
        np.testing.assert_array_equal(of_end.latent, band(composer).composer.means(_windows(first_bars)))
        np.testing.assert_allclose(of_end.notes.quarters, rebuilt.notes.quarters, atol=1e-5)
        np.testing.assert_array_equal(of_end.notes.pitches, rebuilt.notes.pitches)
        np.testing.assert_allclose(of_end.notes.velocities, rebuilt.notes.velocities, atol=1)
    assert [each.facts["way"] for each in made] == ["0.00", "0.25", "0.50", "0.75", "1.00"]
    assert not alike(made[0], made[-1])


def _windows(found: song.Song) -> Groove:
    return selection.select(found.num_bars, 4).cut(found.groove())


def _first(windows: Groove) -> Groove:
    return Groove(windows.hits[0], windows.velocities[0], windows.offsets[0])


def test_the_corners_of_a_grid_are_the_four_songs(tmp_path, band):
    corners = [beat(tmp_path, 1 + number, 5 * number) for number in range(4)]
    made = modes.grid(band("groovae"), corners, 3)
    assert [each.place for each in made] == [(row, column) for row in range(3) for column in range(3)]
    for number, place in enumerate([(0, 0), (0, 2), (2, 0), (2, 2)]):
        (corner,) = (each for each in made if each.place == place)
        first = corners[number].bars(0, min(4, corners[number].num_bars))
        np.testing.assert_array_equal(corner.latent, band("groovae").composer.means(_windows(first)))
        assert corner.label == corners[number].label
        rebuilt = modes.reconstruct(band("groovae"), first)
        assert (hits_of(corner)[: first.num_bars] == hits_of(rebuilt)).all()
    assert made[4].label == "row 2, column 2"


def test_a_grid_without_songs_lies_between_four_samples(band):
    made = modes.grid(band("groovae"), [], 4)
    assert len(made) == 16
    assert {each.label for each in made if not each.label.startswith("row")} == {f"sample {n}" for n in range(1, 5)}
    drawn = band("groovae").composer.draw(4, np.random.default_rng(1))
    np.testing.assert_array_equal([each.latent[0] for each in (made[0], made[3], made[12], made[15])], drawn)


def test_what_is_drawn_alike_changes_little_from_one_place_to_the_next(band):
    """At a temperature, neighbours in a grid differ less than where each draws for itself."""
    made = modes.grid(band("hier-drums", temperature=1.0), [], 5)
    near = np.mean([(hits_of(a) != hits_of(b)).sum() for a, b in itertools.pairwise(made)])
    model, z = band("hier-drums").composer.model, np.concatenate([each.latent for each in made])
    apart = model.decode(z, 1.0, np.random.default_rng(1)).hits.reshape(25, -1)
    assert near < np.mean([(a != b).sum() for a, b in itertools.pairwise(apart)])


# ---- sample


def test_samples_are_windows_that_the_composer_draws(band):
    one = band("groovae", temperature=0.5)
    made = modes.sample(one, 3)
    assert [each.label for each in made] == ["sample 1", "sample 2", "sample 3"]
    assert {each.num_bars for each in made} == {4} and {each.tempos for each in made} == {((0.0, QPM),)}
    drawn = one.composer.draw(3, np.random.default_rng(1))
    np.testing.assert_array_equal(np.concatenate([each.latent for each in made]), drawn)
    assert all(each.original is None and each.backing is None for each in made)
    again = modes.sample(band("groovae", temperature=0.5), 3)
    other = modes.sample(band("groovae", temperature=0.5, seed=2), 3)
    assert all(map(alike, made, again)) and not any(map(alike, made, other))


def test_what_is_sampled_first_does_not_depend_on_how_many_follow(band):
    one, several = (modes.sample(band("hier-drums", "humanize", 0.0), n) for n in (1, 1))
    assert alike(one[0], several[0])


@pytest.mark.parametrize("form", ["AABA", "ABAC"])
def test_a_form_has_a_window_for_each_letter_and_alike_ones_for_the_same(band, form):
    """The bars before the last of a window, which may be a fill, are more alike where the letter is the same."""
    within, between = [], []
    for seed in range(2):
        (made,) = modes.sample(band("hier-drums", "humanize", 0.5, seed), 1, form)
        assert made.num_bars == 4 * len(form) and made.facts == {"form": form}
        assert made.latent.shape == (len(form), band("hier-drums").composer.model.z_size)
        windows = hits_of(made).reshape(len(form), 4, 16, 9)[:, :3]
        for first in range(len(form)):
            for second in range(first):
                apart = (windows[first] != windows[second]).sum()
                (within if form[first] == form[second] else between).append(apart)
    assert not within or np.mean(within) < np.mean(between) / 2


def test_the_last_bar_of_a_phrase_is_a_fill(band):
    """Where a letter is followed by another or by the end; the bars before it stay as they were composed."""
    one = band("hier-drums", temperature=0.5)
    (made,) = modes.sample(one, 1, "AABA")
    random = np.random.default_rng(1)
    themes = one.composer.draw(2, random)
    z = latent.along("AABA", themes, one.composer.draw(4, random))
    np.testing.assert_array_equal(made.latent, z)
    composed = one.composer.model.decode(z, 0.5, random, alike=True).hits.reshape(4, 4, 16, 9) > 0
    differs = (hits_of(made).reshape(4, 4, 16, 9) != composed).any(axis=(2, 3))
    np.testing.assert_array_equal(differs, [[False] * 4, *[[False, False, False, True]] * 3])


# ---- tap, neighbours


def test_taps_become_a_kit_as_long_as_they_are_and_beside_them(tmp_path, band):
    path = songs.write_beat(tmp_path / "taps.mid", [(n * 0.75, 60, 90) for n in range(24)], 480, channel=0)
    rhythm, _ = Reading().rhythm(path)
    made = modes.tap(band("tap", temperature=0.0), rhythm, 0.0)
    assert (made.num_bars, made.label, made.tempos) == (rhythm.num_bars, "taps as a kit", rhythm.tempos)
    assert made.original is rhythm and made.backing is rhythm
    assert len({*made.notes.pitches}) >= 3
    assert len(made.notes) > len(rhythm.notes)


def test_louder_taps_make_a_louder_kit(tmp_path, band):
    """At dynamics of 1, steps that are tapped twice as loud sound twice as loud, up to what MIDI has."""
    taps = [(n / 2, SNARE, 30 if n % 4 else 60) for n in range(32)]
    rhythm, _ = Reading().rhythm(songs.write_beat(tmp_path / "taps.mid", taps))
    plain, followed = (modes.tap(band("tap"), rhythm, dynamics) for dynamics in (0.0, 1.0))
    assert (hits_of(plain) == hits_of(followed)).all()
    loudness = dict(zip(rhythm.notes.steps, rhythm.notes.velocities, strict=True))
    mean = np.mean(list(loudness.values()))
    for step, before, after in zip(plain.notes.steps, plain.notes.velocities, followed.notes.velocities, strict=True):
        factor = loudness[step] / mean if step in loudness else 1
        assert after == pytest.approx(np.clip(before * factor, 1, 127), abs=1.5)


def test_neighbours_play_a_song_as_they_are_played(tmp_path):
    """A window that is in the data, and is its own nearest, with one window alone is played exactly as it is there."""
    played = songs.groove(3)
    windows = Groove(*(part[np.newaxis] for part in (played.hits, played.velocities, played.offsets)))
    flat = dataclasses.replace(played, velocities=played.hits * 0.5, offsets=played.hits * 0)
    made = modes.play_as_neighbours(piece.song_of(flat, 120, "flat"), windows, 1, 1)
    expected = piece.notes_of(played)
    np.testing.assert_allclose(made.notes.quarters, expected.quarters, atol=1e-9)
    np.testing.assert_array_equal(made.notes.velocities, expected.velocities)
    assert made.facts["neighbours"] == "1" and made.latent is None


def test_neighbours_of_any_number_of_bars(tmp_path):
    windows = Groove.split(np.stack([songs.groove(seed).join() for seed in range(30)]))
    for num_bars in (1, 3, 5, 9):
        found = beat(tmp_path, num_bars)
        made = modes.play_as_neighbours(found, windows, 1, 1)
        assert len(made.notes) == len(found.notes) and made.facts["neighbours"] == "20"


def test_samples_of_neighbours_are_windows_of_the_data_each_another():
    windows = Groove.split(np.stack([songs.groove(seed).join() for seed in range(6)]))
    made = modes.sample_neighbours(windows, 6, np.random.default_rng(1))
    patterns = {hits_of(each).tobytes() for each in made}
    assert patterns == {(pattern > 0).reshape(4, 16, 9).tobytes() for pattern in windows.hits}
    assert len(modes.sample_neighbours(windows, 9, np.random.default_rng(1))) == 9
    assert all(each.original is None for each in made)


# ---- what holds for all


def test_a_humanizer_of_other_windows_plays_all_bars(trained_player, band):
    """Grooves of eight bars, by a model that hears four."""
    composed = Groove(*(np.tile(part, [2, 2, 1]) for part in (_eight.hits, _eight.velocities, _eight.offsets)))
    played = modes.humanized(trained_player("humanize"), composed)
    np.testing.assert_array_equal(played.hits, composed.hits)
    assert (played.velocities[composed.hits > 0] > 0).all()
    alone = modes.humanized(trained_player("humanize"), Groove(*(part[:1] for part in _parts(composed))))
    np.testing.assert_allclose(played.velocities[:1], alone.velocities, atol=1e-6)


_eight = songs.groove(5)


def _parts(played: Groove) -> tuple[np.ndarray, ...]:
    return played.hits, played.velocities, played.offsets


def test_rewriting_may_add_and_leave_out(tmp_path, trained_player):
    found = Reading().drums(
        songs.write_beat(tmp_path / "a.mid", [(n / 4, (KICK, SNARE, CLOSED_HAT)[n % 3], 90) for n in range(64)])
    )
    made = modes.rewrite(trained_player("humanize"), found, 0.0, np.random.default_rng(1))
    assert len(made.notes) != len(found.notes) and made.num_bars == found.num_bars


def test_every_piece_can_be_written_and_read_again(tmp_path, band):
    found = beat(tmp_path, 3)
    windows = inputs.windows_of([songs.write_beat(tmp_path / "d.mid", songs.beat(9))], 4)
    made = [
        *modes.sample(band("hier-drums", temperature=1.0), 2),
        *modes.sample(band("tap", temperature=2.0), 1, "AB"),
        modes.reconstruct(band("groovae", temperature=1.5), found),
        modes.humanize(band("humanize").composer, found, 1, 1),
        *modes.sample_neighbours(windows, 2, np.random.default_rng(1)),
    ]
    for number, each in enumerate(made):
        outputs.write(each, tmp_path / f"{number}.mid")
        again = song.read(tmp_path / f"{number}.mid")
        assert len(again.notes) == len(each.notes) and again.num_bars <= each.num_bars
        songs.spans(tmp_path / f"{number}.mid")
