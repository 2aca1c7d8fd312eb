"""What stock Magenta and this project decode from the same latent vectors where nothing is drawn."""

from __future__ import annotations

import dataclasses
import importlib

import numpy as np

from grooves import tokens
from grooves.groove import Groove
from models.numpy_vae import LIKELIEST, TOKEN_VELOCITY
from pipelines.generation import player

# Magenta's decoders always draw; so cold, they take the likeliest but where others are as likely within rounding.
MAGENTAS_TEMPERATURE = 1e-6


@dataclasses.dataclass(frozen=True)
class Difference:
    """How far two batches of grooves are from each other.

    Attributes:
        hits: How many cells are hit in one of them alone.
        cells: How many there are.
        velocity: The largest difference of a velocity, where both have a hit.
        offset: That of an offset.
    """

    hits: int
    cells: int
    velocity: float
    offset: float


def compare(config: str, checkpoint: str, num_vectors: int, seed: int) -> Difference:
    """Decodes latent vectors in both ways.

    Args:
        config: One of `contenders.GENERATING_CONFIGS`.
        checkpoint: As `pipelines.generate --checkpoint_file` takes it; without averages of variables, of which
            Magenta knows nothing: a trained model of the clone, or what `pipelines.export` writes.
        num_vectors: How many, drawn as samples' are.
        seed: Of the vectors.

    Raises:
        ValueError: only TensorFlow computes this model here.
    """
    ours = player.load(None, checkpoint, config)
    if ours is None:
        raise ValueError(f"{config}: computed by TensorFlow here, too; there is nothing to compare")
    random = np.random.default_rng(seed)
    z = ours.draw(num_vectors, random)
    return difference(ours.model.decode(z, LIKELIEST, random), magentas(config, checkpoint, z))


def magentas(config: str, checkpoint: str, z: np.ndarray) -> Groove:
    """Returns the grooves `[n, steps, 9]` that stock Magenta's `TrainedModel` decodes from `[n, z_size]`."""
    importlib.import_module("models.magenta")  # Before TensorFlow: it says where that finds `tf.layers`.
    from magenta.models.music_vae import trained_model

    from benchmarks import magenta_configs

    stock = magenta_configs.build(config)
    model = trained_model.TrainedModel(stock, len(z), checkpoint)
    decoded = np.stack(model.decode_to_tensors(z, stock.hparams.max_seq_len, MAGENTAS_TEMPERATURE))
    if decoded.shape[-1] == tokens.NUM_TOKENS:
        hits = tokens.to_hits(decoded.argmax(axis=-1))
        return Groove(hits, hits * np.float32(TOKEN_VELOCITY), np.zeros(hits.shape, np.float32))
    return Groove.split(decoded)


def difference(ours: Groove, theirs: Groove) -> Difference:
    """Compares grooves of one shape."""
    ours_hit, theirs_hit = ours.hits > 0, theirs.hits > 0
    both = ours_hit & theirs_hit

    def largest(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.abs(a - b)[both].max(initial=0.0))

    return Difference(
        int((ours_hit != theirs_hit).sum()),
        ours_hit.size,
        largest(ours.velocities, theirs.velocities),
        largest(ours.offsets, theirs.offsets),
    )
