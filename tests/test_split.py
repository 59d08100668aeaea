"""The splitter against a slow, obviously right one, and the shapes of logs that such a comparison may not reach."""

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field

import duckdb
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analysis.evidence.split import (
    RECORDS,
    BadHead,
    Batch,
    EveryLine,
    Head,
    LongLine,
    Mask,
    Pattern,
    Quoted,
    split,
)

STAMP = Mask(("dd:dd",))


@dataclass
class Row:
    """A record, or neighbouring quarantined lines."""

    line_no: int
    byte_start: int
    lines: list[bytes]

    @property
    def raw(self) -> bytes:
        return b"".join(self.lines)

    @property
    def place(self) -> tuple[int, int, int, int]:
        return self.line_no, len(self.lines), self.byte_start, self.byte_start + len(self.raw)


@dataclass
class Slowly:
    """Line by line: what `split` has to find."""

    records: list[Row] = field(default_factory=list)
    quarantine: list[Row] = field(default_factory=list)
    blank: list[bytes] = field(default_factory=list)

    def split(self, content: bytes, is_head: Callable[[bytes, bytes], bool], fold: bool) -> "Slowly":
        between: list[bytes] = []  # blank lines that may yet turn out to lie inside a record
        at = 0
        may_grow: Row | None = None
        for number, line in enumerate(re.findall(rb"[^\n]*\n|[^\n]+", content), 1):
            row = Row(number, at, [line])
            if line in (b"\n", b"\r\n"):
                between.append(line)
                may_grow = may_grow if fold and self.records else None
            elif is_head(content[:at], line):
                self.blank += between
                between = []
                self.records.append(row)
                may_grow = row if fold else None
            elif may_grow:
                may_grow.lines += [*between, line]
                between = []
            else:
                self.blank += between
                between = []
                self.quarantine.append(row)
                may_grow = row
            at += len(line)
        self.blank += between
        return self

    @property
    def counts(self) -> dict[str, int]:
        rows = [*self.records, *self.quarantine]
        heads = [row.lines[0] for row in self.records]
        folded = [line for row in self.records for line in row.lines[1:]]
        astray = [line for row in self.quarantine for line in row.lines]
        return {
            "bytes": sum(len(row.raw) for row in rows) + len(b"".join(self.blank)),
            "lines": sum(len(row.lines) for row in rows) + len(self.blank),
            "records": len(heads),
            "record_bytes": len(b"".join(heads)),
            "continuation_lines": len(folded),
            "continuation_bytes": len(b"".join(folded)),
            "blank_lines": len(self.blank),
            "blank_bytes": len(b"".join(self.blank)),
            "quarantined": len(astray),
            "quarantined_bytes": len(b"".join(astray)),
        }


def content_of(line: bytes) -> bytes:
    return line[:-2] if line.endswith(b"\r\n") else line.removesuffix(b"\n")


def matches(regex: bytes, reach: int | None = None) -> Callable[[bytes, bytes], bool]:
    return lambda _, line: bool(re.match(regex, content_of(line)[:reach], re.DOTALL))


HEADS: list[tuple[Head, Callable[[bytes, bytes], bool]]] = [
    (EveryLine(), lambda before, line: True),
    (Mask(("d",)), matches(rb"[0-9]")),
    (Mask(("dd:dd", '"a')), matches(rb'[0-9]{2}:[0-9]{2}|"[A-Za-z]')),
    (Mask(("dd:ddTdd:dd", "[a")), matches(rb"[0-9]{2}:[0-9]{2}T[0-9]{2}:[0-9]{2}|\[[A-Za-z]")),
    (Pattern(r"\d+[:a]"), matches(rb"[0-9]+[:a]")),
    (Pattern(r"[^ ]*1$|2", reach=3), matches(rb"[^ ]*1$|2", 3)),
    (Pattern(r"(?s)..\r?$", reach=4), matches(rb"..\r?$", 4)),
    (Quoted(), lambda before, line: before.count(b'"') % 2 == 0),
    (LongLine(3), lambda before, line: len(line) >= 3),
    (LongLine(4, b"1\xc3"), lambda before, line: len(line) >= 4 and line[0] in b"1\xc3"),
]

