"""Ours beside stock Magenta, in one run."""

import pipelines as pipelines  # Says how to enter the environment where its packages are missing.
