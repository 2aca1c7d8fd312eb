"""How well a trained model does: decoding, metrics, results."""
