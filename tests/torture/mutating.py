"""Seeds of the fuzzing trials and what is done to them, decided by a seeded random generator."""

import ast
import random
from functools import cache
from pathlib import Path

from analysis.evidence.compression import compression_of
from analysis.evidence.encodings import encoding_of
from analysis.evidence.formats import Format, shipped

TESTS = Path(__file__).parents[1]
CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "logs"
CORPUS_BYTES = 1 << 18

TOKENS = [
    *(b"\n", b"\r\n", b"\r", b"\0", b"\t", b" ", b'"', b"'", b"\\", b"[", b"]", b"{", b"}", b"(", b")", b"<", b">"),
    *(b":", b",", b";", b"=", b"-", b"|", b"%", b"/", b"?", b"&", b"$", b"--", b"/*", b"*/", b"::", b'""', b"$$"),
    *(b"0", b"-1", b"NaN", b"Infinity", b"9" * 30, b"1e309", b"0x7f", b"null", b"true", b"\\u0000", b"\\ud800"),
    *(b"1970-01-01T00:00:00Z", b"9999-12-31T23:59:60.999999999+15:59", b"0000-00-00 00:00:00", b"24:61:61"),
    *(b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf", "é\u2028\u202e😀".encode()),
    *(b"Traceback (most recent call last):\n", b'  File "a.py", line 1, in f\n', b"DETAIL:  Key (a)=(b)"),
    *(b"ERROR:  ", b"LOG:  duration: 1.000 ms  statement: ", b"  | ", b"\n\t", b"\n  ", b"\n\n", b"'); DROP x;--"),
]  # fmt: skip


def mutated(chance: random.Random, seed: bytes, others: list[bytes]) -> bytes:
    """A seed with some of it changed, repeated, cut, moved or replaced by a piece of another one."""
    data = bytearray(seed)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        at = chance.randrange(len(data) + 1)
        to = min(len(data), at + chance.choice((1, 2, 8, 64, 1024)))
        match chance.randrange(8):
            case 0 if data:
                data[min(at, len(data) - 1)] = chance.randrange(256)
            case 1:
                data[at:at] = chance.choice(TOKENS)
            case 2:
                data[at:to] = chance.choice(TOKENS)
            case 3:
                del data[at:to]
            case 4:
                data[at:at] = data[at:to] * chance.choice((1, 2)) + data[at:to][:32] * chance.choice((0, 30))
            case 5:
                other = chance.choice(others)
                start = chance.randrange(len(other) + 1)
                data[at:to] = other[start : start + chance.choice((4, 32, 512))]
            case 6 if chance.random() < 0.2:
                data[at:at] = (data[at:to][:8] or b"(") * chance.choice((100, 1000))
            case 7 if chance.random() < 0.3:
                del data[at:]
    return bytes(data[: 1 << 17])


def heap(chance: random.Random, seeds: list[bytes], size: int, whole: float = 0.3) -> bytes:
    """`size` bytes of seeds, one under the other; a share of `whole` of them is left as it is."""
    parts, length = [], 0
    while length < size:
        seed = chance.choice(seeds)
        part = seed if chance.random() < whole else mutated(chance, seed, seeds)
        parts.append(part + b"\n" * (chance.random() < 0.98))
        length += len(parts[-1])
    return b"".join(parts)


@cache
def formats() -> list[Format]:
    return list(shipped().values())


@cache
def format_seeds(number: int) -> tuple[list[bytes], bytes]:
    """Samples and foreign lines of a format, a traceback, and the header line, if its files begin with one."""
    fmt = formats()[number]
    seeds = [sample.line.encode() for sample in fmt.samples] + [line.encode() for line in fmt.foreign]
    header = next((sample.header for sample in fmt.samples if sample.header), None)
    return seeds, header.encode() + b"\n" if header else b""


@cache
def strings_of(test: str) -> list[bytes]:
    """The longer texts that stand in a test file: what a parser was written for."""
    tree = ast.parse((TESTS / test).read_text())
    values = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return [text.encode() for text in values if isinstance(text, str) and len(text) > 15]


@cache
def corpus() -> list[bytes]:
    """Logs that others wrote, where they lie beside this checkout; without those that are read as other bytes."""
    files = [file for file in sorted(CORPUS.rglob("*")) if file.is_file() and file.suffix != ".json"]
    found = [data for file in files if (data := file.read_bytes()[:CORPUS_BYTES])]
    return [data for data in found if compression_of(data) is None and encoding_of(data) is None]
