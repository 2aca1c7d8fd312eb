"""A mixture says of latent vectors what they are like, and draws such ones."""

import numpy as np
import pytest

from models import latents


def two_clouds(n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Returns posteriors: a quarter around (-3, 0, 1), whose first two numbers go together, the rest around 2."""
    random = np.random.default_rng(0)
    is_first = random.random([n, 1]) < 0.25
    common, own = random.standard_normal([n, 1]), random.standard_normal([n, 3])
    first = np.array([-3.0, 0.0, 1.0]) + 0.5 * common * np.array([1.0, 1.0, 0.0]) + 0.1 * own
    return np.where(is_first, first, 2 + 0.2 * own), np.full([n, 3], 0.1)


def test_what_is_drawn_has_the_means_and_covariances_of_what_was_fitted(monkeypatch):
    monkeypatch.setattr(latents, "NUM_COMPONENTS", 2)
    means, stddevs = two_clouds()
    drawn = latents.fit(means, stddevs, seed=0).draw(20000, np.random.default_rng(1))
    assert (drawn.shape, drawn.dtype) == ((20000, 3), np.float32)
    for theirs, ours in (
        (means[means[:, 0] < 0], drawn[drawn[:, 0] < 0]),
        (means[means[:, 0] > 0], drawn[drawn[:, 0] > 0]),
    ):
        assert len(ours) / 20000 == pytest.approx(len(theirs) / len(means), abs=0.01)
        np.testing.assert_allclose(ours.mean(axis=0), theirs.mean(axis=0), atol=0.02)
        np.testing.assert_allclose(np.cov(ours.T), np.cov(theirs.T) + 0.01 * np.eye(3), atol=0.02)


def test_the_same_seed_fits_the_same_and_a_file_keeps_it(tmp_path):
    for name in ("a", "b"):
        latents.fit(*two_clouds(), seed=3).write(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    fitted, kept = latents.fit(*two_clouds(), seed=3), latents.read(tmp_path / "a", z_size=3)
    drawn = [mixture.draw(50, np.random.default_rng(5)) for mixture in (fitted, kept, kept)]
    np.testing.assert_allclose(drawn[0], drawn[1], atol=0.01)
    np.testing.assert_array_equal(drawn[1], drawn[2])


@pytest.mark.parametrize(("n", "components"), [(1, 1), (300, 1), (1000, 3), (20000, latents.NUM_COMPONENTS)])
def test_few_windows_get_few_components(n, components):
    assert len(latents.fit(*two_clouds(n), seed=0).weights) == components


def test_a_damaged_file_and_another_models_are_told(tmp_path):
    path = tmp_path / latents.FILE_NAME
    latents.fit(*two_clouds(), seed=0).write(path)
    with pytest.raises(ValueError, match="of latent vectors of 3 numbers, not 256; it is another model's"):
        latents.read(path, z_size=256)
    whole = path.read_bytes()
    for content in (b"", b"PK", whole[:100], whole[: len(whole) // 2], b"x" * 1000):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"damaged .*; --latents=prior does without it"):
            latents.read(path, z_size=3)


def test_bytes_that_changed_on_a_disk_are_damage_or_numbers(tmp_path):
    """Whatever zip, zlib and NumPy make of them."""
    path = tmp_path / latents.FILE_NAME
    latents.fit(*two_clouds(), seed=0).write(path)
    whole, random = path.read_bytes(), np.random.default_rng(1)
    for _ in range(200):
        content = bytearray(whole)
        content[random.integers(len(content))] = random.integers(256)
        path.write_bytes(content)
        try:
            assert latents.read(path, z_size=3).means.shape[1] == 3
        except ValueError as error:
            assert str(error).startswith(f"{path}: ")
