"""Cap'n Proto in and out: the stream framing, what makes a message malformed, what makes an event invalid."""
import json, os, re, select, struct, sys

import capnp

# In a deployment of its own the function would carry a copy of this file.
SCHEMA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../schemas/capnp/fsi.capnp")
fsi = capnp.load(SCHEMA)

CODES = {"CANCELLED": 1, "UNKNOWN": 2, "INVALID_ARGUMENT": 3, "FAILED_PRECONDITION": 9, "ABORTED": 10, "INTERNAL": 13, "UNAVAILABLE": 14}
LIMIT = int(os.environ.get("FAAS_MAX_MESSAGE_BYTES", 16 << 20))

# stdout belongs to the protocol. Keep both streams on private descriptors that a child does not inherit, then let fd 1 mean
# stderr and fd 0 nothing: what the job, a library or a child prints can't reach the stream.
_in, _out = os.dup(0), os.dup(1)
_null = os.open(os.devnull, os.O_RDONLY)
os.dup2(_null, 0)
os.dup2(2, 1)
_poll = select.poll()
_poll.register(_in, select.POLLIN)
_poll.register(_out, 0)


class Malformed(Exception):
    """The stream has lost its place."""


cut = False  # did stdin end within a message?


def _fill(view):
    """Reads exactly what the view holds, in place; says how much came before EOF."""
    done = 0
    while done < len(view):
        # Watch stdout too while waiting, so that a pipeline whose tail died unwinds.
        if any(fd == _out for fd, _ in _poll.poll()):
            os._exit(0)
        piece = os.readv(_in, [view[done:]])
        if not piece:
            break
        done += piece
    return done


def _receive():
    """The next message in its framing, or None at EOF. Sizes are looked at before anything of that size is allocated."""
    head = bytearray(8)
    came = _fill(memoryview(head))
    if came == 0:
        return None
    segments = struct.unpack_from("<I", head)[0] + 1
    if segments > 512 and came >= 4:
        raise Malformed("expected at most 512 segments, came %d; is this Cap'n Proto? %r" % (segments, bytes(head)))
    table = bytearray(4 * (segments & ~1))  # the sizes but the first, padded to a word
    if came < len(head) or _fill(memoryview(table)) < len(table):
        raise EOFError
    size = 8 * sum(struct.unpack_from("<%dI" % segments, head + table, 4))
    if size > LIMIT:
        raise Malformed("a message of %d bytes, at most %d are allowed" % (size, LIMIT))
    message = bytearray(len(head) + len(table) + size)
    message[: len(head) + len(table)] = head + table
    if _fill(memoryview(message)[len(head) + len(table) :]) < size:
        raise EOFError
    return message


def messages():
    """The hello, and then what follows it. A view of each: nothing is copied."""
    global cut
    first = True
    try:
        while (encoded := _receive()) is not None:
            # Pointers may share what they point to, so the work is bounded, too.
            limit = max(len(encoded), 8192)  # in words: eight times the message's bytes, or 64 KiB
            with fsi.Message.from_bytes(encoded, traversal_limit_in_words=limit, nesting_limit=64) as message:
                check(message, first)
                yield message
            first = False
    except EOFError:
        cut = True
        print("stdin ended within a message", file=sys.stderr)


def check(message, first):
    # Walk everything but the event: what is broken shows here, not when the next stage reads our copy.
    walk(message, "cancel", ["reason"])
    walk(message, "end", ["message"], "details")
    walk(message, "context", ["invocationId", "traceparent", "tracestate", "baggage"], "extra")
    walk(message, "hello", ["fsi", "producer"])
    walk(message.hello, "status", ["message"], "details")
    more = message.more or any(message._has(name) for name in ("context", "event", "chunk", "end", "cancel"))
    if message._has("hello") != first or first and (message.call or more):
        raise Malformed("expected a hello first, alone and on call 0, and none later")
    if message.call >= 2**52 or message.call == 0 and more:
        raise Malformed("expected a call from 1 to 2^52-1, came %d" % message.call)


def walk(parent, name, texts, entries=None):
    part = getattr(parent, name)
    for text in texts:
        getattr(part, text)
    for entry in getattr(part, entries) if entries else ():
        entry.key, entry.value


def status(code, message):
    return fsi.Status.new_message(code=CODES[code], message=message[:1000])  # at most 4,096 bytes, whatever it quotes


def transmit(message):
    left = memoryview(message.to_bytes())
    while left:
        left = left[os.write(_out, left):]


ALPHANUMERIC = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
URI = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ-._~:/?#[]@!$&'()*+,;=%") | ALPHANUMERIC
NAMED = {"subject": "string", "datacontenttype": "string", "dataschema": "uri", "time": "timestamp"}


def defect(event):
    """What keeps this from being a CloudEvent 1.0, or None."""
    # A text that is not UTF-8 makes the stream malformed, and is let through as the exception that it is.
    try:
        required = {"id": event.id, "source": event.source, "type": event.type}
        if event.specVersion != "1.0":
            return "specversion %r, expected 1.0" % event.specVersion
        for name, text in required.items():
            if not text or not printable(text):
                return "%s is missing, or has characters that are not allowed" % name
        if not URI.issuperset(required["source"]):
            return "source is no URI-reference"
        seen, content_type = set(), ""
        for attribute in event.attributes:
            name, kind = attribute.name, attribute.value.which()
            if not name or not ALPHANUMERIC.issuperset(name) or name in ("id", "source", "type", "specversion", "data"):
                return "attribute name %r" % name
            if name in seen:
                return "%s stands twice" % name
            seen.add(name)
            if NAMED.get(name, kind) != kind:
                return "%s is a %s, expected a %s" % (name, kind, NAMED[name])
            if kind in ("string", "uri", "uriRef"):
                text = getattr(attribute.value, kind)
                if not printable(text) or name in NAMED and not text:
                    return "%s is empty, or has characters that are not allowed" % name
                if kind != "string" and not URI.issuperset(text) or kind == "uri" and ":" not in text[1:]:
                    return "%s is no %s" % (name, kind)
            if name == "datacontenttype":
                content_type = attribute.value.string
            if kind == "timestamp":
                time = attribute.value.timestamp
                if not (-62135596800 <= time.seconds <= 253402300799 and 0 <= time.nanos <= 999999999):
                    return "%s is out of range" % name
        if event.data.which() == "text":
            event.data.text  # raises if it is not UTF-8
        if event.data.which() == "text" and re.fullmatch(r"[^;/]+/([^;]*\+)?json\s*(;.*)?", content_type, re.IGNORECASE):
            json.loads(event.data.text, parse_constant=no_number)
    except (json.JSONDecodeError, RecursionError):
        return "JSON data that is not one JSON value"
    except capnp.KjException as error:
        if "which on a non-union" in str(error):  # what pycapnp says of a discriminant that it does not know
            return "a kind of value that is not known"
        raise
    return None


def no_number(name):
    raise json.JSONDecodeError("Python's own, and none of JSON's", name, 0)


def printable(text):
    return not any(c < " " or "\x7f" <= c < "\xa0" or "\ufdd0" <= c < "\ufdf0" or ord(c) & 0xFFFE == 0xFFFE for c in text)
