"""What every room writes with: atomic files, progress, worker processes."""
