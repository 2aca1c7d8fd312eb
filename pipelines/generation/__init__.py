"""Drums out of a trained model: its inputs, its modes, its outputs."""
