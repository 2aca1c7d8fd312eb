"""A command of `pipelines.generate` for models that only TensorFlow computes here: `sample` and `interpolate`."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from models.inference import TrainedModel
from pipelines.generation import manifest, outputs, sequences, tensorflow_inputs, tensorflow_models
from pipelines.runs import pretrained, resolution, trained

if TYPE_CHECKING:
    from pipelines.generation.command import Request

MODES = ("sample", "interpolate")


def make(request: Request, check: Callable[[str], None]) -> tuple[dict[str, object], int]:
    """Does what `command.run` does, and returns what the manifest says, and the exit status.

    Args:
        request: What is asked for.
        check: Raises an error where the model's checkpoint, which it is given, is not the one that is asked for.

    Raises:
        ValueError: the mode needs a model of drums whose layers are known, or an input cannot be used.
    """
    name = request.flags["mode"]
    run_dir = pretrained.choose(request.run_dir, request.checkpoint_file, request.pretrained)
    config_name, config, checkpoint = resolution.resolve_model(
        run_dir, request.checkpoint_file, request.config, request.hparams
    )
    if name not in MODES:
        raise ValueError(f"--mode={name} plays four-four drums; {config_name} is for {' and '.join(MODES)} alone")
    mixture = trained.latents_of(checkpoint, config.hparams.z_size, request.latents) if name == "sample" else None
    check(checkpoint)
    paths = [pathlib.Path(path) for path in (request.input_midi_1, request.input_midi_2) if name == "interpolate"]
    inputs = manifest.describe_inputs(path.expanduser() for path in paths)
    ends = [tensorflow_inputs.read_example(config, str(path), request.start_bar) for path in paths]
    temperature = max(request.temperature, 1e-3)  # Magenta's decoders divide by it.
    batch_size = min(request.max_batch_size, request.num_outputs)
    model = TrainedModel(config, checkpoint, batch_size, request.seed, mixture)
    print(f"config      {config_name}\ncheckpoint  {checkpoint}")
    if name == "interpolate":
        made = tensorflow_models.interpolate(model, *ends, request.num_outputs, temperature)
    else:
        made = tensorflow_models.sample(model, request.num_outputs, temperature)
    with outputs.stamped(request.output_dir, request.stamp) as stamp:
        written = sequences.write_midi(made, request.output_dir, f"{config_name}_{name}_{stamp}")
    for path, sequence in zip(written, made, strict=True):
        print(f"{path}  {len(sequence.notes)} notes")
    described = {
        "mode": name,
        **manifest.describe(config_name, checkpoint),
        "seed": request.seed,
        "temperature": temperature,
        "stamp": stamp,
        "flags": request.kept_flags,
        "inputs": inputs,
        "outputs": [{"midi": path.name, "sha256": trained.file_checksum(path), "label": path.stem} for path in written],
        "versions": manifest.versions(),
        "created": time.strftime("%Y-%m-%dT%H:%M:%S"),
    }
    return described, 0
