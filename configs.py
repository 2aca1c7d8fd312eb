"""CONFIG_MAP: everything that can be trained, by name. All of stock Magenta's configs are in it too.

    import configs
    config = configs.CONFIG_MAP["hier-drums_4bar_small"]

Each look-up returns a config of its own, with fresh hparams, model and converter: whatever is done to it, the registry
stays as it is. A config of your own goes in as in Magenta: `CONFIG_MAP["mine"] = Config(model=…, hparams=…, …)`.
"""

from __future__ import annotations

import collections
import copy
import difflib

from grooves.timing import BARS, STEPS, STEPS_PER_BAR, STEPS_PER_QUARTER
from models import converters, decoders, encoders, own_hparams
from models.hierarchical_decoder import HierarchicalLstmDecoder
from models.magenta import HParams, base_model, data, lstm_models, magenta_configs, merge_hparams
from models.vae import MusicVAE

Config = magenta_configs.Config

GROOVE_TFDS_NAME = "groove/4bar-midionly"


class ConfigMap(collections.UserDict):
    """A dictionary of configs that hands out copies and names its neighbours when a key is unknown."""

    def __getitem__(self, name: str) -> Config:
        if name not in self.data:
            near = difflib.get_close_matches(str(name), self.data, n=3, cutoff=0.4)
            rest = sorted(set(self.data) - set(near))
            raise ValueError(f"unknown config {name!r}; known, nearest first: {', '.join([*near, *rest])}")
        return copy.deepcopy(self.data[name])


def with_hparams(config: Config, overrides: str) -> Config:
    """Returns a copy of `config` with `overrides`, Magenta's `name=value,name=[1,2]` notation, applied.

    Raises:
        ValueError: a name is no hparam of this config, or a value is not of its type.
    """
    config = copy.deepcopy(config)
    try:
        config.hparams.parse(overrides)
    except (ValueError, KeyError, TypeError) as error:
        known = ", ".join(sorted(config.hparams.values()))
        raise ValueError(f"--hparams={overrides}: {error}; known hparams: {known}") from error
    if config.hparams.batch_size < 1:
        raise ValueError(f"--hparams={overrides}: batch_size is {config.hparams.batch_size}; it is at least 1")
    try:
        own_hparams.check(config.hparams)
    except ValueError as error:
        raise ValueError(f"--hparams={overrides}: {error}") from error
    return config


def with_stride(config: Config, stride_bars: int | None) -> Config:
    """Returns a copy of `config` whose windows begin `stride_bars` after each other; None leaves them as they are.

    Raises:
        ValueError: the config has no windows that can be moved.
    """
    if stride_bars is None:
        return copy.deepcopy(config)
    return copy.deepcopy(config)._replace(data_converter=converters.with_stride(config.data_converter, stride_bars))


def _hparams(**values) -> HParams:
    """What all entries have in common, and their own `values`."""
    common = HParams(
        batch_size=512,
        max_seq_len=STEPS,
        free_bits=48,
        max_beta=0.2,
        **values,
    )
    common = merge_hparams(HParams(**own_hparams.DEFAULTS), common)
    return merge_hparams(lstm_models.get_default_hparams(), common)


def _conducted(core: base_model.BaseDecoder) -> HierarchicalLstmDecoder:
    """Returns a decoder of four bars, each of which `core` makes from an embedding alone."""
    return HierarchicalLstmDecoder(core, level_lengths=[BARS, STEPS_PER_BAR], disable_autoregression=True)


def _hier_drums(z_size: int, enc_rnn_size: list[int], dec_rnn_size: list[int]) -> Config:
    """One of 512 tokens a sixteenth: a conductor LSTM over four bars, a decoder LSTM over each bar's steps."""
    return Config(
        model=MusicVAE(encoders.BidirectionalLstmEncoder(), _conducted(decoders.CategoricalLstmDecoder())),
        hparams=_hparams(z_size=z_size, enc_rnn_size=enc_rnn_size, dec_rnn_size=dec_rnn_size),
        data_converter=converters.DrumsConverter(),
    )


def _groovae(**converter_options) -> Config:
    """Hits with velocities and timing offsets; `converter_options` say what the encoder does not get to see."""
    return Config(
        model=MusicVAE(encoders.BidirectionalLstmEncoder(), decoders.GrooveLstmDecoder()),
        hparams=_hparams(z_size=256, enc_rnn_size=[512], dec_rnn_size=[256, 256], dropout_keep_prob=0.3),
        data_converter=converters.GrooveConverter(
            split_bars=BARS,
            steps_per_quarter=STEPS_PER_QUARTER,
            quarters_per_bar=STEPS_PER_BAR // STEPS_PER_QUARTER,
            max_tensors_per_notesequence=20,
            pitch_classes=data.ROLAND_DRUM_PITCH_CLASSES,
            **converter_options,
        ),
        tfds_name=GROOVE_TFDS_NAME,
    )


