"""The graph of an evaluation: what a model makes of a batch of examples, loss by loss and step by step."""

from __future__ import annotations

import numpy as np

import configs
from grooves.groove import NUM_PARTS
from models import decoders, drawing, objective
from models.hierarchical_decoder import core_decoders
from models.magenta import lstm_models, tf
from pipelines.evaluation import metrics, registry
from pipelines.examples import loading

# Others have losses alone.
_METRIC_DECODERS = {
    registry.TOKENS: lstm_models.CategoricalLstmDecoder,
    registry.GROOVES: lstm_models.GrooveLstmDecoder,
}


def kind_of(config: configs.Config, examples: loading.Examples) -> str:
    """Returns which kind of metrics there are of a config's outputs; empty where there are losses alone."""
    cores = core_decoders(config.model.decoder)
    kind = registry.TOKENS if examples.is_one_hot else registry.GROOVES
    return kind if len(cores) == 1 and isinstance(cores[0], _METRIC_DECODERS[kind]) else ""


def build(
    config: configs.Config, examples: loading.Examples, sampled: bool
) -> tuple[list[tf.Tensor], dict[str, tf.Tensor]]:
    """Builds a config's model in the default graph, for batches of the hparam `batch_size`.

    Args:
        config: Its model is built here and must not be used elsewhere.
        examples: Some like those that will be fed.
        sampled: Whether to decode also what the loss does without.

    Returns:
        Placeholders for inputs, outputs, controls, lengths and noise `[batch, z_size]`; and what is computed per
        example: `r_loss`, `kl_loss` and `kl_bits` `[batch]`, `posterior_means` `[batch, z_size]`, of grooves the terms
        of the loss `[batch, steps]`, and, by the names of `metrics.DECODINGS` and `metrics.GIVEN_HITS`, tokens
        `[batch, steps]` or grooves `[batch, steps, 27]`. The latent vector of the loss is that of all decodings from a
        drawn one.
    """
    hparams, model, kind = config.hparams, config.model, kind_of(config, examples)
    batch_size, control_depth = hparams.batch_size, config.data_converter.control_depth
    model.build(hparams, config.data_converter.output_depth, is_training=False)
    drawing.draw_in_order(model.decoder)
    shapes = [array.shape[1:] for array in examples.dense(np.zeros([0], np.int64))]
    feeds = [tf.placeholder(tf.float32, [batch_size, *shape]) for shape in shapes[:3]]
    feeds.append(tf.placeholder(tf.int32, [batch_size, *shapes[3]]))
    feeds.append(tf.placeholder(tf.float32, [batch_size, hparams.z_size]))

    steps = min(shapes[1][0], hparams.max_seq_len)
    inputs, outputs, controls = (feed[:, :steps] for feed in feeds[:3])
    lengths = tf.minimum(feeds[3], steps)
    controls = controls if control_depth else None
    late_outputs = tf.pad(outputs[:, :-1], [(0, 0), (1, 0), (0, 0)])

    z, mean, kl = None, None, tf.zeros([batch_size])
    if hparams.z_size:
        posterior = model.encode(inputs, lengths, controls)
        mean, stddev = posterior.loc, posterior.stddev()
        z, kl = mean + stddev * feeds[4], objective.kl_divergence(mean, stddev)
    r_loss, _, results = model.decoder.reconstruction_loss(late_outputs, outputs, lengths, z, controls)
    fetches = {"r_loss": r_loss, **objective.kl_terms(kl, hparams)}
    if mean is not None:
        fetches["posterior_means"] = mean
    if kind == registry.GROOVES:
        fetches |= objective.groove_terms(results.rnn_output, outputs)
    if kind == registry.TOKENS:
        fetches[metrics.TEACHER_FORCED] = _compact(results.rnn_output, kind)
    if not kind or not sampled:
        return feeds, fetches
    with tf.variable_scope(tf.get_variable_scope(), reuse=tf.AUTO_REUSE):
        if kind == registry.TOKENS:
            results = model.decoder.reconstruction_loss(late_outputs, outputs, lengths, mean, controls)[2]
            fetches[metrics.TEACHER_FORCED_MEAN] = _compact(results.rnn_output, kind)
        if not control_depth and config.data_converter.end_token in (None, False):
            fetches |= _sampled(model, kind, outputs, z, mean)
    return feeds, fetches


def _sampled(model, kind: str, outputs: tf.Tensor, z: tf.Tensor, mean: tf.Tensor) -> dict[str, tf.Tensor]:
    """Returns what is decoded step by step, by the names of `metrics.DECODINGS` and `metrics.GIVEN_HITS`.

    Args:
        model: A MusicVAE that is built.
        kind: Of the outputs.
        outputs: `[batch, steps, depth]`, the examples'; of them the hits are given.
        z: `[batch, z_size]`, drawn from the posteriors.
        mean: `[batch, z_size]`, the posteriors' means.
    """
    (core,), (batch_size, steps) = core_decoders(model.decoder), map(int, outputs.shape[:2])
    ways = {metrics.SAMPLED: (z, 1.0)} if kind == registry.TOKENS else {}
    ways[metrics.SAMPLED_MEAN] = mean, drawing.LIKELIEST
    decoded = {}
    for name, (latent, temperature) in ways.items():
        samples, _ = model.sample(batch_size, steps, latent, temperature=temperature)
        decoded[name] = _compact(samples, kind)
    if isinstance(core, decoders.GrooveLstmDecoder):
        with core.given_hits(tf.split(outputs, NUM_PARTS, axis=2)[0]):
            decoded[metrics.GIVEN_HITS], _ = model.sample(batch_size, steps, mean)
    return decoded


def _compact(steps: tf.Tensor, kind: str) -> tf.Tensor:
    """Returns the tokens `[batch, steps]` of one-hot outputs or their logits; grooves stay as they are."""
    return tf.argmax(steps, axis=-1, output_type=tf.int32) if kind == registry.TOKENS else steps
