"""Stock Magenta's generation, as its command `music_vae_generate` runs it.

    TF_USE_LEGACY_KERAS=1 python -m benchmarks.magenta_generate --config=hier-drums_4bar_groove_hikl \\
        --checkpoint_file=pretrained/hier-drums/hier-drums.tar --num_outputs=5 --output_dir=/tmp/stock

The flags are Magenta's own. Its code runs as it is installed; its `CONFIG_MAP` gets the config that this project has
under that name, with Magenta's own classes.
"""

from __future__ import annotations

import tensorflow.compat.v1 as tf
from absl import flags
from magenta.models.music_vae import music_vae_generate

from benchmarks import contenders, magenta_configs


def main(_argv: list[str]) -> None:
    name = flags.FLAGS.config
    contenders.check_config(name, contenders.GENERATING_CONFIGS)
    music_vae_generate.configs.CONFIG_MAP[name] = magenta_configs.build(name)
    music_vae_generate.main([])


if __name__ == "__main__":
    tf.disable_v2_behavior()  # As Magenta's own entry point does.
    tf.app.run(main)
