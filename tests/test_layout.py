"""Layouts are cut as their definition says, whichever SQL they compile to."""

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.evidence.layout import Layout, LayoutError, cut, literal, read_layout

LAYOUTS = (
    "<a> <b>",
    "<a> <b> <c> <d> <e>",
    "[<a>] <b>: <c>",
    "<a> <+a> <_> <b>",
    '<a> "<b>" <c>',
    "<a>, <b>;",
    "<a> <b> <*rest>",
    "<a>-<b>-<c>-<d>-<*rest>",
    "[<a>;<b>,<c> <d> <e> <f>-<g>:<h>",
    "<a-> <b>",
    "<a> <b-> <c> <d> <c2> <e->",
    "[<a->] <b->: <c>",
    "<a> <b->;",
    "<a-> <b-> <*rest>",
    "<a> <b> <c> <d> <status>s <*rest>",
)
DATABASE = duckdb.connect()


def by_sql(layout: Layout, text: str) -> dict[str, str] | None:
    steps = cut(layout, "text", "_")
    query = "SELECT $text::VARCHAR AS text"
    for level in steps.levels:
        query = f"SELECT *, {', '.join(f'{value} AS {name}' for name, value in level.items())} FROM ({query})"
    fits = " AND ".join(f"coalesce({each}, false)" for each in steps.fits) or "true"
    columns = ", ".join([fits, *steps.values.values()])
    row = DATABASE.execute(f"SELECT {columns} FROM ({query})", {"text": text}).fetchall()[0]
    return dict(zip(steps.values, row[1:], strict=True)) if row[0] else None


def by_definition(layout: Layout, text: str) -> dict[str, str] | None:
    if not text.startswith(layout.start):
        return None
    rest, values = text[len(layout.start) :], {}
    for place, each in enumerate(layout.fields):
        rest = rest.lstrip(" ") if each.padded else rest
        value, found, after = rest.partition(each.until) if each.until else (rest, "", "")
        pairs_follow = layout.fields[place + 1 :][:1] and layout.fields[place + 1].mark == "*"
        last = place == len(layout.fields) - 1
        if (each.until and not found and not pairs_follow) or (last and each.until and after):
            return None
        if each.padded:
            value = value.rstrip(" ")
            after = after.lstrip(" ") if each.until.endswith(" ") and not pairs_follow else after
        if each.mark == "+":
            values[each.name] += each.after + value
        elif each.mark == "*":
            values["*"] = f" {value}" if value or text.endswith(each.after) else ""
        elif each.name != "_":
            values[each.name] = value
        rest = after
    return values


@given(st.sampled_from(LAYOUTS[:-1]), st.text(alphabet='ab  -[]:;",é', max_size=14))
@settings(max_examples=400, deadline=None)
def test_a_layout_is_cut_as_defined(text_of_layout, text):
    layout = read_layout(text_of_layout)
    wanted = by_definition(layout, text)
    got = by_sql(layout, text)
    if got and wanted and "*" in got:
        got["*"], wanted["*"] = got["*"].strip(), wanted["*"].strip()
    assert got == wanted


def test_a_number_with_a_unit_is_cut_from_its_piece():
    layout = read_layout(LAYOUTS[-1])
    assert by_sql(layout, "1 2 3 4 200s x=1 y=2") == {
        **dict(zip("abcd", "1234", strict=True)),
        "status": "200",
        "*": " x=1 y=2",
    }
    assert by_sql(layout, "1 2 3 4 200 x=1") is None


@pytest.mark.parametrize(
    ("layout", "says"),
    [
        ("plain", "has no <field>"),
        ("<a><b>", "nothing separates <a>"),
        ("<a> <b> <a>", "<a> comes twice"),
        ("<*a> <b>", "must be the last"),
        ("<+a> <b>", "<+a> joins nothing"),
        ("<a> <+a->", "<+a-> in .*can be padded"),
    ],
)
def test_a_layout_that_cannot_be_cut_is_refused(layout, says):
    with pytest.raises(LayoutError, match="(?s)" + says.replace("+", r"\+")):
        read_layout(layout)


def test_quotes_in_a_layout_stay_in_their_literal():
    layout = read_layout("'); DROP TABLE x; --<a>' OR '1'='1<b>")
    assert by_sql(layout, "'); DROP TABLE x; --one' OR '1'='1two") == {"a": "one", "b": "two"}


def test_a_literal_with_nul_is_refused():
    with pytest.raises(LayoutError, match="NUL"):
        literal("a\0b")


def test_the_steps_of_a_split_and_of_a_search_behind_it_do_not_share_a_name():
    layout = read_layout("[<a>;<b>,<c> <d> <e> <f>-<g>:<h>")
    steps = cut(layout, "text", "_")
    names = [name for level in steps.levels for name in level]
    assert len(names) == len(set(names))
    assert by_sql(layout, "[1;2,3 4 5 6-7:8") == dict(zip("abcdefgh", "12345678", strict=True))
