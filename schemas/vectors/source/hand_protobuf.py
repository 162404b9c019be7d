"""Protobuf vectors, spelled out tag by tag. Nothing here knows the schema: field numbers stand where they are used."""

from vector import *

VARINT, I64, LEN, START, END, I32 = range(6)


def varint(n, width=0):
    """A varint, over `width` bytes if it needs fewer."""
    out = bytearray()
    while n > 0x7F or len(out) + 1 < width:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def tag(number, wire_type):
    return varint(number << 3 | wire_type)


def num(number, value):
    return tag(number, VARINT) + varint(value & (2**64 - 1))


def ld(number, content):
    content = content.encode() if isinstance(content, str) else content
    return tag(number, LEN) + varint(len(content)) + content


def delimited(*bodies):
    return b"".join(varint(len(body)) + body for body in bodies)


def attribute(name, value):
    """An entry of the map `attributes` (field 5)."""
    return ld(5, ld(1, name) + ld(2, value))


def stamp(seconds, nanos=0):
    return ld(7, (num(1, seconds) if seconds else b"") + (num(2, nanos) if nanos else b""))


ID, SOURCE, SPEC, TYPE = ld(1, "1"), ld(2, "/s"), ld(3, "1.0"), ld(4, "t")
EVENT = ID + SOURCE + SPEC + TYPE
HELLO = ld(31, ld(1, "1.0"))
HELLO_MEANING = message(0, hello={"fsi": "1.0"})


def with_attribute(name, value):
    return EVENT + attribute(name, value)


def json_type(text_data):
    return EVENT + attribute("datacontenttype", ld(3, "application/json")) + ld(7, text_data)


JSON_TYPE = {"datacontenttype": string("application/json")}


