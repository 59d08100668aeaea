"""What notebooks call to show things: every value escaped, secrets masked, control characters visible.

Links, scripts and styles are the page's business. These functions say what a thing is (`class="finding"`); a table's
CSV travels beside its HTML as `text/csv`, and the page makes the link.
"""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from itertools import islice
from typing import Final, Protocol

import pandas as pd
from IPython.display import display
from matplotlib.figure import Figure

from analysis.charts.style import to_svg
from analysis.safe_text import safe

CELL_LIMIT: Final = 120
"""Characters of a cell shown before it is cut; the rest stands in its title, and whole in the CSV."""

TITLE_LIMIT: Final = 2_000
PLACES_SHOWN: Final = 12
PLACES_SHOWN_AGAIN: Final = 4
"""Of a finding that is told again in the summary."""
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""First characters that make a spreadsheet run a cell. Source: OWASP, CSV Injection."""

Place = tuple[str, int]
"""Where a figure comes from: a source's path and a line number, counted from 1."""


class Claim(Protocol):
    """What `show_finding` needs of a finding."""

    @property
    def claim(self) -> str: ...
    @property
    def limits(self) -> str: ...


def show_table(table: pd.DataFrame, caption: str = "", rows: int = 200) -> None:
    """Show a table: its first `rows` rows on the page, all of them as CSV."""
    _send(table_bundle(table, caption, rows))


def show_finding(finding: Claim, places: Iterable[Place] = ()) -> None:
    """Show a finding: its claim, the lines it rests on, and what these cannot show."""
    _send(finding_bundle(finding, list(places)))


def show_again(part: str, findings: Iterable[tuple[Claim, Iterable[Place]]]) -> None:
    """Show findings that another notebook told, briefly, under the name of that part."""
    bundles = [finding_bundle(finding, list(places), PLACES_SHOWN_AGAIN) for finding, places in findings]
    html, plain = ([bundle[kind] for bundle in bundles] for kind in ("text/html", "text/plain"))
    _send(
        {
            "text/html": f'<div class="told"><p class="part">{escape(safe(part))}</p>{"".join(html)}</div>',
            "text/plain": "\n\n".join([safe(part), *plain]),
        }
    )


def show_quote(text: str, place: Place | None = None) -> None:
    """Show a piece of a log as what it is: a stranger's words, set apart from the page's own."""
    source = f"<figcaption>{escape(source_line(place))}</figcaption>" if place else ""
    html = f'<figure class="quote"><blockquote><pre>{escape(safe(text))}</pre></blockquote>{source}</figure>'
    _send({"text/html": html, "text/plain": safe(text)})


def show_sql(sql: str) -> None:
    """Show the SQL that ran. The page colours it by its MIME type (RFC 6922)."""
    text = safe(sql).strip()
    _send({"text/html": f"<pre>{escape(text)}</pre>", "text/plain": text, "application/sql": text})


def show_figure(figure: Figure, alt: str = "", as_png: bool = False) -> None:
    """Show a figure with the sentence that says what is to be seen in it; by default its label, a chart's title.

    as_png: for figures with so many marks (a few thousand) that their SVG is larger than a picture of them.
    """
    text = alt or str(figure.get_label())
    if as_png:
        _send_image("image/png", figure_png(figure), text)
    else:
        show_svg(to_svg(figure), text)


def show_svg(svg: str, alt: str) -> None:
    """Show a picture that was drawn before."""
    _send_image("image/svg+xml", svg, alt)


def _send_image(kind: str, data: str, alt: str) -> None:
    _send({kind: data, "text/plain": safe(alt)}, {kind: {"alt": safe(alt)}})


def _send(bundle: Mapping[str, str], metadata: Mapping[str, Mapping[str, str]] | None = None) -> None:
    display(bundle, metadata=metadata, raw=True)  # type: ignore[no-untyped-call]


