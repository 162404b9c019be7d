"""Cap'n Proto vectors, spelled out word by word. Nothing here knows the schema: sizes and offsets stand where they are used.

Of the schema it takes these layouts, as `capnp compile -ocapnp` prints them (data words, pointers):
Event (1, 6): union tag in bits 0 to 15 (0 none, 1 binary, 2 text, 3 proto); pointers id, source, specVersion, type, attributes, data.
Attribute (1, 2): Bool in bit 0, union tag in bits 16 to 31 (0 boolean, 1 integer, 2 string, 3 bytes, 4 uri, 5 uriRef, 6 timestamp),
  Int32 in bits 32 to 63; pointers name, value.
Message (2, 6): call in word 0, more in bit 0 of word 1; pointers context, event, chunk, end, cancel, hello.
Context (2, 5): attempt in bits 0 to 31, union tag in bits 32 to 47 (0 none, 1 ms), ms in word 1;
  pointers invocationId, traceparent, tracestate, baggage, extra.
Status (1, 2): code; message, details. Cancel (0, 1). Hello (0, 3): fsi, producer, status. Entry (0, 2). Timestamp (2, 0). Any (0, 2).
"""

import struct

from vector import *

BYTES, POINTERS, STRUCTS = 2, 6, 7  # element sizes of lists
MASK = 2**64 - 1


def struct_pointer(offset, data, pointers):
    return (offset << 2 & 0xFFFFFFFF) | data << 32 | pointers << 48


def list_pointer(offset, size, count):
    return 1 | (offset << 2 & 0xFFFFFFFF) | size << 32 | count << 35


def far_pointer(segment, offset, double=False):
    return 2 | double << 2 | offset << 3 | segment << 32


class Segment:
    """Words that grow; a pointer is filled in when what it points to is placed."""

    def __init__(self, root=None):
        self.words = []
        if root:
            self.words.append(0)
            self.struct(0, *root)

    def place(self, words):
        at = len(self.words)
        self.words += words
        return at

    def struct(self, pointer, data, pointers):
        """Places a struct and returns where it is."""
        at = self.place([0] * (data + pointers))
        self.words[pointer] = struct_pointer(at - pointer - 1, data, pointers)
        return at

    def bytes(self, pointer, content, count=None):
        at = self.place(words(content))
        self.words[pointer] = list_pointer(at - pointer - 1, BYTES, len(content) if count is None else count)
        return at

    def text(self, pointer, content):
        return self.bytes(pointer, (content.encode() if isinstance(content, str) else content) + b"\0")

    def structs(self, pointer, count, data, pointers):
        """Places a list of structs and returns where its first element is."""
        tag = self.place([struct_pointer(count, data, pointers)] + [0] * (count * (data + pointers)))
        self.words[pointer] = list_pointer(tag - pointer - 1, STRUCTS, count * (data + pointers))
        return tag + 1


def words(content):
    content += bytes(-len(content) % 8)
    return list(struct.unpack(f"<{len(content) // 8}Q", content))


def frame(*segments, sizes=None, count=None):
    """The standard stream framing: the number of segments less one, their sizes, padding, their words."""
    segments = [s.words if isinstance(s, Segment) else s for s in segments]
    sizes = sizes or [len(s) for s in segments]
    header = struct.pack(f"<{1 + len(sizes)}I", (count or len(sizes)) - 1, *sizes)
    header += bytes(-len(header) % 8)
    return header + b"".join(struct.pack(f"<{len(s)}Q", *(w & MASK for w in s)) for s in segments)


# Where the parts of the root are in a segment that begins with the root pointer.
TAG, ID, SOURCE, SPEC, TYPE, ATTRIBUTES, DATA = range(1, 8)
CALL, MORE, CONTEXT, EVENT_POINTER, CHUNK, END, CANCEL, HELLO_POINTER = range(1, 9)


def event_at(segment, at):
    """Fills in the required attributes of the Event at `at`."""
    for pointer, content in [(1, "1"), (2, "/s"), (3, "1.0"), (4, "t")]:
        segment.text(at + pointer, content)


def an_event():
    segment = Segment(root=(1, 6))
    event_at(segment, 1)
    return segment


def changed(change, make=an_event):
    """A frame of what `make` makes, after a change."""
    segment = make()
    change(segment)
    return frame(segment)


def without(*pointers):
    def change(s):
        for pointer in pointers:
            s.words[pointer] = 0

    return changed(change)


