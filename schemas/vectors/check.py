"""Reads every vector with other implementations and compares what they read with what the vector says.

Protobuf with Python's protobuf, Cap'n Proto with pycapnp, events in JSON with the CloudEvents SDK for Python. Messages in JSON
have no other implementation; their members are read with the standard library and their events with the SDK.

These decode; they do not validate. So a malformed vector must be refused if its rule is about the encoding, and any other
vector must be readable. Where an implementation does otherwise, `disagreements.json` says why.
"""

import base64
import importlib.metadata
import json
import pathlib
import re
import sys
from datetime import datetime, timedelta, timezone
from io import BytesIO

VECTORS = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(VECTORS / "source"))
sys.dont_write_bytecode = True

import capnp
import schemas
from cloudevents.core.formats.json import JSONFormat
from google.protobuf import proto as delimited
from google.protobuf.message import DecodeError

FSI, EVENTS = schemas.protobuf()
CAPNP = schemas.cap_n_proto()
CODES = (
    "OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED "
    "FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED"
).split()

# Rules that the bytes alone can break, so that a decoder that knows the schema refuses them.
OF_THE_ENCODING = {
    "encoding-malformed", "encoding-truncated", "protobuf-length", "protobuf-utf8", "capnp-bounds", "capnp-segments", "capnp-text", "capnp-traversal",
    "json-object", "json-utf8", "json-no-bom",
}
# FSI's own limits, which a decoder is not told of here.
UNKNOWN_LIMITS = {"encoding-limit", "json-depth", "json-duplicate-member"}


class Refused(Exception):
    """The implementation says that the bytes cannot be decoded."""

    def __init__(self, error, before):
        super().__init__(error)
        self.before = before


class Skipped(Exception):
    """The implementation has nothing to say about this vector."""


def base64_of(content):
    return base64.b64encode(content).decode()


def instant(seconds, nanos):
    if not (0 <= nanos < 10**9):
        raise Skipped("a timestamp that is invalid")
    try:
        whole = datetime(1970, 1, 1) + timedelta(seconds=seconds)
    except OverflowError:
        raise Skipped("a timestamp that is invalid") from None
    fraction = f".{nanos:09}".rstrip("0") if nanos else ""
    return whole.isoformat() + fraction + "Z"


def classify(meaning):
    """Text under a JSON content type is JSON data."""
    text = meaning.get("data", {}).get("text")
    content_type = meaning["attributes"].get("datacontenttype", {}).get("string", "")
    if text is not None and re.fullmatch(r"[^/;]+/([^/;]+\+)?json\s*(;.*)?", content_type, re.IGNORECASE):
        try:
            meaning["data"] = {"json": json.loads(text)}
        except ValueError:
            pass
    return meaning


# Protobuf ---------------------------------------------------------------------------------------------------------------

ATTRIBUTES = {"ce_boolean": "boolean", "ce_integer": "integer", "ce_string": "string", "ce_bytes": "binary", "ce_uri": "uri", "ce_uri_ref": "uriRef", "ce_timestamp": "timestamp"}


def protobuf_event(event):
    attributes = {}
    for name, value in event.attributes.items():
        field = value.WhichOneof("attr")
        if field is None:
            continue
        read = getattr(value, field)
        if field == "ce_timestamp":
            read = instant(read.seconds, read.nanos)
        attributes[name] = {ATTRIBUTES[field]: base64_of(read) if field == "ce_bytes" else read}
    meaning = {"id": event.id, "source": event.source, "type": event.type, "attributes": attributes}
    match event.WhichOneof("data"):
        case "binary_data":
            meaning["data"] = {"binary": base64_of(event.binary_data)}
        case "text_data":
            meaning["data"] = {"text": event.text_data}
        case "proto_data":
            meaning["data"] = {"proto": {"typeUrl": event.proto_data.type_url, "value": base64_of(event.proto_data.value)}}
    return classify(meaning)