def event_valid():
    a = with_attribute
    yield valid("minimal", "the four required attributes and nothing else", EVENT, event())
    yield valid("boolean true", "ce_boolean, field 1 of the value", a("x", num(1, 1)), event(x=boolean(True)))
    yield valid("boolean false", "a oneof member is written also when it holds the default", a("x", num(1, 0)), event(x=boolean(False)))
    yield valid("boolean from another number", "any varint but 0 is true", a("x", num(1, 2)), event(x=boolean(True)))
    yield valid("integer zero", "ce_integer, field 2, with the default", a("x", num(2, 0)), event(x=integer(0)))
    yield valid("integer one", "the smallest positive one", a("x", num(2, 1)), event(x=integer(1)))
    yield valid("integer minus one", "a negative int32 takes ten bytes", a("x", num(2, -1)), event(x=integer(-1)))
    yield valid("integer maximum", "2^31-1", a("x", num(2, 2**31 - 1)), event(x=integer(2147483647)))
    yield valid("integer minimum", "-2^31", a("x", num(2, -(2**31))), event(x=integer(-2147483648)))
    yield valid("integer minus one in five bytes", "a reader keeps the low 32 bits of a varint", a("x", tag(2, VARINT) + varint(2**32 - 1)), event(x=integer(-1)))
    yield valid("string", "ce_string, field 3", a("x", ld(3, "a/b")), event(x=string("a/b")))
    yield valid("string empty", "an extension may be empty", a("x", ld(3, "")), event(x=string("")))
    yield valid("string of every length of UTF-8", "one to four bytes each", a("x", ld(3, "a\u00e9\u20ac\U0001f980")), event(x=string("a\u00e9\u20ac\U0001f980")))
    yield valid("string not normalised", "e and a combining accent stay two characters", a("x", ld(3, "e\u0301")), event(x=string("e\u0301")))
    yield valid("string beside the excluded", "U+FFFD and U+10FFFD are characters like any other", a("x", ld(3, "\ufffd\U0010fffd")), event(x=string("\ufffd\U0010fffd")))
    yield valid("binary", "ce_bytes, field 4, any bytes", a("x", ld(4, b"\x00\xff\x0a")), event(x=binary(b"\x00\xff\x0a")))
    yield valid("binary empty", "no bytes are a value", a("x", ld(4, b"")), event(x=binary(b"")))
    yield valid("uri", "ce_uri, field 5", a("x", ld(5, "urn:a:b")), event(x=uri("urn:a:b")))
    yield valid("uri reference", "ce_uri_ref, field 6", a("x", ld(6, "../a?b#c")), event(x=uri_ref("../a?b#c")))
    yield valid("timestamp of the epoch", "ce_timestamp, field 7, with both fields left out", a("x", stamp(0)), event(x=timestamp("1970-01-01T00:00:00Z")))
    yield valid("timestamp of a nanosecond", "the finest that there is", a("x", stamp(0, 1)), event(x=timestamp("1970-01-01T00:00:00.000000001Z")))
    yield valid("timestamp of all nanoseconds", "999,999,999 is the last", a("x", stamp(1, 999999999)), event(x=timestamp("1970-01-01T00:00:01.999999999Z")))
    yield valid("timestamp before the epoch", "nanoseconds count forward from a negative second", a("x", stamp(-1, 500000000)), event(x=timestamp("1969-12-31T23:59:59.5Z")))
    yield valid("timestamp first", "the year 0001 begins", a("x", stamp(-62135596800)), event(x=timestamp("0001-01-01T00:00:00Z")))
    yield valid("timestamp last", "the year 9999 ends", a("x", stamp(253402300799, 999999999)), event(x=timestamp("9999-12-31T23:59:59.999999999Z")))
    yield valid("timestamp of a leap day", "29 February 2000", a("x", stamp(951782400)), event(x=timestamp("2000-02-29T00:00:00Z")))
    yield valid(
        "every optional attribute",
        "subject and datacontenttype are String, dataschema is URI, time is Timestamp",
        EVENT
        + attribute("subject", ld(3, "a"))
        + attribute("time", stamp(1795512600, 250000000))
        + attribute("datacontenttype", ld(3, "text/plain"))
        + attribute("dataschema", ld(5, "https://example.com/s")),
        event(
            subject=string("a"),
            time=timestamp("2026-11-24T09:30:00.25Z"),
            datacontenttype=string("text/plain"),
            dataschema=uri("https://example.com/s"),
        ),
    )
    yield valid("name of digits", "a name may begin with a digit", a("9", num(1, 1)), event(**{"9": boolean(True)}))
    yield valid("name of 40 characters", "twenty characters are advice", a("n" * 40, num(1, 1)), event(**{"n" * 40: boolean(True)}))
    yield valid("300 attributes", "there is no limit on their number but the message's", EVENT + b"".join(attribute(f"a{n}", num(2, n)) for n in range(300)), event(**{f"a{n}": integer(n) for n in range(300)}))
    yield valid("long string", "20,000 characters take a length of three bytes", a("x", ld(3, "s" * 20000)), event(x=string("s" * 20000)))

    yield valid("binary data", "every byte", EVENT + ld(6, bytes(range(256))), event(data=binary(bytes(range(256)))))
    yield valid("binary data empty", "empty data is not the absence of data", EVENT + ld(6, b""), event(data=binary(b"")))
    yield valid("text data", "control characters are allowed in data", EVENT + ld(7, "a\x00\r\n\u20ac"), event(data=text("a\x00\r\n\u20ac")))
    yield valid("text data empty", "empty text is text", EVENT + ld(7, ""), event(data=text("")))
    yield valid("JSON data", "text under a JSON content type is JSON", json_type('{"n":[1,null,"\\u20ac"]}'), event(data=json({"n": [1, None, "\u20ac"]}), **JSON_TYPE))
    yield valid("JSON data with white space", "compared as a value", json_type(' [ 1 ,\n 2 ] '), event(data=json([1, 2]), **JSON_TYPE))
    yield valid("JSON data null", "null is a value", json_type("null"), event(data=json(None), **JSON_TYPE))
    yield valid("JSON data of a large integer", "not a double", json_type("12345678901234567890"), event(data=json(12345678901234567890), **JSON_TYPE))
    yield valid(
        "JSON data by suffix",
        "a subtype that ends in +json, with a parameter, in capitals",
        EVENT + attribute("datacontenttype", ld(3, "application/Problem+JSON; charset=utf-8")) + ld(7, "true"),
        event(data=json(True), datacontenttype=string("application/Problem+JSON; charset=utf-8")),
    )
    yield valid(
        "binary data under a JSON content type",
        "binary stays binary",
        EVENT + attribute("datacontenttype", ld(3, "application/json")) + ld(6, b"{}"),
        event(data=binary(b"{}"), **JSON_TYPE),
    )
    yield valid("text data of something like JSON", "jsonl is not JSON", EVENT + attribute("datacontenttype", ld(3, "application/jsonl")) + ld(7, "{"), event(data=text("{"), datacontenttype=string("application/jsonl")))
    yield valid("proto data", "an Any: type URL and bytes", EVENT + ld(8, ld(1, "type.googleapis.com/a.B") + ld(2, b"\x08\x01")), event(data=proto("type.googleapis.com/a.B", b"\x08\x01")))
    yield valid("proto data of an empty message", "a message without fields is no bytes", EVENT + ld(8, ld(1, "type.googleapis.com/a.B")), event(data=proto("type.googleapis.com/a.B", b"")))

    yield valid("fields in reverse", "their order carries no meaning", ld(6, b"x") + attribute("b", num(2, 2)) + attribute("a", num(2, 1)) + TYPE + SPEC + SOURCE + ID, event(data=binary(b"x"), a=integer(1), b=integer(2)))
    yield valid("value before name", "also within an entry of the map", EVENT + ld(5, ld(2, num(1, 1)) + ld(1, "x")), event(x=boolean(True)))
    yield valid("field twice", "the last of two ids counts", ld(1, "0") + EVENT, event())
    yield valid("attribute twice", "the last of two values counts, also of another type: so attributes are overlaid", a("x", ld(3, "old")) + attribute("x", num(2, 7)), event(x=integer(7)))
    yield valid("attribute overlays an unset one", "only the last value counts", a("x", b"") + attribute("x", num(2, 7)), event(x=integer(7)))
    yield valid("value twice in one attribute", "the last member of a oneof counts", a("x", ld(3, "old") + num(1, 1)), event(x=boolean(True)))
    yield valid("data twice", "the last member of a oneof counts", EVENT + ld(6, b"old") + ld(7, "new"), event(data=text("new")))
    yield valid("name twice in one entry", "the last field counts", EVENT + ld(5, ld(1, "old") + ld(1, "x") + ld(2, num(1, 1))), event(x=boolean(True)))
    yield valid("unknown varint", "field 9", EVENT + num(9, 5), event())
    yield valid("unknown fixed64", "field 10", EVENT + tag(10, I64) + bytes(8), event())
    yield valid("unknown length-delimited", "field 11; its content is never looked at", EVENT + ld(11, b"\xff\xff"), event())
    yield valid("unknown fixed32", "field 12", EVENT + tag(12, I32) + bytes(4), event())
    yield valid("unknown group", "field 13, with a field and a group inside", EVENT + tag(13, START) + num(1, 1) + tag(2, START) + tag(2, END) + tag(13, END), event())
    yield valid("unknown field of the greatest number", "2^29-1", EVENT + num(2**29 - 1, 1), event())
    yield valid("unknown field first", "before the required ones", num(9, 5) + EVENT, event())
    yield valid("unknown field in a value", "beside the one that is known", a("x", num(9, 5) + num(2, 7)), event(x=integer(7)))
    yield valid("unknown field in an entry", "beside name and value", EVENT + ld(5, ld(1, "x") + ld(2, num(2, 7)) + num(3, 1)), event(x=integer(7)))
    yield valid("unknown field in a timestamp", "beside seconds", a("x", ld(7, num(1, 1) + num(3, 1))), event(x=timestamp("1970-01-01T00:00:01Z")))
    yield valid("known number, other wire type", "id as a varint: a field of another wire type is not the one that is known", EVENT + num(1, 1), event())
    yield valid("map of another wire type", "attributes as a varint", EVENT + num(5, 1), event())
    yield valid("value of another wire type beside its own", "ce_boolean as bytes, then as a varint", a("x", ld(1, b"\x01") + num(1, 1)), event(x=boolean(True)))
    yield valid("over-long length", "a varint may have bytes to spare", tag(1, LEN) + varint(1, 3) + b"1" + SOURCE + SPEC + TYPE, event())
    yield valid("over-long tag", "a varint may have bytes to spare", varint(0x0A, 2) + varint(1) + b"1" + SOURCE + SPEC + TYPE, event())
    yield valid("over-long integer", "a varint may have bytes to spare", a("x", tag(2, VARINT) + varint(7, 10)), event(x=integer(7)))