def with_attribute(name, tag, low=0, high=0, content=None, text=True):
    """An event with one attribute: its union tag, its scalar bits, and what its value points to."""

    def change(s):
        at = s.structs(ATTRIBUTES, 1, 1, 2)
        s.words[at] = low | tag << 16 | (high & 0xFFFFFFFF) << 32
        s.text(at + 1, name)
        if content is not None:
            (s.text if text else s.bytes)(at + 2, content)

    return changed(change)


def with_stamp(seconds, nanos):
    def change(s):
        at = s.structs(ATTRIBUTES, 1, 1, 2)
        s.words[at] = 6 << 16
        s.text(at + 1, "x")
        t = s.struct(at + 2, 2, 0)
        s.words[t : t + 2] = [seconds & MASK, nanos & 0xFFFFFFFF]

    return changed(change)


def data_of(kind, place):
    def change(s):
        s.words[TAG] = kind
        place(s)

    return changed(change)


def with_strings(pairs, data=None):
    """An event with String attributes and, perhaps, text data."""

    def change(s):
        at = s.structs(ATTRIBUTES, len(pairs), 1, 2)
        for n, (name, value) in enumerate(pairs):
            s.words[at + 3 * n] = 2 << 16
            s.text(at + 3 * n + 1, name)
            s.text(at + 3 * n + 2, value)
        if data is not None:
            s.words[TAG] = 2
            s.text(DATA, data)

    return changed(change)


JSON_TYPE = {"datacontenttype": string("application/json")}


def json_data(content):
    return with_strings([("datacontenttype", "application/json")], content)


def far_id():
    """An event whose id is in another segment."""
    s = an_event()
    other = Segment()
    other.words = [list_pointer(0, BYTES, 4), *words(b"far\0")]
    s.words[ID] = far_pointer(1, 0)
    return s, other


