"""The hparams that this project adds to Magenta's. With their defaults, or without them, a model is Magenta's."""

from __future__ import annotations

from models import objective
from models.magenta import HParams

DEFAULTS = {
    # Data: what `pipelines.examples` makes of the training windows.
    "windows_per_performance": 0,  # So many windows of each performance, drawn anew for each epoch; 0 is all.
    "augment_voices": 0.0,  # The share of windows some of whose drums are another window's.
    "augment_bars": 0.0,  # The share some of whose bars are another window's.
    "augment_same_style": False,  # Whether these are of the same style, as far as styles are known.
    "augment_shift": 0.0,  # The share that begins with another of its bars.
    "augment_swap": 0.0,  # The share in which two drums change places, as closed hi-hat and ride.
    "augment_hide_hits": 0.0,  # The share of hits that the encoder does not see.
    # What the decoder leans on.
    "word_dropout": 0.0,  # The share of last steps that the decoder does not see (arXiv 1511.06349).
    "fraternal_weight": 0.0,  # Of the distance between two decodings with other dropout each (arXiv 1711.00066).
    "auxiliary_weight": 0.0,  # Of a loss that predicts all hits from the latent vector alone, in training.
    "encoder_keep_prob": 0.0,  # What dropout keeps of the encoder's inputs; 0 is `dropout_keep_prob`.
    "decoder_keep_prob": 0.0,  # Likewise of the decoder's.
    # Where training begins. At Magenta's 0.001 a latent vector is hardly heard at first, and the loss stands still.
    "latent_init_stddev": 0.001,  # Of weights from the encoding to z, and from z and embeddings to initial states.
    "sigma_bias": 0.0,  # The first bias of the posterior's standard deviation, before its softplus.
    "input_init_stddev": 0.0,  # Of the weights of hits and tokens into the first layers; 0 is Magenta's, some 0.03.
    # What is minimized, where outputs are grooves.
    "groove_error": "squared",  # Of velocities and offsets; "absolute" asks for their median.
    "groove_silent_weight": 1.0,  # Of these errors where a drum is silent.
    # How weights are updated.
    "weight_decay": 0.0,  # So much of each kernel is taken away a step, times the learning rate (arXiv 1711.05101).
    "warmup_steps": 0,  # The learning rate grows from 0 in so many steps.
    "ema_decay": 0.0,  # What is evaluated are averages of the variables, with this decay a step; 0 is none.
}
_SHARES = {name for name in DEFAULTS if name.startswith("augment_") or name.endswith("_keep_prob")}
_SHARES |= {"word_dropout", "ema_decay"}
_CHOICES = {"groove_error": objective.ERRORS}
_ANY_SIGN = {"sigma_bias"}


def value(hparams: HParams, name: str):
    """Returns one of these hparams; its default where `hparams` does not have it, as with configs of Magenta."""
    return getattr(hparams, name, DEFAULTS[name])


def check(hparams: HParams) -> None:
    """Raises ValueError if one of these hparams is out of its range."""
    for name, accepted in _CHOICES.items():
        if (given := value(hparams, name)) not in accepted:
            raise ValueError(f"{name} is {given!r}; accepted: {', '.join(accepted)}")
    for name in DEFAULTS.keys() - _CHOICES.keys():
        given, is_share = value(hparams, name), name in _SHARES
        if (given < 0 and name not in _ANY_SIGN) or (given > 1 and is_share):
            raise ValueError(f"{name} is {given}; it is at least 0{' and at most 1' if is_share else ''}")


def keep_prob(hparams: HParams, part: str) -> float:
    """Returns what dropout keeps of the inputs of each layer in training; `part` is "encoder" or "decoder"."""
    return value(hparams, f"{part}_keep_prob") or hparams.dropout_keep_prob
