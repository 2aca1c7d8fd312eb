"""NoteSequences → tensors on disk → batches."""
