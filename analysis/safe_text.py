r"""Text from a log, made safe to show: secrets masked, control characters visible.

Everything that leaves for a person's eyes, page or terminal, goes through `safe`. The store keeps the raw bytes.
"""

import re
from collections.abc import Mapping
from typing import Final

MASK: Final = "***"

# Cc without \n and \t, Cf, Cs, Zl and Zp, as of Unicode 16. Written out: unicodedata differs between Pythons, and a
# report must not.
INVISIBLE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)

_QUOTED: Final = r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'"""
_PASSWORDS: Final = (
    r"passw(?:or)?d|passphrase|pwd|(?:secret|private)[_-]?(?:access[_-]?)?key|api[_-]?key|client[_-]?secret"
)
_TOKENS: Final = r"secret|token|session[_-]?(?:id|key)|sessionid|jsessionid|phpsessid"
_VALUE: Final = rf"(?!\*\*\*)(?:{_QUOTED}|\\{{0,4}}[\"']?[^\s\"'&<>\\]+)"
_DATABASES: Final = (
    r"postgres(?:ql)?|mysql|mariadb|mongodb(?:\+srv)?|rediss?|amqps?|mssql|oracle|clickhouse|duckdb|sqlserver"
)

# Each rule masks what stands between its groups `keep` and `then`. "token: " needs a value that looks like one:
# "unexpected token: foo" is evidence.
SECRETS: Final[tuple[re.Pattern[str], ...]] = (
    re.compile(
        r"(?P<keep>-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----).*?(?P<then>-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)",
        re.S,
    ),
    re.compile(
        rf"(?i)(?P<keep>(?<![\w-])(?:proxy-)?authorization[\"']?\s?[:=]\s?)(?!\*\*\*)"
        rf"(?:{_QUOTED}|(?:\w{{1,20}} )?[^\s\"',]+)"
    ),
    re.compile(
        r"(?i)(?P<keep>(?<![\w-])(?:bearer|basic|digest) )(?=[\w.~+/-]*\d|[\w.~+/-]{20})[\w.~+/-]{8,}={0,2}"
    ),
    re.compile(r"(?i)(?P<keep>(?<![\w-])(?:set-)?cookie[\"']?\s?[:=]\s?[\"']?)[^\s=;\"']+=[^\n\"']*"),
    re.compile(
        rf"(?i)(?P<keep>\b(?:{_DATABASES})(?:\+\w{{1,20}})?://[^\s:/@]{{0,99}}:)[^\s\"'<>]{{1,999}}(?P<then>@)"
    ),
    re.compile(
        r"(?P<keep>\b[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s:/@?#]{0,99}:)[^\s/?#\"'<>]{1,999}(?P<then>@)"
    ),
    re.compile(r"(?P<keep>)\beyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*)?"),
    re.compile(r"(?P<keep>)\b(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA)[0-9A-Z]{16}\b"),
    re.compile(
        r"(?P<keep>)\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|xox[abeprs]-[\w-]{10,}|AIza[\w-]{30,}"
        r"|[rs]k_(?:live|test)_[A-Za-z0-9]{10,}|glpat-[\w-]{15,}|sk-[\w-]{20,})"
    ),
    re.compile(rf"(?i)(?P<keep>(?:{_PASSWORDS})(?:\\{{0,4}}[\"'])?(?:\s?[=:]\s?|%3D)){_VALUE}"),
    re.compile(rf"(?i)(?P<keep>(?:{_TOKENS})(?:\s?=\s?|\\{{0,4}}[\"']\s?[=:]\s?|%3D)){_VALUE}"),
    re.compile(rf"(?i)(?P<keep>(?:{_TOKENS})\s?:\s?)(?=\S*\d|\S{{16}}){_VALUE}"),
)


def mask_secrets(text: str) -> str:
    """The text with credentials replaced by `***`: headers, tokens, keys, cookies, passwords in DSNs and settings."""
    for rule in SECRETS:
        text = rule.sub(_masked, text)
    return text


def _masked(match: re.Match[str]) -> str:
    return match["keep"] + MASK + (match.groupdict().get("then") or "")


def masked(value: object) -> object:
    """A JSON value with the secrets in its strings masked."""
    match value:
        case str():
            return mask_secrets(value)
        case Mapping():
            return {str(key): masked_under(str(key), item) for key, item in value.items()}
        case list() | tuple():
            return [masked(item) for item in value]
    return value


def masked_under(name: str, value: object) -> object:
    """A value as `masked` gives it; a text whose name says that it is a secret is one, whatever it looks like."""
    named = f"{name}=x"
    return MASK if value and isinstance(value, str) and mask_secrets(named) != named else masked(value)


def visible(text: str) -> str:
    r"""The text with every control, format and bidi character written as an escape: `\x1b`, `\u202e`.

    Newline and tab stay.
    Source: Unicode 16.0, general categories Cc, Cf, Cs, Zl, Zp; CVE-2021-42574 for the bidi overrides.
    """
    return INVISIBLE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return escaped(match[0])


def escaped(character: str) -> str:
    r"""`\x1b`, `\u202e` or `\U0001f600`."""
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def safe(text: object) -> str:
    """Any value as text that may be shown: masked first, so that an escape cannot hide a secret's name or end."""
    return visible(mask_secrets(str(text)))


def code_span(text: object) -> str:
    """A Markdown code span that nothing in the text can leave: one line, fenced by more backticks than it has.

    Source: CommonMark 0.31, section 6.1.
    """
    line = safe(text).replace("\n", "\\n").replace("\t", " ") or " "
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"