def event_valid():
    a = with_attribute
    yield valid("minimal", "the four required attributes and nothing else", frame(an_event()), event())
    yield valid("boolean true", "bit 0", a("x", 0, low=1), event(x=boolean(True)))
    yield valid("boolean false", "all bits are 0", a("x", 0), event(x=boolean(False)))
    for shown, n in [("zero", 0), ("minus one", -1), ("maximum", 2147483647), ("minimum", -2147483648)]:
        yield valid(f"integer {shown}", "the high half of the word", a("x", 1, high=n), event(x=integer(n)))
    yield valid("string", "of one to four bytes a character", a("x", 2, content="a\u00e9\u20ac\U0001f980"), event(x=string("a\u00e9\u20ac\U0001f980")))
    yield valid("string empty", "a list of one byte, the NUL", a("x", 2, content=""), event(x=string("")))
    yield valid("binary", "a list without NUL", a("x", 3, content=b"\x00\xff", text=False), event(x=binary(b"\x00\xff")))
    yield valid("uri", "a text", a("x", 4, content="urn:a:b"), event(x=uri("urn:a:b")))
    yield valid("uri reference", "a text", a("x", 5, content="../a?b#c"), event(x=uri_ref("../a?b#c")))
    for shown, seconds, nanos, meant in [
        ("of the epoch", 0, 0, "1970-01-01T00:00:00Z"), ("of a nanosecond", 0, 1, "1970-01-01T00:00:00.000000001Z"), ("before the epoch", -1, 500000000, "1969-12-31T23:59:59.5Z"),
        ("first", -62135596800, 0, "0001-01-01T00:00:00Z"), ("last", 253402300799, 999999999, "9999-12-31T23:59:59.999999999Z"),
    ]:
        yield valid(f"timestamp {shown}", "seconds and nanoseconds", with_stamp(seconds, nanos), event(x=timestamp(meant)))
    yield valid("three attributes", "in any order", with_strings([("subject", "s"), ("b", "2"), ("a", "1")]), event(subject=string("s"), b=string("2"), a=string("1")))
    yield valid("binary data", "every byte", data_of(1, lambda s: s.bytes(DATA, bytes(range(256)))), event(data=binary(bytes(range(256)))))
    yield valid("binary data empty", "a list of no bytes", data_of(1, lambda s: s.bytes(DATA, b"")), event(data=binary(b"")))
    yield valid("text data", "control characters are allowed in data", data_of(2, lambda s: s.text(DATA, "a\0\r\n\u20ac")), event(data=text("a\0\r\n\u20ac")))
    yield valid("text data empty", "the NUL alone", data_of(2, lambda s: s.text(DATA, "")), event(data=text("")))
    yield valid("JSON data", "text under a JSON content type is JSON", json_data('{"n":[1,null]}'), event(data=json({"n": [1, None]}), **JSON_TYPE))

    def proto_data(s):
        at = s.struct(DATA, 0, 2)
        s.text(at, "type.googleapis.com/a.B")
        s.bytes(at + 1, b"\x08\x01")

    yield valid("proto data", "a type URL and bytes", data_of(3, proto_data), event(data=proto("type.googleapis.com/a.B", b"\x08\x01")))
    yield valid("data pointer without a kind", "the union says none, so the pointer is not looked at", changed(lambda s: s.bytes(DATA, b"x")), event())
    yield valid("empty list of attributes", "a list of no structs", changed(lambda s: s.structs(ATTRIBUTES, 0, 1, 2)), event())

    yield valid("two segments", "the id is behind a far pointer", frame(*far_id()), event(id="far"))

    def double_far():
        s = an_event()
        s.words[ID] = far_pointer(2, 0, double=True)
        return [s, words(b"far\0"), [far_pointer(1, 0), list_pointer(0, BYTES, 4)]]

    yield valid("three segments", "a far pointer to a landing pad of two words, of which the first points into yet another segment", frame(*double_far()), event(id="far"))

    def far_root():
        s = an_event()
        return [[far_pointer(1, 0)], s.words]

    yield valid("root in another segment", "the root pointer itself is far", frame(*far_root()), event())
    yield valid("empty segments", "of no words, at the end", frame(an_event(), [], []), event())
    yield valid("511 segments", "many, and no more than stock libraries take", frame(an_event(), *[[]] * 510), event())
    yield valid("padding after the NUL", "what fills up the last word carries no meaning", changed(lambda s: s.words.__setitem__((s.words[ID] >> 2 & 0x3FFFFFFF) + ID + 1, int.from_bytes(b"1\0garbag", "little"))), event())
    yield valid("words that nothing points to", "they are not looked at", changed(lambda s: s.place([MASK] * 4)), event())

    def backwards():
        # The root lies behind its texts, so all pointers are negative.
        s = Segment()
        s.words = [struct_pointer(4, 1, 6), *words(b"1\0"), *words(b"/s\0"), *words(b"1.0\0"), *words(b"t\0"), 0]
        s.words += [list_pointer(-6, BYTES, 2), list_pointer(-6, BYTES, 3), list_pointer(-6, BYTES, 4), list_pointer(-6, BYTES, 2), 0, 0]
        return frame(s)

    yield valid("pointers backwards", "offsets are signed", backwards(), event())

    def newer():
        s = Segment(root=(3, 9))
        s.words[2:4] = [MASK, MASK]  # data words of a later schema
        for at, content in enumerate(["1", "/s", "1.0", "t"], start=4):
            s.text(at, content)
        s.text(10, "a pointer of a later schema")
        s.struct(11, 0, 1)
        return frame(s)

    yield valid("written with a newer schema", "a struct with more data and pointers than is known", newer(), event())

    def older():
        s = Segment(root=(0, 4))
        for at, content in enumerate(["1", "/s", "1.0", "t"], start=1):
            s.text(at, content)
        return frame(s)

    yield valid("written with an older schema", "a struct without a data word and with four pointers", older(), event())

    def wide_attributes(s):
        at = s.structs(ATTRIBUTES, 2, 2, 3)
        for n in range(2):
            s.words[at + 5 * n] = 1 << 16 | (n + 1) << 32
            s.text(at + 5 * n + 2, "ab"[n])

    yield valid("attributes of a newer schema", "the elements of the list are wider than is known", changed(wide_attributes), event(a=integer(1), b=integer(2)))

    def deep(s):
        pointer = len(s.words)
        s.place([0])
        s.words[0] = struct_pointer(0, 1, 6)
        for _ in range(200):
            pointer = s.struct(pointer, 0, 1)

    yield valid("deep nesting that nothing points to", "what is not reached is not counted", changed(deep), event())


