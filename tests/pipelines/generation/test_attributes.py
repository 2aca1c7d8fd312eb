"""Attributes are directions in latent space: found in vectors, kept in a file, asked for by name."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil

import numpy as np
import pytest

from pipelines.generation import attributes
from pipelines.runs import pretrained

GROOVAE = pretrained.PRETRAINED_DIR / "groovae"


@pytest.fixture(scope="module")
def found() -> attributes.Attributes:
    """Vectors of 4 numbers: the first grows with density, the second with swing, and dense ones swing more."""
    random = np.random.default_rng(1)
    density = random.normal(5, 2, 2000)
    swing = 0.5 * density + random.normal(0, 1, 2000)
    z = np.stack([3 * density, swing, *random.normal(0, 0.1, [2, 2000])], axis=1)
    styles = np.array(["funk", "jazz", "polka", ""])[np.minimum(np.arange(2000) // 100, 3)]
    styles[240:300] = ""  # Of polka, too few.
    z[styles == "jazz", 3] += 9
    swing[random.random(2000) < 0.2] = np.nan  # Not known of all.
    qpms = np.where(styles == "jazz", 180.0, 100.0) + random.uniform(-1, 1, 2000)
    return attributes.fit(z, {"density": density, "swing": swing}, styles, qpms)


def test_a_direction_is_what_one_deviation_more_adds_others_held_the_same(found):
    assert found.names == ("density", "swing")
    np.testing.assert_allclose(found.means, [5, 2.5], atol=0.2)
    np.testing.assert_allclose(found.deviations, [2, 2**0.5], atol=0.1)
    density, swing = found.directions
    np.testing.assert_allclose(density[:2], [6, 0.3], atol=0.35)
    np.testing.assert_allclose(swing[1], 2**0.5, atol=0.35)
    assert abs(swing[0]) < 0.3 * density[0]  # Though dense ones swing more.


def test_styles_with_enough_windows_have_their_mean_and_tempo(found):
    assert found.styles == ("funk", "jazz")
    assert found.style_means.shape == (2, 4)
    np.testing.assert_allclose(found.style_means[:, 3], [0, 9], atol=0.1)
    assert found.qpm_of("jazz") == pytest.approx(180, abs=0.5) and found.qpm_of("funk") == pytest.approx(100, abs=0.5)


def test_vectors_move_along_what_is_named(found):
    z = np.zeros([3, 4], np.float32)
    moved = found.move(z, "swing", -2)
    np.testing.assert_allclose(moved, np.tile(-2 * found.directions[1], [3, 1]))
    assert moved.dtype == np.float32 and not z.any()
    np.testing.assert_allclose(found.move(z, "jazz", 1)[0], found.style_means[1] - found.mean)
    np.testing.assert_array_equal(found.move(z, "density", 0), z)
    with pytest.raises(ValueError, match=r"^unknown --attribute=polka; attributes are density, swing, and styles funk"):
        found.move(z, "polka", 1)


def test_vectors_have_the_style_that_is_nearest(found):
    assert found.style_of(found.style_means[[1, 1]]) == "jazz"
    assert found.styles_of(found.style_means).tolist() == ["funk", "jazz"]
    none = attributes.fit(np.ones([60, 4]), {"density": np.arange(60.0)}, np.full(60, ""), np.full(60, 120.0))
    assert none.styles == () and none.style_of(np.ones([2, 4])) == ""


def test_an_attribute_that_never_changes_moves_nothing():
    fitted = attributes.fit(
        np.random.default_rng(1).normal(size=[90, 4]), {"fill": np.full(90, 0.5)}, np.full(90, ""), np.full(90, 120.0)
    )
    np.testing.assert_allclose(fitted.directions, 0)


def test_what_is_written_is_read_again_and_has_the_same_bytes(found, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        found.write(tmp_path / name / attributes.FILE_NAME)
    paths = [tmp_path / name / attributes.FILE_NAME for name in ("a", "b")]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    again = attributes.read(tmp_path / "a", 4)
    for field in dataclasses.fields(found):
        before, after = getattr(found, field.name), getattr(again, field.name)
        if isinstance(before, tuple):
            assert before == after
        else:
            np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-3)
            assert after.dtype == before.dtype


def test_where_there_is_no_file_there_are_none(tmp_path):
    assert attributes.read(tmp_path, 256) is None


def test_the_clones_groove_model_has_some():
    found = attributes.read(GROOVAE, 256)
    assert {"density", "syncopation", "swing"} <= set(found.names) and "funk" in found.styles
    assert all(40 < qpm < 300 for qpm in found.style_qpms)


def test_another_models_are_refused(tmp_path):
    shutil.copy(GROOVAE / attributes.FILE_NAME, tmp_path)
    with pytest.raises(ValueError, match=r"attributes.npz: of latent vectors of 256 numbers, not 128; another model's"):
        attributes.read(tmp_path, 128)


def _changed(path: pathlib.Path, **arrays) -> None:
    with np.load(path) as before:
        np.savez(path, **{**before, **arrays})


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"PK"),
        lambda path: path.write_bytes(path.read_bytes()[:500]),
        lambda path: np.savez(path, names=["a"]),
        lambda path: _changed(path, names=["a"]),
        lambda path: _changed(path, mean=np.float32(1)),
        lambda path: _changed(path, mean=np.array(["a"])),
        lambda path: _changed(path, style_qpms=np.zeros(1)),
        lambda path: _changed(path, styles=np.array([object()], object)),
    ],
)
def test_damage_is_said_in_a_line(tmp_path, damage):
    path = pathlib.Path(shutil.copy(GROOVAE / attributes.FILE_NAME, tmp_path))
    damage(path)
    with pytest.raises(ValueError, match=r"attributes.npz: damaged \(.*\); generation works without it: delete it$"):
        attributes.read(tmp_path, 256)


def test_bytes_that_changed_on_a_disk_are_damage_or_numbers(tmp_path):
    whole, random = (GROOVAE / attributes.FILE_NAME).read_bytes(), np.random.default_rng(1)
    for _ in range(200):
        content = bytearray(whole)
        content[random.integers(len(content))] = random.integers(256)
        (tmp_path / attributes.FILE_NAME).write_bytes(content)
        try:
            assert attributes.read(tmp_path, 256).mean.shape == (256,)
        except ValueError as error:
            assert str(error).startswith(f"{tmp_path}")
