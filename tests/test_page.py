"""Executed notebooks become one page: summary first, code folded, nothing of a single run, nothing from outside."""

import base64
import hashlib
import re
from html import escape

import pytest
from hostile import SECRETS
from parsed import Parsed
from sample_notebooks import notebook

from analysis.notebook_file import Notebook, code_cell, read, written
from analysis.page import HERE, clean_html, page


def executed(folder, name, *outputs):
    """An executed notebook whose one code cell has put out these."""
    path = notebook(
        folder / name,
        "# markdown\n# The error spike\n\nWhy.\n\n## Finding 1: it `rose`\n\n### Detail",
        "1 + 1",
    )
    made = read(path)
    made.cells[1].outputs = [Notebook(output) for output in outputs]
    path.write_bytes(written(made))
    return path


def test_the_summary_stands_first_and_headings_lead_to_their_places(tmp_path):
    html = page([executed(tmp_path, "02_spike.ipynb"), executed(tmp_path, "00_summary.ipynb")], "An incident")
    links = [attrs["href"][1:] for tag, attrs in Parsed(html).elements if tag == "a"][1:5]
    ids = [attrs["id"] for _, attrs in Parsed(html).elements if "id" in attrs]
    assert links == ["00_summary", "00_summary-2", "02_spike", "02_spike-2"]
    assert set(links) <= set(ids)
    assert len(ids) == len(set(ids))


def test_the_page_has_one_first_heading_and_the_notebooks_come_below(tmp_path):
    html = page([executed(tmp_path, "02_spike.ipynb")], "An <incident>")
    assert [tag for tag, _ in Parsed(html).elements if re.match(r"h\d", tag)] == ["h1", "h2", "h3", "h4"]
    assert "<h1>An &lt;incident&gt;</h1>" in html


def test_code_is_folded_and_given_parameters_stay_out(tmp_path):
    path = executed(tmp_path, "02_spike.ipynb")
    made = read(path)
    made.cells.append(code_cell("database = '/secret/place'", "injected-parameters"))
    path.write_bytes(written(made))
    html = page([path], "x")
    assert "/secret/place" not in html
    assert html.count('<details class="code"><summary>Code</summary>') == 1


def test_what_differs_between_runs_is_not_on_the_page(tmp_path):
    def made(number, path):
        stream = {
            "output_type": "stream",
            "name": "stderr",
            "text": f"/tmp/ipykernel_{number}/1.py:3: Warning",
        }
        value = {
            "output_type": "execute_result",
            "execution_count": number,
            "metadata": {},
            "data": {"text/plain": f"<Axes at 0x7f{number:04x}>"},
        }
        return page([executed(path, "02_spike.ipynb", stream, value)], "x")

    assert made(1, tmp_path / "a") == made(2, tmp_path / "b")


@pytest.mark.parametrize(("line", "secret"), SECRETS.items())
def test_a_secret_in_what_a_notebook_shows_by_itself_is_masked(tmp_path, line, secret):
    html = f"<table><tr><td>{escape(line)}</td></tr></table>"
    shown = {"output_type": "display_data", "metadata": {}, "data": {"text/html": html}}
    printed = {"output_type": "stream", "name": "stdout", "text": line}
    assert secret not in page([executed(tmp_path, "x.ipynb", shown, printed)], "x")


def test_a_table_can_be_had_as_csv(tmp_path):
    data = {"text/html": "<table></table>", "text/csv": "a\n1\n"}
    html = page(
        [executed(tmp_path, "x.ipynb", {"output_type": "display_data", "metadata": {}, "data": data})], "x"
    )
    assert '<a download="table.csv" href="data:text/csv;charset=utf-8;base64,YQoxCg==">CSV</a>' in html


def test_the_style_is_the_one_that_the_policy_allows(tmp_path):
    html = page([executed(tmp_path, "x.ipynb")], "x")
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = next(attrs["content"] for tag, attrs in Parsed(html).elements if "http-equiv" in attrs)
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def test_every_value_in_the_notebook_template_passes_a_filter_that_makes_it_safe():
    template = (HERE / "notebook.html.j2").read_text()
    values = re.findall(r"\{\{-?(.*?)-?\}\}", re.sub(r"\{#.*?#\}", "", template, flags=re.DOTALL))
    assert len(values) > 8
    assert [value for value in values if not re.search(r"\| (?:e|clean_html) $", value)] == []


@pytest.mark.parametrize(
    "html",
    [
        "<h2>a</h2><p>b <code>c</code></p>",
        '<table><thead><tr><th scope="col" class="num">n</th></tr></thead></table>',
        '<div class="finding"><p class="claim">x</p></div>',
        "<details><summary>3 more</summary><ul><li>x</li></ul></details>",
        '<pre><span class="k">select</span> 1</pre>',
        "1 &lt; 2 &amp;&amp; x",
    ],
)
def test_what_the_kit_writes_passes_as_it_is(html):
    assert clean_html(html) == html


@pytest.mark.parametrize(
    ("html", "left"),
    [
        ('<p class="claim evil" id="x" style="x">a</p>', '<p class="claim">a</p>'),
        ('<a href="#x">a</a>', "a"),
        ('<img src="data:image/png;base64,AA==">', ""),
        ("<b>&#x202e;&#27;</b>", "<b>\\u202e\\x1b</b>"),
        ("<p title='x'>a", "<p>a</p>"),
    ],
)
def test_what_is_not_allowed_is_dropped_and_its_text_stays(html, left):
    assert clean_html(html) == left
