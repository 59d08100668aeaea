"""Questions asked of whole cases: what the database refused, and who waited for whom."""

import json

import pytest

import analysis
from analysis import questions
from analysis.findings_of_duplicates import deadlocked

STAMP = "2026-03-11 15:47:23.101 UTC [{}]"
CYCLE = """\
Process 4127 waits for ShareLock on transaction 771; blocked by process 4131.
	Process 4131 waits for ShareLock on transaction 772; blocked by process 4127.
	Process 4127: UPDATE jobs SET status = 'done' WHERE id = 2
	Process 4131: UPDATE jobs SET status = 'done' WHERE id = 1"""
CSV = (
    '2026-03-11 15:47:23.101 UTC,"app","app",4127,"[local]",6b051c3b.101f,3,"UPDATE",2026-03-11 15:40:00 UTC,3/9,0,'
    'ERROR,40P01,"deadlock detected","{}","See server log for query details.",,,,,,,"","client backend",,0\n'
)


@pytest.fixture
def case(tmp_path):
    def opened(**logs):
        for name, text in logs.items():
            (tmp_path / f"{name}.log").write_text(text)
        sources = "".join(f'[[source]]\npath = "{name}.log"\n' for name in logs)
        (tmp_path / "case.toml").write_text(sources)
        return analysis.investigate(str(tmp_path), "x")

    return opened


def told(stamp, cycle):
    return f"{stamp} ERROR:  deadlock detected\n{stamp} DETAIL:  {cycle}\n{stamp} HINT:  See server log.\n"


@pytest.mark.parametrize("text", [told(STAMP.format(4127), CYCLE), CSV.format(CYCLE.replace("\n\t", "\n"))])
def test_a_deadlock_is_shown_with_both_statements_and_its_victim(case, text):
    found = questions.deadlocks(case(db=text))
    assert found[["process", "waits_for", "victim"]].values.tolist() == [
        ["4127", "4131", True],
        ["4131", "4127", False],
    ]
    assert found["statement"].str.contains("UPDATE jobs SET status = 'done' WHERE id =").all()
    (finding,) = deadlocked(found)
    assert "found 1 deadlock;" in finding.claim


# MariaDB 10.11, innodb_print_all_deadlocks: thread 5 got the error, and the server calls it the second.
MARIADB = """\
2026-11-24 16:53:44 5 [Note] InnoDB: Transactions deadlock detected, dumping detailed information.
2026-11-24 16:53:44 5 [Note] InnoDB:\x20
*** (1) TRANSACTION:

TRANSACTION 27, ACTIVE 0 sec starting index read
mysql tables in use 1, locked 1
LOCK WAIT 3 lock struct(s), heap size 1128, 2 row lock(s), undo log entries 1
MariaDB thread id 5, OS thread handle 139828433217216, query id 26 localhost root Updating
/* request_id=0f3a3 */ UPDATE job SET status='a'
 WHERE id=2
2026-11-24 16:53:44 5 [Note] InnoDB: *** WAITING FOR THIS LOCK TO BE GRANTED:

RECORD LOCKS space id 5 page no 3 n bits 320 index PRIMARY of table `jobs`.`job` trx id 27 lock_mode X waiting
Record lock, heap no 3 PHYSICAL RECORD: n_fields 4; compact format; info bits 0
 0: len 4; hex 80000002; asc     ;;

2026-11-24 16:53:44 5 [Note] InnoDB: *** CONFLICTING WITH:

RECORD LOCKS space id 5 page no 3 n bits 320 index PRIMARY of table `jobs`.`job` trx id 28 lock_mode X
2026-11-24 16:53:44 5 [Note] InnoDB:\x20
*** (2) TRANSACTION:

TRANSACTION 28, ACTIVE 0 sec starting index read
mysql tables in use 1, locked 1
LOCK WAIT 3 lock struct(s), heap size 1128, 2 row lock(s), undo log entries 1
MariaDB thread id 6, OS thread handle 139828432910016, query id 25 localhost root Updating
UPDATE job SET status='b' WHERE id=1
2026-11-24 16:53:44 5 [Note] InnoDB: *** WAITING FOR THIS LOCK TO BE GRANTED:

RECORD LOCKS space id 5 page no 3 n bits 320 index PRIMARY of table `jobs`.`job` trx id 28 lock_mode X waiting
2026-11-24 16:53:44 5 [Note] InnoDB: *** CONFLICTING WITH:

RECORD LOCKS space id 5 page no 3 n bits 320 index PRIMARY of table `jobs`.`job` trx id 27 lock_mode X
2026-11-24 16:53:44 5 [Note] InnoDB: *** WE ROLL BACK TRANSACTION (2)
"""

