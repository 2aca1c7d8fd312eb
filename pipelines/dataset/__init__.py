"""From folders, zips, TFRecords and TFDS datasets to TFRecords of NoteSequences, with an account of what was kept."""
