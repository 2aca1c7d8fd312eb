"""The bundled starter data set and the script that plays it."""
