"""Which two requests are accused, where many logs name no user of an answer 5xx."""

import json

import pytest

import analysis
from analysis.suspicion import NAMED, NothingToProve, suspicion

CASE = """
title = "Coupons"
[fields]
entity = "coupon"
user = "user"
request_id = "request_id"
[[source]]
path = "app.jsonl"
format = "json_lines"
"""
TRACE = """Traceback (most recent call last):
  File "/srv/shop/services.py", line 24, in redeem
    coupon.save()
django.db.utils.IntegrityError: new row for relation "coupon" violates check constraint "not_overused"
"""


def answered(second, ms, request_id, coupon, status, user):
    return {
        "ts": f"2026-03-11T09:14:{second:02}.{ms:03}Z", "level": "INFO", "message": "request", "method": "POST",
        "request_id": request_id * 32, "coupon": coupon, "path": f"/coupons/{coupon}/redeem/", "status": status,
        "duration_ms": 40.0, "user": user,
    }  # fmt: skip


def raised(second, ms, request_id):
    stamp = f"2026-03-11T09:14:{second:02}.{ms:03}Z"
    told = {"ts": stamp, "level": "ERROR", "message": "Internal Server Error", "request_id": request_id * 32}
    return told | {"exc_info": TRACE}


def accused(folder, *lines):
    (folder / "case.toml").write_text(CASE)
    (folder / "app.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return suspicion(analysis.investigate(str(folder), "x"))


CLICKED_TWICE = (answered(1, 100, "a", 7, 201, "ana"), answered(1, 120, "b", 7, 409, "ana"))


def test_an_answer_5xx_without_a_user_is_accused_before_two_requests_that_did_not_fail(tmp_path):
    lost = (answered(9, 100, "c", 8, 201, "bo"), raised(9, 118, "d"), answered(9, 120, "d", 8, 500, None))
    found = accused(tmp_path, *CLICKED_TWICE, *lost)
    assert (found.entity, sorted(found.statuses)) == ("8", [201, 500])
    assert found.raised.sqlstate == "23514" or found.raised.constraint == "not_overused"


@pytest.mark.parametrize(
    ("coupon", "second"), [(9, 9), (8, 12)], ids=["about another thing", "long after the other"]
)
def test_an_answer_5xx_that_meets_no_other_request_accuses_nobody(tmp_path, coupon, second):
    alone = (raised(second, 118, "d"), answered(second, 120, "d", coupon, 500, None))
    found = accused(tmp_path, *CLICKED_TWICE, answered(9, 100, "c", 8, 201, "bo"), *alone)
    assert (found.entity, sorted(found.statuses), found.raised) == ("7", [201, 409], None)


def test_two_people_who_both_succeed_are_no_pair(tmp_path):
    with pytest.raises(NothingToProve):
        accused(tmp_path, answered(9, 100, "c", 8, 201, "bo"), answered(9, 120, "d", 8, 201, "cy"))


def named(folder, endpoint, *lines):
    (folder / "case.toml").write_text(f'{CASE}[app]\nroot = "source"\nendpoint = "{endpoint}"\n')
    (folder / "app.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return suspicion(analysis.investigate(str(folder), "x"))


@pytest.mark.parametrize("endpoint", ["POST /coupons/8/redeem/", "POST /coupons/{id}/redeem/"])
def test_an_endpoint_named_by_hand_is_accused_whatever_the_logs_accuse(tmp_path, endpoint):
    lines = (*CLICKED_TWICE, answered(9, 100, "c", 8, 201, "bo"), answered(12, 100, "d", 8, 409, None))
    found = named(tmp_path, endpoint, *lines)
    assert (found.method, found.path, found.entity, found.user) == ("POST", "/coupons/8/redeem/", "8", "bo")
    assert (found.success, found.raised, found.overlap, len(found.records)) == (201, None, NAMED, 1)


def test_an_endpoint_that_no_log_knows_can_be_named(tmp_path):
    found = named(tmp_path, "POST /pay/", *CLICKED_TWICE)
    assert (found.method, found.path, found.records, found.success) == ("POST", "/pay/", (), None)
