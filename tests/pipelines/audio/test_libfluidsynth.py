"""The library of FluidSynth: its version, its missing functions, and its messages, which are ours to show."""

import ctypes

from absl import logging

from pipelines.audio import libfluidsynth
from tests.sounds import needs_library

pytestmark = needs_library


def test_its_version_has_three_parts():
    major, minor, micro = libfluidsynth.version()
    assert (major, minor, micro) >= (1, 1, 0)


def test_a_function_that_pyfluidsynth_leaves_out_can_be_called():
    get_gain = libfluidsynth.function("fluid_synth_get_gain", ctypes.c_float, ctypes.c_void_p)
    synth = libfluidsynth.library().Synth(0.25)
    assert get_gain(synth.synth) == 0.25
    synth.delete()


def test_what_fluidsynth_says_goes_to_the_log_alone(capfd, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(logging, "vlog", lambda level, message, *values: said.append((level, message % values)))
    synth = libfluidsynth.library().Synth()
    synth.sfload(str(tmp_path / "missing.sf2"))
    synth.delete()
    assert any("missing.sf2" in message for level, message in said if level == 1)
    assert capfd.readouterr() == ("", "")