TOKENS = [
    *(bytes((byte,)) for byte in b'\n\n\n\n\r"" 12a[:\0\t\x0b\xc3\x80'),
    b"\r\n",
    b"12:34",
    b"12:34T56:78",
]
TOKENS += [
    b"\n12:34",
    b"\n\n",
    b'"a',
    "é€😀".encode(),
    b"\xf0\x9f",
    "\u2028".encode(),
    b"x" * 13,
    b"[z",
    b"[Z",
]
contents = st.lists(st.sampled_from(TOKENS), max_size=40).map(b"".join)


def batches(
    content: bytes, head: Head = STAMP, fold: bool = True, chunk: int = 1 << 24, cap: int = 1 << 20
) -> Iterator[Batch]:
    return split(io.BytesIO(content), head, fold, chunk, cap)


def rows(found: list[Batch], table: str) -> list[dict[str, object]]:
    return [row for batch in found for row in getattr(batch, table).to_pylist()]


def places(found: list[Batch], table: str) -> list[tuple[int, int, int, int]]:
    names = ("line_no", "line_count", "byte_start", "byte_end")
    return [tuple(row[name] for name in names) for row in rows(found, table)]  # type: ignore[misc]


def texts(content: bytes, **options) -> list[str]:
    return [str(row["text"]) for row in rows(list(batches(content, **options)), "records")]


def assert_text(row: dict[str, object], raw: bytes, cap: int) -> None:
    """Clean text stands as it is; else the first `cap` bytes with escapes, a cut character left out."""
    text, damaged = row["text"], row["damaged"]
    try:
        clean = raw.decode() if b"\0" not in raw else None
    except UnicodeDecodeError:
        clean = None
    assert damaged == (clean is None or len(raw) > cap)
    cuts = range(4) if len(raw) > cap else range(1)
    escaped = [
        raw[: max(cap - cut, 0)].decode(errors="backslashreplace").replace("\0", "\\x00") for cut in cuts
    ]
    assert text in escaped


@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("number", range(len(HEADS)))
@settings(max_examples=60, deadline=None)
@given(content=contents, chunk=st.integers(1, 40), cap=st.sampled_from([0, 1, 2, 5, 13, 1 << 20]))
@example(content=b"\n12:34 a\r\n\r\n b\n\n12:34\r\n\r\n", chunk=3, cap=1 << 20)
@example(content=b'1,"a\n\nb"\r\n2,""""\n', chunk=1, cap=5)
def test_it_finds_what_a_slow_splitter_finds(content, chunk, cap, number, fold):
    head, is_head = HEADS[number]
    expected = Slowly().split(content, is_head, fold)
    found = list(batches(content, head, fold, chunk, cap))
    assert places(found, "records") == [row.place for row in expected.records]
    assert places(found, "quarantine") == [row.place for row in expected.quarantine]
    assert asdict(found[-1].counts) == expected.counts
    for batch in found:
        batch.records.validate(full=True)
    for row, slow in zip(rows(found, "records"), expected.records, strict=True):
        assert_text(row, content_of(slow.raw), cap)


@settings(max_examples=80, deadline=None)
@given(
    content=contents,
    chunk=st.integers(1, 40),
    fold=st.booleans(),
    head=st.sampled_from([h for h, _ in HEADS]),
)
def test_slices_rebuild_the_input_and_only_blank_lines_lie_between_them(content, chunk, fold, head):
    found = list(batches(content, head, fold, chunk))
    spans = sorted(place[2:] for table in ("records", "quarantine") for place in places(found, table))
    rebuilt, at = b"", 0
    for start, end in [*spans, (len(content), len(content))]:
        assert re.fullmatch(rb"(\r?\n)*", content[at:start])
        rebuilt, at = rebuilt + content[at:start] + content[start:end], end
    assert rebuilt == content