def event_invalid():
    a = with_attribute
    for name, fields in [("id", SOURCE + SPEC + TYPE), ("source", ID + SPEC + TYPE), ("specversion", ID + SOURCE + TYPE), ("type", ID + SOURCE + SPEC)]:
        yield invalid(f"no {name}", f"{name} is required", fields, "event-required-attribute")
    for number, name in [(1, "id"), (2, "source"), (3, "specversion"), (4, "type")]:
        yield invalid(f"empty {name}", f"{name} has at least one character", EVENT + ld(number, ""), "event-required-attribute")
    yield invalid("no field at all", "no bytes are an event without attributes", b"", "event-required-attribute")
    yield invalid("specversion 0.3", "only 1.0 is read", EVENT + ld(3, "0.3"), "event-specversion")
    yield invalid("specversion 1.0.2", "the patch version never stands on the wire", EVENT + ld(3, "1.0.2"), "event-specversion")
    for shown, name in [("upper-case", "myExt"), ("hyphen", "my-ext"), ("not ASCII", "\u00e9"), ("empty", "")]:
        yield invalid(f"name {shown}", "names are lower-case letters and digits", a(name, num(1, 1)), "event-attribute-name")
    yield invalid("name data", "data is not an attribute", a("data", ld(3, "x")), "event-attribute-name")
    yield invalid("name missing", "an absent name is the empty one", EVENT + ld(5, ld(2, num(1, 1))), "event-attribute-name")
    yield invalid("subject an integer", "subject is a String", a("subject", num(2, 1)), "event-attribute-type")
    yield invalid("time a string", "time is a Timestamp", a("time", ld(3, "2026-11-21T09:30:00Z")), "event-attribute-type")
    yield invalid("datacontenttype bytes", "datacontenttype is a String", a("datacontenttype", ld(4, b"text/plain")), "event-attribute-type")
    yield invalid("dataschema a string", "dataschema is a URI", a("dataschema", ld(3, "https://example.com/s")), "event-attribute-type")
    yield invalid("empty subject", "present means not empty", a("subject", ld(3, "")), "event-attribute-empty")
    yield invalid("empty datacontenttype", "present means not empty", a("datacontenttype", ld(3, "")), "event-attribute-empty")
    yield invalid("empty dataschema", "present means not empty", a("dataschema", ld(5, "")), "event-attribute-empty")
    for shown, text in [("NUL", "\0"), ("line feed", "\n"), ("U+007F", "\x7f"), ("U+0085", "\x85")]:
        yield invalid(f"{shown} in an attribute", "control characters are excluded", a("x", ld(3, "a" + text)), "event-attribute-text")
    for shown, text in [("U+FFFE", "\ufffe"), ("U+FDD0", "\ufdd0"), ("U+1FFFF", "\U0001ffff")]:
        yield invalid(f"{shown} in an attribute", "non-characters are excluded", a("x", ld(3, "a" + text)), "event-attribute-text")
    yield invalid("control character in the id", "required attributes too", EVENT + ld(1, "a\x1fb"), "event-attribute-text")
    yield invalid("source with a space", "no URI-reference", EVENT + ld(2, "/a b"), "event-uri")
    yield invalid("source with a broken escape", "% needs two hex digits", EVENT + ld(2, "/%zz"), "event-uri")
    yield invalid("dataschema relative", "dataschema is absolute", a("dataschema", ld(5, "/s")), "event-uri")
    yield invalid("timestamp in year 10000", "one second too late", a("x", stamp(253402300800)), "protobuf-time")
    yield invalid("timestamp in year 0", "one second too early", a("x", stamp(-62135596801)), "protobuf-time")
    yield invalid("timestamp at the end of int64", "does not overflow into a date", a("x", stamp(2**63 - 1)), "protobuf-time")
    yield invalid("nanoseconds negative", "they count forward", a("x", stamp(1, -1)), "protobuf-time")
    yield invalid("nanoseconds of a whole second", "at most 999,999,999", a("x", stamp(1, 1000000000)), "protobuf-time")
    yield invalid("attribute unset", "a value without a type", a("x", b""), "protobuf-attribute-unset")
    yield invalid("attribute without value", "an entry that is only a name", EVENT + ld(5, ld(1, "x")), "protobuf-attribute-unset")
    yield invalid("attribute of an unknown type", "field 8 of the value is from a later schema", a("x", ld(8, b"")), "protobuf-attribute-unset")
    yield invalid("attribute of another wire type", "ce_boolean as bytes is an unknown field, so there is no value", a("x", ld(1, b"\x01")), "protobuf-attribute-unset")
    yield invalid("attribute overlaid by an unset one", "only the last value counts", a("x", num(2, 7)) + attribute("x", b""), "protobuf-attribute-unset")
    for shown, text in [("cut", "{"), ("empty", ""), ("two values", "1 2"), ("NaN", "NaN"), ("single quotes", "'a'")]:
        yield invalid(f"JSON data {shown}", "text under a JSON content type is one JSON value", json_type(text), "event-data-json")

    m = "encoding-malformed"
    yield malformed("length beyond the end", "the id claims two bytes of one", SOURCE + SPEC + TYPE + tag(1, LEN) + varint(2) + b"1", m)
    yield malformed("length of 2^63", "no allocation for a claim", EVENT + tag(6, LEN) + varint(2**63), m)
    yield malformed("length of 2^32", "no truncation to 32 bits", EVENT + tag(6, LEN) + varint(2**32), m)
    yield malformed("nested length beyond its parent", "the value reaches over the end of its entry", EVENT + ld(5, ld(1, "x") + tag(2, LEN) + varint(4) + b"\x08") + num(9, 1), m)
    yield malformed("cut in a tag", "the tag's varint goes on", EVENT + b"\x80", m)
    yield malformed("cut before a length", "a tag without what it announces", EVENT + tag(6, LEN), m)
    yield malformed("cut in a varint value", "the value's varint goes on", EVENT + tag(9, VARINT) + b"\xff", m)
    yield malformed("cut in a fixed64", "seven bytes of eight", EVENT + tag(10, I64) + bytes(7), m)
    yield malformed("cut in a fixed32", "three bytes of four", EVENT + tag(12, I32) + bytes(3), m)
    yield malformed("cut in a group", "a group without an end", EVENT + tag(13, START) + num(1, 1), m)
    yield malformed("group closed by another number", "13 is open, 14 ends", EVENT + tag(13, START) + tag(14, END), m)
    yield malformed("end of no group", "nothing is open", EVENT + tag(13, END), m)
    yield malformed("field number 0", "numbers begin at 1", EVENT + varint(0) + varint(1), m)
    yield malformed("wire type 6", "there is none", EVENT + tag(9, 6), m)
    yield malformed("wire type 7", "there is none", EVENT + tag(9, 7), m)
    yield malformed("varint of eleven bytes", "ten are the most", EVENT + tag(9, VARINT) + b"\x80" * 10 + b"\x01", m)

    u = "protobuf-utf8"
    yield malformed("id not UTF-8", "a lone FF", EVENT + ld(1, b"\xff"), u)
    yield malformed("name not UTF-8", "a lone continuation byte", EVENT + ld(5, ld(1, b"\x80") + ld(2, num(1, 1))), u)
    yield malformed("string not UTF-8", "a character that is cut", a("x", ld(3, b"\xe2\x82")), u)
    yield malformed("uri not UTF-8", "a lone FF", a("x", ld(5, b"a:\xff")), u)
    yield malformed("text data not UTF-8", "a lone FF", EVENT + ld(7, b"\xff"), u)
    yield malformed("text data of over-long UTF-8", "NUL in two bytes", EVENT + ld(7, b"\xc0\x80"), u)
    yield malformed("surrogate in UTF-8", "U+D800 has no encoding", EVENT + ld(7, b"\xed\xa0\x80"), u)
    yield malformed("character beyond U+10FFFF", "four bytes reach further than Unicode", EVENT + ld(7, b"\xf4\x90\x80\x80"), u)
    yield malformed("type URL not UTF-8", "a lone FF", EVENT + ld(8, ld(1, b"\xff")), u)


