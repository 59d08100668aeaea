"""What cannot be dated, and how far clocks are apart, in sentences."""

import pandas as pd

from analysis.findings import Finding
from analysis.signals.skew import Skew
from analysis.wording import counted, milliseconds, said_name


def unstamped(requests: int, failed: int) -> Finding:
    """That requests carry no stamp, so that no rate and no order of theirs can be told."""
    claim = f"{counted(requests, 'request')} without a stamp, {failed:,} of them failed, are in no rate."
    return Finding(
        claim, limits="Only their places in the file order them; a stamp in each line would date them."
    )


def strays(requests: int, earliest_us: int, latest_us: int) -> Finding:
    """That a few requests are stamped far from all others and left out."""
    ends = [f"{pd.Timestamp(us, unit='us'):%Y-%m-%d}" for us in (earliest_us, latest_us)]
    claim = (
        f"{counted(requests, 'request')} stamped far from all others (from {ends[0]} to {ends[1]} in all) "
    )
    claim += f"{'is' if requests == 1 else 'are'} left out here."
    return Finding(claim, limits="Old lines, a wrong year or a wrong clock; --around looks at another time.")


def apart(skew: Skew) -> Finding:
    """How far the clock of statements or errors is from that of the requests which held them."""
    event, request = said_name(skew.event_clock), said_name(skew.request_clock)
    pairs = counted(skew.pairs, "pair")
    offset = skew.at(skew.middle_us)
    if offset is None:
        claim = f"How far the clock of {event} and that of {request} are apart cannot be told from {pairs}."
        return Finding(
            claim, limits="It takes thirty pairs by id or more, with durations, that agree with each other."
        )
    least, most = offset
    if least <= 0 <= most:
        claim = f"The clocks of {event} and of {request} agree within {milliseconds(max(-least, most))}, by {pairs}."
    else:
        said = f"is {milliseconds(abs(least + most) / 2)} {'ahead of' if least > 0 else 'behind'}"
        claim = f"The clock of {event} {said} that of {request}, by {pairs}."
    limits = f"Between {least / 1000:,.1f} and {most / 1000:,.1f} ms in the middle of them: a request holds its own "
    return Finding(
        claim, limits=limits + "statements and errors. No order across the two clocks is claimed of it."
    )
