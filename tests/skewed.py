"""Requests on one clock, each with a statement on another that is set apart and drifts."""

import pandas as pd

HOUR = 3_600 * 10**6
BASE = 1_773_244_043_000_000


def tables(chance, pairs, offset_us, drift=0.0, span=HOUR, step=1_000):
    """Requests of one clock, a statement of another clock in each, and both clocks' links."""
    requests, statements, links = [], [], []
    for number in range(pairs):
        start = BASE + chance.randrange(span)
        length = chance.randrange(20_000, 120_000)
        ran = sorted(start + chance.randrange(length) for _ in range(2))
        shown = [each + offset_us + round(drift * (each - BASE)) for each in ran]
        begun, ended = (each // step * step for each in shown)
        requests.append((number, "web", start, start, start + length))
        statements.append((1_000 + number, 7, begun, ended, step))
        links.append((number, 1_000 + number, "statements", 1.0))
    columns = ["record_id", "clock", "stamp_us", "starts_from", "ends_by"]
    return {
        "requests": pd.DataFrame(requests, columns=columns),
        "statements": pd.DataFrame(
            statements, columns=["record_id", "source_id", "started_us", "finished_us", "resolution_us"]
        ),
        "links": pd.DataFrame(links, columns=["from_record", "to_record", "to_table", "confidence"]),
        "records": pd.DataFrame(
            {"record_id": [0], "source_id": [7], "logged_us": [BASE], "resolution_us": [1]}
        ),
        "sources": pd.DataFrame({"source_id": [7], "clock": ["db"], "lag_us": [0]}),
    }
