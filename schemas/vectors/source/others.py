"""Vectors whose bytes other implementations write: Python's protobuf, pycapnp, and the CloudEvents SDKs of Python and JavaScript."""

import importlib.metadata
import json as json_text
import pathlib
import subprocess
from datetime import datetime, timedelta, timezone
from io import BytesIO

import schemas
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from google.protobuf import proto as delimited

from vector import *

FSI, EVENTS = schemas.protobuf()
CAPNP = schemas.cap_n_proto()


def origin(package, name=None):
    return f"{name or package} {importlib.metadata.version(package)}"


PROTOBUF, PYCAPNP, SDK = origin("protobuf", "python-protobuf"), origin("pycapnp"), origin("cloudevents", "python-cloudevents")

# One meaning for each vector that both binary formats have. Attributes stand in the order in which they are written.
WHEN = timestamp("2026-11-21T09:30:00.25Z")
WHEN_PARTS = (1795253400, 250000000)
SAMPLES = [
    ("minimal", "what a builder writes that was given the required attributes", event("a-1", "https://example.com/s", "com.example.made")),
    ("every type", "one attribute of each of the seven types", event("a-2", "/s", "t", b=boolean(True), bin=binary(b"\x00\x01\x02"), i=integer(-7), s=string("\u4e16\u754c"), u=uri("https://example.com/\u0023x"), ur=uri_ref("a/b"), when=WHEN)),
    ("defaults of every type", "the default value of a type is a value", event("a-3", "/s", "t", b=boolean(False), bin=binary(b""), i=integer(0), s=string(""), when=timestamp("1970-01-01T00:00:00Z"))),
    ("binary data", "with a content type and a subject", event("a-4", "/s", "t", binary(b"\x89PNG\r\n\x1a\n"), datacontenttype=string("image/png"), subject=string("cat.png"))),
    ("text data", "with a charset", event("a-5", "/s", "t", text("\u00fcber\n"), datacontenttype=string("text/plain; charset=utf-8"), time=WHEN)),
    ("JSON data", "as text", event("a-6", "/s", "t", json({"deep": [{"a": None}], "n": 1.5}), datacontenttype=string("application/json"), dataschema=uri("https://example.com/schema"))),
    ("proto data", "an Any", event("a-7", "/s", "t", proto("type.googleapis.com/google.protobuf.Empty", b""))),
    ("large data", "4,000 bytes", event("a-8", "/s", "t", binary(b"\xa5" * 4000))),
]
MESSAGES = [
    ("hello", "as a host writes it", message(0, hello={"fsi": "1.0", "producer": "example/1.0"})),
    ("unary", "context, event and end", message(1, context={"invocationId": "i-1", "attempt": 1, "deadlineMs": 1795512600000, "extra": {"A": "1", "B_2": ""}}, event=SAMPLES[1][2], end={"code": "OK"})),
    ("unfinished", "an event that goes on", message(2, event=SAMPLES[3][2], more=True)),
    ("piece", "a chunk and an end", message(2, chunk=b64(b"\x00" * 300), end={"code": "OK"})),
    ("failure", "a status with everything", message(3, end={"code": "RESOURCE_EXHAUSTED", "message": "try later", "details": {"retry-after-ms": "250"}})),
    ("cancel", "with a reason", message(4, cancel={"reason": "the caller went away"})),
]
CODES = (
    "OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED "
    "FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED"
).split()


def kind_of(typed):
    (kind, value), = typed.items()
    return kind, base64.b64decode(value) if kind == "binary" else value


def stamp_parts(value):
    """Seconds and nanoseconds of the few timestamps above."""
    return {WHEN["timestamp"]: WHEN_PARTS, "1970-01-01T00:00:00Z": (0, 0)}[value]