def message_valid():
    yield valid("hello", "tag FA 01, then fsi", HELLO, HELLO_MEANING)
    yield valid("hello with call 0 written", "a default may be written", num(1, 0) + HELLO, HELLO_MEANING)
    yield valid(
        "hello with everything",
        "producer and a status",
        ld(31, ld(1, "1.0") + ld(2, "example/0.1") + ld(3, num(1, 9) + ld(2, "no model") + ld(3, ld(1, "path") + ld(2, "m")))),
        message(0, hello={"fsi": "1.0", "producer": "example/0.1", "status": {"code": "FAILED_PRECONDITION", "message": "no model", "details": {"path": "m"}}}),
    )
    yield valid("event and end", "a unary call in one message; an end without bytes is OK", num(1, 1) + ld(3, EVENT) + ld(6, b""), message(1, event=event(), end={"code": "OK"}))
    yield valid("last call", "2^52-1", num(1, 2**52 - 1) + ld(6, b""), message(2**52 - 1, end={"code": "OK"}))
    yield valid("call written last", "a receiver takes fields in any order", ld(6, b"") + num(1, 1), message(1, end={"code": "OK"}))
    yield valid("call twice", "the last of two values counts", num(1, 2) + num(1, 1) + ld(6, b""), message(1, end={"code": "OK"}))
    yield valid("nothing but a call", "it opens nothing, and is no error", num(1, 1), message(1))
    yield valid("chunk", "any bytes", num(1, 1) + ld(4, b"\x00\xff"), message(1, chunk=b64(b"\x00\xff")))
    yield valid("chunk empty", "a chunk of no bytes is not the absence of one", num(1, 1) + ld(4, b""), message(1, chunk=""))
    yield valid("event that goes on", "more", num(1, 1) + ld(3, EVENT + ld(6, b"")) + num(5, 1), message(1, event=event(data=binary(b"")), more=True))
    yield valid("more from another number", "any varint but 0 is true", num(1, 1) + ld(4, b"a") + num(5, 2), message(1, chunk=b64(b"a"), more=True))
    yield valid("more false", "a default may be written", num(1, 1) + ld(4, b"a") + num(5, 0), message(1, chunk=b64(b"a")))
    yield valid("end with a message and details", "NOT_FOUND is 5", num(1, 1) + ld(6, num(1, 5) + ld(2, "no such door") + ld(3, ld(1, "door") + ld(2, "7"))), message(1, end={"code": "NOT_FOUND", "message": "no such door", "details": {"door": "7"}}))
    yield valid("end with the last code", "UNAUTHENTICATED is 16", num(1, 1) + ld(6, num(1, 16)), message(1, end={"code": "UNAUTHENTICATED"}))
    yield valid("end with an unknown code", "a code of a later version is UNKNOWN", num(1, 1) + ld(6, num(1, 17)), message(1, end={"code": "UNKNOWN"}))
    yield valid("end with the greatest code", "2^32-1 is not -1", num(1, 1) + ld(6, num(1, 2**32 - 1)), message(1, end={"code": "UNKNOWN"}))
    yield valid("detail twice", "the last of two values counts", num(1, 1) + ld(6, num(1, 5) + ld(3, ld(1, "a") + ld(2, "old")) + ld(3, ld(1, "a") + ld(2, "new"))), message(1, end={"code": "NOT_FOUND", "details": {"a": "new"}}))
    yield valid("detail without value", "an absent value is the empty one", num(1, 1) + ld(6, num(1, 5) + ld(3, ld(1, "a"))), message(1, end={"code": "NOT_FOUND", "details": {"a": ""}}))
    yield valid("cancel", "with a reason", num(1, 1) + ld(7, ld(1, "gone")), message(1, cancel={"reason": "gone"}))
    yield valid("cancel without reason", "no bytes", num(1, 1) + ld(7, b""), message(1, cancel={}))
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    yield valid(
        "context",
        "every field",
        num(1, 1) + ld(2, ld(1, "inv-1") + num(2, 2) + num(3, 1795512600000) + ld(4, trace) + ld(5, "a=b") + ld(6, "k=v") + ld(7, ld(1, "REGION") + ld(2, "eu"))) + ld(6, b""),
        message(1, context={"invocationId": "inv-1", "attempt": 2, "deadlineMs": 1795512600000, "traceparent": trace, "tracestate": "a=b", "baggage": "k=v", "extra": {"REGION": "eu"}}, end={"code": "OK"}),
    )
    yield valid("context empty", "present, and says nothing", num(1, 1) + ld(2, b""), message(1, context={}))
    yield valid("deadline at the epoch", "0 is a deadline; only absence is none", num(1, 1) + ld(2, num(3, 0)), message(1, context={"deadlineMs": 0}))
    yield valid("deadline before the epoch", "the type is signed", num(1, 1) + ld(2, num(3, -1)), message(1, context={"deadlineMs": -1}))
    yield valid("greatest attempt", "2^32-1", num(1, 1) + ld(2, num(2, 2**32 - 1)), message(1, context={"attempt": 4294967295}))
    yield valid("event twice", "a field of message type is merged", num(1, 1) + ld(3, ID + SOURCE) + ld(3, SPEC + TYPE + ld(6, b"x")), message(1, event=event(data=binary(b"x"))))
    yield valid("event twice with attributes", "merged, and the last value of a name counts", num(1, 1) + ld(3, with_attribute("x", num(2, 1)) + attribute("y", num(2, 2))) + ld(3, attribute("x", num(2, 3))), message(1, event=event(x=integer(3), y=integer(2))))
    yield valid("end twice", "merged like any field of message type", num(1, 1) + ld(6, num(1, 5)) + ld(6, ld(2, "m")), message(1, end={"code": "NOT_FOUND", "message": "m"}))
    yield valid("unknown fields", "8 to 11, of every wire type", num(1, 1) + num(8, 1) + ld(6, b"") + tag(9, I64) + bytes(8) + ld(10, b"x") + tag(11, I32) + bytes(4), message(1, end={"code": "OK"}))
    yield valid("known number, other wire type", "a chunk as a varint is no chunk", num(1, 1) + num(4, 1), message(1))
    yield valid("unknown group", "skipped whole", num(1, 1) + tag(12, START) + ld(6, b"\xff") + tag(12, END), message(1))
    yield valid("unknown field in a status", "beside the code", num(1, 1) + ld(6, num(1, 5) + num(9, 1)), message(1, end={"code": "NOT_FOUND"}))


