"""A statement's text -> shape, kind, table, comments.

A lexer, not a parser: it must read statements that are cut short or wrong, and 300,000 of them in seconds.
Source: PostgreSQL manual, section 4.1 "Lexical Structure"; MySQL 8.4 manual, chapter "Language Structure".
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
MYSQL_TOKEN: Final = re.compile(
    r"""
      (?P<ident> `[^`]*(?:``[^`]*)*(?:`|\Z) )
    | (?P<string> (?:(?<![\w$])(?:[bBxXnN]|_[a-z0-9]{1,32}\ ?))?'[^'\\]*(?:(?:\\.|'')[^'\\]*)*(?:'|\\?\Z) )
    | (?P<double> "[^"\\]*(?:(?:\\.|"")[^"\\]*)*(?:"|\\?\Z) )
    | (?P<line_comment> (?:\#|--(?=\s|\Z))[^\n]* )
    | (?P<code> /\*M?!\d{0,6} | \*/ )
    | (?P<flat_comment> /\*.*?(?:\*/|\Z) )
    | (?P<number> (?<![\w$.])(?:0[xX][\da-fA-F]++|(?:\d++(?:\.\d*+)?+|\.\d++)(?:[eE][+-]?\d++)?+)(?![\w$]) )
    """,
    re.VERBOSE | re.DOTALL,
)
"""Backslashes escape, `"` quotes strings too, comments do not nest, and what `/*! … */` holds is run."""

OPENS: Final = re.compile(r"""['"`]|/\*""")
COMMENTS: Final = ("comment", "flat_comment", "line_comment")
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
    "REPLACE": "insert",
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
ROW_LOCK: Final = re.compile(
    r"\bFOR (?:NO KEY UPDATE|UPDATE|KEY SHARE|SHARE)\b|\bLOCK IN SHARE MODE\b", re.IGNORECASE
)
ADVISORY_LOCK: Final = re.compile(
    r"\b(?:pg_(?:try_)?advisory_(?:xact_)?lock(?:_shared)?|get_lock) ?\(", re.IGNORECASE
)
AUTOCOMMIT_OFF: Final = re.compile(
    r"SET (?:SESSION |(?:@@)?(?:SESSION\.)?)?AUTOCOMMIT ?:?= ?(?:0|OFF|FALSE);?", re.IGNORECASE
)
"""How drivers of MySQL begin a transaction. Source: MySQL 8.4 manual, "START TRANSACTION, COMMIT, and ROLLBACK"."""

NAME: Final = r'(?:"[^"]++"|`[^`]++`|[\w$]++)(?: ?\. ?(?:"[^"]++"|`[^`]++`|[\w$]++))*+'
HOW: Final = r"(?:LOW_PRIORITY|HIGH_PRIORITY|DELAYED|QUICK|IGNORE)"
"""What MySQL takes between a verb and its table."""

DOT: Final = re.compile(r" ?\. ?")
FROM_IN_CALL: Final = re.compile(
    r"\b(?:EXTRACT|SUBSTRING|TRIM|OVERLAY) ?\([^()]*(?:\([^()]*\)[^()]*)*\)|\bDISTINCT FROM\b", re.IGNORECASE
)
TABLE_BEHIND: Final = {
    "insert": re.compile(
        rf"(?:\b(?:INTO|COPY)|^(?:INSERT|REPLACE)(?: {HOW})*+(?! INTO)) ({NAME})", re.IGNORECASE
    ),
    "update": re.compile(
        rf"{NOT_A_VERB}\b(?:UPDATE|MERGE INTO) (?:ONLY )?(?:{HOW} )*+({NAME})", re.IGNORECASE
    ),
    "delete": re.compile(
        rf"\b(?:DELETE(?: {HOW})*+ FROM|TRUNCATE TABLE|TRUNCATE) (?:ONLY )?({NAME})", re.IGNORECASE
    ),
    "read": re.compile(rf"(?:\bFROM|^COPY|^TABLE) (?:ONLY )?(?!LATERAL\b)({NAME})(?! ?\()", re.IGNORECASE),
    "lock": re.compile(rf"(?:\bFROM|^LOCK TABLES?|^LOCK) (?:ONLY )?({NAME})(?! ?\()", re.IGNORECASE),
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
    shape, comments = masked(sql[:LONGEST], TOKEN)
    return SqlText(shape, *facts(shape[:LONGEST_FACTS]), comments)


def read_mysql(sql: str) -> SqlText:
    """The same of a statement of MySQL or MariaDB. `SET autocommit=0` is of the kind begin."""
    shape, comments = masked(sql[:LONGEST], MYSQL_TOKEN)
    kind, table_name = facts(shape[:LONGEST_FACTS])
    return SqlText(shape, "begin" if AUTOCOMMIT_OFF.fullmatch(sql.strip()) else kind, table_name, comments)


def left_open(sql: str) -> str | None:
    """`'`, `"`, `` ` `` or `/*`, where a text of MySQL's ends within a string, a quoted name or a comment."""
    *_, last = (None, *MYSQL_TOKEN.finditer(sql[:LONGEST]))
    if last is None or last.end() < len(sql):
        return None
    longer = MYSQL_TOKEN.match(last[0] + "\nx")
    takes_more = longer is not None and longer.end() > len(last[0])
    mark = OPENS.search(last[0]) if takes_more else None
    return mark[0] if mark else None


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


def masked(sql: str, tokens: re.Pattern[str]) -> tuple[str, tuple[str, ...]]:
    """The statement with literals as `?` and blanks squeezed, and its comments apart."""
    pieces: list[str] = []
    comments: list[str] = []
    position = 0
    while match := tokens.search(sql, position):
        pieces.append(sql[position : match.start()])
        position = match.end()
        token = match.lastgroup
        if token in COMMENTS:
            position = comment_end(sql, position) if token == "comment" else position
            begin = match.start() + (1 if match[0].startswith("#") else 2)
            comments.append(sql[begin:position].removesuffix("*/").strip())
        if token in (*COMMENTS, "code"):
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
    return DOT.sub(".", match[1]).replace('"', "").replace("`", "").lower().removeprefix("public.")