# What makes a model learn from Groove's 15,629 windows: docs/experiments.md has what each of this brought.
_LEARNS_FASTER = {
    "enc_rnn_size": [256],
    "batch_size": 128,
    "learning_rate": 0.003,
    "decay_rate": 0.9995,
    "latent_init_stddev": 0.05,
    "input_init_stddev": 0.5,
    "ema_decay": 0.999,
    "augment_shift": 0.5,
}


def _for_groove(config: Config, core: base_model.BaseDecoder, **values) -> Config:
    """Returns a config like another, made to learn: bars, then the window, on both sides; louder first values.

    Its windows begin a bar after each other.
    """
    config = with_stride(config, 1)
    for name, value in (_LEARNS_FASTER | values).items():
        config.hparams.set_hparam(name, value)
    encoder = encoders.HierarchicalLstmEncoder([STEPS_PER_BAR, BARS])
    return config._replace(model=MusicVAE(encoder, _conducted(core)))


CONFIG_MAP = ConfigMap(magenta_configs.CONFIG_MAP)

# Source: the course notes that this project grew out of. Purpose: four bars of drums on a laptop.
CONFIG_MAP["hier-drums_4bar_small"] = _hier_drums(z_size=256, enc_rnn_size=[512], dec_rnn_size=[256, 256])

# The same family with twice the units, for a GPU.
CONFIG_MAP["hier-drums_4bar"] = _hier_drums(z_size=512, enc_rnn_size=[1024], dec_rnn_size=[512, 512])

# Source: magenta 2.1.4, `groovae_4bar`. Purpose: a whole performance in, the same performance out.
CONFIG_MAP["groovae_4bar"] = _groovae()

# Purpose: a quantized pattern in, its timing and dynamics out (Learning to Groove, arXiv 1905.06118, section 4.1).
CONFIG_MAP["groovae_4bar_humanize"] = _groovae(humanize=True)

# Purpose: one tapped line in, a whole kit out (the same paper's Tap2Drum).
CONFIG_MAP["groovae_4bar_tap"] = _groovae(tapify=True, fixed_velocities=True)

# Made for Groove. Purpose: samples after an hour of a CPU core: 96 bits are enough for that long.
_DRUMS = {"dec_rnn_size": [384, 384], "augment_voices": 0.5, "decoder_keep_prob": 0.7, "auxiliary_weight": 1.0}
CONFIG_MAP["hier-drums_4bar_groove"] = _for_groove(
    CONFIG_MAP["hier-drums_4bar_small"], decoders.CategoricalLstmDecoder(), free_bits=96, **_DRUMS
)

# Purpose: a groove in, the same groove out. `pretrained/hier-drums`: 10,500 steps, five minutes of a GPU (docs/gpu.md).
CONFIG_MAP["hier-drums_4bar_groove_hikl"] = _for_groove(
    CONFIG_MAP["hier-drums_4bar_small"],
    decoders.CategoricalLstmDecoder(),
    free_bits=256,
    **_DRUMS,
    batch_size=256,
    decay_rate=0.99975,
)

# The same for grooves with velocities and timing. Half of what the decoder hears of itself is hidden in training, as
# its own timing misleads it; silent drums weigh less, as they pull timing to the grid.
_FEEL = {
    "decay_rate": 0.999,
    "dropout_keep_prob": 1.0,
    "decoder_keep_prob": 0.5,
    "groove_error": "absolute",
    "groove_silent_weight": 0.1,
}

# Windows put together from several, and an encoder that does not hear all: else training windows are learnt by heart.
_MIXES = {"augment_voices": 0.25, "augment_bars": 0.5, "encoder_keep_prob": 0.8}

# A whole performance in, the same one out, and samples.
CONFIG_MAP["groovae_4bar_groove"] = _for_groove(
    CONFIG_MAP["groovae_4bar"],
    decoders.GrooveLstmDecoder(),
    free_bits=192,
    **_MIXES,
    **_FEEL,
)

# The hits in, timing and velocities out. They leave much open, so that there are no vectors of the prior to draw.
CONFIG_MAP["groovae_4bar_humanize_groove"] = _for_groove(
    CONFIG_MAP["groovae_4bar_humanize"],
    decoders.GrooveLstmDecoder(),
    free_bits=512,
    **_MIXES,
    **_FEEL,
)

# One tapped line in, a whole kit out: it fits no other voices than its own, so that nothing is mixed.
CONFIG_MAP["groovae_4bar_tap_groove"] = _for_groove(
    CONFIG_MAP["groovae_4bar_tap"], decoders.GrooveLstmDecoder(), free_bits=512, **_FEEL
)