def message_invalid():
    r = "message-call-range"
    yield malformed("call 2^52", "reserved", num(1, 2**52) + ld(6, b""), r)
    yield malformed("call 2^64-1", "reserved", num(1, 2**64 - 1) + ld(6, b""), r)
    z = "message-call-zero"
    yield malformed("event on call 0", "call 0 is the stream itself", ld(3, EVENT), z)
    yield malformed("context on call 0", "call 0 is the stream itself", ld(2, b""), z)
    yield malformed("chunk on call 0", "call 0 is the stream itself", ld(4, b""), z)
    yield malformed("cancel on call 0", "call 0 is the stream itself", ld(7, b""), z)
    yield malformed("hello with an event", "a hello is alone", HELLO + ld(3, EVENT), z)
    yield malformed("hello with a cancel", "a hello is alone", HELLO + ld(7, b""), z)
    yield invalid("event without id", "it costs call 7 only", num(1, 7) + ld(3, SOURCE + SPEC + TYPE) + ld(6, b""), "event-required-attribute", call=7)
    yield invalid("event with a bad name", "it costs call 7 only", num(1, 7) + ld(3, with_attribute("A", num(1, 1))), "event-attribute-name", call=7)
    yield invalid("event after its end", "the order of fields does not matter to the finding", num(1, 7) + ld(6, b"") + ld(3, ID + SOURCE + SPEC), "event-required-attribute", call=7)
    m = "encoding-malformed"
    yield malformed("event beyond the message", "a nested length that reaches over the end", num(1, 1) + tag(3, LEN) + varint(len(EVENT) + 1) + EVENT, m)
    yield malformed("field beyond the event", "a length within the event reaches over its end", num(1, 1) + ld(3, EVENT + tag(6, LEN) + varint(9)) + ld(6, bytes(9)), m)
    yield malformed("end of a group", "nothing is open", num(1, 1) + tag(3, END), m)
    yield malformed("cut in the call", "the varint goes on", b"\x08\x80", m)
    u = "protobuf-utf8"
    yield malformed("status message not UTF-8", "a lone FF", num(1, 1) + ld(6, ld(2, b"\xff")), u)
    yield malformed("detail name not UTF-8", "a lone FF", num(1, 1) + ld(6, ld(3, ld(1, b"\xff"))), u)
    yield malformed("reason not UTF-8", "a lone FF", num(1, 1) + ld(7, ld(1, b"\xff")), u)
    yield malformed("invocation not UTF-8", "a lone FF", num(1, 1) + ld(2, ld(1, b"\xff")), u)
    yield malformed("event attribute not UTF-8", "the message is malformed, not just its event", num(1, 1) + ld(3, with_attribute("x", ld(3, b"\xff"))), u)