def present(**fields):
    """Without what is absent or empty."""
    return {name: value for name, value in fields.items() if value not in (None, "", {}, 0) or value is True}


def status(code, message, details):
    return {"code": CODES[code] if code < len(CODES) else "UNKNOWN", **present(message=message, details=details)}


def protobuf_message(message):
    meaning = {"call": message.call}
    if message.HasField("context"):
        c = message.context
        meaning["context"] = present(invocationId=c.invocation_id, attempt=c.attempt, traceparent=c.traceparent, tracestate=c.tracestate, baggage=c.baggage, extra=dict(c.extra))
        if c.HasField("deadline_ms"):
            meaning["context"]["deadlineMs"] = c.deadline_ms
    if message.HasField("event"):
        meaning["event"] = protobuf_event(message.event)
    if message.HasField("chunk"):
        meaning["chunk"] = base64_of(message.chunk)
    if message.more:
        meaning["more"] = True
    if message.HasField("end"):
        meaning["end"] = status(message.end.code, message.end.message, dict(message.end.details))
    if message.HasField("cancel"):
        meaning["cancel"] = present(reason=message.cancel.reason)
    if message.HasField("hello"):
        h = message.hello
        meaning["hello"] = present(fsi=h.fsi, producer=h.producer)
        if h.HasField("status"):
            meaning["hello"]["status"] = status(h.status.code, h.status.message, dict(h.status.details))
    return meaning


def read_protobuf(shape, body):
    kind, read = (EVENTS.CloudEvent, protobuf_event) if shape.startswith("event") else (FSI.Message, protobuf_message)
    stream, found = BytesIO(body), []
    try:
        if not shape.endswith("s"):
            return read(kind.FromString(body))
        while (one := delimited.parse_length_prefixed(kind, stream)) is not None:
            found.append(read(one))
        return found
    except (DecodeError, ValueError) as error:
        raise Refused(error, len(found)) from error


# Cap'n Proto ------------------------------------------------------------------------------------------------------------


def capnp_event(event):
    attributes = {}
    for attribute in event.attributes:
        kind = attribute.value.which()
        value = getattr(attribute.value, str(kind))
        if kind == "timestamp":
            value = instant(value.seconds, value.nanos)
        kind = "binary" if kind == "bytes" else str(kind)
        attributes[attribute.name] = {kind: base64_of(value) if kind == "binary" else value}
    meaning = {"id": event.id, "source": event.source, "type": event.type, "attributes": attributes}
    match str(event.data.which()):
        case "binary":
            meaning["data"] = {"binary": base64_of(event.data.binary)}
        case "text":
            meaning["data"] = {"text": event.data.text}
        case "proto":
            meaning["data"] = {"proto": {"typeUrl": event.data.proto.typeUrl, "value": base64_of(event.data.proto.value)}}
    return classify(meaning)


def capnp_status(read):
    return status(read.code, read.message, {entry.key: entry.value for entry in read.details})


def capnp_message(message):
    meaning = {"call": message.call}
    if message._has("context"):
        c = message.context
        extra = {entry.key: entry.value for entry in c.extra}
        meaning["context"] = present(invocationId=c.invocationId, attempt=c.attempt, traceparent=c.traceparent, tracestate=c.tracestate, baggage=c.baggage, extra=extra)
        if c.deadline.which() == "ms":
            meaning["context"]["deadlineMs"] = c.deadline.ms
    if message._has("event"):
        meaning["event"] = capnp_event(message.event)
    if message._has("chunk"):
        meaning["chunk"] = base64_of(message.chunk)
    if message.more:
        meaning["more"] = True
    if message._has("end"):
        meaning["end"] = capnp_status(message.end)
    if message._has("cancel"):
        meaning["cancel"] = present(reason=message.cancel.reason)
    if message._has("hello"):
        h = message.hello
        meaning["hello"] = present(fsi=h.fsi, producer=h.producer)
        if h._has("status"):
            meaning["hello"]["status"] = capnp_status(h.status)
    return meaning


