"""Runs that are small enough to train within a test."""

from pipelines import train

TINY_HPARAMS = "batch_size=4,enc_rnn_size=[8],dec_rnn_size=[6,6],z_size=4"


def train_tiny(name, run_dir, records, num_steps, seed=None, hparams=TINY_HPARAMS, precision="fp32", **chosen) -> int:
    """Trains `name` on the TFRecords in `records`, those of the starter set; returns the exit status."""
    run = train.check_run(run_dir, name, hparams, str(records / "train.tfrecord"), None)
    return train.train_run(run, num_steps, seed, precision=precision, **chosen)
