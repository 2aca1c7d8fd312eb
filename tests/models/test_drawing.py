"""What is drawn in sampling: at the likeliest nothing."""

import numpy as np
import pytest

import configs
from models import drawing
from models.magenta import tf
from tests.beside_magenta import BATCH, SIZES


@pytest.mark.parametrize("name", ["hier-drums_4bar_small", "groovae_4bar", "groovae_4bar_groove"])
@pytest.mark.parametrize(("temperature", "is_drawn"), [(drawing.LIKELIEST, False), (1.0, True)])
def test_at_the_likeliest_nothing_is_drawn(name, temperature, is_drawn):
    config = configs.with_hparams(configs.CONFIG_MAP[name], SIZES)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        config.model.build(config.hparams, config.data_converter.output_depth, is_training=False)
        drawing.draw_in_order(config.model.decoder)
        samples, _ = config.model.sample(BATCH, 64, tf.ones([BATCH, 4]), temperature=temperature)
        session.run(tf.global_variables_initializer())
        first, second = (session.run(samples) for _ in range(2))
    assert np.array_equal(first, second) != is_drawn
    assert np.allclose(first[0], first[1], atol=1e-4) != is_drawn  # Two decodings of one latent vector.
