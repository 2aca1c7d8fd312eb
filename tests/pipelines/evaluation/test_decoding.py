"""The graph of an evaluation: what it computes of each kind of output."""

import numpy as np
import pytest

import configs
from models.magenta import tf
from pipelines.evaluation import decoding, registry
from pipelines.examples import loading


@pytest.mark.parametrize(
    ("name", "kind", "of_a_kind"),
    [
        ("hier-drums_4bar_small", registry.TOKENS, {"teacher_forced"}),
        ("groovae_4bar", registry.GROOVES, {"hits_loss", "velocities_loss", "offsets_loss"}),
    ],
)
@pytest.mark.parametrize("sampled", [False, True])
def test_what_is_computed_per_example(starter_records, name, kind, of_a_kind, sampled):
    hparams = "batch_size=3,enc_rnn_size=[8],dec_rnn_size=[6,6],z_size=4"
    config = configs.with_hparams(configs.CONFIG_MAP[name], hparams)
    examples = loading.load(config, "validation", str(starter_records / "validation.tfrecord"))
    assert decoding.kind_of(config, examples) == kind
    with tf.Graph().as_default():
        feeds, fetches = decoding.build(config, examples, sampled)
    of_tokens, of_grooves = {"teacher_forced_mean", "sampled", "sampled_mean"}, {"sampled_mean", "given_hits"}
    more = of_tokens if kind == registry.TOKENS else of_grooves
    assert set(fetches) == {"r_loss", "kl_loss", "kl_bits", "posterior_means"} | of_a_kind | (
        more if sampled else set()
    )
    assert feeds[4].shape == [3, 4]
    for fetched in ("r_loss", "kl_loss", "kl_bits"):
        assert fetches[fetched].shape == [3]
    for fetched in of_a_kind:
        assert fetches[fetched].shape.as_list()[:1] == [3]
        assert len(fetches[fetched].shape) == 2


def test_what_is_decoded_of_the_mean_does_without_the_noise_that_draws_a_latent_vector(starter_records):
    hparams = "batch_size=3,enc_rnn_size=[8],dec_rnn_size=[6,6],z_size=4"
    config = configs.with_hparams(configs.CONFIG_MAP["hier-drums_4bar_small"], hparams)
    examples = loading.load(config, "validation", str(starter_records / "validation.tfrecord"))
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        feeds, fetches = decoding.build(config, examples, sampled=True)
        session.run(tf.global_variables_initializer())
        batch = examples.dense(np.arange(3))
        noises = (np.full([3, 4], number) for number in (0, 50))
        without, much = (session.run(fetches, dict(zip(feeds, (*batch, noise), strict=True))) for noise in noises)
    for name in ("teacher_forced_mean", "sampled_mean"):
        np.testing.assert_array_equal(without[name], much[name])
    np.testing.assert_array_equal(without["teacher_forced"], without["teacher_forced_mean"])
    assert (much["teacher_forced"] != much["teacher_forced_mean"]).any()
    assert (without["sampled"] != without["sampled_mean"]).any()  # One is drawn.
