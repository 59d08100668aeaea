"""Faults of reading: what stands in the file."""

import io
import json
import random

from analysis.evidence.formats import shipped
from analysis.evidence.split import split
from tests.test_split import HEADS, TOKENS, Slowly, assert_text, content_of, places, rows
from tests.torture.accounted import assert_whole, count, loaded, reasons
from tests.torture.trials import Trial

FORMATS = ("render_export", "json_lines", "csv_export", "gunicorn_access", "postgresql_csvlog")
HEADER = b"timestamp,level,message,job_id\n"


def text_lines(chance: random.Random, number: int) -> list[str]:
    """Lines of an application's log, some with a traceback under them."""
    lines = []
    for i in range(number):
        stamp = f"2026-03-11T15:{i // 60000 % 60:02}:{i // 1000 % 60:02}.{i % 1000:03}Z"
        lines.append(
            f"{stamp} INFO gunicorn.access GET /api/jobs/{chance.randrange(10**6)} 200 18ms user=ana"
        )
        if chance.random() < 0.02:
            lines += [
                "Traceback (most recent call last):",
                '  File "/a.py", line 1, in f',
                "",
                "ValueError: é",
            ]
    return lines


def json_line(i: int, **more: object) -> bytes:
    stamp = f"2026-03-11T15:47:{i // 1000 % 60:02}.{i % 1000:03}Z"
    return json.dumps({"ts": stamp, "level": "INFO", "message": f"line {i}"} | more).encode() + b"\n"


def any_splitting(number: int) -> None:
    """Hostile bytes in blocks of a few bytes, with every kind of head, against the slow splitter of test_split."""
    chance = random.Random(number)
    head, is_head = HEADS[number % len(HEADS)]
    weights = [chance.random() for _ in TOKENS]
    for _ in range(20):
        content = b"".join(chance.choices(TOKENS, weights, k=chance.randrange(60)))
        fold, cap = chance.random() < 0.5, chance.choice((0, 1, 2, 5, 13, 1 << 20))
        expected = Slowly().split(content, is_head, fold)
        found = list(split(io.BytesIO(content), head, fold, chance.randrange(1, 40), cap))
        assert places(found, "records") == [row.place for row in expected.records]
        assert places(found, "quarantine") == [row.place for row in expected.quarantine]
        assert vars(found[-1].counts) == expected.counts
        for row, slow in zip(rows(found, "records"), expected.records, strict=True):
            assert_text(row, content_of(slow.raw), cap)


def line_ends(number: int) -> None:
    """CR LF, CR, mixed, none at the end, and what only looks like a line's end."""
    chance = random.Random(number)
    ends = ["\n", "\r\n", "\r", "\v", "\f", "\u2028", "\u2029", "\x85", "\0", "\n\n", "\r\r\n", "\n\r"]
    some = chance.sample(ends, chance.randrange(1, len(ends)))
    lines = text_lines(chance, 300)
    content = "".join(line + chance.choice(some) for line in lines).encode()
    if chance.random() < 0.5:
        content = content.rstrip(b"\n")
    with loaded(content, FORMATS[number % len(FORMATS)]) as connection:
        assert_whole(connection, content)


def encodings(number: int) -> None:
    """Bytes that are no UTF-8, among good lines: the good ones are read, the others kept."""
    chance = random.Random(number)
    odd = [
        "naïve café".encode("latin-1"),
        b"\xc0\xaf\xe0\x80\xaf\xf0\x80\x80\xaf",  # overlong
        b"\xed\xa0\x80\xed\xb0\x80",  # surrogates
        b"\xf4\x90\x80\x80\xfe\xff",
        bytes(chance.randrange(256) for _ in range(50)).replace(b"\n", b""),
        b"a\0b",
        "日本語".encode("shift-jis"),
    ]
    lines = [
        f"2026-03-11T15:47:{i // 1000:02}.{i % 1000:03}Z INFO app text {i} ".encode()
        + (chance.choice(odd) if i % 3 == 0 else "é".encode())
        for i in range(600)
    ]
    content = b"\n".join(lines) + b"\n"
    with loaded(content, "render_export") as connection:
        assert_whole(connection, content)
        assert count(connection, "records") == 600
        assert count(connection, "count_if(damaged)", "records") == 200


def no_text(number: int) -> None:
    """Bytes at random, NULs, UTF-16 without a mark: nothing crashes, everything is accounted for."""
    chance = random.Random(number)
    kinds = [
        chance.randbytes(300_000),
        bytes(300_000),
        "\n".join(text_lines(chance, 1000)).encode("utf-16-le"),
        "\n".join(text_lines(chance, 1000)).encode("utf-16-be"),
        chance.randbytes(3000) * 50 + b"\n" * 1000,
        bytes(chance.choices(b'\n\r\0",{}[]\\ \xff0123:-TZ', k=100_000)),
    ]
    content = kinds[number % len(kinds)]
    for fmt in FORMATS:
        with loaded(content, fmt) as connection:
            assert_whole(connection, content)