def event_invalid():
    a = with_attribute
    for pointer, name in [(ID, "id"), (SOURCE, "source"), (SPEC, "specversion"), (TYPE, "type")]:
        yield invalid(f"no {name}", "a null pointer is an absent field", without(pointer), "event-required-attribute")
        yield invalid(f"empty {name}", f"{name} has at least one character", changed(lambda s, p=pointer: s.text(p, "")), "event-required-attribute")
    yield invalid("root null", "an event without attributes", frame([0]), "event-required-attribute")
    yield invalid("specversion 0.3", "only 1.0 is read", changed(lambda s: s.text(SPEC, "0.3")), "event-specversion")
    yield invalid("name upper-case", "names are lower-case letters and digits", a("A", 0), "event-attribute-name")
    yield invalid("name empty", "names are not empty", a("", 0), "event-attribute-name")
    yield invalid("name data", "data is not an attribute", a("data", 0), "event-attribute-name")
    yield invalid("time a string", "time is a Timestamp", a("time", 2, content="2026-11-21T09:30:00Z"), "event-attribute-type")
    yield invalid("subject a boolean", "subject is a String", a("subject", 0), "event-attribute-type")
    yield invalid("empty subject", "present means not empty", a("subject", 2, content=""), "event-attribute-empty")
    yield invalid("line feed in an attribute", "control characters are excluded", a("x", 2, content="a\n"), "event-attribute-text")
    yield invalid("NUL in an attribute", "it is a character, not the end", a("x", 2, content="a\0b"), "event-attribute-text")
    yield invalid("non-character in an attribute", "U+FFFE", a("x", 2, content="\ufffe"), "event-attribute-text")
    yield invalid("source with a space", "no URI-reference", changed(lambda s: s.text(SOURCE, "/a b")), "event-uri")
    yield invalid("dataschema relative", "dataschema is absolute", a("dataschema", 4, content="/s"), "event-uri")
    yield invalid("timestamp in year 10000", "one second too late", with_stamp(253402300800, 0), "protobuf-time")
    yield invalid("nanoseconds of a whole second", "at most 999,999,999", with_stamp(0, 1000000000), "protobuf-time")
    yield invalid("nanoseconds negative", "they count forward", with_stamp(0, -1), "protobuf-time")
    yield invalid("attribute twice", "a list, unlike Protobuf's map, has no last value that counts", with_strings([("x", "1"), ("x", "1")]), "capnp-attribute-once")
    yield invalid("attribute of an unknown type", "discriminant 7", a("x", 7), "capnp-union")
    yield invalid("data of an unknown kind", "discriminant 4", changed(lambda s: s.words.__setitem__(TAG, 4)), "capnp-union")
    yield invalid("JSON data cut", "text under a JSON content type is one JSON value", json_data("{"), "event-data-json")

    def put(index, word):
        return changed(lambda s: s.words.__setitem__(index, word))

    b = "capnp-bounds"
    yield malformed("text beyond the segment", "offset 1,000", put(ID, list_pointer(1000, BYTES, 2)), b)
    yield malformed("text before the segment", "a negative offset", put(ID, list_pointer(-100, BYTES, 2)), b)
    yield malformed("text that runs over the end", "its first byte is inside", put(TYPE, list_pointer(6, BYTES, 100)), b)
    yield malformed("text of 2^29-1 bytes", "the most that a list can say", put(ID, list_pointer(0, BYTES, 2**29 - 1)), b)
    yield malformed("root beyond the segment", "a struct pointer", put(0, struct_pointer(1000, 1, 6)), b)
    yield malformed("root that runs over the end", "its first word is inside", frame([struct_pointer(0, 1, 6), 0]), b)
    yield malformed("far pointer to no segment", "segment 1 of one", put(ID, far_pointer(1, 0)), b)
    yield malformed("far pointer beyond its segment", "the landing pad is outside", frame(an_event_with(ID, far_pointer(1, 5)), [0]), b)
    yield malformed("far text beyond its segment", "the landing pad is inside, what it points to is not", frame(an_event_with(ID, far_pointer(1, 0)), [list_pointer(3, BYTES, 2)]), b)
    yield malformed("double far pad cut", "one word of two", frame(an_event_with(ID, far_pointer(1, 0, double=True)), [far_pointer(0, 8)]), b)
    yield malformed("list of structs beyond the segment", "the attributes", put(ATTRIBUTES, list_pointer(500, STRUCTS, 3)), b)
    yield malformed("message without a word", "there is no root pointer", frame([]), b)

    m = "encoding-malformed"
    yield malformed("struct where a text belongs", "a pointer of the wrong kind", put(ID, struct_pointer(-1, 0, 0)), m)
    yield malformed("capability where a text belongs", "a pointer of the wrong kind", put(ID, 3), m)
    yield malformed("list of words where a text belongs", "elements of eight bytes", put(ID, list_pointer(5, 5, 1)), m)
    yield malformed("bits where a list of structs belongs", "a list of bits is the one that no list of structs can stand for", put(ATTRIBUTES, list_pointer(2, 1, 8)), m)
    yield malformed("list where the root belongs", "the root is a struct", put(0, list_pointer(0, BYTES, 8)), m)

    def elements_over(s):
        at = s.structs(ATTRIBUTES, 1, 1, 2)
        s.words[at - 1] = struct_pointer(2, 1, 2)
        s.text(at + 1, "x")

    yield malformed("more elements than words", "the tag of the list says two structs, its length one", changed(elements_over), m)
    yield malformed("element tag of the wrong kind", "the tag of a list of structs looks like a struct pointer", changed(lambda s: s.words.__setitem__(s.structs(ATTRIBUTES, 1, 1, 2) - 1, list_pointer(1, BYTES, 3))), m)
    yield malformed("far pointer to a far pointer", "a landing pad of one word is no far pointer", frame(an_event_with(ID, far_pointer(1, 0)), [far_pointer(1, 1), list_pointer(0, BYTES, 2), *words(b"1\0")]), m)

    t = "capnp-text"
    yield malformed("text without NUL", "the list ends before it", changed(lambda s: s.bytes(ID, b"1")), t)
    yield malformed("text of no bytes", "not even the NUL", changed(lambda s: s.bytes(ID, b"")), t)
    yield malformed("text not UTF-8", "a lone FF", changed(lambda s: s.text(ID, b"\xff")), t)
    yield malformed("text with a surrogate", "U+D800 has no encoding", changed(lambda s: s.text(ID, b"\xed\xa0\x80")), t)
    yield malformed("name not UTF-8", "a lone continuation byte", a(b"\x80", 0), t)
    yield malformed("string not UTF-8", "a character that is cut", a("x", 2, content=b"\xe2\x82"), t)
    yield malformed("text data not UTF-8", "over-long", data_of(2, lambda s: s.text(DATA, b"\xc0\x80")), t)

    def shared(s):
        at = s.structs(ATTRIBUTES, 64, 1, 2)
        value = s.place(words(b"v" * 8191 + b"\0"))
        for n in range(64):
            element = at + 3 * n
            s.words[element] = 2 << 16
            s.text(element + 1, f"a{n}")
            s.words[element + 2] = list_pointer(value - element - 3, BYTES, 8192)

    x = "capnp-traversal"
    yield malformed("64 attributes that share a value", "10 KiB that describe 512", changed(shared), x)

    def weightless(s):
        s.words[ATTRIBUTES] = list_pointer(s.place([struct_pointer(2**29 - 1, 0, 0)]) - ATTRIBUTES - 1, STRUCTS, 0)

    yield malformed("half a thousand million attributes of no size", "a list of empty structs takes one word", changed(weightless), x)

    yield malformed("513 segments", "one more than may be", frame(an_event(), *[[]] * 512), "capnp-segments")
    yield malformed("2^32 segments", "the most that the header can say", b"\xff\xff\xff\xff" + bytes(12), "capnp-segments")


