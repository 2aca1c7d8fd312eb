"""The bundled starter data set and the script that plays it."""

import pipelines as pipelines  # Says how to enter the environment where its packages are missing.
