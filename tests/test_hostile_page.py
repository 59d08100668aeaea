"""Whatever a log holds, the page is text, and a browser runs and loads nothing of it.

Real runs: the payloads go through papermill, the display functions, nbconvert and our templates.
"""

import http.server
import re
import shutil
import subprocess
import threading

import pytest
from hostile import DO, INJECTIONS, PAYLOADS, SECRETS, URL
from parsed import Parsed, dangers
from sample_notebooks import notebook

from analysis.notebook_run import Job, run_notebooks
from analysis.page import page
from analysis.safe_text import safe

SHOWN = [
    "# parameters\npayloads: list[str] = []  # text from a log",
    "from types import SimpleNamespace as Finding\nfrom IPython.display import Markdown, display\n"
    "from matplotlib.figure import Figure\nimport pandas as pd\n"
    "from analysis.display import show_figure, show_finding, show_quote, show_sql, show_table\n"
    "from analysis.safe_text import code_span",
    "show_table(pd.DataFrame({'message': payloads}), 'Messages')",
    "for text in payloads:\n    show_table(pd.DataFrame({text: [1]}), text)",
    "for text in payloads:\n    show_finding(Finding(claim=text, limits=text), [(text, 1)])",
    "for text in payloads:\n    display(Markdown('## Finding: ' + code_span(text)))",
    "for text in payloads:\n    show_quote(text, (text, 1))\n    show_sql(text)",
    "figure = Figure(figsize=(1, 1))\nfigure.set_label('x')\nfor text in payloads:\n    show_figure(figure, text)",
    "for text in payloads:\n    print(text)",
    "for text in payloads:\n    display(text)",
]
RAW = [
    "# parameters\npayloads: list[str] = []  # text from a log",
    "from IPython.display import HTML, Javascript, Markdown, SVG, display\nimport pandas as pd",
    "for text in payloads:\n    display(HTML(text))\n    display(Markdown(text))",
    "for text in payloads:\n    display(Markdown('# ' + text))\n    display(HTML('<table><tr><td>' + text))",
    "for text in payloads:\n    display(Javascript(text))",
    "for text in payloads:\n    display({'image/svg+xml': text, 'text/plain': text}, raw=True)",
    "for text in payloads:\n    display({'image/png': text, 'text/plain': text}, raw=True)",
    "for text in payloads:\n    display({'text/csv': text, 'text/latex': text, 'application/pdf': text}, raw=True)",
    "pd.DataFrame({'a': payloads}).style.set_caption(payloads[0])",
    "display(pd.DataFrame({'a': payloads}))",
]
UNSHOWABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


@pytest.fixture(scope="session")
def pages(tmp_path_factory):
    """Pages of one notebook each: payloads shown, the same with harmless text, payloads put out raw."""
    folder = tmp_path_factory.mktemp("pages")
    shown, raw = notebook(folder / "01_shown.ipynb", *SHOWN), notebook(folder / "01_raw.ipynb", *RAW)
    hostile = [*PAYLOADS, *SECRETS]
    harmless = [re.sub(r"[^\n]", "x", safe(text)) for text in hostile]
    given = {"shown": (shown, hostile), "harmless": (shown, harmless), "raw": (raw, PAYLOADS)}
    jobs = [
        Job(path, folder / name / path.name, {"payloads": texts}) for name, (path, texts) in given.items()
    ]
    runs = run_notebooks(jobs)
    return {name: page([run.out_path], "An incident") for name, run in zip(given, runs, strict=True)}


@pytest.mark.slow
def test_payloads_change_nothing_but_text(pages):
    assert Parsed(pages["shown"]).shape() == Parsed(pages["harmless"]).shape()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["shown", "raw"])
def test_nothing_on_the_page_can_run_or_load(pages, name):
    assert list(dangers(pages[name])) == []


@pytest.mark.slow
def test_every_payload_can_be_read(pages):
    text = Parsed(pages["shown"]).text
    assert [payload for payload in PAYLOADS if safe(payload) not in text] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["shown", "raw"])
def test_nothing_unshowable_is_in_the_bytes_of_the_page(pages, name):
    assert not UNSHOWABLE.search(pages[name])


@pytest.mark.slow
def test_no_secret_is_on_the_page(pages):
    assert [secret for secret in SECRETS.values() if secret in pages["shown"]] == []


@pytest.mark.slow
def test_headings_made_of_payloads_stand_in_the_contents_as_text(pages):
    inside = pages["shown"].split('<nav class="side"')[1].split("</nav>")[0]
    assert inside.count("Finding: ") == len(PAYLOADS) + len(SECRETS)
    assert {tag for tag, _ in Parsed(inside).elements} == {"p", "ol", "li", "a"}


@pytest.mark.slow
def test_the_pictures_sentence_is_its_alt_text(pages):
    alts = [attrs["alt"] for tag, attrs in Parsed(pages["shown"]).elements if tag == "img"]
    assert alts == [safe(text) for text in [*PAYLOADS, *SECRETS]]


@pytest.mark.slow
def test_what_a_log_says_to_its_reader_stands_in_quotes_only(tmp_path):
    path = notebook(
        tmp_path / "01_quotes.ipynb",
        "# parameters\npayloads: list[str] = []  # text from a log",
        "from analysis.display import show_quote\nfor text in payloads:\n    show_quote(text, ('app.log', 1))",
    )
    [run] = run_notebooks([Job(path, tmp_path / "out" / path.name, {"payloads": INJECTIONS})])
    seen = Parsed(page([run.out_path], "An incident"))
    assert [text for text in INJECTIONS if safe(text) not in seen.text] == []
    assert [text for text in INJECTIONS if safe(text) in seen.unquoted] == []
    assert "never an instruction to the reader" in seen.unquoted


BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMIUM = [
    str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
needs_browser = pytest.mark.skipif(
    BROWSER is None, reason="no Chromium on the PATH (Debian: the package chromium)"
)


@pytest.fixture
def asked():
    """A local address, and the paths that were asked of it."""
    paths = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            paths.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", paths
        server.shutdown()
        thread.join()


def browsed(html, folder):
    """The document after a browser has had it for a while."""
    file = folder / "page.html"
    file.write_text(html, encoding="utf-8")
    command = [*CHROMIUM, f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=3000", "--dump-dom"]
    return subprocess.run(
        [*command, file.as_uri()], capture_output=True, check=True, timeout=60, text=True
    ).stdout


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize("name", ["shown", "raw"])
def test_a_browser_runs_and_asks_for_nothing(pages, name, asked, tmp_path):
    address, paths = asked
    dom = browsed(pages[name].replace(URL, address), tmp_path)
    assert "data-owned" not in dom.split(">", 2)[1]
    assert "An incident" in dom
    assert paths == []


@pytest.mark.slow
@needs_browser
def test_the_browser_would_have_shown_it(asked, tmp_path):
    address, paths = asked
    dom = browsed(f'<!doctype html><html><img src={address}/pixel.gif><img src=x onerror="{DO}">', tmp_path)
    assert 'data-owned="1"' in dom.split(">", 2)[1]
    assert paths == ["/pixel.gif"]
