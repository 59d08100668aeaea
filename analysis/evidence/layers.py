"""Several formats as one SELECT: each reads what those around it leave to it, and the results become one row."""

from collections.abc import Mapping
from typing import Final

from analysis.evidence.extract import REGEX_CAP, TEXTS, to_select
from analysis.evidence.heads import EveryLine, Head, Mask, Pattern, Quoted
from analysis.evidence.layout import literal
from analysis.evidence.nested import Reading, is_dated
from analysis.evidence.shared import head_beside
from analysis.evidence.sql import head_line

STAMPED: Final = ("zoned", "logged_us", "resolution_us")
VALUES: Final = (*TEXTS, "status", "xid", "duration_us", "duration_step_us")
OUTPUTS: Final = ("parsed", "stamp_ok", *STAMPED, "message_length", *VALUES, "fields")
"""What `to_select` computes."""

OWN: Final = ("own_marks", "own_lag_us")
"""What a record's stamp marks and how late it may be, where that is not what `sources` says; else NULL."""


def select(reading: Reading, relation: str, wanted: Mapping[str, str]) -> str:
    """The SELECT that reads a source: `to_select` of its format, or of several with one result.

    Out: the columns of `to_select`; and `OWN`, unless the reading is plain.
    """
    if reading.is_plain:
        return to_select(reading.parts[0], relation, wanted)
    layers = reading.layers
    query = f"SELECT *, text AS raw_text FROM {relation}"  # noqa: S608 - the caller's own name
    hidden = ["raw_text"]
    for number, fmt in enumerate(layers):
        given = f"(SELECT * REPLACE ({_subject(reading, number)} AS text) FROM ({query}))"  # noqa: S608 - see extract.py
        own = {f"l{number}_{name}": name for name in OUTPUTS}
        own[f"l{number}_fits"] = "coalesce(parsed AND stamp_ok, false)"
        query = (
            f"SELECT * EXCLUDE ({', '.join(OUTPUTS)}), {_named(own)} "  # noqa: S608 - as above
            f"FROM ({to_select(fmt, given, wanted)})"
        )
        hidden += own
    outputs = _merged(reading)
    return (
        f"SELECT * EXCLUDE ({', '.join(hidden)}) REPLACE (raw_text AS text), {_named(outputs)} "  # noqa: S608 - as above
        f"FROM ({query})"
    )


def _subject(reading: Reading, number: int) -> str:
    """The text that a layer reads; NULL for a record that it has nothing to say of, which costs next to nothing."""
    depth, fmt = len(reading.wrappers), reading.layers[number]
    if not number and depth:
        return "raw_text"
    if not depth:
        conditions, text = _begins(head_beside(fmt), "raw_text"), "raw_text"
    else:
        around = min(number, depth) - 1
        text = f"l{around}_{reading.wrappers[around].wraps}"
        conditions = [f"l{around}_fits", *_begins(fmt.head, text)]
    conditions += [f"NOT l{before}_fits" for before in range(depth, number)]
    return f"CASE WHEN {' AND '.join(conditions) or 'true'} THEN {text} END"


def _begins(head: Head, text: str) -> list[str]:
    """Whether a text's first line begins a record of the head: what the splitter asks of a file's lines."""
    match head:
        case EveryLine() | Quoted():
            return []
        case Mask(masks):
            starts = "|".join(_as_regex(mask) for mask in masks)
        case Pattern(regex):
            starts = regex
        case _:
            raise TypeError(f"{head} has no regex")
    anchored = literal(rf"\A(?:{starts})")
    return [f"regexp_matches(left({head_line(text)}, {REGEX_CAP}), {anchored})"]


def _as_regex(mask: str) -> str:
    classes = {"d": "[0-9]", "a": "[A-Za-z]"}
    return "".join(classes.get(each, each if each.isalnum() else f"\\{each}") for each in mask)


def _merged(reading: Reading) -> dict[str, str]:
    """One result of the layers' own: what is inside wins, what is around it fills the gaps."""
    depth, every = len(reading.wrappers), range(len(reading.wrappers) + len(reading.parts))
    inwards = [*range(depth, len(every)), *reversed(range(depth))]  # of the parts, one at most fits
    must = " OR ".join(f"l{number}_fits" for number in ([0] if depth else every))
    outputs = {"parsed": must, "stamp_ok": must, "message_length": "NULL::INT"}
    outputs |= _stamped(reading, inwards)
    outputs |= {name: f"coalesce({', '.join(_where_fit(inwards, name))})" for name in VALUES}
    # The wrapped line is the message of the wrapper's record: not of one that was read out of it.
    outputs["message"] = _first_fitting(inwards, "message")
    outputs["fields"] = f"CAST(nullif({_patched(inwards)}, '{{}}') AS JSON)"
    return outputs | (_fragments(reading, must) if not depth else {})


def _fragments(reading: Reading, must: str) -> dict[str, str]:
    """The outputs with which a record that no head began is kept: a message, and no stamp. See `Shared`."""
    heads = [_begins(head_beside(fmt), "raw_text")[0] for fmt in reading.parts]
    is_fragment = f"coalesce(NOT ({' OR '.join(heads)}), false)"
    kept = f"({must} OR {is_fragment})"
    message = f"CASE WHEN {must} THEN {_first_fitting([*range(len(reading.parts))], 'message')} "
    message += f"WHEN {is_fragment} THEN {head_line('raw_text')} END"
    return {"parsed": kept, "stamp_ok": kept, "message": message}


def _where_fit(layers: list[int], name: str) -> list[str]:
    return [f"CASE WHEN l{number}_fits THEN l{number}_{name} END" for number in layers]


def _first_fitting(layers: list[int], name: str) -> str:
    return f"CASE {' '.join(f'WHEN l{number}_fits THEN l{number}_{name}' for number in layers)} END"


def _patched(layers: list[int]) -> str:
    """The fields of all layers as one object; of equal names the inner one. Source: RFC 7396 (JSON merge patch)."""
    fields = [f"coalesce({each}, '{{}}'::JSON)" for each in reversed(_where_fit(layers, "fields"))]
    return f"CAST(json_merge_patch({', '.join(fields)}) AS VARCHAR)"


def _stamped(reading: Reading, inwards: list[int]) -> dict[str, str]:
    """The innermost stamp that has a date, and what it marks."""
    layers = reading.layers
    dated = [number for number in inwards if is_dated(layers[number])]
    rest = [number for number in inwards if layers[number] in reading.outer and number not in dated]
    having = [f"WHEN l{number}_fits AND l{number}_logged_us IS NOT NULL THEN l{number}_" for number in dated]
    having += [f"WHEN l{number}_fits THEN l{number}_" for number in rest]
    outputs = {name: f"CASE {' '.join(f'{each}{name}' for each in having)} END" for name in STAMPED}
    for name, of in zip(OWN, ("marks", "lag_us"), strict=True):
        usual = getattr(reading.stamp, of)
        cases = []
        for each, number in zip(having, [*dated, *rest], strict=True):
            value = getattr(layers[number].stamp, of)
            shown = "NULL" if value == usual else literal(value) if isinstance(value, str) else str(value)
            cases.append(f"{each.rpartition(' ')[0]} {shown}")
        outputs[name] = f"CAST(CASE {' '.join(cases)} END AS {'VARCHAR' if of == 'marks' else 'BIGINT'})"
    return outputs


def _named(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{expression} AS {name}" for name, expression in columns.items())