@settings(max_examples=60, deadline=None)
@given(content=contents, lines=st.integers(1, 5), fold=st.booleans(), head=st.sampled_from(HEADS))
def test_batches_of_few_lines_give_the_same_as_large_ones(content, lines, fold, head):
    expected = list(batches(content, head[0], fold))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("analysis.evidence.split.MOST_LINES", lines)
        found = list(batches(content, head[0], fold))
    assert rows(found, "records") == rows(expected, "records")
    assert rows(found, "quarantine") == rows(expected, "quarantine")
    assert found[-1].counts == expected[-1].counts


@settings(max_examples=60, deadline=None)
@given(content=contents, chunk=st.integers(1, 40), fold=st.booleans())
def test_the_counts_of_every_batch_add_up(content, chunk, fold):
    for batch in batches(content, Mask(("d",)), fold, chunk):
        n = batch.counts
        assert n.bytes == n.record_bytes + n.continuation_bytes + n.blank_bytes + n.quarantined_bytes
        assert n.lines == n.records + n.continuation_lines + n.blank_lines + n.quarantined
        assert n.blank_lines <= n.blank_bytes <= 2 * n.blank_lines
        assert content[: n.bytes].count(b"\n") in (n.lines, n.lines - 1)
    assert n.bytes == len(content)
    assert n.lines == content.count(b"\n") + (content[-1:] not in (b"", b"\n"))


def test_a_traceback_is_folded_into_its_record():
    log = b"12:00 boom\nTraceback:\n  File x\n\nValueError: y\n12:01 next\n"
    assert texts(log) == ["12:00 boom\nTraceback:\n  File x\n\nValueError: y", "12:01 next"]


def test_a_blank_line_before_the_next_record_belongs_to_none():
    (batch,) = batches(b"12:00 a\n\n\r\n12:01 b\n")
    assert places([batch], "records") == [(1, 1, 0, 8), (4, 1, 11, 19)]
    assert (batch.counts.blank_lines, batch.counts.blank_bytes) == (2, 3)


def test_a_line_of_blanks_is_not_a_blank_line():
    assert texts(b"12:00 a\n  \n12:01 b\n") == ["12:00 a\n  ", "12:01 b"]


def test_lines_before_the_first_record_are_one_quarantined_stretch():
    (batch,) = batches(b"# a\n# b\n12:00 a\n")
    (row,) = batch.quarantine.to_pylist()
    assert row == {
        "line_no": 1,
        "line_count": 2,
        "byte_start": 0,
        "byte_end": 8,
        "reason": "no record starts before this line",
    }


def test_without_folding_a_continuation_is_quarantined_with_the_reason():
    (batch,) = batches(b"12:00 a\n  b\n", fold=False)
    assert places([batch], "records") == [(1, 1, 0, 8)]
    assert "does not start a record" in batch.quarantine.to_pylist()[0]["reason"]


@pytest.mark.parametrize("terminator", ["\r", "\v", "\f", "\u2028", "\x85"])
def test_only_lf_ends_a_line(terminator):
    assert texts(f"12:00 a{terminator}12:01 b\n".encode()) == [f"12:00 a{terminator}12:01 b"]


def test_a_newline_inside_quotes_does_not_end_a_row_but_one_between_doubled_quotes_does():
    assert texts(b'1,"a\nb"\n2,"c"""\n3\n', head=Quoted()) == ['1,"a\nb"', '2,"c"""', "3"]


@pytest.mark.parametrize("line", [b"12-34 a", b"1:234 a", b" 12:34", b"12:3", "1２:34".encode(), b"\xb12:34"])
def test_a_line_that_only_resembles_the_mask_starts_no_record(line):
    assert texts(line + b"\n4 12:00\n") == []


def test_a_mask_does_not_look_past_the_end_of_its_line():
    assert texts(b"12\n:34\n", head=Mask(("dd:dd", "dd d"))) == []


