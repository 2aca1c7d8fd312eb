"""MIDI → WAV through FluidSynth."""