LIMIT = 16 * 1024 * 1024


def events_valid():
    yield valid("none", "EOF at once", b"", [])
    yield valid("one", "its length, then the event", delimited(EVENT), [event()])
    yield valid("three", "back to back, the second longer than 127 bytes", delimited(EVENT, EVENT + ld(6, bytes(200)), EVENT), [event(), event(data=binary(bytes(200))), event()])
    yield valid("length with bytes to spare", "five bytes are allowed", varint(len(EVENT), 5) + EVENT, [event()])


def events_invalid():
    t = "encoding-truncated"
    yield malformed("cut in a length", "the varint goes on", delimited(EVENT) + b"\x80", t, before=1)
    yield malformed("cut after a length", "nothing of what it announces", delimited(EVENT) + varint(len(EVENT)), t, before=1)
    yield malformed("cut in an event", "all but its last byte", delimited(EVENT, EVENT)[:-1], t, before=1)
    yield malformed("length of six bytes", "five are the most", varint(len(EVENT), 6) + EVENT, "protobuf-length", before=0)
    yield malformed("length above the limit", "16 MiB and a byte is refused before anything is allocated", varint(LIMIT + 1) + EVENT, "encoding-limit", before=0)
    yield malformed("length of 2^35-1", "the most that five bytes can say", b"\xff\xff\xff\xff\x7f", "encoding-limit", before=0)
    yield malformed("second event broken", "the first one stands", delimited(EVENT, b"\x0a\x05a"), "encoding-malformed", before=1)
    yield invalid("event without id", "an empty document is an event without attributes", delimited(EVENT, b""), "event-required-attribute", before=1)


