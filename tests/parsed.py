"""A page as a parser sees it."""

import re
from collections import Counter
from html.parser import HTMLParser


class Parsed(HTMLParser):
    """What a parser makes of a page: its tags with their attributes, its text, its text outside of quotes."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.text, self.unquoted, self.quotes = [], "", "", 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.quotes += tag == "blockquote"

    def handle_endtag(self, tag):
        self.quotes -= tag == "blockquote"

    def handle_data(self, data):
        self.text += data
        self.unquoted += "" if self.quotes else data

    def shape(self):
        """How often each tag occurs with which attributes, but for the spans that colour SQL."""
        return Counter((tag, *sorted(attrs)) for tag, attrs in self.elements if tag != "span")


def dangers(html):
    """What could run or load something."""
    for tag, attrs in Parsed(html).elements:
        if tag in {
            "script",
            "iframe",
            "object",
            "embed",
            "form",
            "base",
            "link",
            "svg",
            "math",
            "video",
            "input",
        }:
            yield tag
        if tag == "meta" and attrs.get("http-equiv", "").lower() not in {"", "content-security-policy"}:
            yield f"meta {attrs}"
        for name, value in attrs.items():
            if name.startswith("on") or name in {
                "style",
                "srcset",
                "srcdoc",
                "action",
                "formaction",
                "background",
            }:
                yield f"{tag} {name}"
            if name == "src" and not re.match(
                r"data:image/(svg\+xml|png);base64,[A-Za-z0-9+/=]*$", value or ""
            ):
                yield f"{tag} src {value}"
            if name == "href" and not re.match(
                r"(#[\w-]+|data:text/csv;charset=utf-8;base64,[A-Za-z0-9+/=]*)$", value or ""
            ):
                yield f"{tag} href {value}"
