"""What `notebooks/drums.ipynb` calls: the project's commands in cells, with pictures, players, sliders and uploads."""