def messages_valid():
    call = num(1, 1) + ld(3, EVENT) + ld(6, b"")
    yield valid("a call", "hello, then a unary call", delimited(HELLO, call), [HELLO_MEANING, message(1, event=event(), end={"code": "OK"})])
    yield valid(
        "data in pieces",
        "an event, two chunks and an end; calls 1 and 2 interleaved",
        delimited(HELLO, num(1, 1) + ld(3, EVENT + ld(6, b"a")) + num(5, 1), num(1, 2) + ld(6, b""), num(1, 1) + ld(4, b"b") + num(5, 1), num(1, 1) + ld(4, b"c") + ld(6, b"")),
        [HELLO_MEANING, message(1, event=event(data=binary(b"a")), more=True), message(2, end={"code": "OK"}), message(1, chunk=b64(b"b"), more=True), message(1, chunk=b64(b"c"), end={"code": "OK"})],
    )
    yield valid(
        "an invalid event in the middle",
        "the stream goes on",
        delimited(HELLO, num(1, 1) + ld(3, ID) + ld(6, b""), num(1, 2) + ld(6, b"")),
        [HELLO_MEANING, message(1, invalid="event-required-attribute", end={"code": "OK"}), message(2, end={"code": "OK"})],
    )
    yield valid("hello alone", "EOF after it is a clean end", delimited(HELLO), [HELLO_MEANING])
    yield valid("unknown field beside hello", "it is ignored", delimited(HELLO + num(40, 1)), [HELLO_MEANING])


