"""The model in NumPy answers what the model in TensorFlow answers, for every config whose layers it knows."""

import numpy as np
import pytest
import threadpoolctl

import configs
from grooves import tokens, views
from grooves.groove import Groove
from models import converters, numpy_vae, tensor_bundle
from models.hierarchical_decoder import core_decoders
from models.inference import TrainedModel
from models.magenta import tf
from models.numpy_vae import LIKELIEST, NumpyVae

KNOWN = sorted(name for name in configs.CONFIG_MAP if converters.describe(configs.CONFIG_MAP[name]))
SMALL = "enc_rnn_size=[12],dec_rnn_size=[10,14],z_size=6,batch_size=3"


def small(name: str) -> configs.Config:
    return configs.with_hparams(configs.CONFIG_MAP[name], SMALL)


@pytest.fixture(scope="module")
def checkpoint_of(tmp_path_factory):
    """Makes checkpoints of small models with random variables, large enough that every one of them counts."""
    made = {}

    def make(name: str) -> str:
        if name not in made:
            config = small(name)
            with tf.Graph().as_default(), tf.Session() as session:
                config.model.build(config.hparams, config.data_converter.output_depth, is_training=False)
                steps, depth = config.hparams.max_seq_len, config.data_converter.input_depth
                z = config.model.encode(tf.zeros([3, steps, depth]), tf.fill([3], steps)).loc
                config.model.sample(3, steps, z, temperature=1.0)
                random = np.random.default_rng(5)
                for variable in tf.trainable_variables():
                    variable.load(random.normal(0, 0.6, variable.shape.as_list()), session)
                session.run([v.initializer for v in tf.global_variables() if v not in tf.trainable_variables()])
                made[name] = tf.train.Saver().save(session, str(tmp_path_factory.mktemp("run") / "model.ckpt"))
        return made[name]

    return make


def random_groove(n: int, steps: int) -> Groove:
    random = np.random.default_rng(1)
    hits = (random.random([n, steps, 9]) < 0.3).astype(np.float64)
    return Groove(hits, hits * random.random(hits.shape), hits * random.uniform(-1, 1, hits.shape))


def numpy_model(name: str, checkpoint: str) -> NumpyVae:
    sees = converters.describe(small(name))["encoder_sees"]
    return NumpyVae(tensor_bundle.read(checkpoint), sees, small(name).hparams.max_seq_len, checkpoint)


@pytest.mark.parametrize("name", KNOWN)
def test_it_computes_what_tensorflow_computes(checkpoint_of, name):
    checkpoint, config = checkpoint_of(name), small(name)
    ours, theirs = numpy_model(name, checkpoint), TrainedModel(config, checkpoint, 3, seed=1)
    played = random_groove(3, ours.steps)
    seen = config.data_converter.encoder_inputs(played) if hasattr(config.data_converter, "encoder_inputs") else None
    inputs = views.see(ours.sees, played) if seen is None else seen
    lengths = np.full([3, *config.data_converter.length_shape], ours.steps)
    posterior = theirs.posterior(inputs.astype(np.float32), lengths, np.zeros([3, ours.steps, 0]))
    np.testing.assert_allclose(ours.encode(played), posterior, rtol=2e-4, atol=2e-6)

    z = np.random.default_rng(2).standard_normal([3, ours.z_size]).astype(np.float32)
    decoder = config.model.decoder
    with theirs._graph.as_default(), tf.variable_scope(tf.get_variable_scope(), reuse=True):
        likeliest, _ = config.model.sample(3, ours.steps, theirs._z, temperature=LIKELIEST)
        expected = theirs._session.run(likeliest, {theirs._z: z})
        if not ours.knows_feel:
            answer = ours.decode(z, LIKELIEST, np.random.default_rng(0))
            np.testing.assert_array_equal(answer.hits, tokens.to_hits(expected.argmax(axis=-1)))
            return
        hits = expected[..., :9]
        answer = ours.decode(z, LIKELIEST, np.random.default_rng(0))
        np.testing.assert_allclose(answer.join(), expected * np.tile(hits, 3), atol=1e-5)
        if not hasattr(core_decoders(decoder)[0], "given_hits"):  # One of Magenta's own.
            return
        with core_decoders(decoder)[0].given_hits(tf.constant(played.hits, tf.float32)):
            played_by_theirs, _ = config.model.sample(3, ours.steps, theirs._z)
        expected = theirs._session.run(played_by_theirs, {theirs._z: z})
    np.testing.assert_allclose(ours.play(z, played.hits).join(), expected, atol=1e-5)


