"""A run's folder: what is in it, read and written without TensorFlow."""