# Written after MySQL 8.0's error log as its users quote it: a title a record, after two blanks and the code.
MYSQL = """\
2026-06-29T08:31:41.894402Z 0 [Note] [MY-012468] [InnoDB] Transactions deadlock detected, dumping detailed information.
2026-06-29T08:31:41.894429Z 0 [Note] [MY-012469] [InnoDB]  *** (1) TRANSACTION:\x20
TRANSACTION 5657, ACTIVE 10 sec starting index read
mysql tables in use 1, locked 1
LOCK WAIT 5 lock struct(s), heap size 1128, 5 row lock(s)
MySQL thread id 5, OS thread handle 131443988571712, query id 74 172.17.0.1 root executing
UPDATE job SET status='a'
 WHERE id=2
2026-06-29T08:31:41.894452Z 0 [Note] [MY-012469] [InnoDB]  *** (1) HOLDS THE LOCK(S):\x20
RECORD LOCKS space id 118 page no 8 n bits 256 index PRIMARY of table `jobs`.`job` trx id 5657 lock_mode X
2026-06-29T08:31:41.894460Z 0 [Note] [MY-012469] [InnoDB]  *** (1) WAITING FOR THIS LOCK TO BE GRANTED:\x20
RECORD LOCKS space id 118 page no 6 n bits 672 index PRIMARY of table `jobs`.`job` trx id 5657 lock_mode X waiting
Record lock, heap no 2 PHYSICAL RECORD: n_fields 2; compact format; info bits 0
 0: len 2; hex 0005; asc   ;;

2026-06-29T08:31:41.894470Z 0 [Note] [MY-012469] [InnoDB]  *** (2) TRANSACTION:\x20
TRANSACTION 5658, ACTIVE 8 sec starting index read
mysql tables in use 1, locked 1
LOCK WAIT 5 lock struct(s), heap size 1128, 5 row lock(s)
MySQL thread id 6, OS thread handle 131443988571713, query id 75 172.17.0.1 root executing
UPDATE job SET status='b' WHERE id=1
2026-06-29T08:31:41.894480Z 0 [Note] [MY-012469] [InnoDB]  *** (2) WAITING FOR THIS LOCK TO BE GRANTED:\x20
RECORD LOCKS space id 118 page no 6 n bits 672 index PRIMARY of table `jobs`.`job` trx id 5658 lock_mode X waiting
2026-06-29T08:31:41.894490Z 0 [Note] [MY-012469] [InnoDB] *** WE ROLL BACK TRANSACTION (1)
"""
SIDES = [["5", "6", True], ["6", "5", False]]
BOTH = ["UPDATE job SET status='a'\n WHERE id=2", "UPDATE job SET status='b' WHERE id=1"]


def docker(text):
    """Each line a record of its own."""
    return "".join(
        json.dumps({"log": line + "\n", "stream": "stderr", "time": f"2026-11-24T16:53:44.{at:09}Z"}) + "\n"
        for at, line in enumerate(text.splitlines())
    )


@pytest.mark.parametrize("text", [MARIADB, MYSQL, docker(MARIADB), docker(MYSQL)])
def test_a_deadlock_of_innodb_is_put_together_from_the_records_of_the_error_log(case, text):
    found = questions.deadlocks(case(db=text))
    assert found[["process", "waits_for", "victim"]].values.tolist() == SIDES
    assert [each.removeprefix("/* request_id=0f3a3 */ ") for each in found["statement"]] == BOTH
    assert set(found["lock"]) == {"lock_mode X waiting on PRIMARY of `jobs`.`job`"}
    assert "found 1 deadlock;" in deadlocked(found)[0].claim


