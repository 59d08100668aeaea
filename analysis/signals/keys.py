"""Which errors name what a request was about: the key of a constraint against the entity of the request."""

from typing import Final

import ibis

ERROR: Final = ("type", "sqlstate", "constraint_name", "key_columns", "key_values")


def errors_about(exceptions: ibis.Table, pairs: ibis.Table) -> ibis.Table:
    """The errors that propagated and whose key names the entity of a pair of duplicates.

    In:   the table exceptions; pairs as `duplicates.pairs` gives them
    Out:  one row an error and pair: record_id (the error's), first_record, second_record, type, sqlstate,
          constraint_name, key_columns, key_values

    An equal value is a hint, not a proof: 4521 may be the id of something else. The error's record is not tied to one
    of the two requests.
    """
    named = exceptions.filter(exceptions.is_last, exceptions.constraint_name.notnull())
    named = named.select("record_id", *ERROR, about=named.key_values.unnest())
    met = named.join(pairs, named.about == pairs.entity)
    columns = ("record_id", "first_record", "second_record", *ERROR)
    return met.select(*columns).distinct().order_by("record_id", "first_record", "second_record")