def an_event_with(index, word):
    s = an_event()
    s.words[index] = word
    return s


def a_message(call):
    s = Segment(root=(2, 6))
    s.words[CALL] = call
    return s


def a_hello():
    s = a_message(0)
    s.text(s.struct(HELLO_POINTER, 0, 3), "1.0")
    return s


HELLO_MEANING = message(0, hello={"fsi": "1.0"})


def of_call(call, *changes):
    s = a_message(call)
    for change in changes:
        change(s)
    return frame(s)


def an_end(s):
    s.struct(END, 1, 2)


def holds_event(s):
    event_at(s, s.struct(EVENT_POINTER, 1, 6))


def goes_on(s):
    s.words[MORE] = 1


def chunk(content):
    return lambda s: s.bytes(CHUNK, content)


def entries(s, pointer, pairs):
    at = s.structs(pointer, len(pairs), 0, 2)
    for n, (key, value) in enumerate(pairs):
        s.text(at + 2 * n, key)
        if value is not None:
            s.text(at + 2 * n + 1, value)


def failed(code, text=None, details=()):
    def change(s):
        at = s.struct(END, 1, 2)
        s.words[at] = code
        if text:
            s.text(at + 1, text)
        if details:
            entries(s, at + 2, details)

    return change


def cancelled(reason=None):
    def change(s):
        at = s.struct(CANCEL, 0, 1)
        if reason is not None:
            s.text(at, reason)

    return change


