"""Log records: in UTC, with the request's id, each written in one piece."""

import logging
import os
import time
from contextvars import ContextVar

current_request_id = ContextVar("current_request_id", default="-")


class UtcFormatter(logging.Formatter):
    converter = time.gmtime


class RequestIdFilter(logging.Filter):
    """Sets `request_id`: Django logs some responses after the middleware has returned."""

    def filter(self, record):
        request = getattr(record, "request", None)
        record.request_id = getattr(request, "request_id", None) or current_request_id.get()
        return True


class WholeRecordHandler(logging.Handler):
    """One write(2) a record, so that two workers' tracebacks cannot mix in one file."""

    def __init__(self, path):
        super().__init__()
        self.descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def emit(self, record):
        try:
            os.write(self.descriptor, (self.format(record) + "\n").encode())
        except Exception:
            self.handleError(record)
