"""Piano rolls, HTML pages and their templates."""
