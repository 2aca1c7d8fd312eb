"""What a groove is, and where it comes from: files, NoteSequences, drums, the grid. Needs no TensorFlow."""
