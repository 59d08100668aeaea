"""OpenTelemetry's records as plain JSON objects.

Source: OpenTelemetry Protocol, "JSON Protobuf Encoding"; opentelemetry-proto, common.proto (KeyValue, AnyValue),
logs.proto and trace.proto; semantic conventions, "HTTP server" and "Recording exceptions".
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

SERVER: Final = (2, "SPAN_KIND_SERVER")
SCALARS: Final = ("stringValue", "intValue", "doubleValue", "boolValue", "bytesValue")


def flat(item: Mapping[str, Any], around: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A log record or span, its lists of keys and values as objects.

    around: the elements that hold it, with their `resource` and `scope`. Added: resource, scope (its name); of a span
    durationMicros, exception (the attributes of the last one recorded), and server: its attributes if it is a request
    that was served, so that a request which the application made itself is not taken for one.
    """
    attributes = _object(item.get("attributes"))
    found = dict(item)
    if str(item.get("timeUnixNano")) == "0":  # unknown
        del found["timeUnixNano"]
    found["attributes"] = attributes
    for element in around:
        found |= {"resource": _object(element["resource"].get("attributes"))} if "resource" in element else {}
        found |= {"scope": element["scope"].get("name")} if "scope" in element else {}
    if "body" in item:
        found["body"] = _plain(item["body"])
    start, end = (_nanoseconds(item.get(name)) for name in ("startTimeUnixNano", "endTimeUnixNano"))
    if start is not None and end is not None:
        found["durationMicros"] = (end - start) / 1000
    if item.get("kind") in SERVER:
        found["server"] = attributes
    raised = [event for event in item.get("events", ()) if event.get("name") == "exception"]
    return found | ({"exception": _object(raised[-1].get("attributes"))} if raised else {})


def _nanoseconds(value: object) -> int | None:
    """A fixed64, written as a number or a string; None of anything else."""
    number = int(value[:21]) if isinstance(value, str) and value.isdecimal() else value
    return number if isinstance(number, int) and 0 <= number < 2**64 else None


def _object(pairs: Sequence[Mapping[str, Any]] | None) -> dict[str, Any]:
    return {pair["key"]: _plain(pair.get("value")) for pair in pairs or ()}


def _plain(value: Mapping[str, Any] | None) -> Any:
    """What an AnyValue holds."""
    if not value:
        return None
    if "kvlistValue" in value:
        return _object(value["kvlistValue"].get("values"))
    if "arrayValue" in value:
        return [_plain(each) for each in value["arrayValue"].get("values", ())]
    return next((value[name] for name in SCALARS if name in value), None)
