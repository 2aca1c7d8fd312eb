"""An evaluation as a page: its figures, and originals beside their reconstructions to see and hear."""