def test_a_line_of_a_hundred_chunks_keeps_its_offsets_and_the_beginning_of_its_text():
    log = b"12:00 " + b"x" * 100_000 + b"\n12:01 b\n"
    first, second = rows(list(batches(log, chunk=1000, cap=500)), "records")
    assert (first["text"], first["damaged"], first["byte_end"]) == ("12:00 " + "x" * 494, True, 100_007)
    assert (second["text"], second["damaged"], second["line_no"]) == ("12:01 b", False, 2)


def test_a_record_of_very_many_lines_is_held_only_as_far_as_its_text_goes():
    log = b"12:00 a\n" + b" b\n" * 100_000
    (record,) = rows(list(batches(log, chunk=1000, cap=500)), "records")
    assert (record["line_count"], record["byte_end"], len(record["text"])) == (100_001, len(log), 500)


def test_a_chunk_of_very_short_lines_is_worked_through_in_several_batches():
    found = list(batches(b"a\n" * 600_000, head=EveryLine()))
    assert [batch.records.num_rows for batch in found] == [
        262_143,
        262_144,
        75_713,
    ]  # the last one of a batch may go on


def test_a_record_of_exactly_the_cap_is_not_damaged():
    for log in (b"12:00 abc\r\n12:01\n", b"12:00 abc\n", b"12:00 abc"):
        for chunk in (1, 3, 1 << 20):
            assert not rows(list(batches(log, chunk=chunk, cap=9)), "records")[0]["damaged"]


def test_a_newline_where_the_cap_cuts_does_not_hide_that_more_follows():
    (record,) = rows(list(batches(b"12:00 a\r\n b c\n", cap=7)), "records")
    assert (record["text"], record["damaged"]) == ("12:00 a", True)


def test_a_capped_text_does_not_end_in_half_a_character():
    assert texts("12:00 é\n".encode(), cap=7) == ["12:00 "]


def test_bad_bytes_are_escaped_in_their_record_only():
    log = b"12:00 \xff\xc3\xa9\n12:01 \xc3\xa9\n12:02 \0\n12:03 \xed\xa0\x80\n"
    found = rows(list(batches(log)), "records")
    assert [row["text"] for row in found] == [
        "12:00 \\xffé",
        "12:01 é",
        "12:02 \\x00",
        "12:03 \\xed\\xa0\\x80",
    ]
    assert [row["damaged"] for row in found] == [True, False, True, True]


def test_clean_text_is_not_copied():
    log = b"12:00 " + "é".encode() * 1000 + b"\n"
    (batch,) = batches(log * 100 + b"12:01\n")
    _, _, chunk, copies = batch.records.column("text").buffers()
    assert (chunk.size, copies.size) == (len(log) * 100 + 6, 5)  # the last record waited for the end


def test_nothing_in_gives_nothing_and_one_whole_account():
    (batch,) = batches(b"")
    assert (batch.records.num_rows, batch.quarantine.num_rows, batch.counts.bytes) == (0, 0, 0)


def test_duckdb_reads_the_batches_as_a_stream():
    log = b"12:00 a\n" * 5000 + b"12:01 " + "é".encode() * 5000 + b"\n12:02 \xff\n"
    stream = (batch.records for batch in batches(log, chunk=997))
    connection = duckdb.connect()
    connection.register("found", pa.RecordBatchReader.from_batches(RECORDS, stream))
    got = connection.execute(
        "SELECT count(*), sum(byte_end - byte_start), max(strlen(text)), count_if(damaged), max(text) FROM found"
    ).fetchone()
    assert got == (5002, len(log), 10_006, 1, "12:02 \\xff")


@pytest.mark.parametrize("masks", [(), ("",), ("dd", ""), ("é",), ("dd\n",)])
def test_a_mask_that_can_not_be_meant_is_refused(masks):
    with pytest.raises(BadHead, match="printable ASCII"):
        Mask(masks)


