"""Pages from the Jinja templates in the folder `templates`; in HTML, whatever is put into them is escaped."""

from __future__ import annotations

import pathlib

import jinja2

FOLDER = pathlib.Path(__file__).parent / "templates"
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(FOLDER),
    autoescape=jinja2.select_autoescape(["html"]),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_TEMPLATES.filters["number"] = "{:,}".format


def load(name: str) -> jinja2.Template:
    """Returns a template, compiled once a process: some 20 ms, and as much again for importing Jinja."""
    return _TEMPLATES.get_template(name)


def render(name: str, /, **values: object) -> str:
    """Returns the page that a template makes of values; the same ones give the same page, byte for byte."""
    return load(name).render(values)
