"""What notebooks call to show code: lines with their numbers and marks, and patches. Every character is escaped."""

from collections.abc import Iterable
from html import escape
from typing import Final

import pandas as pd
from IPython.display import display

from analysis.safe_text import safe

MOST_LINES: Final = 400
LOOKS: Final = {"+": "added", "-": "removed", "@": "hunk"}


def show_code(code: pd.DataFrame, caption: str = "") -> None:
    """Show lines of code.

    In:  line (its number), mark (what it is to the finding, "" for nothing), code
    """
    rows = code.head(MOST_LINES).to_dict("records")
    width = max((len(str(row["mark"])) for row in rows), default=0)
    html = [marked_line(int(row["line"]), str(row["mark"]), str(row["code"]), width) for row in rows]
    plain = [f"{row['line']:>5} {row['mark']!s:{width}} {safe(row['code'])}" for row in rows]
    if len(code) > MOST_LINES:
        html.append(escape(f"… {len(code) - MOST_LINES} lines more"))
    listing(html, plain, caption)


def marked_line(number: int, mark: str, text: str, width: int) -> str:
    """One line as HTML: its number, its mark, itself."""
    gutter = f'<span class="gutter">{number:>5} {escape(safe(mark)):{width}} </span>'
    shown = safe(text)
    indent = shown[: len(shown) - len(shown.lstrip())]
    body = escape(shown.lstrip())
    return f'{gutter}{indent}<span class="marked">{body}</span>' if mark else f"{gutter}{indent}{body}"


def show_patch(patch: str, caption: str = "") -> None:
    """Show a patch: what it adds and what it takes away in colours, and with the signs that a patch has."""
    lines = [safe(line) for line in patch.split("\n")[:MOST_LINES]]
    listing([patch_line(line) for line in lines], lines, caption)


def patch_line(line: str) -> str:
    """One line of a patch as HTML; the heads of files are no changes."""
    look = "" if line.startswith(("+++", "---")) else LOOKS.get(line[:1], "")
    return f'<span class="{look}">{escape(line)}</span>' if look else escape(line)


def listing(html: Iterable[str], plain: Iterable[str], caption: str) -> None:
    """Send lines as one figure."""
    title = f"<figcaption>{escape(safe(caption))}</figcaption>" if caption else ""
    body = "\n".join(html)
    text = "\n".join([safe(caption), *plain] if caption else plain)
    bundle = {
        "text/html": f'<figure class="listing">{title}<pre>{body}</pre></figure>',
        "text/plain": text,
    }
    display(bundle, raw=True)  # type: ignore[no-untyped-call]
