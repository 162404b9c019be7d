"""What a vector is, and how its meaning is written down."""

import base64

HAND = "hand"


def valid(name, why, body, meaning, origin=HAND):
    return {"name": name, "why": why, "origin": origin, **_body(body), "meaning": meaning}


def invalid(name, why, body, breaks, call=None, before=None, stateful=False, origin=HAND):
    """An invalid event: it could be decoded, and costs its call only."""
    return _broken(name, why, body, breaks, "event", call, before, stateful, origin)


def malformed(name, why, body, breaks, before=None, stateful=False, origin=HAND):
    """Malformed bytes: they cost the stream."""
    return _broken(name, why, body, breaks, "malformed", None, before, stateful, origin)


def _broken(name, why, body, breaks, severity, call, before, stateful, origin):
    vector = {"name": name, "why": why, "origin": origin, **_body(body), "breaks": breaks, "severity": severity}
    if call is not None:
        vector["call"] = call
    if before is not None:
        vector["before"] = before
    if stateful:
        vector["stateful"] = True
    return vector


def _body(body):
    return {"text": body} if isinstance(body, str) else {"bytes": body.hex()}


def event(id="1", source="/s", type="t", data=None, **attributes):
    meaning = {"id": id, "source": source, "type": type, "attributes": attributes}
    if data is not None:
        meaning["data"] = data
    return meaning


def message(call, **fields):
    return {"call": call, **fields}


def b64(data):
    return base64.b64encode(data).decode()


def boolean(value):
    return {"boolean": value}


def integer(value):
    return {"integer": value}


def string(value):
    return {"string": value}


def binary(value):
    return {"binary": b64(value)}


def uri(value):
    return {"uri": value}


def uri_ref(value):
    return {"uriRef": value}


def timestamp(value):
    """RFC 3339 in UTC, with as few digits as the value needs."""
    return {"timestamp": value}


def text(value):
    return {"text": value}


def json(value):
    return {"json": value}


def proto(type_url, value):
    return {"proto": {"typeUrl": type_url, "value": b64(value)}}
