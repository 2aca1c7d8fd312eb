"""Drums as notes on paper: from a MIDI file to sheet music."""
