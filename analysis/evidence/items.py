"""Lines that hold several records each, as a batch of OpenTelemetry's: one record an item, the line's bytes shared out.

Each item owns the bytes from the end of the one before it to its own end; the first one also what the line begins
with, the last one also what it ends with. So the records' bytes still are the file's, bit for bit. All have the number
of the line; the first one has it in its line_count, the others 0, so each line counts once.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from analysis.evidence.otlp import flat

TEXT_CAP: Final = 1 << 26
"""Bytes of a line that are looked at: a collector writes thousands of records into one."""

JSON: Final = json.JSONDecoder()
BLANK: Final = " \t\r\n"


def exploded(records: pa.RecordBatch, path: Sequence[str]) -> pa.RecordBatch:
    """A record for each item that `path` leads to, in place of the line's own; a line without items stays one record.

    Out: the columns of `records`, and `item`: the item as one JSON object with what is around it; NULL without one.
    """
    texts = records.column("text").to_pylist()
    found = [items(text, path) for text in texts]
    counts = np.array([max(1, len(each)) for each in found], dtype=np.int64)
    rows = np.repeat(np.arange(len(texts)), counts)
    columns = {
        name: pa.array([column[row] for row in rows], records.schema.field(name).type)
        for name, column in ((name, records.column(name).to_pylist()) for name in records.schema.names)
    }
    pieces = [piece for text, each in zip(texts, found, strict=True) for piece in tiles(text, each)]
    columns["text"] = pa.array(pieces, records.schema.field("text").type)
    columns["item"] = pa.array([item for each in found for item in (_written(each) or (None,))], pa.string())
    if "byte_start" in columns:
        columns |= _places(records, pieces, counts)
    return pa.RecordBatch.from_pydict(columns)


def items(text: str, path: Sequence[str]) -> list[tuple[int, int, dict[str, Any]]]:
    """The items of a line: where each begins and ends in the text, and what it says; none if it is no such line."""
    try:
        said = [flat(item, around) for item, *around in _reached(json.loads(text), path)]
        places: list[tuple[int, int]] = []
        _find(text, _skip(text, 0), path, places)
        return [(start, end, item) for (start, end), item in zip(places, said, strict=True)]
    except (
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
        RecursionError,
    ):  # no JSON, other JSON, a key twice
        return []


def _written(found: Sequence[tuple[int, int, object]]) -> list[str]:
    return [json.dumps(item) for *_, item in found]


def tiles(text: str, found: Sequence[tuple[int, int, object]]) -> Iterator[str]:
    """The text in pieces, one an item."""
    ends = [end for _, end, _ in found[:-1]]
    for start, end in zip([0, *ends], [*ends, len(text)], strict=True):
        yield text[start:end]


def _reached(node: Any, path: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """What the path leads to, each with the elements that it led through, outermost first."""
    if not path:
        yield (node,)
        return
    for element in node.get(path[0], ()):
        for item, *around in _reached(element, path[1:]):
            yield item, *([element] if path[1:] else []), *around


def _find(text: str, at: int, path: Sequence[str], places: list[tuple[int, int]]) -> int:
    """Note where the items are that the path leads to from the value at `at`; return where that value ends."""
    if not path:
        end = JSON.raw_decode(text, at)[1]
        places.append((at, end))
        return end
    at = _skip(text, at + 1)
    while text[at] != "}":
        key, at = JSON.raw_decode(text, at)
        at = _skip(text, _skip(text, at) + 1)
        at = _elements(text, at, path[1:], places) if key == path[0] else JSON.raw_decode(text, at)[1]
        at = _skip(text, at)
        at = _skip(text, at + 1) if text[at] == "," else at
    return at + 1


def _elements(text: str, at: int, path: Sequence[str], places: list[tuple[int, int]]) -> int:
    at = _skip(text, at + 1)
    while text[at] != "]":
        at = _skip(text, _find(text, at, path, places))
        at = _skip(text, at + 1) if text[at] == "," else at
    return at + 1


def _skip(text: str, at: int) -> int:
    while text[at] in BLANK:
        at += 1
    return at


def _places(records: pa.RecordBatch, pieces: list[str], counts: np.ndarray) -> dict[str, pa.Array]:
    """The bytes and the number of lines of each piece; the last one of a line has its newline."""
    sizes = np.array([len(piece.encode()) for piece in pieces], dtype=np.int64)
    first = np.cumsum(counts) - counts
    before = np.cumsum(sizes) - sizes
    inside = before - np.repeat(before[first], counts)
    starts = np.repeat(records.column("byte_start").to_numpy(), counts) + inside
    ends = starts + sizes
    ends[first + counts - 1] = records.column("byte_end").to_numpy()
    lines = np.zeros(len(pieces), dtype=np.int32)
    lines[first] = records.column("line_count").to_numpy()
    arrays = {"byte_start": starts, "byte_end": ends, "head_end": ends, "line_count": lines}
    return {name: pa.array(values) for name, values in arrays.items()}