def context(attempt=0, deadline=None, texts=(), extra=()):
    def change(s):
        at = s.struct(CONTEXT, 2, 5)
        s.words[at] = attempt | (0 if deadline is None else 1 << 32)
        s.words[at + 1] = deadline or 0
        for n, content in enumerate(texts):
            s.text(at + 2 + n, content)
        if extra:
            entries(s, at + 6, extra)

    return change


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def message_valid():
    yield valid("hello", "fsi alone", frame(a_hello()), HELLO_MEANING)

    def full_hello():
        s = a_message(0)
        at = s.struct(HELLO_POINTER, 0, 3)
        s.text(at, "1.0")
        s.text(at + 1, "example/0.1")
        status = s.struct(at + 2, 1, 2)
        s.words[status] = 9
        s.text(status + 1, "no model")
        entries(s, status + 2, [("path", "m")])
        return frame(s)

    yield valid("hello with everything", "producer and a status", full_hello(), message(0, hello={"fsi": "1.0", "producer": "example/0.1", "status": {"code": "FAILED_PRECONDITION", "message": "no model", "details": {"path": "m"}}}))
    yield valid("event and end", "a unary call in one message", of_call(1, holds_event, an_end), message(1, event=event(), end={"code": "OK"}))
    yield valid("last call", "2^52-1", of_call(2**52 - 1, an_end), message(2**52 - 1, end={"code": "OK"}))
    yield valid("nothing but a call", "it opens nothing, and is no error", of_call(1), message(1))
    yield valid("chunk", "any bytes", of_call(1, chunk(b"\x00\xff")), message(1, chunk=b64(b"\x00\xff")))
    yield valid("chunk empty", "a list of no bytes; null would be no chunk", of_call(1, chunk(b"")), message(1, chunk=""))
    yield valid("chunk that goes on", "more, in bit 0 of the second word", of_call(1, chunk(b"a"), goes_on), message(1, chunk=b64(b"a"), more=True))
    yield valid("end with a message and details", "NOT_FOUND is 5", of_call(1, failed(5, "no such door", [("door", "7"), ("a", "")])), message(1, end={"code": "NOT_FOUND", "message": "no such door", "details": {"a": "", "door": "7"}}))
    yield valid("end with an unknown code", "a code of a later version is UNKNOWN", of_call(1, failed(17)), message(1, end={"code": "UNKNOWN"}))
    yield valid("end of no size", "a struct without data and pointers is all defaults", of_call(1, lambda s: s.words.__setitem__(END, struct_pointer(-1, 0, 0))), message(1, end={"code": "OK"}))
    yield valid("cancel", "with a reason", of_call(1, cancelled("gone")), message(1, cancel={"reason": "gone"}))
    yield valid("cancel without reason", "a null pointer", of_call(1, cancelled()), message(1, cancel={}))
    yield valid(
        "context", "every field", of_call(1, context(2, 1795512600000, ["inv-1", TRACE, "a=b", "k=v"], [("REGION", "eu")])),
        message(1, context={"invocationId": "inv-1", "attempt": 2, "deadlineMs": 1795512600000, "traceparent": TRACE, "tracestate": "a=b", "baggage": "k=v", "extra": {"REGION": "eu"}}),
    )
    yield valid("context empty", "present, and says nothing", of_call(1, context()), message(1, context={}))
    yield valid("deadline at the epoch", "0 is a deadline; only the union's none is none", of_call(1, context(deadline=0)), message(1, context={"deadlineMs": 0}))
    yield valid("deadline before the epoch", "the type is signed", of_call(1, context(deadline=-1)), message(1, context={"deadlineMs": -1}))
    yield valid("greatest attempt", "2^32-1", of_call(1, context(attempt=2**32 - 1)), message(1, context={"attempt": 4294967295}))

    def far_event():
        # The event and all that it points to are in the second segment.
        other = an_event()
        s = a_message(1)
        s.words[EVENT_POINTER] = far_pointer(1, 0)
        an_end(s)
        return frame(s, other)

    yield valid("event in another segment", "behind a far pointer, whose landing pad is the event's own root pointer", far_event(), message(1, event=event(), end={"code": "OK"}))

    def newer():
        s = Segment(root=(3, 8))
        s.words[1:4] = [1, 0, MASK]
        s.struct(7, 1, 2)
        s.text(10, "a pointer of a later schema")
        s.struct(11, 0, 1)
        return frame(s)

    yield valid("written with a newer schema", "a struct with more data and pointers than is known", newer(), message(1, end={"code": "OK"}))


