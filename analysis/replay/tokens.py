"""SQL in tokens: names, words, and the rest; comments, texts and parameters out of the way.

Source: PostgreSQL manual, 4.1 "Lexical Structure" (standard_conforming_strings on, as it is by default).
"""

import re
from dataclasses import dataclass

TOKEN = re.compile(
    r"""
    (?P<space> \s+ | --[^\n]* )
  | (?P<comment> /\* )
  | (?P<text> [eEbBxXnN]?'(?:[^']|'')*' | (?P<tag>\$[A-Za-z_]?\w*\$) .*? (?P=tag) )
  | (?P<name> "(?:[^"]|"")+" | [^\W\d][\w$]* )
  | (?P<other> \d[\w.]* | %\(\w+\)s | %s | :: | . )
    """,
    re.VERBOSE | re.DOTALL,
)
ESCAPED_TEXT = re.compile(r"[eE]'(?:[^'\\]|''|\\.)*'", re.DOTALL)


@dataclass(frozen=True)
class Token:
    kind: str  # "word", "quoted", "other"
    text: str  # a word in small letters, a quoted name without its quotes


def tokens_of(sql: str) -> list[Token]:
    found, position = [], 0
    while position < len(sql):
        escaped = ESCAPED_TEXT.match(sql, position)
        match = escaped or TOKEN.match(sql, position)
        if match is None:  # a NUL or the like: not SQL
            return [Token("other", "?")]
        position = match.end()
        kind = "text" if escaped else match.lastgroup
        if kind == "comment":
            position = _end_of_comment(sql, position)
        elif kind == "name":
            text = match[0]
            quoted = text.startswith('"')
            found.append(
                Token("quoted", text[1:-1].replace('""', '"')) if quoted else Token("word", text.lower())
            )
        elif kind == "other":
            found.append(Token("other", match[0]))
        elif kind != "space":
            found.append(Token("other", "''"))
    return found


def _end_of_comment(sql: str, position: int) -> int:
    """Comments nest in PostgreSQL (manual, 4.1.5)."""
    depth = 1
    for match in re.finditer(r"/\*|\*/", sql[position:]):
        depth += 1 if match[0] == "/*" else -1
        if not depth:
            return position + match.end()
    return len(sql)
