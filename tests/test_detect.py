"""Detection: what is looked for in plain text first takes nothing away, and what is left is little."""

import pytest

from analysis.evidence.detect import Peek, detect, first_lines, may_fit
from analysis.evidence.formats import bound_to, shipped
from analysis.evidence.probe import fitting

FORMATS = shipped()
SAMPLES = [sample for fmt in FORMATS.values() for sample in fmt.samples]
ACCESS = b'[2026-11-24T09:14:07.481] 41 203.0.113.7 "POST /api/jobs/7/done HTTP/1.1" 200 0.038123\n'


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_record_that_fits_is_never_passed_over(name):
    own = FORMATS[name].samples[0].header
    fmt = bound_to(FORMATS[name], (own or "time,message").encode())
    texts = [sample.line for sample in SAMPLES]
    taken = [text for text, fits in zip(texts, fitting(fmt, texts), strict=True) if fits]
    assert taken and all(may_fit(fmt, [*own.splitlines(), text]) for text in taken)


@pytest.mark.parametrize("name", sorted(name for name, fmt in FORMATS.items() if fmt.csv is None))
def test_few_formats_are_worth_asking_the_database(name):
    peek = Peek((FORMATS[name].samples[0].line + "\n").encode())
    asked = [fmt.name for fmt in FORMATS.values() if fmt.csv is None and may_fit(fmt, peek.cut(fmt)[0])]
    assert len(asked) <= 12, asked


def test_a_last_line_without_newline_counts_where_the_file_ends_there():
    head = ACCESS + ACCESS.rstrip()
    assert [(each.fits, each.of) for each in detect(head, FORMATS, whole=True)] == [(2, 2)]
    assert [(each.fits, each.of) for each in detect(head, FORMATS)] == [(1, 1)]


def test_a_line_that_is_alone_is_never_dropped():
    assert first_lines(b"one", whole=False) == first_lines(b"one", whole=True) == b"one"
    assert first_lines(b"one\ntwo", whole=False) == b"one\n"
