"""What clients send, read in one place."""

import json


class BadPayload(ValueError):
    """The client can mend this: it is answered with 400."""


def read_payload(request):
    """The JSON object in the request's body."""
    try:
        payload = json.loads(request.body)
    except ValueError as error:
        raise BadPayload("the body is not JSON") from error
    if not isinstance(payload, dict):
        raise BadPayload("the body is not a JSON object")
    return payload


def read_job_id(request, payload):
    """The job that a request is about; the access log shows it."""
    job_id = payload.get("job_id")
    if not isinstance(job_id, int):
        raise BadPayload("job_id is not a number")
    request.META["JOB"] = str(job_id)
    return job_id


def read_seconds(payload):
    """The working time that the client measured, in seconds."""
    timing = payload["timing"]
    return float(timing["seconds"])


def read_result(payload):
    """The result of a job: a summary and the checksums of its pages."""
    result = payload.get("result")
    if not isinstance(result, dict) or not isinstance(result.get("pages"), list):
        raise BadPayload("result has no list of pages")
    return result
