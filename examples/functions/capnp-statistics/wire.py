"""Cap'n Proto in and out: the stream framing, what makes a message malformed, what makes an event invalid."""
import json, os, re, select, struct

import capnp

# In a deployment of its own the function would carry a copy of this file.
SCHEMA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../schemas/capnp/fsi.capnp")
fsi = capnp.load(SCHEMA)

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


class Cut(Exception):
    """EOF within a message."""


def _read(size, at_boundary=False):
    """Exactly so many bytes; None at EOF where EOF may be."""
    pieces, missing = [], size
    while missing:
        # Watch stdout too while waiting, so that a pipeline whose tail died unwinds.
        if any(fd == _out for fd, _ in _poll.poll()):
            os._exit(0)
        piece = os.read(_in, min(missing, 1 << 20))
        if not piece:
            if at_boundary and missing == size:
                return None
            raise Cut
        pieces.append(piece)
        missing -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def receive():
    """The next message as bytes, or None at EOF. Sizes are looked at before anything of that size is kept."""
    count = _read(4, at_boundary=True)
    if count is None:
        return None
    segments = struct.unpack("<I", count)[0] + 1
    if segments > 512:
        raise Malformed("expected at most 512 segments, came %d; is this Cap'n Proto? %r" % (segments, count))
    sizes = _read(4 * (segments | 1))  # padded to a word
    words = sum(struct.unpack_from("<%dI" % segments, sizes))
    if words * 8 > LIMIT:
        raise Malformed("a message of %d bytes, at most %d are allowed" % (words * 8, LIMIT))
    return count + sizes + _read(words * 8)


def reading(message):
    """A view of the message: nothing is copied. Pointers may share what they point to, so the work is bounded, too."""
    return fsi.Message.from_bytes(message, traversal_limit_in_words=max(len(message), 8192), nesting_limit=64)


def transmit(message):
    left = memoryview(message.to_bytes())
    while left:
        left = left[os.write(_out, left):]


def check(message):
    """Walks everything but the event's data: what is broken shows here, not when the next stage reads our copy."""
    for name in ("context", "end", "cancel", "hello"):
        if message._has(name):
            repr(getattr(message, name))
    message.chunk


def carries(message):
    """Is there more in it than a hello?"""
    return message.more or any(message._has(name) for name in ("context", "event", "chunk", "end", "cancel"))


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
