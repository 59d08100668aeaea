"""W3C logs say themselves what their columns are, and CSV records are read alone."""

from analysis.case import Case, SourceSpec
from analysis.evidence.cells import A_DIRECTIVE, OTHER_WIDTH
from analysis.evidence.formats import bound_to, detect, parse, shipped
from analysis.evidence.load import UNFIT
from analysis.store import open_loaded

FORMATS = shipped()
CHANGES = b"""\
#Software: Microsoft Internet Information Services 10.0
#Fields: date time cs-method cs-uri-stem sc-status time-taken
2026-03-11 15:47:23 GET /one 200 5
2026-03-11 15:47:24 GET /two 200
#Date: 2026-03-11 15:47:25
2026-03-11 15:47:25 GET /three 500 7
#Fields: date time time-taken cs-method cs-uri-stem sc-status cs-username x-job
2026-03-11 15:47:26 9 POST /four 201 ann 17

2026-03-11 15:47:27 9 POST /five 2O1 ann 18
"""


def read(tmp_path, content, **fields):
    (tmp_path / "u_ex.log").write_bytes(content)
    return open_loaded(Case(tmp_path, "w3c", (SourceSpec("u_ex.log"),), **fields))


def test_the_columns_may_change_within_a_file(tmp_path):
    case = read(tmp_path, CHANGES)
    rows = case.sql(
        "SELECT line_no, method, path, status, duration_us, user_id FROM requests ORDER BY line_no"
    )
    assert [tuple(row) for row in rows.astype(object).where(rows.notna(), None).to_numpy()] == [
        (3, "GET", "/one", 200, 5_000, None),
        (6, "GET", "/three", 500, 7_000, None),
        (8, "POST", "/four", 201, 9_000, "ann"),
    ]


def test_a_directive_is_kept_as_what_it_is_and_a_short_record_is_not_guessed(tmp_path):
    case = read(tmp_path, CHANGES)
    rows = case.sql("SELECT line_no, reason FROM quarantine ORDER BY line_no")
    assert dict(zip(rows["line_no"], rows["reason"], strict=True)) == {
        **dict.fromkeys((1, 2, 5, 7), A_DIRECTIVE),
        4: OTHER_WIDTH,
        10: UNFIT,
    }
    row = case.frame("sources").iloc[0]
    accounted = ("record_bytes", "continuation_bytes", "blank_bytes", "quarantined_bytes")
    assert row["bytes"] == sum(row[name] for name in accounted) == len(CHANGES)


def test_the_columns_hold_across_batches(tmp_path):
    lines = [f"2026-03-11 15:47:23 GET /{n} 200 5\n".encode() for n in range(300_000)]
    case = read(
        tmp_path, b"#Fields: date time cs-method cs-uri-stem sc-status time-taken\n" + b"".join(lines)
    )
    assert case.sql("SELECT count(*), max(duration_us) FROM requests").iloc[0].tolist() == [300_000, 5_000]


def test_records_before_any_directive_are_not_read_by_a_later_one(tmp_path):
    case = read(tmp_path, b"2026-03-11 15:47:22 GET /zero 200 4\n" + CHANGES.replace(b"#Soft", b"#soft"))
    assert case.sql("SELECT min(line_no) FROM requests").iloc[0, 0] == 4


def w3c(fields, line, **wanted):
    return parse(bound_to(FORMATS["w3c"], f"#Fields: {fields}\n".encode()), line, wanted)


def test_a_query_string_of_its_own_belongs_to_the_path():
    fields, line = (
        "date time cs-method cs-uri-stem cs-uri-query sc-status",
        "2026-03-11 15:47:23 GET /jobs {} 200",
    )
    assert w3c(fields, line.format("job=7&x=1"), entity="job")["path"] == "/jobs?job=7&x=1"
    assert w3c(fields, line.format("job=7&x=1"), entity="job")["entity"] == "7"
    assert w3c(fields, line.format("-"))["path"] == "/jobs"


def test_what_the_case_wants_may_be_a_column_nobody_named():
    row = w3c("date time x-job cs-method", "2026-03-11 15:47:23 17 GET", entity="X-Job")
    assert (row["entity"], row["fields"]) == ("17", {"x-job": "17"})


def test_cloudfront_and_iis_are_told_apart_by_their_own_columns():
    iis = b"#Fields: date time c-ip sc-status\n2026-03-11 15:47:23 192.0.2.7 200\n"
    edge = b"#Version: 1.0\n#Fields: date time x-edge-location c-ip\n2026-03-11\t15:47:23\tFRA2\t192.0.2.7\n"
    assert [each.format.name for each in detect(iis, FORMATS)] == ["w3c"]
    assert [each.format.name for each in detect(edge, FORMATS)] == ["aws_cloudfront"]


def test_hostile_names_and_values_stay_values():
    row = w3c("""date time x"');--{}""", """2026-03-11 15:47:23 "');DROP""")
    assert row is None or row["fields"] == {"""x"');--{}""": """"');DROP"""}
    row = w3c("""date time x"');--""", """2026-03-11 15:47:23 a"b\\""")
    assert row["fields"] == {"""x"');--""": """a"b\\"""}
