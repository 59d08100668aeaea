"""What production's evidence shows of the request that lost."""

from analysis.replay.mechanism import Signature
from analysis.suspicion import Suspicion


def signature_of(accused: Suspicion) -> Signature | None:
    """What an explanation has to produce; None where production showed no error.

    An answer 5xx whose exception no log ties to it is an error too: then the status is all that is known.
    """
    raised = accused.raised
    if raised is None:
        return None if accused.failure is None else Signature(status=accused.failure)
    failed = next((each for each in accused.statements if each.sqlstate is not None), None)
    if failed is None:
        return Signature(accused.failure, raised.sqlstate, raised.constraint, raised.key_columns)
    return Signature(
        status=accused.failure,
        sqlstate=raised.sqlstate,
        constraint=raised.constraint,
        key_columns=raised.key_columns,
        kind=failed.shape.split(" ", 1)[
            0
        ].lower(),  # "select" of a locking read too, as re-enacted steps name it
        table=None if failed.table is None else failed.table.rpartition(".")[2],
    )
