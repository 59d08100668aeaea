"""One id a request: in the response, in the logs and in the SQL."""

import logging
import re
import time
import uuid

from django.db import connection

from config.logs import current_request_id

logger = logging.getLogger(__name__)

PLAIN_ID = re.compile(r"[0-9A-Za-z-]{8,64}")
SLOW_S = 0.5


def tag_with(request_id):
    """An execute wrapper that puts the request id in front of every statement."""

    def tag(execute, sql, params, many, context):
        return execute(f"/* request_id={request_id} */ {sql}", params, many, context)

    return tag


class RequestIdMiddleware:
    """Takes the X-Request-ID that comes in, or makes one."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        given = request.headers.get("X-Request-ID", "")
        request.request_id = given if PLAIN_ID.fullmatch(given) else uuid.uuid4().hex
        request.META["REQUEST_ID"] = request.request_id
        token = current_request_id.set(request.request_id)
        started = time.monotonic()
        try:
            with connection.execute_wrapper(tag_with(request.request_id)):
                response = self.get_response(request)
            took = time.monotonic() - started
            if took > SLOW_S:
                logger.warning("slow: %s %s took %.3f s", request.method, request.path, took)
        finally:
            current_request_id.reset(token)
        response["X-Request-ID"] = request.request_id
        return response