def protobuf_event(meaning):
    made = EVENTS.CloudEvent(id=meaning["id"], source=meaning["source"], spec_version="1.0", type=meaning["type"])
    for name, typed in meaning["attributes"].items():
        kind, value = kind_of(typed)
        attribute = made.attributes[name]
        if kind == "timestamp":
            attribute.ce_timestamp.seconds, attribute.ce_timestamp.nanos = stamp_parts(value)
            attribute.ce_timestamp.SetInParent()
        else:
            fields = {"boolean": "ce_boolean", "integer": "ce_integer", "string": "ce_string", "binary": "ce_bytes", "uri": "ce_uri", "uriRef": "ce_uri_ref"}
            setattr(attribute, fields[kind], value)
    for kind, value in meaning.get("data", {}).items():
        if kind == "proto":
            made.proto_data.type_url, made.proto_data.value = value["typeUrl"], base64.b64decode(value["value"])
        elif kind == "binary":
            made.binary_data = base64.b64decode(value)
        else:
            made.text_data = json_text.dumps(value) if kind == "json" else value
    return made


def protobuf_message(meaning):
    made = FSI.Message(call=meaning["call"])
    if context := meaning.get("context"):
        made.context.invocation_id, made.context.attempt, made.context.deadline_ms = context["invocationId"], context["attempt"], context["deadlineMs"]
        made.context.extra.update(context["extra"])
    if "event" in meaning:
        made.event.CopyFrom(protobuf_event(meaning["event"]))
    if "chunk" in meaning:
        made.chunk = base64.b64decode(meaning["chunk"])
    made.more = meaning.get("more", False)
    if end := meaning.get("end"):
        made.end.SetInParent()
        made.end.code, made.end.message = CODES.index(end["code"]), end.get("message", "")
        made.end.details.update(end.get("details", {}))
    if "cancel" in meaning:
        made.cancel.reason = meaning["cancel"]["reason"]
    if "hello" in meaning:
        made.hello.fsi, made.hello.producer = meaning["hello"]["fsi"], meaning["hello"]["producer"]
    return made


def protobuf_bytes(made):
    return made.SerializeToString(deterministic=True)


def capnp_event(meaning, made=None):
    made = made or CAPNP.Event.new_message()
    made.id, made.source, made.specVersion, made.type = meaning["id"], meaning["source"], "1.0", meaning["type"]
    attributes = made.init("attributes", len(meaning["attributes"])) if meaning["attributes"] else []
    for attribute, (name, typed) in zip(attributes, meaning["attributes"].items()):
        kind, value = kind_of(typed)
        attribute.name = name
        if kind == "timestamp":
            made_stamp = attribute.value.init("timestamp")
            made_stamp.seconds, made_stamp.nanos = stamp_parts(value)
        else:
            setattr(attribute.value, "bytes" if kind == "binary" else kind, value)
    for kind, value in meaning.get("data", {}).items():
        if kind == "proto":
            made_any = made.data.init("proto")
            made_any.typeUrl, made_any.value = value["typeUrl"], base64.b64decode(value["value"])
        elif kind == "binary":
            made.data.binary = base64.b64decode(value)
        else:
            made.data.text = json_text.dumps(value) if kind == "json" else value
    return made


def capnp_entries(owner, field, pairs):
    if pairs:
        for entry, (key, value) in zip(owner.init(field, len(pairs)), pairs.items()):
            entry.key, entry.value = key, value


def capnp_message(meaning):
    made = CAPNP.Message.new_message(call=meaning["call"], more=meaning.get("more", False))
    if context := meaning.get("context"):
        made_context = made.init("context")
        made_context.invocationId, made_context.attempt, made_context.deadline.ms = context["invocationId"], context["attempt"], context["deadlineMs"]
        capnp_entries(made_context, "extra", context["extra"])
    if "event" in meaning:
        capnp_event(meaning["event"], made.init("event"))
    if "chunk" in meaning:
        made.chunk = base64.b64decode(meaning["chunk"])
    if end := meaning.get("end"):
        made_end = made.init("end")
        made_end.code, made_end.message = CODES.index(end["code"]), end.get("message", "")
        capnp_entries(made_end, "details", end.get("details", {}))
    if "cancel" in meaning:
        made.init("cancel").reason = meaning["cancel"]["reason"]
    if "hello" in meaning:
        hello = made.init("hello")
        hello.fsi, hello.producer = meaning["hello"]["fsi"], meaning["hello"]["producer"]
    return made


