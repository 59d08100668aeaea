"""Executed notebooks -> one HTML page that loads nothing, runs nothing and is the same bytes each time.

nbconvert turns cells into HTML; what a notebook put out then passes an allow-list of tags (nh3, an HTML5 parser), with
no links, no images and no styles. These come from the page's own templates alone.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from analysis.notebook_file import Notebook, read

# isort: split
import nh3
from bs4 import BeautifulSoup
from bs4.element import NavigableString, Tag
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from nbconvert.exporters import HTMLExporter
from nbconvert.filters import Highlight2HTML
from pygments.token import STANDARD_TYPES  # type: ignore[import-untyped]

from analysis.safe_text import mask_secrets, safe, visible

HERE: Final = Path(__file__).parent

# fmt: off
TAGS: Final = frozenset((
    "b", "blockquote", "br", "caption", "code", "dd", "del", "details", "div", "dl", "dt", "em", "figcaption",
    "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "kbd", "li", "ol", "p", "pre", "s", "small", "span",
    "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul",
))
# fmt: on
ATTRIBUTES: Final[dict[str, set[str]]] = {
    "*": set(),  # else nh3 lets `lang` and `title` pass everywhere
    "td": {"title", "colspan", "rowspan"},
    "th": {"scope", "colspan", "rowspan"},
    "ol": {"start"},
}
CLASSES: Final = {
    "div": {"finding", "told"},
    "figure": {"quote", "listing"},
    "p": {"claim", "limits", "part"},
    "span": {"gutter", "marked", "added", "removed", "hunk", *STANDARD_TYPES.values()} - {""},
    "td": {"num", "null"},
    "th": {"num"},
    "ul": {"evidence"},
}


@dataclass(frozen=True)
class Entry:
    """A line of the table of contents."""

    anchor: str
    title: str


@dataclass(frozen=True)
class Section:
    """A notebook on the page."""

    anchor: str
    title: str
    entries: tuple[Entry, ...]
    html: Markup


def page(notebooks: Sequence[Path], title: str, subtitle: str = "") -> str:
    """One HTML page of executed notebooks, in the order of their file names: `00_summary` stands first."""
    sections = [section(path) for path in sorted(notebooks, key=lambda path: path.name)]
    style = (HERE / "report.css").read_text(encoding="utf-8")
    templates = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return templates.get_template("report.html.j2").render(
        title=safe(title),
        subtitle=safe(subtitle),
        sections=sections,
        style=Markup(style),  # our own file, no value in it
        style_hash="sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
    )


def section(path: Path) -> Section:
    """An executed notebook as a section, named for its file and titled by its first heading."""
    notebook = read(path)
    html, _ = exporter().from_notebook_node(notebook)
    soup = BeautifulSoup(html, "html.parser")
    for text in soup.find_all(string=True):
        text.replace_with(NavigableString(mask_secrets(text)))
    entries = tuple(anchored(soup, path.stem))
    title = soup.find("h2")
    return Section(
        anchor=path.stem,
        title=title.get_text().strip() if title else path.stem,
        entries=entries,
        html=Markup(soup.decode(formatter="minimal")),  # serialised from the tree that clean_html has left
    )


def anchored(soup: BeautifulSoup, prefix: str) -> list[Entry]:
    """Headings one level lower (the page has the first), each with an id; those of the third level are listed."""
    entries = []
    for number, heading in enumerate(soup.find_all(re.compile(r"^h[1-6]$")), 1):
        assert isinstance(heading, Tag)
        heading.name = f"h{min(int(heading.name[1]) + 1, 6)}"
        heading["id"] = f"{prefix}-{number}"
        if heading.name == "h3":
            entries.append(Entry(str(heading["id"]), heading.get_text().strip()))
    return entries


def exporter() -> HTMLExporter:
    """nbconvert's exporter with our template and our filters, and no address to load anything from."""
    return HTMLExporter(  # type: ignore[no-untyped-call]
        template_file=str(HERE / "notebook.html.j2"),
        sanitize_html=True,
        exclude_anchor_links=True,
        require_js_url="",
        mathjax_url="",
        mermaid_js_url="",
        jquery_url="",
        jupyter_widgets_base_url="",
        filters={
            "alt": alt,
            "base64_only": base64_only,
            "clean_html": clean_html,
            "sql_html": Highlight2HTML(pygments_lexer="sql"),  # type: ignore[no-untyped-call]
            "steady": steady,
            "still_svg": still_svg,
        },
    )


def clean_html(html: str) -> Markup:
    """HTML with our tags, attributes and classes only, and with nothing invisible in it."""
    cleaned = nh3.clean(
        html,
        tags=set(TAGS),
        attributes={tag: set(names) for tag, names in ATTRIBUTES.items()},
        allowed_classes=CLASSES,
        clean_content_tags={
            "script",
            "style",
            "iframe",
            "object",
            "template",
            "noscript",
            "title",
            "textarea",
        },
        link_rel=None,
        url_schemes=set(),
    )
    return Markup(visible(cleaned))  # cleaned by an HTML5 parser; escapes are plain ASCII


def steady(text: str) -> str:
    """Plain output that is safe and the same each run: objects' addresses left out."""
    return re.sub(r"\bat 0x[0-9a-f]+", "at 0x…", safe(text))


def still_svg(svg: str) -> str:
    """An SVG's text, safe to show. As an image it can run and load nothing."""
    return safe(svg)


def base64_only(data: str) -> str:
    """Base64 without the newlines that some kernels put into it."""
    return re.sub(r"[^A-Za-z0-9+/=]", "", data)


def alt(output: Notebook, kind: str) -> str:
    """The sentence that stands for a picture."""
    return safe(output.get("metadata", {}).get(kind, {}).get("alt", "")) or "A chart without a description"