def messages_invalid():
    h = "hello-missing"
    end = num(1, 1) + ld(6, b"")
    yield malformed("banner", "ASCII where a hello belongs", b"Loading the model, please wait\n", h, before=0, stateful=True)
    yield malformed("JSON", "a peer that speaks another encoding", b'{"call":0,"hello":{"fsi":"1.0"}}\n', h, before=0, stateful=True)
    yield malformed("call before hello", "work does not precede it", delimited(end, HELLO), h, before=0, stateful=True)
    yield malformed("second hello", "once", delimited(HELLO, HELLO), "hello-once", before=1, stateful=True)
    yield malformed("hello on a call", "it is a second hello, and not on call 0", delimited(HELLO, num(1, 1) + HELLO), "hello-once", before=1, stateful=True)
    yield malformed("chunk without event", "nothing is unfinished", delimited(HELLO, num(1, 1) + ld(4, b"x")), "chunk-without-event", before=1, stateful=True)
    yield malformed("chunk after a complete event", "an event without more is complete", delimited(HELLO, num(1, 1) + ld(3, EVENT), num(1, 1) + ld(4, b"x")), "chunk-without-event", before=2, stateful=True)
    yield malformed("chunk beside its event", "data goes on in a later message", delimited(HELLO, num(1, 1) + ld(3, EVENT + ld(6, b"")) + ld(4, b"x") + num(5, 1)), "chunk-without-event", before=1, stateful=True)
    yield malformed("event while one is unfinished", "more was promised a chunk", delimited(HELLO, num(1, 1) + ld(3, EVENT + ld(6, b"")) + num(5, 1), num(1, 1) + ld(3, EVENT)), "chunk-event-unfinished", before=2, stateful=True)
    yield malformed("end OK while an event is unfinished", "the data is not whole", delimited(HELLO, num(1, 1) + ld(3, EVENT + ld(6, b"")) + num(5, 1), end), "chunk-end-unfinished", before=2, stateful=True)
    yield malformed("event after end", "the input had ended", delimited(HELLO, end, num(1, 1) + ld(3, EVENT)), "stream-input-ended", before=2, stateful=True)
    t = "encoding-truncated"
    yield malformed("cut in hello", "one byte is missing", delimited(HELLO)[:-1], t, before=0)
    yield malformed("cut in a length", "the varint goes on", delimited(HELLO) + b"\xff", t, before=1)
    yield malformed("cut in an event", "three bytes are missing", delimited(HELLO, num(1, 1) + ld(3, EVENT))[:-3], t, before=1)
    yield malformed("length of six bytes", "five are the most", delimited(HELLO) + varint(len(end), 6) + end, "protobuf-length", before=1)
    yield malformed("length above the limit", "refused before anything is allocated", delimited(HELLO) + varint(LIMIT + 1), "encoding-limit", before=1)
    yield malformed("second message broken", "wire type 7", delimited(HELLO, num(1, 1) + tag(9, 7)), "encoding-malformed", before=1)