def message_invalid():
    yield malformed("call 2^52", "reserved", of_call(2**52, an_end), "message-call-range")
    yield malformed("call 2^64-1", "reserved", of_call(2**64 - 1, an_end), "message-call-range")
    z = "message-call-zero"
    yield malformed("event on call 0", "call 0 is the stream itself", of_call(0, holds_event), z)
    yield malformed("context on call 0", "call 0 is the stream itself", of_call(0, context()), z)
    yield malformed("chunk on call 0", "call 0 is the stream itself", of_call(0, chunk(b"")), z)
    yield malformed("cancel on call 0", "call 0 is the stream itself", of_call(0, cancelled()), z)

    def hello_and_event():
        s = a_hello()
        holds_event(s)
        return frame(s)

    yield malformed("hello with an event", "a hello is alone", hello_and_event(), z)
    yield invalid("event without attributes", "it costs call 7 only", of_call(7, lambda s: s.struct(EVENT_POINTER, 1, 6), an_end), "event-required-attribute", call=7)

    def unknown_data(s):
        holds_event(s)
        s.words[10 - 1] = 4

    yield invalid("event with data of an unknown kind", "it costs call 7 only", of_call(7, unknown_data), "capnp-union", call=7)
    yield malformed("event beyond the segment", "a struct pointer that leads outside", of_call(1, lambda s: s.words.__setitem__(EVENT_POINTER, struct_pointer(1000, 1, 6))), "capnp-bounds")
    yield malformed("chunk that runs over the end", "its first byte is inside", of_call(1, lambda s: s.bytes(CHUNK, b"12345678", count=9)), "capnp-bounds")
    yield malformed("context outside", "a far pointer to no segment", of_call(1, lambda s: s.words.__setitem__(CONTEXT, far_pointer(7, 0))), "capnp-bounds")
    yield malformed("status message without NUL", "the list ends before it", of_call(1, lambda s: s.bytes(s.struct(END, 1, 2) + 1, b"m")), "capnp-text")
    yield malformed("detail not UTF-8", "a lone FF", of_call(1, failed(5, None, [("a", b"\xff")])), "capnp-text")
    yield malformed("event attribute not UTF-8", "the message is malformed, not just its event", of_call(1, lambda s: s.text(s.struct(EVENT_POINTER, 1, 6) + 1, b"\xff")), "capnp-text")
    yield malformed("list where the end belongs", "a pointer of the wrong kind", of_call(1, lambda s: s.text(END, "OK")), "encoding-malformed")

    def weightless(s):
        at = s.struct(END, 1, 2)
        s.words[at] = 5
        s.words[at + 2] = list_pointer(s.place([struct_pointer(2**29 - 1, 0, 0)]) - at - 3, STRUCTS, 0)

    yield malformed("half a thousand million details of no size", "a list of empty structs takes one word", of_call(1, weightless), "capnp-traversal")

    def shared(s):
        at = s.struct(CONTEXT, 2, 5)
        first = s.structs(at + 6, 64, 0, 2)
        value = s.place(words(b"v" * 8191 + b"\0"))
        for n in range(64):
            s.text(first + 2 * n, f"A{n}")
            s.words[first + 2 * n + 1] = list_pointer(value - first - 2 * n - 2, BYTES, 8192)

    yield malformed("64 extras that share a value", "10 KiB that describe 512", of_call(1, shared), "capnp-traversal")


LIMIT_WORDS = 16 * 1024 * 1024 // 8


def events_valid():
    one = frame(an_event())
    yield valid("none", "EOF at once", b"", [])
    yield valid("one", "a message in its frame", one, [event()])
    yield valid("three", "back to back; the second has two segments, whose header is padded to a word", one + frame(*far_id()) + one, [event(), event(id="far"), event()])