@pytest.mark.parametrize("regex", ["(", r"(?=a)", r"(a)\1"])
def test_a_regex_that_re2_does_not_take_is_refused(regex):
    with pytest.raises(BadHead, match="RE2"):
        Pattern(regex)


CUT = "the writer was still at it"


def cut_batches(content: bytes, chunk: int = 1 << 20, **options) -> list[Batch]:
    return list(split(io.BytesIO(content), STAMP, True, chunk, cut=lambda: CUT, **options))


def test_a_cut_last_line_is_quarantined_alone_with_its_reason():
    found = cut_batches(b"12:00 a\n b\n\n12:0")
    assert places(found, "records") == [(1, 2, 0, 11)]
    assert [
        (row["line_no"], row["byte_start"], row["byte_end"], row["reason"])
        for row in rows(found, "quarantine")
    ] == [(4, 12, 16, CUT)]
    n = found[-1].counts
    assert (n.lines, n.records, n.continuation_lines, n.blank_lines, n.quarantined) == (4, 1, 1, 1, 1)


def test_a_cut_continuation_leaves_its_record_whole():
    found = cut_batches(b"12:00 a\n  File x\n  Fi")
    assert places(found, "records") == [(1, 2, 0, 17)]
    assert [row["text"] for row in rows(found, "records")] == ["12:00 a\n  File x"]


def test_a_cut_line_behind_stray_ones_keeps_its_own_reason():
    found = cut_batches(b"# a\n# b\n# c")
    assert [(row["line_count"], row["reason"] == CUT) for row in rows(found, "quarantine")] == [
        (2, False),
        (1, True),
    ]


def test_a_last_line_with_its_newline_is_not_cut():
    assert rows(cut_batches(b"12:00 a\n12:01 b\n"), "quarantine") == []
    assert rows(list(batches(b"12:00 a\n12:01 b")), "quarantine") == []


def test_a_cut_line_longer_than_a_block_is_a_capped_record():
    (record,) = rows(cut_batches(b"12:00 " + b"x" * 5000, chunk=100, text_cap=50), "records")
    assert (record["damaged"], len(record["text"]), record["byte_end"]) == (True, 50, 5006)


@settings(max_examples=80, deadline=None)
@given(content=contents, fold=st.booleans(), number=st.integers(0, len(HEADS) - 1))
def test_a_cut_line_changes_nothing_before_it(content, fold, number):
    head = HEADS[number][0]
    whole, _, last = content.rpartition(b"\n")
    before = whole + b"\n" * (len(content) > len(last))
    found = list(split(io.BytesIO(content), head, fold, cut=lambda: CUT))
    plain = list(batches(before, head, fold))
    assert places(found, "records") == places(plain, "records")
    cut = [(len(before), len(content))] if last else []
    assert [
        (row["byte_start"], row["byte_end"]) for row in rows(found, "quarantine") if row["reason"] == CUT
    ] == cut


@pytest.mark.parametrize("chunk", [1, 2, 3, 4, 1 << 20])
def test_a_byte_order_mark_hides_no_line_and_is_accounted_for(chunk):
    found = list(batches(b"\xef\xbb\xbf12:00 a\n12:01 b\n", chunk=chunk))
    assert places(found, "records") == [(1, 1, 3, 11), (2, 1, 11, 19)]
    assert (found[-1].counts.blank_bytes, found[-1].counts.blank_lines, found[-1].counts.bytes) == (3, 0, 19)


@pytest.mark.parametrize("start", [b"\xef\xbb12:00", b"\xbb\xbf12:00", b" \xef\xbb\xbf12:00"])
def test_what_is_no_byte_order_mark_stays_in_its_line(start):
    assert places(list(batches(start + b"\n")), "records") == []


def test_a_byte_order_mark_alone_is_no_line():
    (batch,) = batches(b"\xef\xbb\xbf")
    assert (batch.counts.bytes, batch.counts.blank_bytes, batch.counts.lines) == (3, 3, 0)
