"""What `--input` takes: each kind of input becomes a list of sources."""