def traversal_limit(body):
    """That of the rule capnp-traversal."""
    return max(8 * len(body), 65536) // 8


def read_capnp(shape, body):
    kind, read = (CAPNP.Event, capnp_event) if shape.startswith("event") else (CAPNP.Message, capnp_message)
    found = []
    try:
        frames = kind.read_multiple_bytes(body, traversal_limit_in_words=traversal_limit(body))
        for one in frames if shape.endswith("s") else [next(frames, None)]:
            if one is None:
                raise ValueError("no message")
            found.append(read(one))
        return found if shape.endswith("s") else found[0]
    except (capnp.KjException, UnicodeDecodeError, ValueError) as error:
        raise Refused(error, len(found)) from error


# JSON -------------------------------------------------------------------------------------------------------------------


def json_event(body):
    """An event as the SDK reads it. What it returns as plain Python is typed by the rules of spec/encodings.md."""
    read = JSONFormat().read(None, body)
    written = json.loads(body.decode())
    meaning = {"id": read.get_id(), "source": read.get_source(), "type": read.get_type(), "attributes": {}}
    for name, value in read.get_attributes().items():
        if name in ("specversion", "id", "source", "type"):
            continue
        if name == "time" and name not in written:
            continue  # The SDK's own: an event without a time gets that at which it was read.
        if isinstance(value, datetime):
            value = value.astimezone(timezone.utc)
            typed = {"timestamp": instant((value.replace(microsecond=0) - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(seconds=1), value.microsecond * 1000)}
        elif isinstance(value, bool):
            typed = {"boolean": value}
        elif isinstance(value, int):
            typed = {"integer": value}
        else:
            typed = {"uri" if name == "dataschema" else "string": value}
        meaning["attributes"][name] = typed
    data = read.get_data()
    if isinstance(data, bytes):
        meaning["data"] = {"binary": base64_of(data)}
    elif data is not None:
        content_type = written.get("datacontenttype")
        meaning["data"] = {"json": data}
        if isinstance(data, str) and content_type and not re.fullmatch(r"[^/;]+/([^/;]+\+)?json\s*(;.*)?", content_type, re.IGNORECASE):
            meaning["data"] = {"text": data}
    return meaning


def json_message(body):
    read = json.loads(body.decode())
    if not isinstance(read, dict):
        raise ValueError("no object")
    meaning = {"call": read.get("call", 0)}
    for name in ["chunk", "more", "cancel", "hello", "end", "context"]:
        if name not in read or read[name] is False:
            continue
        known = {
            "cancel": ["reason"], "hello": ["fsi", "producer", "status"], "end": ["code", "message", "details"],
            "context": ["invocationId", "attempt", "deadlineMs", "traceparent", "tracestate", "baggage", "extra"],
        }.get(name)
        value = read[name]
        meaning[name] = {k: v for k, v in value.items() if k in known} if known and isinstance(value, dict) else value
    for holder, name in [(meaning, "end"), (meaning.get("hello"), "status")]:
        if isinstance(holder, dict) and isinstance(holder.get(name), dict):
            code = holder[name].get("code", "OK")
            holder[name] = {**holder[name], "code": code if code in CODES else "UNKNOWN"}
    if "event" in read:
        try:
            meaning["event"] = json_event(json.dumps(read["event"]).encode())
        except Exception as error:  # The SDK has no error of its own for an event that it refuses.
            meaning["event"] = f"refused: {error}"
    return meaning


def read_json(shape, body):
    read = json_event if shape.startswith("event") else json_message
    found = []
    try:
        if not shape.endswith("s"):
            return read(body)
        for line in body.split(b"\n"):
            if line.strip(b" \t\r"):
                found.append(read(line))
        return found
    except RecursionError as error:
        raise Skipped(error) from error
    except Exception as error:  # The SDK has no error of its own for bytes that it cannot read.
        raise Refused(error, len(found)) from error


# The run ----------------------------------------------------------------------------------------------------------------


def judge(encoding, shape, vector):
    """None if the implementation agrees, else what it did."""
    body = bytes.fromhex(vector["bytes"]) if "bytes" in vector else vector["text"].encode()
    try:
        read = {"json": read_json, "protobuf": read_protobuf, "capnp": read_capnp}[encoding](shape, body)
    except Refused as error:
        if "meaning" in vector:
            return f"refused it: {error}"
        # pycapnp refuses to name a discriminant that it does not know.
        expected = vector["severity"] == "malformed" or encoding == "json" or vector["breaks"] == "capnp-union"
        if vector.get("before", error.before) != error.before and not vector.get("stateful"):
            return f"refused it after {error.before} whole ones"
        return None if expected else f"refused it, though it can be decoded: {error}"
    if "meaning" in vector:
        return None if same(read, vector["meaning"]) else f"read {json.dumps(read)[:300]}"
    rule = vector["breaks"]
    if rule in UNKNOWN_LIMITS:
        raise Skipped("a limit of FSI's own")
    if vector["severity"] == "malformed" and rule in OF_THE_ENCODING:
        return f"read {json.dumps(read)[:300]}"
    # In JSON the SDK is a reader of events, so an invalid event is its business too.
    if encoding == "json" and shape == "event":
        return f"read {json.dumps(read)[:300]}"
    return None


def same(read, meant):
    if isinstance(meant, dict) and "invalid" in meant:
        meant = {name: value for name, value in meant.items() if name != "invalid"}
        read = {name: value for name, value in read.items() if name != "event"}
    if isinstance(read, list) and isinstance(meant, list) and any(isinstance(each, dict) and "invalid" in each for each in meant):
        return len(read) == len(meant) and all(map(same, read, meant))
    # Python holds True and 1 for equal; JSON does not.
    return json.dumps(read, sort_keys=True) == json.dumps(meant, sort_keys=True)


def main():
    implementations = {"json": "python-cloudevents", "protobuf": "python-protobuf", "capnp": "pycapnp"}
    packages = {"json": "cloudevents", "protobuf": "protobuf", "capnp": "pycapnp"}
    listed = json.loads((VECTORS / "disagreements.json").read_text())
    total = failures = 0
    for encoding, implementation in implementations.items():
        counts = {"passed": 0, "failed": 0, "skipped": 0, "disagree": 0}
        explained = {name: entry["reason"] for entry in listed if entry["implementation"] == implementation for name in entry["vectors"]}
        seen = set()
        for path in sorted((VECTORS / encoding).glob("*.json")):
            shape = path.stem.split("-")[0]
            for vector in json.loads(path.read_text()):
                name = f"{encoding}/{path.stem}/{vector['name']}"
                seen.add(name)
                try:
                    found = judge(encoding, shape, vector)
                except Skipped:
                    counts["skipped"] += 1
                    found = None
                else:
                    counts["passed" if found is None else "disagree" if name in explained else "failed"] += 1
                if found is not None and name not in explained:
                    print(f"FAILED {name}: {implementation} {found}")
                if found is None and name in explained:
                    counts["failed"] += 1
                    print(f"FAILED {name}: listed as a disagreement of {implementation}, but it agrees, or was skipped")
        for name in explained.keys() - seen:
            counts["failed"] += 1
            print(f"FAILED {name}: listed as a disagreement of {implementation}, but there is no such vector")
        version = importlib.metadata.version(packages[encoding])
        print(f"{implementation} {version}: {counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped, {counts['disagree']} known disagreements")
        total += counts["passed"]
        failures += counts["failed"]
    sys.exit(1 if failures or not total else 0)


if __name__ == "__main__":
    main()