def events_invalid():
    one = frame(an_event())
    t = "encoding-truncated"
    yield malformed("cut in the number of segments", "two bytes of four", one + one[:2], t, before=1)
    yield malformed("cut in the table", "the sizes are missing", one + frame(*far_id())[:8], t, before=1)
    yield malformed("cut before the first word", "a header alone", one + one[:8], t, before=1)
    yield malformed("cut in a word", "all but the last byte", one + one[:-1], t, before=1)
    yield malformed("cut after a segment", "the second segment is missing", one + frame(*far_id())[:-16], t, before=1)
    yield malformed("size above the limit", "16 MiB and a word is refused before anything is allocated", frame([], sizes=[LIMIT_WORDS + 1]), "encoding-limit", before=0)
    yield malformed("size of 32 GiB", "the most that one segment can say", frame([], sizes=[2**32 - 1]), "encoding-limit", before=0)
    yield malformed("sizes that overflow together", "512 segments of 2^32-1 words each", frame([], sizes=[2**32 - 1] * 512), "encoding-limit", before=0)
    yield malformed("513 segments", "one more than may be", one + frame(*[[]] * 513), "capnp-segments", before=1)
    yield malformed("second event broken", "the first one stands", one + frame(an_event_with(ID, list_pointer(1000, BYTES, 2))), "capnp-bounds", before=1)
    yield invalid("second without id", "the first one stands", one + without(ID), "event-required-attribute", before=1)


def messages_valid():
    hello = frame(a_hello())
    yield valid("a call", "hello, then a unary call", hello + of_call(1, holds_event, an_end), [HELLO_MEANING, message(1, event=event(), end={"code": "OK"})])

    def first_piece(s):
        holds_event(s)
        s.words[9] = 1
        s.bytes(15, b"a")

    yield valid(
        "data in pieces", "an event, two chunks and an end; calls 1 and 2 interleaved",
        hello + of_call(1, first_piece, goes_on) + of_call(2, an_end) + of_call(1, chunk(b"b"), goes_on) + of_call(1, chunk(b"c"), an_end),
        [
            HELLO_MEANING, message(1, event=event(data=binary(b"a")), more=True), message(2, end={"code": "OK"}),
            message(1, chunk=b64(b"b"), more=True), message(1, chunk=b64(b"c"), end={"code": "OK"}),
        ],
    )
    yield valid(
        "an invalid event in the middle", "the stream goes on",
        hello + of_call(1, lambda s: s.struct(EVENT_POINTER, 1, 6), an_end) + of_call(2, an_end),
        [HELLO_MEANING, message(1, invalid="event-required-attribute", end={"code": "OK"}), message(2, end={"code": "OK"})],
    )


def messages_invalid():
    hello = frame(a_hello())
    end = of_call(1, an_end)
    h = "hello-missing"
    yield malformed("banner", "ASCII where a hello belongs", b"Loading the model, please wait\n", h, before=0, stateful=True)
    yield malformed("call before hello", "work does not precede it", end + hello, h, before=0, stateful=True)
    yield malformed("second hello", "once", hello + hello, "hello-once", before=1, stateful=True)
    yield malformed("chunk without event", "nothing is unfinished", hello + of_call(1, chunk(b"x")), "chunk-without-event", before=1, stateful=True)
    yield malformed("chunk beside its event", "data goes on in a later message", hello + of_call(1, holds_event, chunk(b"x"), goes_on), "chunk-without-event", before=1, stateful=True)
    yield malformed("end OK while an event is unfinished", "the data is not whole", hello + of_call(1, holds_event, goes_on) + end, "chunk-end-unfinished", before=2, stateful=True)
    yield malformed("event after end", "the input had ended", hello + end + of_call(1, holds_event), "stream-input-ended", before=2, stateful=True)
    t = "encoding-truncated"
    yield malformed("cut in hello", "a byte is missing", hello[:-1], t, before=0)
    yield malformed("cut in a table", "four bytes of eight", hello + end[:4], t, before=1)
    yield malformed("cut in an event", "a word is missing", hello + of_call(1, holds_event)[:-8], t, before=1)
    yield malformed("size above the limit", "refused before anything is allocated", hello + frame([], sizes=[LIMIT_WORDS + 1]), "encoding-limit", before=1)
    yield malformed("2^32 segments", "the most that the header can say", hello + b"\xff\xff\xff\xff" + bytes(12), "capnp-segments", before=1)