def byte_order_marks(number: int) -> None:
    """UTF-16 and UTF-32 with a mark are read as what they say; a mark before UTF-8 hides no line."""
    chance = random.Random(number)
    lines = text_lines(chance, 500)
    text = "\ufeff" + chance.choice(("\n", "\r\n")).join([*lines, ""]) + "é😀"[: chance.randrange(3)]
    codec = ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")[number % 5]
    with loaded(text.encode(codec), "render_export") as connection:
        assert_whole(connection, text.encode())
        assert count(connection, "records") == sum("gunicorn.access" in line for line in lines)
        assert count(connection, "count_if(damaged)", "records") == 0
    for fmt, content in (
        ("json_lines", b"".join(json_line(i) for i in range(50))),
        ("csv_export", HEADER + b"2026-03-11T15:47:23Z,INFO,text,7\n" * 50),
    ):
        with loaded(
            ("\ufeff" + content.decode()).encode(codec), None if codec == "utf-8" else fmt
        ) as connection:
            assert count(connection, "records") == 50, reasons(connection)


def hostile_json(number: int) -> None:
    """JSON that breaks parsers, in lines and in the cells of a CSV, between good lines, which are read."""
    chance = random.Random(number)
    deep = chance.choice((10**3, 10**4, 10**5))
    good = json_line(1)[:-2]
    odd = [
        b'{"ts":"2026-03-11T15:47:23Z","a":' * deep + b"1" + b"}" * deep,
        b"[" * deep + b"]" * deep,
        good + b',"deep":' + b'{"a":' * deep + b"1" + b"}" * deep + b"}",
        good + b"," + b",".join(b'"k%d":%d' % (i, i) for i in range(chance.choice((10**3, 10**5)))) + b"}",
        good + b',"level":"ERROR","level":"INFO"}',
        good + b',"n":NaN,"i":Infinity,"j":-Infinity}',
        good + b',"n":' + b"9" * 5000 + b"}",
        good + b',"n":1e999999,"m":-0.0,"o":1E+400}',
        good + b',"message":"' + b"x" * 2_000_000 + b'"}',
        good,
        good[: chance.randrange(len(good))],
        b'\xef\xbb\xbf{"ts":"2026-03-11T15:47:23Z"}',
        b'[{"ts":"2026-03-11T15:47:23Z"},',
        b'{"ts":"2026-03-11T15:47:23Z","message":"\\ud800 \\u0000 \\udfff"}',
        b'{"ts":{"a":[1]},"level":[],"message":{},"logger":null}',
        b'{"ts":"2026-03-11T15:47:23Z","status":1e30,"duration_ms":"-1","pid":1.5e300}',
        b"null", b"true", b"1", b'"text"', b"{}", b"[]", b'{"":""}', b"{", b"}", b'{"a":1}}', b"\\", b'"',
        b'{"ts":"2026-03-11T15:47:23Z","a.b":1,"a":{"b":2},"/a/b":3,"~0":4,"$":5,"*":6,"[0]":7}',
    ]  # fmt: skip
    chance.shuffle(odd)
    content = b"".join(json_line(i) + line + b"\n" for i, line in enumerate(odd))
    for fmt in ("json_lines", *chance.sample([f.name for f in shipped().values() if f.json is not None], 3)):
        with loaded(content, fmt) as connection:
            assert_whole(connection, content)
            if fmt == "json_lines":
                assert count(connection, "records") >= len(odd)
    cells = [b'"' + line.replace(b'"', b'""') + b'"' for line in odd]
    content = HEADER + b"".join(b"2026-03-11T15:47:23Z,INFO," + cell + b",7\n" for cell in cells)
    with loaded(content, "csv_export") as connection:
        assert_whole(connection, content)
        assert count(connection, "records") + count(connection, "quarantined") >= len(odd)


TRIALS = (
    Trial("splitting", "hostile bytes in blocks of a few bytes, against a slow splitter", 20_000, any_splitting, 8),
    Trial("line-ends", "CR LF, CR, mixed, none, U+2028, VT, FF, NUL", 500, line_ends, 5),
    Trial("encodings", "Latin-1, overlong, surrogates, NUL among good lines", 200, encodings, 2),
    Trial("no-text", "random bytes, NULs, UTF-16 without a mark", 120, no_text, 6),
    Trial("marks", "byte order marks of UTF-8, UTF-16, UTF-32", 100, byte_order_marks, 5),
    Trial("json", "JSON that breaks parsers, in lines and in CSV cells", 100, hostile_json, 2),
)  # fmt: skip