def table_bundle(table: pd.DataFrame, caption: str, rows: int) -> dict[str, str]:
    """A table as HTML, as plain text and, whole, as CSV; keys are MIME types."""
    shown = table.head(rows)
    note = f"{rows:,} of {len(table):,} rows; all of them in the CSV" if len(table) > rows else ""
    note = note or ("no rows" if table.empty else "")
    title = " — ".join(part for part in (safe(caption), note) if part)
    plain = shown.head(20).map(cell_text).rename(columns=safe).to_string(index=False)
    return {
        "text/html": table_html(shown, title),
        "text/plain": f"{title}\n{plain}" if title else plain,
        "text/csv": table_csv(table),
    }


def table_html(table: pd.DataFrame, caption: str) -> str:
    """A table as HTML, numbers marked for right alignment."""
    numeric = [pd.api.types.is_numeric_dtype(kind) for kind in table.dtypes]
    head = "".join(
        f'<th scope="col"{_number(right)}>{escape(safe(name))}</th>'
        for name, right in zip(table.columns, numeric, strict=True)
    )
    body = "".join(
        f"<tr>{''.join(_cell(value, right) for value, right in zip(row, numeric, strict=True))}</tr>"
        for row in table.itertuples(index=False, name=None)
    )
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _number(right: bool) -> str:
    return ' class="num"' if right else ""


def _cell(value: object, right: bool) -> str:
    if is_null(value):
        return '<td class="null">NULL</td>'
    text = cell_text(value)
    if len(text) <= CELL_LIMIT:
        return f"<td{_number(right)}>{escape(text)}</td>"
    return f'<td title="{escape(text[:TITLE_LIMIT])}">{escape(text[: CELL_LIMIT - 1])}…</td>'


def is_null(value: object) -> bool:
    """Whether a cell holds no value: None, NaN, NaT or NA, but not an empty list."""
    return value is None or value is pd.NA or value is pd.NaT or value != value  # noqa: PLR0124 - NaN


def cell_text(value: object) -> str:
    """A cell's value as text: four significant digits, but integers whole since most are identifiers."""
    if is_null(value):
        return "NULL"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 and not value.is_integer() else f"{value:.0f}"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ").removesuffix("000")
    return safe(value)


def table_csv(table: pd.DataFrame) -> str:
    """A table as CSV; text that a spreadsheet would run as a formula gets a leading apostrophe."""
    return table.rename(columns=_csv_text).map(_csv_text).to_csv(index=False, lineterminator="\n")


def _csv_text(value: object) -> object:
    if not isinstance(value, str):
        return value if isinstance(value, int | float) or is_null(value) else safe(value)
    return f"'{safe(value)}" if value.startswith(FORMULA) else safe(value)


def finding_bundle(finding: Claim, places: Sequence[Place], shown: int = PLACES_SHOWN) -> dict[str, str]:
    """A finding as HTML, `shown` of its places unfolded, and as plain text; keys are MIME types."""
    claim, limits = safe(finding.claim), safe(finding.limits)
    lines = [source_line(place) for place in places]
    missing = f'<p class="limits"><b>What this cannot show.</b> {escape(limits)}</p>' if limits else ""
    html = f'<div class="finding"><p class="claim">{escape(claim)}</p>{_evidence_html(lines, shown)}{missing}</div>'
    plain = [claim, *lines, *([f"What this cannot show: {limits}"] if limits else [])]
    return {"text/html": html, "text/plain": "\n".join(plain)}


def _evidence_html(lines: Sequence[str], shown: int) -> str:
    items = (f"<li><code>{escape(line)}</code></li>" for line in lines)
    first, rest = "".join(islice(items, shown)), "".join(items)
    more = f"<details><summary>{len(lines) - shown} more</summary><ul>{rest}</ul></details>"
    return (f'<ul class="evidence">{first}</ul>' if first else "") + (more if rest else "")


def source_line(place: Place) -> str:
    """A place as people and editors write it: `app.log:2207`."""
    path, line = place
    return f"{safe(path)}:{line}"


def figure_png(figure: Figure) -> str:
    """A figure as PNG in base64, at twice the size of the page, the same text each time."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=200, metadata={"Software": None})
    return base64.b64encode(buffer.getvalue()).decode("ascii")
