"""What a collector puts before each line of a text, or does to its line ends, and how to take it off again."""

import json
import re
from typing import Final

LONGEST_PREFIX: Final = 200
STAMP: Final = re.compile(r"\d{1,4}(?:[-/:.,T+]\d+)+")
MONTH: Final = re.compile(r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d(?= )")
MOST_NESTED: Final = 3
LONGEST: Final = 1 << 18
JSON_STRING: Final = re.compile(r'"(?:[^"\\]+|\\.)*(?:"|\\?\Z)', re.DOTALL)
ANY_STRING: Final = re.compile(rf"{JSON_STRING.pattern}|'(?:[^'\\]+|\\.)*(?:'|\\?\Z)", re.DOTALL)
"""A string literal, or what a cut has left of it; Python's may be in single quotes."""


def without_prefix(lines: list[str], first: tuple[str, ...]) -> list[str]:
    """Lines without the text that stands before one of `first` in line 0, where the next line begins with it as well.

    Two prefixes are the same when they differ in their stamp only: another process number is another writer, and its
    lines are left out. Where only line 0 has such a text (a log line's), nothing changes.
    """
    start = next(at for one in first if (at := lines[0].find(one)) >= 0)
    prefix = lines[0][:start]
    if not prefix.strip() or len(lines) < 2 or len(prefix) > LONGEST_PREFIX:
        return lines
    same = shape(prefix)
    if not begins(lines[1], len(prefix), same):
        return lines
    return [line[len(prefix) :] for line in lines if begins(line, len(prefix), same)]


def begins(line: str, length: int, same: str) -> bool:
    return shape(line[:length].ljust(length)) == same


def shape(prefix: str) -> str:
    """A prefix with its stamp blotted out."""
    return MONTH.sub("#", STAMP.sub("#", prefix))


def unescaped(text: str, needle: str) -> str:
    """The string literal around `needle`, decoded, where a text shows its line ends as \\n; else the text itself.

    Source: RFC 8259, section 7. A literal in a literal is decoded as often as it takes, up to MOST_NESTED times.
    """
    for _ in range(MOST_NESTED):
        at = text.find(needle)
        if at < 0 or "\n" in text[at:] or "\\n" not in text[at:]:
            return text
        text = literal_around(text[: at + LONGEST], at)
    return text


def literal_around(text: str, at: int) -> str:
    """The decoded content of the quoted string that position `at` lies in, or of all the text if it is in none."""
    strings = JSON_STRING if '{"' in text[:at] else ANY_STRING
    for found in strings.finditer(text):
        if found.end() > at:
            return decoded(found[0][1:].removesuffix(found[0][0]) if found.start() < at else text)
    return decoded(text)


ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
NAMED: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def decoded(body: str) -> str:
    """A string literal's content."""
    return ESCAPE.sub(
        lambda found: NAMED.get(
            found[1], str(json.loads(f'"{found[0]}"')) if len(found[1]) == 5 else found[1]
        ),
        body,
    )
