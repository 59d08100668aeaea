from html.parser import HTMLParser

import pandas as pd
import pytest

from analysis import display_code
from tests.hostile import PAYLOADS

CODE = pd.DataFrame(
    [(99, "read", "    job = get(pk)"), (100, "", "    if job.done:"), (101, "act", "        job.save()")],
    columns=["line", "mark", "code"],
)


@pytest.fixture
def sent(monkeypatch):
    bundles = []
    monkeypatch.setattr(display_code, "display", lambda bundle, raw: bundles.append(bundle))
    return bundles


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text = [], ""

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes).get("class")))

    def handle_data(self, data):
        self.text += data


def parsed(html):
    parser = Tags()
    parser.feed(html)
    return parser


def test_only_marked_lines_are_marked(sent):
    display_code.show_code(CODE, "jobs/views.py")
    page = parsed(sent[0]["text/html"])
    assert page.tags.count(("span", "marked")) == 2
    assert "   99 read     job = get(pk)\n  100          if job.done:" in page.text
    assert sent[0]["text/plain"].splitlines()[1] == "   99 read     job = get(pk)"


def test_of_a_patch_the_heads_are_no_changes(sent):
    display_code.show_patch("--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-old\n+new\n same\n")
    page = parsed(sent[0]["text/html"])
    assert [look for _, look in page.tags if look] == ["listing", "hunk", "removed", "added"]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_code_of_a_stranger_is_text(sent, payload):
    display_code.show_code(pd.DataFrame({"line": [1], "mark": ["act"], "code": [payload]}), payload)
    display_code.show_patch(f"+{payload}", payload)
    for bundle in sent:
        assert {tag for tag, _ in parsed(bundle["text/html"]).tags} <= {"figure", "figcaption", "pre", "span"}
        assert not set(bundle["text/plain"]) & set("\x1b\x07\u202e")
