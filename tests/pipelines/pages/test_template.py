"""Templates: what is put into them is escaped, and what is missing is an error."""

from __future__ import annotations

import jinja2
import pytest

from pipelines.pages import template


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(template._TEMPLATES, "loader", jinja2.FileSystemLoader(tmp_path))
    return tmp_path


def test_values_are_escaped_and_numbers_grouped(folder):
    (folder / "a.html").write_text('<p title="{{ text }}">{{ text }}</p>\n{{ count | number }}\n')
    assert template.render("a.html", text="<b> & \"'", count=1234567) == (
        '<p title="&lt;b&gt; &amp; &#34;&#39;">&lt;b&gt; &amp; &#34;&#39;</p>\n1,234,567\n'
    )


def test_a_line_of_a_block_leaves_nothing(folder):
    (folder / "a.html").write_text(
        "{% for name in names %}\n  {% if name %}\n<i>{{ name }}</i>\n  {% endif %}\n{% endfor %}\n"
    )
    assert template.render("a.html", names=["a", "", "b"]) == "<i>a</i>\n<i>b</i>\n"


def test_a_value_that_is_not_given_is_an_error(folder):
    (folder / "a.html").write_text("{{ title }}")
    with pytest.raises(jinja2.UndefinedError, match="'title' is undefined"):
        template.render("a.html")