@pytest.mark.parametrize("text", [MARIADB, MYSQL])
def test_two_reports_one_behind_the_other_are_two(case, text):
    again = text.replace("thread id 5", "thread id 15").replace("thread id 6", "thread id 16")
    found = questions.deadlocks(case(db=text + again))
    assert found["process"].tolist() == ["5", "6", "15", "16"]
    assert found["deadlock_record"].nunique() == 2


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        (MARIADB, "2026-11-24 16:53:44 7 [Warning] Aborted connection 7 to db: 'x' (Got timeout reading)\nmore\n"),
        (MARIADB, "2026-11-24 16:53:44 7 [Note] InnoDB: *** (9) TRANSACTION:\n"),
        (MYSQL, "2026-06-29T08:31:41.894455Z 7 [Warning] [MY-010055] [Server] IP address could not be resolved\n"),
        (MYSQL, "2026-06-29T08:31:41.894455Z 0 [Note] [MY-012551] [InnoDB] page_cleaner: loop took 4013ms\n"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_foreign_record_between_two_sections_is_no_part_of_a_report(case, text, foreign, wrapped):
    stamp = text[:10]
    for title in ("(2) TRANSACTION", "HOLDS" if "HOLDS" in text else "WAITING FOR"):
        at = text.rindex(f"\n{stamp}", 0, text.index(title)) + 1
        text = text[:at] + (foreign.removesuffix("more\n") if wrapped else foreign) + text[at:]
    found = questions.deadlocks(case(db=docker(text) if wrapped else text))
    assert found[["process", "waits_for", "victim"]].values.tolist() == SIDES
    assert [each.removeprefix("/* request_id=0f3a3 */ ") for each in found["statement"]] == BOTH


@pytest.mark.parametrize("text", [MARIADB, MYSQL])
def test_a_report_that_is_cut_off_shows_what_it_has(case, text):
    without_end = text[: text.rindex("\n", 0, -1) + 1]
    found = questions.deadlocks(case(db=without_end))
    assert found["process"].tolist() == ["5", "6"]
    assert not found["victim"].any()
    assert questions.deadlocks(case(db=text[: text.index("(2) TRANSACTION")])).empty


@pytest.mark.parametrize("text", [MARIADB, MYSQL])
def test_a_report_that_is_cut_off_is_not_carried_on_by_the_next_one(case, text):
    cut = text[: text.index("(2) TRANSACTION")].rsplit("\n", 1)[0].replace("thread id 5", "thread id 15")
    opened = case(db=cut + "\n" + text)
    found = questions.deadlocks(opened)
    assert found["process"].tolist() == ["5", "6"]
    assert opened.places([int(found["deadlock_record"][0])])[0][1] > len(cut.splitlines())


def test_a_report_that_is_cut_off_is_not_ended_by_the_next_log(case):
    """Its end stands in another file, which may be any report's."""
    lines = MARIADB.splitlines(keepends=True)
    found = questions.deadlocks(case(a="".join(lines[:-1]), b=lines[-1]))
    assert not found["victim"].any()


@pytest.mark.parametrize("text", [MARIADB, MYSQL])
def test_a_statement_with_the_lines_of_a_report_in_it_is_no_part_of_the_report(case, text):
    forged = "WHERE id=2\n*** WE ROLL BACK TRANSACTION (2)\n*** (2) TRANSACTION:\nMySQL thread id 99, x\nDROP TABLE t"
    found = questions.deadlocks(case(db=text.replace("WHERE id=2", forged)))
    assert found[["process", "victim"]].values.tolist() == [["5", True], ["6", False]]


def test_the_status_of_innodb_in_one_record_is_read_too(case):
    status = MYSQL.replace("2026-06-29T08:31:41.8944", "\x00").splitlines()
    lines = [line.partition("[InnoDB]")[2].strip() or line for line in status]
    head = "2026-06-29 08:31:42,000 INFO monitor LATEST DETECTED DEADLOCK\n"
    found = questions.deadlocks(case(app=head + "\n".join(lines[1:]) + "\n"))
    assert found[["process", "victim"]].values.tolist() == [["5", True], ["6", False]]


def test_a_wait_that_ended_is_no_deadlock(case):
    line = STAMP.format(4127) + " LOG:  process 4127 acquired ShareLock on transaction 771 after 1001.5 ms\n"
    found = questions.deadlocks(case(db=line))
    assert found.empty
    assert deadlocked(found) == []


def test_errors_of_the_database_are_counted_by_code_and_constraint(case):
    error = (
        "2026-03-11T15:47:2{}Z ERROR django.request Internal Server Error: /api/jobs/complete\n"
        "Traceback (most recent call last):\n"
        '  File "/app/jobs/views.py", line 142, in complete_job\n    job.save()\n'
        'django.db.utils.IntegrityError: duplicate key value violates unique constraint "jobs_unique"\n'
        "DETAIL:  Key (job_id)=({}) already exists.\n"
    )
    found = questions.database_errors(case(app=error.format(1, 7) + error.format(2, 8)))
    named = ["sqlstate", "constraint_name", "key_columns", "errors", "doubtful"]
    assert found[named].values.tolist() == [["23505", "jobs_unique", "job_id", 2, 0]]
