"""This project's configs as they would be without it: Magenta's own encoders, decoders and converters.

    own = magenta_configs.build("hier-drums_4bar_small")

Nothing of this project is imported here, so that a process of stock Magenta starts as fast as it can. Hparams are those
of `configs.py`. The converters have the drum map of the data, as ours: it is an argument of Magenta's.
"""

from __future__ import annotations

from magenta.common import merge_hparams
from magenta.contrib.training import HParams
from magenta.models.music_vae import configs as upstream
from magenta.models.music_vae import data, lstm_models
from magenta.models.music_vae.base_model import MusicVAE

BARS, STEPS_PER_BAR, STEPS_PER_QUARTER = 4, 16, 4
MAX_BARS = 100  # The entry that the project grew out of cuts performances there before it takes windows out of them.
DRUMS = {  # z, encoder, decoder
    "hier-drums_4bar_small": (256, [512], [256, 256]),
    "hier-drums_4bar": (512, [1024], [512, 512]),
}
GROOVES = {  # What the converter hides from the encoder.
    "groovae_4bar": {},
    "groovae_4bar_humanize": {"humanize": True},
    "groovae_4bar_tap": {"tapify": True, "fixed_velocities": True},
}
HIERARCHIES = {  # Those of the clone's trained models: bars, then the window, on both sides. What was made so; decoder.
    "hier-drums_4bar_groove": ("hier-drums_4bar_small", [384, 384]),
    "hier-drums_4bar_groove_hikl": ("hier-drums_4bar_small", [384, 384]),
    "groovae_4bar_groove": ("groovae_4bar", [256, 256]),
    "groovae_4bar_humanize_groove": ("groovae_4bar_humanize", [256, 256]),
    "groovae_4bar_tap_groove": ("groovae_4bar_tap", [256, 256]),
}


def build(name: str, all_windows: bool = False) -> upstream.Config:
    """Returns a config of Magenta's own classes.

    Args:
        name: One of `contenders.CONFIGS`, or of `contenders.GENERATING_CONFIGS`. Of these the hparams of training are
            not this project's, as they have some that Magenta lacks.
        all_windows: Drum windows are all of a performance's, as here, and not five of its first 100 bars, as Magenta
            has it. Grooves have all in any case.
    """
    if name in DRUMS:
        return _hier_drums(*DRUMS[name], all_windows)
    if name in HIERARCHIES:
        return _hierarchy(*HIERARCHIES[name])
    return _groovae(**GROOVES[name])


def _hier_drums(z_size: int, enc_rnn_size: list[int], dec_rnn_size: list[int], all_windows: bool) -> upstream.Config:
    cap = {"max_tensors_per_notesequence": None} if all_windows else {"max_bars": MAX_BARS}
    converter = data.DrumsConverter(
        slice_bars=BARS,
        steps_per_quarter=STEPS_PER_QUARTER,
        roll_input=True,
        pitch_classes=data.ROLAND_DRUM_PITCH_CLASSES,
        **cap,
    )
    decoder = _conducted(lstm_models.CategoricalLstmDecoder())
    return _config(decoder, converter, z_size=z_size, enc_rnn_size=enc_rnn_size, dec_rnn_size=dec_rnn_size)


def _groovae(**hidden) -> upstream.Config:
    converter = data.GrooveConverter(
        split_bars=BARS,
        steps_per_quarter=STEPS_PER_QUARTER,
        quarters_per_bar=4,
        max_tensors_per_notesequence=20,
        pitch_classes=data.ROLAND_DRUM_PITCH_CLASSES,
        **hidden,
    )
    sizes = {"z_size": 256, "enc_rnn_size": [512], "dec_rnn_size": [256, 256]}
    return _config(lstm_models.GrooveLstmDecoder(), converter, dropout_keep_prob=0.3, **sizes)


def _hierarchy(made_of: str, dec_rnn_size: list[int]) -> upstream.Config:
    plain = build(made_of)
    core = lstm_models.CategoricalLstmDecoder() if made_of in DRUMS else lstm_models.GrooveLstmDecoder()
    encoder = lstm_models.HierarchicalLstmEncoder(lstm_models.BidirectionalLstmEncoder, [STEPS_PER_BAR, BARS])
    sizes = HParams(enc_rnn_size=[256], dec_rnn_size=dec_rnn_size, dropout_keep_prob=1.0)
    hparams = merge_hparams(plain.hparams, sizes)
    return plain._replace(model=MusicVAE(encoder, _conducted(core)), hparams=hparams)


def _conducted(core: lstm_models.BaseLstmDecoder) -> lstm_models.HierarchicalLstmDecoder:
    return lstm_models.HierarchicalLstmDecoder(core, level_lengths=[BARS, STEPS_PER_BAR], disable_autoregression=True)


def _config(decoder, converter, **values) -> upstream.Config:
    same = {"batch_size": 512, "max_seq_len": BARS * STEPS_PER_BAR, "max_beta": 0.2, "free_bits": 48}
    hparams = merge_hparams(lstm_models.get_default_hparams(), HParams(**same, **values))
    model = MusicVAE(lstm_models.BidirectionalLstmEncoder(), decoder)
    return upstream.Config(model=model, hparams=hparams, data_converter=converter)
