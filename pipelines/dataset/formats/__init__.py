"""The formats that grooves come in: MIDI, MusicXML, TFRecords."""
