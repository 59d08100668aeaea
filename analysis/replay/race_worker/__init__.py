"""Plays requests in the application's own interpreter, one database step at a time, in the order it is told.

Needs the standard library, and the Django and psycopg (2 or 3) of the application. `analysis/replay/app.py` starts it
and is the other end: one JSON object a line on standard input, one answer a line on standard output. Before each
statement, commit and rollback of a request its thread stops, and only one is let go at a time. So the order of all
that reaches the database is the order of `choices`, as often as one likes.

Not covered: what goes past Django's cursors runs when it likes; a run in which a thread of the application's own uses
the database is given up with that reason; a lock or statement timeout that the application sets runs by the clock.
Celery's tasks, if any, run at once and within the request that sends them.
"""
