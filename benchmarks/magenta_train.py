"""Stock Magenta's training, as its command `music_vae_train` runs it, with its steps written down.

    TF_USE_LEGACY_KERAS=1 python -m benchmarks.magenta_train --config=hier-drums_4bar_small --run_dir=/tmp/stock \\
        --examples_path=data/tfrecord/groove-v1.0.0-midionly/train.tfrecord --num_steps=8 --step_log=/tmp/stock.jsonl

The flags are Magenta's own and those of `step_hook`. Its code runs as it is installed; what is added to it:
- its `CONFIG_MAP` gets the configs that this project has under the same names, with Magenta's own classes;
- `Dataset.unbatch` is another one (`unbatch_by_slices`), for its own ends the process on TensorFlow 2.19 to 2.21;
- sessions get `step_hook.StepHook`.
"""

from __future__ import annotations

import tensorflow.compat.v1 as tf
from absl import flags
from magenta.models.music_vae import music_vae_train

from benchmarks import contenders, magenta_configs, step_hook


def unbatch_by_slices(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Does what `unbatch` does, for elements whose tensors may have a dimension of size 0.

    TensorFlow's own dies of a segmentation fault on the empty control sequence, `[n, 64, 0]`
    (tensorflow/tensorflow#108489).
    """
    return dataset.flat_map(lambda *batch: tf.data.Dataset.from_tensor_slices(batch))


def main(_argv: list[str]) -> None:
    args = flags.FLAGS
    contenders.check_config(args.config)
    music_vae_train.configs.CONFIG_MAP[args.config] = magenta_configs.build(args.config, args.all_windows)
    tf.data.Dataset.unbatch = unbatch_by_slices
    step_hook.install()
    music_vae_train.main([])


def define_flags() -> None:
    step_hook.define_flags()
    flags.DEFINE_bool(
        "all_windows", False, "All windows of a performance, not the five that Magenta's converter keeps."
    )


if __name__ == "__main__":
    define_flags()
    tf.disable_v2_behavior()  # As Magenta's own entry point does.
    tf.app.run(main)