def test_hits_are_drawn_with_the_learnt_probabilities(checkpoint_of):
    """Of the first step, whose probabilities TensorFlow's decoder gives: hits and tokens, at two temperatures."""
    for name in ("groovae_4bar", "hier-drums_4bar_small"):
        ours = numpy_model(name, checkpoint_of(name))
        z = np.tile(np.float32([[0.3, -1, 0.5, 1, 0, 2]]), [4000, 1])
        embedding = next(ours._conduct(z[:1]))
        logits = next(ours._outputs(embedding, None))[0].astype(np.float64)
        for temperature in (0.5, 1.0):
            drawn = ours.decode(z, temperature, np.random.default_rng(3)).hits[:, 0]
            if ours.knows_feel:
                expected = 1 / (1 + np.exp(-logits[:9] / temperature))
            else:
                heights = np.exp(logits / temperature)
                expected = heights / heights.sum() @ tokens.to_hits(np.arange(512))
            np.testing.assert_allclose(drawn.mean(axis=0), expected, atol=0.04)


def test_what_is_drawn_does_not_depend_on_how_many_there_are(checkpoint_of):
    ours = numpy_model("groovae_4bar", checkpoint_of("groovae_4bar"))
    z = np.random.default_rng(4).standard_normal([7, ours.z_size]).astype(np.float32)
    few, many = (ours.decode(z[:n], 1.0, np.random.default_rng(9)).hits for n in (3, 7))
    np.testing.assert_array_equal(few, many[:3])


def test_rows_are_computed_apart_and_come_back_in_order(checkpoint_of, monkeypatch):
    """In chunks that do not depend on the number of cores, so that neither does any bit."""
    ours = numpy_model("groovae_4bar_groove", checkpoint_of("groovae_4bar_groove"))
    played = random_groove(7, 64)
    z = ours.encode(played)[0]
    whole = ours.play(z, played.hits).join()
    monkeypatch.setattr(numpy_vae, "ROWS_AT_ONCE", 2)
    found = []
    for cores in (1, 3, None):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        found.append((ours.encode(played), ours.play(z, played.hits).join()))
    np.testing.assert_allclose(found[0][0][0], z, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[0][1], whole, atol=1e-5)
    for encoded, decoded in found[1:]:
        np.testing.assert_array_equal(encoded, found[0][0])
        np.testing.assert_array_equal(decoded, found[0][1])


def test_products_of_matrices_have_one_thread_each_and_give_the_others_back(checkpoint_of, monkeypatch):
    ours = numpy_model("groovae_4bar", checkpoint_of("groovae_4bar"))
    see, meanwhile = views.see, []

    def watched(*arguments):
        meanwhile.append(num_blas_threads())
        return see(*arguments)

    monkeypatch.setattr(views, "see", watched)
    with threadpoolctl.threadpool_limits(2, "blas"):
        before = num_blas_threads()
        ours.encode(random_groove(2, 64))
        assert num_blas_threads() == before
    assert meanwhile == [{1}]


def num_blas_threads() -> set[int]:
    found = {library["num_threads"] for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"}
    return found or {1}  # Of a library that nobody can ask, as Apple's.


def test_it_says_its_sizes(checkpoint_of):
    sizes = numpy_model("hier-drums_4bar_groove", checkpoint_of("hier-drums_4bar_groove")).sizes
    assert sizes == {"z_size": 6, "enc_rnn_size": [12], "dec_rnn_size": [10, 14]}


def test_averages_take_the_place_of_variables(checkpoint_of):
    values = tensor_bundle.read(checkpoint_of("groovae_4bar"))
    averaged = values | {"encoder/mu/bias/ExponentialMovingAverage": values["encoder/mu/bias"] + 1}
    played = random_groove(2, 64)
    plain, moved = (NumpyVae(each, views.GROOVE, 64).encode(played)[0] for each in (values, averaged))
    np.testing.assert_allclose(moved, plain + 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "sees", "message"),
    [
        ("groovae_4bar", views.DRUMS, "of another config or other hparams: it reads 27 values a step and writes 27"),
        ("hier-drums_4bar_small", views.GROOVE, "it reads 10 values a step and writes 512"),
    ],
)
def test_a_checkpoint_of_another_config_is_refused(checkpoint_of, name, sees, message):
    with pytest.raises(ValueError, match=message):
        NumpyVae(tensor_bundle.read(checkpoint_of(name)), sees, 64)


def test_a_checkpoint_of_something_else_is_refused():
    with pytest.raises(ValueError, match="other: has no variable encoder/mu/bias"):
        NumpyVae({"weights": np.zeros(3)}, views.DRUMS, 64, "other")


def test_tokens_cannot_be_played(checkpoint_of):
    ours = numpy_model("hier-drums_4bar_small", checkpoint_of("hier-drums_4bar_small"))
    with pytest.raises(ValueError, match="which drums are hit, not how"):
        ours.play(np.zeros([1, 6], np.float32), np.zeros([1, 64, 9]))