def two(name):
    return f"{name}, by a library"


def protobuf_files():
    yield "event-valid", [valid(two(name), why, protobuf_bytes(protobuf_event(m)), m, origin=PROTOBUF) for name, why, m in SAMPLES]
    yield "message-valid", [valid(two(name), why, protobuf_bytes(protobuf_message(m)), m, origin=PROTOBUF) for name, why, m in MESSAGES]
    yield "events-valid", [valid(two("all"), "every event above, delimited", stream(protobuf_event(m) for _, _, m in SAMPLES), [m for _, _, m in SAMPLES], origin=PROTOBUF)]
    yield "messages-valid", [valid(two("all"), "every message above, delimited", stream(protobuf_message(m) for _, _, m in MESSAGES), [m for _, _, m in MESSAGES], origin=PROTOBUF)]


def stream(made):
    """Delimited by the library, whose `serialize_length_prefixed` may put the entries of a map in any order: the body is therefore the sorted one."""
    out = b""
    for each in made:
        body, whole = protobuf_bytes(each), BytesIO()
        delimited.serialize_length_prefixed(each, whole)
        out += whole.getvalue()[: -len(body)] + body
    return out


def capnp_files():
    yield "event-valid", [valid(two(name), why, capnp_event(m).to_bytes(), m, origin=PYCAPNP) for name, why, m in SAMPLES]
    yield "message-valid", [valid(two(name), why, capnp_message(m).to_bytes(), m, origin=PYCAPNP) for name, why, m in MESSAGES]
    yield "events-valid", [valid(two("all"), "every event above in its frame", b"".join(capnp_event(m).to_bytes() for _, _, m in SAMPLES), [m for _, _, m in SAMPLES], origin=PYCAPNP)]
    yield "messages-valid", [valid(two("all"), "every message above in its frame", b"".join(capnp_message(m).to_bytes() for _, _, m in MESSAGES), [m for _, _, m in MESSAGES], origin=PYCAPNP)]


def json_files():
    when = datetime(2026, 11, 21, 9, 30, 0, 250000, tzinfo=timezone.utc)
    # The SDK gives an event without a time that of its making, so each of these has one.
    made = [
        ("minimal", "the required attributes and a time", {}, None, event("j-1")),
        ("attributes", "one of each type that JSON has", {"b": False, "i": 2147483647, "s": "\u4e16"}, None, event("j-1", b=boolean(False), i=integer(2147483647), s=string("\u4e16"))),
        ("time in another zone", "the same instant", {"time": when.astimezone(timezone(timedelta(hours=5, minutes=45)))}, None, event("j-1")),
        ("JSON data", "an object", {"datacontenttype": "application/json"}, {"a": [1, None]}, event("j-1", data=json({"a": [1, None]}), datacontenttype=string("application/json"))),
        ("text data", "a string under a text type", {"datacontenttype": "text/plain"}, "\u00fc\n", event("j-1", data=text("\u00fc\n"), datacontenttype=string("text/plain"))),
        ("binary data", "base64", {"datacontenttype": "image/png"}, b"\x89PNG", event("j-1", data=binary(b"\x89PNG"), datacontenttype=string("image/png"))),
    ]
    vectors = []
    for name, why, attributes, data, meaning in made:
        required = {"specversion": "1.0", "id": "j-1", "source": "/s", "type": "t", "time": when}
        meaning["attributes"]["time"] = WHEN
        body = JSONFormat().write(CloudEvent({**required, **attributes}, data))
        vectors.append(valid(f"{name}, by Python's SDK", why, body.decode(), meaning, origin=SDK))
    node = pathlib.Path(__file__).with_name("others.mjs")
    for vector in json_text.loads(subprocess.run(["node", node], check=True, capture_output=True).stdout):
        vectors.append(valid(vector["name"], vector["why"], vector["text"], vector["meaning"], origin=vector["origin"]))
    yield "event-valid", vectors
