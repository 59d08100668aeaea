"""A PostgreSQL statement's text -> shape, kind, table, comments.

A lexer, not a parser: it must read statements that are cut short or wrong, and 300,000 of them in seconds.
Source: PostgreSQL manual, section 4.1 "Lexical Structure".
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

LONGEST: Final = 262_144
LONGEST_FACTS: Final = 65_536

TOKEN: Final = re.compile(
    r"""
      (?P<ident> "[^"]*(?:""[^"]*)*(?:"|\Z) )
    | (?P<escaped> (?<![\w$])[eE]'[^'\\]*(?:(?:\\.|'')[^'\\]*)*(?:'|\\?\Z) )
    | (?P<string> (?:(?<![\w$])(?:[bBxXnN]|[uU]&))?'[^']*(?:''[^']*)*(?:'|\Z) )
    | (?P<line_comment> --[^\n]* )
    | (?P<comment> /\* )
    | (?P<dollar> (?<![\w$])\$\$.*?(?:\$\$|\Z) )
    | (?P<tagged> (?<![\w$])\$(?P<tag>[^\W\d]\w{0,62})\$.*?(?:\$(?P=tag)\$|\Z) )
    | (?P<param> (?<![\w$])\$\d+ )
    | (?P<number> (?<![\w$.])(?:0[xX][\da-fA-F_]+|(?:\d[\d_]*\.?[\d_]*|\.\d+)(?:[eE][+-]?\d+)?) )
    """,
    re.VERBOSE | re.DOTALL,
)
COMMENT_EDGE: Final = re.compile(r"/\*|\*/")

IN_LIST: Final = re.compile(r"\bIN ?\( ?\?(?: ?, ?\?)* ?\)", re.IGNORECASE)
ROWS: Final = re.compile(r"\b(VALUES) ?(\([^()]*\))(?: ?, ?\([^()]*\))+", re.IGNORECASE)
SAVEPOINT: Final = re.compile(
    r"^((?:SAVEPOINT|RELEASE SAVEPOINT|RELEASE|ROLLBACK(?: WORK| TRANSACTION)? TO(?: SAVEPOINT)?)) [^;]+",
    re.IGNORECASE,
)

KINDS: Final = {
    "SELECT": "read",
    "TABLE": "read",
    "VALUES": "read",
    "FETCH": "read",
    "DECLARE": "read",
    "WITH": "read",
    "LOCK": "lock",
    "INSERT": "insert",
    "UPDATE": "update",
    "MERGE": "update",
    "DELETE": "delete",
    "TRUNCATE": "delete",
    "BEGIN": "begin",
    "START": "begin",
    "COMMIT": "commit",
    "END": "commit",
    "ROLLBACK": "rollback",
    "ABORT": "rollback",
    "SAVEPOINT": "savepoint",
    "RELEASE": "savepoint",
}
ON_ROWS: Final = frozenset({"read", "lock", "insert", "update", "delete"})
ROLLBACK_TO: Final = re.compile(r"ROLLBACK(?: WORK| TRANSACTION)? TO\b", re.IGNORECASE)
COPY: Final = re.compile(r"COPY [^(][^;]*? (FROM|TO)\b", re.IGNORECASE)
NOT_A_VERB: Final = r'(?<!FOR )(?<!KEY )(?<!DO )(?<!")'
WRITE_IN_WITH: Final = re.compile(
    NOT_A_VERB + r'\b(INSERT(?= INTO)|UPDATE|DELETE(?= FROM)|MERGE(?= INTO))\b(?!")', re.IGNORECASE
)
ROW_LOCK: Final = re.compile(r"\bFOR (?:NO KEY UPDATE|UPDATE|KEY SHARE|SHARE)\b", re.IGNORECASE)
ADVISORY_LOCK: Final = re.compile(r"\bpg_(?:try_)?advisory_(?:xact_)?lock(?:_shared)? ?\(", re.IGNORECASE)

NAME: Final = r'(?:"[^"]++"|[\w$]++)(?: ?\. ?(?:"[^"]++"|[\w$]++))*+'
DOT: Final = re.compile(r" ?\. ?")
FROM_IN_CALL: Final = re.compile(
    r"\b(?:EXTRACT|SUBSTRING|TRIM|OVERLAY) ?\([^()]*(?:\([^()]*\)[^()]*)*\)|\bDISTINCT FROM\b", re.IGNORECASE
)
TABLE_BEHIND: Final = {
    "insert": re.compile(rf"\b(?:INTO|COPY) ({NAME})", re.IGNORECASE),
    "update": re.compile(rf"{NOT_A_VERB}\b(?:UPDATE|MERGE INTO) (?:ONLY )?({NAME})", re.IGNORECASE),
    "delete": re.compile(rf"\b(?:DELETE FROM|TRUNCATE TABLE|TRUNCATE) (?:ONLY )?({NAME})", re.IGNORECASE),
    "read": re.compile(rf"(?:\bFROM|^COPY|^TABLE) (?:ONLY )?(?!LATERAL\b)({NAME})(?! ?\()", re.IGNORECASE),
    "lock": re.compile(rf"(?:\bFROM|^LOCK TABLE|^LOCK) (?:ONLY )?({NAME})(?! ?\()", re.IGNORECASE),
}


@dataclass(frozen=True)
class SqlText:
    """What the text of a statement says; `shape` has `?` for each literal, `comments` stand without delimiters."""

    shape: str
    kind: str
    table_name: str | None
    comments: tuple[str, ...]


def read_sql(sql: str) -> SqlText:
    """Shape, kind, table and comments of a statement, in linear time; what is never closed runs to the end.

    Of a longer statement the first LONGEST characters are read.
    """
    shape, comments = masked(sql[:LONGEST])
    kind, table_name = facts(shape[:LONGEST_FACTS])
    return SqlText(shape, kind, table_name, comments)


def comment_value(comments: tuple[str, ...], key: str) -> str | None:
    """The value of `key` in a statement's comments: `request_id=0f3a` or sqlcommenter's `request_id='0f%3A'`.

    None also where comments contradict each other.  Source: https://google.github.io/sqlcommenter/spec/
    """
    pair = comment_pair(key)
    values = {
        unquote(match[1]) if match[1] is not None else match[2]
        for comment in comments
        for match in pair.finditer(comment)
    }
    return values.pop() if len(values) == 1 else None


@lru_cache(maxsize=64)
def comment_pair(key: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.-]){re.escape(key)}\s?[=:]\s?(?:'([^']*)'|([^\s,;'\"]+))")


def masked(sql: str) -> tuple[str, tuple[str, ...]]:
    """The statement with literals as `?` and blanks squeezed, and its comments apart."""
    pieces: list[str] = []
    comments: list[str] = []
    position = 0
    while match := TOKEN.search(sql, position):
        pieces.append(sql[position : match.start()])
        position = match.end()
        token = match.lastgroup
        if token == "comment":
            position = comment_end(sql, position)
            comments.append(sql[match.end() : position].removesuffix("*/").strip())
            pieces.append(" ")
        elif token == "line_comment":
            comments.append(match[0][2:].strip())
            pieces.append(" ")
        else:
            pieces.append(match[0] if token == "ident" else "?")
    pieces.append(sql[position:])
    return squeezed(" ".join("".join(pieces).split())), tuple(comments)


def comment_end(sql: str, position: int) -> int:
    """Where the comment opened before `position` ends; comments nest in PostgreSQL."""
    depth = 1
    while depth and (edge := COMMENT_EDGE.search(sql, position)):
        depth += 1 if edge[0] == "/*" else -1
        position = edge.end()
    return len(sql) if depth else position


def squeezed(shape: str) -> str:
    """One shape for lists of any length, rows in any number and savepoints of any name."""
    shape = SAVEPOINT.sub(r"\1 ?", shape.rstrip("; "))
    return ROWS.sub(r"\1 \2", IN_LIST.sub("IN (?)", shape))


@lru_cache(maxsize=1024)
def facts(shape: str) -> tuple[str, str | None]:
    """Kind and table of a shape; of several statements in one text, those of the first that touches rows."""
    parts = [part for part in shape.split(";") if part.strip()] or [""]
    kinds = [kind(part.strip(" (")) for part in parts]
    chosen = next((number for number, kind in enumerate(kinds) if kind in ON_ROWS), 0)
    return kinds[chosen], table(parts[chosen].strip(" ("), kinds[chosen])


def kind(shape: str) -> str:
    """read, lock, insert, update, delete, begin, commit, rollback, savepoint or other."""
    word = shape.split(" ", 1)[0].upper()
    if ROLLBACK_TO.match(shape):
        return "savepoint"
    if copy := COPY.match(shape):
        return "insert" if copy[1].upper() == "FROM" else "read"
    if word == "WITH" and (write := WRITE_IN_WITH.search(shape)):
        return KINDS[write[1].upper()]
    found = KINDS.get(word, "other")
    locks = found == "read" and (ROW_LOCK.search(shape) or ADVISORY_LOCK.search(shape))
    return "lock" if locks else found


def table(shape: str, kind: str) -> str | None:
    """The first table that the statement writes or reads: lower case, without quotes and `public.`."""
    if kind not in TABLE_BEHIND:
        return None
    match = TABLE_BEHIND[kind].search(FROM_IN_CALL.sub("?", shape))
    if match is None:
        return None
    return DOT.sub(".", match[1]).replace('"', "").lower().removeprefix("public.")
