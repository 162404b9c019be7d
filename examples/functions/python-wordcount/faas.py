"""FSI, the FaaS Stdio Interface, for Python 3.9 and later. Copy this file beside your handler; it needs nothing else.

    import faas                                   # first: what later imports print then goes to the log

    def handler(event, context):                  # a dict: CloudEvents attributes by name, and "data"
        return {"type": "greeting", "datacontenttype": "text/plain", "data": "hello " + event["data"]}

    faas.serve(handler)

A handler returns an event, None, or an iterable of events (it may be a generator), and fails by raising `faas.Status`.
`data` is bytes (binary), str (text, or a JSON string under a JSON content type) or any other JSON value. A result
without `id`, `source` or `specversion` gets one. A handler that runs for long looks at `context.cancelled`.
Modes: stream, structured, binary. Encodings: json, and protobuf where the package `protobuf` (4.22 or later) is there.

In this order: statuses and context, the stream's loop, the one-shot modes, events, JSON, Protobuf.
"""
import base64, datetime, json, os, queue, re, select, signal, sys, threading, traceback, uuid
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

ENV = os.environ
CODES = ("OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED "
         "FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED").split()
EXITS = {"OK": 0, "INVALID_ARGUMENT": 65, "UNAVAILABLE": 69, "INTERNAL": 70, "PERMISSION_DENIED": 77, "FAILED_PRECONDITION": 78}
LIMIT = int(ENV.get("FAAS_MAX_MESSAGE_BYTES") or 16 << 20)
CONCURRENCY = int(ENV.get("FAAS_CONCURRENCY") or 1)
CHUNKS = "chunks" in ENV.get("FAAS_FEATURES", "").split(",")
TRACEPARENT = re.compile("(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class Status(Exception):
    """How a call failed; a handler raises it."""
    def __init__(self, code, message="", details=None):
        super().__init__(message)
        self.code, self.message, self.details = code if code in CODES else "UNKNOWN", str(message), details or {}

    def wire(self):
        details = {k: v for k, v in self.details.items() if re.fullmatch("[a-z0-9-]+", k)}
        if sum(len((k + v).encode()) for k, v in details.items()) > 8192:
            details = {}
        message = self.message.encode("utf-8", "replace")[:4096].decode("utf-8", "ignore")
        return {k: v for k, v in {"code": self.code, "message": message, "details": details}.items() if v}


class Malformed(Exception):
    """The input lost its place: nothing that follows can be trusted."""


class Invalid(Exception):
    """What was decoded, or what a handler returned, is no CloudEvent."""


class Ended(Exception):
    """The call is over: nobody wants what its handler still has to say."""


def failure(error):
    """The status of whatever came out of a handler."""
    if isinstance(error, Status):
        return error
    traceback.print_exception(type(error), error, error.__traceback__)
    return Status("INTERNAL", f"{type(error).__name__}: {error}")


class Context:
    """How the invocation runs. `cancelled` is set when nobody wants the result any more."""
    def __init__(self, fields):
        self.fields, get = fields, fields.get
        self.invocation_id, self.attempt, self.deadline_ms = get("invocationId", ""), get("attempt", 0), get("deadlineMs")
        self.traceparent, self.tracestate, self.baggage = get("traceparent", ""), get("tracestate", ""), get("baggage", "")
        self.extra, self.cancelled = dict(get("extra", {})), threading.Event()
        self._prefix, self._results = self.invocation_id or uuid.uuid4().hex, 0

    def check(self):
        texts = [v for v in [*self.fields.values(), *self.extra.values()] if isinstance(v, str)]
        if (any(UNPRINTABLE.search(text) for text in texts) or self.traceparent and not TRACEPARENT.fullmatch(self.traceparent)
                or not all(re.fullmatch("[A-Z][A-Z0-9_]*", name) for name in self.extra)):
            raise Status("INVALID_ARGUMENT", "context: expected W3C trace fields, names of capitals, and no control characters")

    def complete(self, event):
        """A handler's result with what it left out. The id is the same in every attempt at the invocation."""
        self._results += 1
        return check({"specversion": "1.0", "id": f"{self._prefix}/{self._results}",
                      "source": "/" + ENV.get("FAAS_FUNCTION", "function"), **event})


# ---- Stream mode. The main thread reads and never waits for a handler, so that it sees every cancel at once. Handlers run
# in a pool of threads. One lock keeps messages whole and the state of a call in step with what was written for it.

class Call:
    def __init__(self, number, context):
        self.number, self.context, self.first = number, Context(context or {}), {} if context is None else {"context": context}
        self.events, self.held, self.unfinished = queue.SimpleQueue(), 0, None
        self.running = self.dropping = self.input_ended = self.ended = False
        self.stopped = None                              # the status that it will end with, whatever its handler does


class Stream:
    def __init__(self, handler, codec, inp, out):
        self.handler, self.codec, self.inp, self.out = handler, codec, inp, out
        self.calls, self.past = {}, {}                   # open calls; the last that were: number -> was it cancelled?
        self.lock, self.pool = threading.RLock(), ThreadPoolExecutor(CONCURRENCY)
        self.eof = self.paused = self.terminated = False
        self.woken, self.waker = os.pipe()               # signals, and threads that have finished, wake the reader
        os.set_blocking(self.waker, False)
        signal.set_wakeup_fd(self.waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, self.on_sigterm)

    def on_sigterm(self, *_):
        self.terminated = True
        signal.alarm(2)                                  # dies even if stdout is stuck

    def run(self, failed):
        code, incoming = 0, frames(self.wait, self.codec)
        try:
            self.greet(next(incoming, None), failed)
            for frame in incoming:
                self.receive(self.codec.message(frame), len(frame))
        except Malformed as error:
            print(f"malformed input: {error}", file=sys.stderr)
            if not self.eof:
                leave(65)
            code = 65
        with self.lock:                                  # the drain: finish what is complete, give up the rest
            for call in list(self.calls.values()):
                if not call.input_ended and not call.dropping:
                    self.stop(call, Status("ABORTED", "the input ended before the call did").wire())
        while any(not call.ended and not call.stopped for call in list(self.calls.values())):
            self.wait(reading=False)
        self.end_all()
        leave(code)                                      # a handler that ignores `cancelled` can't hold the process

    def wait(self, reading=True):
        """Sleeps until something happens; returns input, b"" at its end, None if it was something else."""
        with self.lock:
            self.paused = CONCURRENCY == 1 and self.held(True) + self.held(False) > LIMIT and not self.wants()
        poll = select.poll()
        poll.register(self.out, 0)                       # for POLLERR alone: the reader of our stdout is gone
        poll.register(self.woken, select.POLLIN)
        if reading and not self.paused:
            poll.register(self.inp, select.POLLIN)
        ready = dict(poll.poll())
        if self.out in ready:
            reader_gone()
        if self.woken in ready:
            os.read(self.woken, 4096)
        if self.terminated:
            self.end_all(Status("UNAVAILABLE", "the function was terminated").wire())
            leave(EXITS["UNAVAILABLE"])
        if self.inp in ready:
            data = os.read(self.inp, 1 << 18)
            self.eof = not data
            return data

    def held(self, running):
        """Bytes of input of the calls that run, or of those beyond FAAS_CONCURRENCY, which wait for their turn."""
        return sum(call.held for call in self.calls.values() if call.running == running and not call.ended)

    def wants(self):
        """Whether a call that runs may still get input, so that nothing that waits for its turn may stand before that."""
        running = [call for call in self.calls.values() if call.running and not call.ended]
        return len(running) == CONCURRENCY and any(not call.input_ended and call.held <= LIMIT for call in running)

    def greet(self, frame, failed):
        """The hello: after ours has been initialised and after theirs was read, whose failure is ours as well."""
        hello = {"status": Status("UNAVAILABLE", "the input ended before its hello").wire()}
        if frame is not None:
            message = self.codec.message(frame)
            if message.keys() - {"call"} != {"hello"} or message.get("call"):
                raise Malformed(f"expected a hello, got {quote(frame)}")
            hello = message["hello"]
        status = hello.get("status", {})
        if ok(status) and hello.get("fsi", "").split(".")[0] != "1":
            status = Status("FAILED_PRECONDITION", f"expected FSI 1, got {hello.get('fsi')!r:.40}").wire()
        status = failed.wire() if ok(status) and failed else status
        hello = {"fsi": "1.0", "producer": "faas.py", **({} if ok(status) else {"status": status})}
        put(self.out, self.codec.pack({"hello": hello}))
        if not ok(status):
            leave(EXITS.get(status["code"], 1))

    def receive(self, m, size):
        """One message, by the table of spec/messages.md: the state of a call, as a function sees it."""
        number = m.get("call", 0)
        if not 0 <= number < 1 << 52 or "hello" in m or number == 0 and m.keys() & SHAPE.keys() - {"call"}:
            raise Malformed(f"expected a call from 1 to 2^52-1 and one hello, got {', '.join(m)} on call {number}")
        if not m.keys() & {"event", "chunk", "end", "cancel"}:
            return
        with self.lock:
            call = self.calls.get(number)
            if self.past.get(number):                    # cancelled: whatever follows is dropped
                return
            if m.keys() & {"event", "chunk", "end"}:
                call = self.input(number, call, m, size)
            if "cancel" in m:                            # the last field, whatever stands before it
                self.cancel(number, call or Call(number, m.get("context")), m["cancel"])

    def input(self, number, call, m, size):
        """The event, chunk and end of a message. Gives the call."""
        end = m.get("end")
        if number in self.past or call and call.input_ended:
            raise Malformed(f"call {number}: expected nothing after its end, got {', '.join(m)}")
        if not call:
            call = self.calls[number] = Call(number, m.get("context"))
            self.attempt(call, call.context.check)
            self.pool.submit(self.work, call)            # beyond FAAS_CONCURRENCY it waits there
        if end is not None and not ok(end):
            call.unfinished = None
            self.stop(call, end)
        elif not call.ended and not call.dropping:
            self.attempt(call, self.assemble, call, m, size)
            if end is not None and call.unfinished:
                raise Malformed(f"call {number}: expected the rest of an event, got its end")
        if end is not None:
            call.input_ended = True
            call.events.put((None, 0))
            self.settle(call)
        return call

    def attempt(self, call, action, *args):
        """What is wrong with one call costs that call alone: an event after those before it, anything else at once."""
        try:
            action(*args)
        except Invalid as error:
            call.dropping, call.unfinished = True, None
            call.events.put((Status("INVALID_ARGUMENT", error), 0))
        except Status as error:
            call.dropping, call.unfinished = True, None
            self.stop(call, error.wire())

    def assemble(self, call, m, size):
        """Hands an event to the worker as soon as it is complete."""
        expected, other = ("chunk", "event") if call.unfinished else ("event", "chunk")
        if other in m:
            raise Malformed(f"call {call.number}: expected {expected} and no {other}, got {', '.join(m)}")
        if "event" in m:
            if isinstance(m["event"], Invalid):
                raise m["event"]
            call.unfinished = [size, m["event"]]
        if "chunk" in m:
            call.unfinished[0] += len(m["chunk"])
            call.unfinished.append(m["chunk"])
        if call.unfinished and (call.held if CONCURRENCY > 1 else 0) + call.unfinished[0] > LIMIT:
            raise Status("RESOURCE_EXHAUSTED", f"expected at most {LIMIT} bytes to hold for the call, got more")
        if call.unfinished and not call.running and self.held(False) + call.unfinished[0] > LIMIT and self.wants():
            raise Status("RESOURCE_EXHAUSTED", f"expected at most {LIMIT} bytes to hold for calls that wait for their turn, got more")
        if m.keys() & {"event", "chunk"} and not m.get("more"):
            (size, event, *chunks), call.unfinished = call.unfinished, None
            call.held += size
            call.events.put((self.codec.settle(joined(event, chunks)), size))

    def cancel(self, number, call, cancel):
        put(self.out, self.codec.pack({"call": number, **({} if call.ended else call.first), "cancel": cancel}))
        call.first = {}
        self.past[number] = True
        if number in self.calls:
            self.stop(call, Status("CANCELLED", cancel.get("reason") or "cancelled").wire())
        self.settle(call)

    def stop(self, call, status):
        """Tells the handler. The end is written when it has returned, since only then the work has stopped."""
        call.stopped = call.stopped or status
        call.context.cancelled.set()
        call.events.put((None, 0))
        if not call.running and not call.ended:
            self.send(call, end=call.stopped)

    def settle(self, call):
        """A call that is over is forgotten, but for its number."""
        if call.ended and (call.input_ended or self.past.get(call.number)):
            self.calls.pop(call.number, None)
            self.past.setdefault(call.number, False)
        if len(self.past) > 2000:
            del self.past[next(iter(self.past))]
        if self.eof:
            self.wake()

    def wake(self):
        try:
            os.write(self.waker, b"\0")
        except BlockingIOError:                          # it has been woken many times over
            pass

    def work(self, call):
        """In a thread of the pool: the handler on each event in order, then the end."""
        end = {}
        with self.lock:
            call.running = True
        try:
            while not call.stopped:
                event, size = call.events.get()
                with self.lock:
                    call.held -= size
                    if self.paused:
                        self.wake()
                if event is None:
                    break
                if isinstance(event, Status):
                    raise event
                results = self.handler(event, call.context)
                if isinstance(results, dict) and call.input_ended and call.events.qsize() == 1:
                    return self.emit(call, results, end={})        # the usual call: one message, one write
                for result in [results] if isinstance(results, dict) else results or ():
                    self.emit(call, result)
        except Ended:
            pass
        except BaseException as error:                   # SystemExit too: a handler doesn't end the other calls
            end = failure(error).wire()
        with self.lock:
            if not call.ended:
                self.send(call, end=call.stopped or end)

    def emit(self, call, result, **end):
        event = call.context.complete(result)
        try:
            return self.send(call, event=event, **end)
        except Status:                                   # too large for one message
            if not CHUNKS or "data" not in event:
                raise
        event, data = self.codec.split(event)
        self.send(call, event=event, more=True)
        step = max(1, min(1 << 18, (LIMIT - 64) * 3 // 4))
        for at in range(0, len(data), step):
            self.send(call, chunk=data[at:at + step], **({"more": True} if at + step < len(data) else end))

    def send(self, call, **fields):
        with self.lock:
            if call.ended or call.stopped and fields.get("end") is not call.stopped:
                raise Ended
            put(self.out, self.codec.pack({"call": call.number, **call.first, **fields}))
            call.first = {}
            if "end" in fields:
                call.ended = True
                self.settle(call)

    def end_all(self, status=None):
        with self.lock:
            for call in list(self.calls.values()):
                if not call.ended:
                    call.stopped = status or call.stopped
                    self.send(call, end=call.stopped)


def put(out, data):
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(out, view):]
    except BrokenPipeError:
        reader_gone()


def reader_gone():
    """Dies as a filter does: of SIGPIPE, which Python ignores; only the main thread can bring it back."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGPIPE)
    os._exit(128 + signal.SIGPIPE)


def leave(code):
    sys.stderr.flush()
    os._exit(code)


def frames(read, codec):
    """Whole documents or messages; `read` returns b"" at EOF, None to say that there is nothing yet."""
    buffer, data = bytearray(), None
    while data != b"":
        data = read()
        buffer += data or b""
        while buffer and (frame := codec.cut(buffer, data == b"")) is not None:
            yield frame
    if buffer:
        raise Malformed(f"expected a message to its end, got EOF after {len(buffer)} bytes")


# ---- One process, one invocation

def context_of_environment():
    names = {"invocationId": "FAAS_INVOCATION_ID", "attempt": "FAAS_ATTEMPT", "deadlineMs": "FAAS_DEADLINE_MS",
             "traceparent": "TRACEPARENT", "tracestate": "TRACESTATE", "baggage": "BAGGAGE"}
    fields = {key: ENV[name] for key, name in names.items() if ENV.get(name)}
    fields.update({key: int(fields[key]) for key in ("attempt", "deadlineMs") if key in fields})
    context = Context({**fields, "extra": {name[7:]: value for name, value in ENV.items() if name.startswith("FAAS_X_")}})
    context.check()
    return context


def one_shot(handler, codec, inp, out):
    context = context_of_environment()
    if codec is None:
        with open(inp, "rb") as stdin:
            results = list(run(handler, binary_event(stdin.read()), context))
        if len(results) > 1:
            raise Status("INTERNAL", f"expected at most one result in binary mode, got {len(results)}")
        return put(out, as_bytes(results[0])) if results else None
    for frame in frames(lambda: os.read(inp, 1 << 18), codec):
        event = codec.document(frame)
        if isinstance(event, Invalid):
            raise Status("INVALID_ARGUMENT", event)
        for result in run(handler, event, context):
            put(out, codec.pack_document(result))


def run(handler, event, context):
    results = handler(event, context)
    for result in [results] if isinstance(results, dict) else results or ():
        yield context.complete(result)


def binary_event(data):
    event = {name[3:].lower(): value for name, value in ENV.items() if name.startswith("CE_")}
    if data:
        event["data"] = data
        try:
            if is_json(event):
                event["data"] = loads(data.decode())
            elif event.get("datacontenttype", "").startswith("text/"):
                event["data"] = data.decode()
        except (ValueError, RecursionError):
            pass                                         # then it is bytes, as a host reads our stdout
    return event


def as_bytes(event):
    data = event.get("data", b"")
    if isinstance(data, str) and not is_json(event):
        return data.encode()
    return data if isinstance(data, bytes) else dumps(data)


def guard():
    """What user code prints must never become the protocol. Returns private, close-on-exec copies of stdin and stdout; then
    0 is /dev/null and 1 is stderr, for Python, for C and for child processes alike."""
    inp, out, null = os.dup(0), os.dup(1), os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    sys.stdout.flush()                                   # what was printed before goes to the log as well
    sys.stdout = sys.stderr
    return inp, out


# At the import, so that what comes after it is guarded too; but not in a process that no runtime started, such as a test.
STREAMS = guard() if "FAAS_MODE" in ENV else None


def serve(handler, init=None, manifest=None):
    """Runs the function, in the mode and encoding that the environment names. `init` is called first and may raise Status;
    `manifest`, a dict, is what FAAS_MODE=describe prints."""
    mode, encoding = ENV.get("FAAS_MODE", "structured"), ENV.get("FAAS_ENCODING", "json")
    inp, out = STREAMS or guard()
    try:
        if mode == "describe" and manifest:
            return put(out, dumps(manifest) + b"\n")
        if mode not in ("stream", "structured", "binary"):
            raise Status("FAILED_PRECONDITION", f"FAAS_MODE: expected stream, structured or binary, got {mode}")
        if mode != "binary" and encoding not in ("json", "protobuf"):
            raise Status("FAILED_PRECONDITION", f"FAAS_ENCODING: expected json or protobuf, got {encoding}")
        codec = None if mode == "binary" else Protobuf(mode == "stream") if encoding == "protobuf" else Json()
        init_failed = None
        try:
            init() if init else None
        except Exception as error:
            init_failed = failure(error)
        if mode == "stream":
            Stream(handler, codec, inp, out).run(init_failed)
        if init_failed:
            raise init_failed
        one_shot(handler, codec, inp, out)
    except Malformed as error:
        print(f"malformed input: {error}", file=sys.stderr)
        sys.exit(65)
    except Exception as error:
        status = failure(error)
        print(status.message or status.code, file=sys.stderr)
        sys.exit(EXITS.get(status.code, 1))


# ---- Events are dicts. Attributes of types that JSON can't tell from text are of subclasses of str.

class Uri(str): pass
class UriRef(str): pass
class Timestamp(str): pass
class Proto(NamedTuple): type_url: str; value: bytes


REQUIRED = ("id", "source", "specversion", "type")
NAMED = {"dataschema": Uri, "time": Timestamp, **dict.fromkeys(REQUIRED + ("subject", "datacontenttype"), str)}
NONCHARACTERS = "\ufdd0-\ufdef" + "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF))
UNPRINTABLE = re.compile(f"[\0-\x1f\x7f-\x9f\ud800-\udfff{NONCHARACTERS}]")
SCHEME, REST = "[A-Za-z][A-Za-z0-9+.-]*:", r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?\[\]-]|%[0-9A-Fa-f]{2})*"
URI, URI_REF = re.compile(f"{SCHEME}{REST}(#{REST})?"), re.compile(f"({SCHEME}|(?![^/?#]*:)){REST}(#{REST})?")
TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d):([0-5]\d|60)(?:\.(\d{1,9}))?"
                  r"(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))", re.ASCII)
EPOCH, SECOND = datetime.datetime(1970, 1, 1), datetime.timedelta(seconds=1)


def check(event):
    """The event, if it is one; named attributes get their types."""
    for name in REQUIRED:
        if not event.get(name):
            raise Invalid(f"{name}: expected a value, got none")
    for name, value in event.items():
        kind = NAMED.get(name)
        if name == "data":
            continue
        if kind and type(value) is str:
            value = event[name] = kind(value)
        if (not re.fullmatch("[a-z0-9]+", name) or kind and (type(value) is not kind or not value)
                or name == "specversion" and value != "1.0"
                or not (-1 << 31 <= value < 1 << 31 if isinstance(value, int) else isinstance(value, (str, bytes)))
                or isinstance(value, str) and UNPRINTABLE.search(value)
                or name == "source" and not URI_REF.fullmatch(value) or name == "dataschema" and not URI.fullmatch(value)):
            raise Invalid(f"expected an attribute of CloudEvents 1.0, got {name} = {value!r:.60}")
        if isinstance(value, Timestamp):
            instant(value)
    return event


def instant(text):
    """Seconds and nanoseconds since the epoch. A leap second is the first instant of the next minute."""
    try:
        day, minute, second, fraction, sign, hours, minutes = TIME.fullmatch(text).groups("0")
        seconds = (datetime.datetime.fromisoformat(f"{day}T{minute}") - EPOCH) // SECOND + int(second)
    except (AttributeError, ValueError):
        raise Invalid(f"expected a time after RFC 3339, got {text!r:.60}") from None
    offset = (int(hours) * 60 + int(minutes)) * 60
    return seconds + (offset if sign == "-" else -offset), int(fraction.ljust(9, "0"))


def timestamp(seconds=0, nanos=0):
    try:
        text = (EPOCH + seconds * SECOND).isoformat()
    except OverflowError:
        nanos = -1
    if not 0 <= nanos < 10 ** 9:
        raise Invalid(f"expected a time from the year 1 to 9999, got {seconds} s and {nanos} ns")
    return Timestamp(text + (f".{nanos:09}".rstrip("0") if nanos else "") + "Z")


def is_json(event, absent=False):
    kind = event.get("datacontenttype")
    return absent if kind is None else bool(re.match(r"\s*[^;/]+/([^;]*\+)?json\s*(;|$)", kind, re.I))


def joined(event, chunks):
    """The event whose data began inline and went on in chunks."""
    first = event.get("data", b"")
    if not chunks:
        return event
    if not isinstance(first, (str, bytes)):
        raise Invalid("data in pieces: expected text or binary data")
    data = b"".join([first.encode() if isinstance(first, str) else first, *chunks])
    try:
        return {**event, "data": data.decode() if isinstance(first, str) else data}
    except UnicodeDecodeError as error:
        raise Invalid(f"text in pieces: {error}") from None


def ok(status):
    return status.get("code", "OK") == "OK"


def quote(data):
    return ascii(bytes(data[:60]).decode("utf-8", "replace"))[:80]


def fits(encoded):
    if len(encoded) > LIMIT:
        raise Status("RESOURCE_EXHAUSTED", f"expected a result of at most {LIMIT} encoded bytes, got {len(encoded)}")
    return encoded


# ---- JSON: one line for each message or event

TEXTS = {"*": str}
STATUS = {"code": str, "message": str, "details": TEXTS}
SHAPE = {"call": range(1 << 52), "event": {}, "chunk": str, "more": bool, "end": STATUS, "cancel": {"reason": str},
         "hello": {"fsi": str, "producer": str, "status": STATUS},
         "context": {"invocationId": str, "attempt": range(1 << 32), "deadlineMs": range(-1 << 63, 1 << 63), "traceparent": str,
                     "tracestate": str, "baggage": str, "extra": TEXTS}}


class Twice(dict):
    """An object in which a name stood twice."""


def members(pairs):
    value = dict(pairs)
    return value if len(value) == len(pairs) else Twice(value)


def not_json(name):
    raise ValueError(f"{name} is no JSON")


class Literal(float):
    """A number that Python would write in another way, 1.10 for instance, and how it was written."""
    met, mark = False, uuid.uuid4().hex


def number(text):
    value = float(text)
    if repr(value) != text:
        Literal.met, value = True, Literal(value)
        value.text = text
    return value


def marked(value):
    if isinstance(value, dict):
        return {name: marked(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [marked(item) for item in value]
    return Literal.mark + value.text if isinstance(value, Literal) else value


def loads(data):
    return json.loads(data.decode() if isinstance(data, bytes) else data, object_pairs_hook=members, parse_constant=not_json,
                      parse_float=number)


def dumps(value):
    """JSON in UTF-8. A lone surrogate, which UTF-8 can't hold, is escaped; numbers that were read keep their digits."""
    text = json.dumps(marked(value) if Literal.met else value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    text = re.sub(f'"{Literal.mark}([^"]*)"', r"\1", text) if Literal.met else text
    return text.encode("utf-8", "backslashreplace")


def bounded(value, depth=1, data=False):
    """Raises Malformed for JSON more than 128 deep, and outside data for a name that stands twice."""
    if depth > 128 or isinstance(value, Twice) and not data:
        raise Malformed("expected JSON at most 128 deep and each name once, got " + ("it deeper" if depth > 128 else "a name twice"))
    for name, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(item, (dict, list)):
            bounded(item, depth + 1, data or name == "data")


def shaped(value, shape, name):
    """Raises Malformed for a member that is there in another type than SHAPE has it."""
    kind = shape if isinstance(shape, type) else dict
    if not (type(value) is int and value in shape if isinstance(shape, range) else isinstance(value, kind)):
        raise Malformed(f"{name}: expected {shape if isinstance(shape, range) else kind.__name__}, got {value!r:.60}")
    for key, item in value.items() if isinstance(shape, dict) else ():
        if key in shape or "*" in shape:
            shaped(item, shape.get(key, str), key)


def to_base64(data):
    return base64.b64encode(data).decode()


def from_base64(text):
    data = base64.b64decode(text, validate=True)
    if to_base64(data) != text:
        raise ValueError("it is not the base64 of any bytes")
    return data


class Json:
    scanned, started = 0, False

    def cut(self, buffer, eof):
        """Takes the first whole line out of the buffer, if there is one."""
        while buffer:
            if not self.started and re.match(rb"[ \t\r\n]*[^{ \t\r\n]", buffer):
                raise Malformed(f"expected a JSON object, got {quote(buffer)}")
            end = buffer.find(b"\n", self.scanned)
            size = self.scanned = len(buffer) if end < 0 else end
            if size > LIMIT:
                raise Malformed(f"expected a line of at most {LIMIT} bytes, got more")
            if end < 0 and not eof:
                return None
            line, self.scanned = bytes(buffer[:size]), 0
            del buffer[:size + 1]
            if line.strip(b" \t\r"):
                self.started = True
                return line

    def load(self, line):
        try:
            value = loads(line)
        except (ValueError, RecursionError) as error:
            raise Malformed(f"expected JSON, got {quote(line)}: {error}") from None
        shaped(value, {}, "line")
        bounded(value)
        return value

    def message(self, line):
        message = self.load(line)
        shaped(message, SHAPE, "message")
        if "chunk" in message:
            try:
                message["chunk"] = from_base64(message["chunk"])
            except ValueError as error:
                raise Malformed(f"chunk: expected base64: {error}") from None
        for status in message.get("end", {}), message.get("hello", {}).get("status", {}):
            if "code" in status and status["code"] not in CODES:
                status["code"] = "UNKNOWN"
        if "event" in message:
            message["event"] = self.event(message["event"])
        return message

    def document(self, line):
        return self.event(self.load(line))

    def event(self, event):
        """The event, or the Invalid that says why it is none."""
        try:
            event = {name: value for name, value in event.items() if value is not None or name == "data"}
            encoded = event.pop("data_base64", None)
            check(event)
            text = isinstance(event.get("data"), str)
            if "data" in event and (encoded is not None or not text and not is_json(event, True)):
                raise Invalid("data: expected one form of it, and JSON values only under a JSON datacontenttype")
            return event if encoded is None else {**event, "data": from_base64(encoded)}
        except Invalid as error:
            return error
        except (ValueError, TypeError) as error:
            return Invalid(f"data_base64: {error}")

    def settle(self, event):
        return event

    def split(self, event):
        """The event with an empty first piece, and its data as bytes; JSON goes as the bytes of its text."""
        data = event["data"]
        if isinstance(data, str) and not is_json(event, True):
            return {**event, "data": ""}, data.encode()
        if not isinstance(data, bytes):
            event, data = {"datacontenttype": "application/json", **event}, dumps(data)
        return {**event, "data": b""}, data

    def pack(self, message):
        if "event" in message:
            message = {**message, "event": self.plain(message["event"])}
        if "chunk" in message:
            message = {**message, "chunk": to_base64(message["chunk"])}
        return fits(dumps(message)) + b"\n"

    def pack_document(self, event):
        return fits(dumps(self.plain(event))) + b"\n"

    def plain(self, event):
        plain = {name: to_base64(value) if isinstance(value, bytes) else value for name, value in event.items()}
        if isinstance(event.get("data"), bytes):
            plain["data_base64"] = plain.pop("data")
        return plain


# ---- Protobuf: what schemas/proto/ defines, built here so that one file is enough, with the names of the JSON encoding. A word
# before the type is `repeated` or the oneof that the field belongs to; a oneof of one field is how proto3 says `optional`,
# and a map is a repeated pair: the same bytes.

SCHEMA = """
Message: call=1 uint64, context=2 Context, event=3 Event, chunk=4 piece bytes, more=5 bool, end=6 Status, cancel=7 Cancel, \
         hello=31 Hello
Context: invocationId=1 string, attempt=2 uint32, deadlineMs=3 deadline int64, traceparent=4 string, tracestate=5 string, \
         baggage=6 string, extra=7 repeated Pair
Status: code=1 uint32, message=2 string, details=3 repeated Pair
Pair: key=1 string, value=2 string
Cancel: reason=1 string
Hello: fsi=1 string, producer=2 string, status=3 Status
Event: id=1 string, source=2 string, specversion=3 string, type=4 string, attributes=5 repeated Attribute, \
       binary=6 data bytes, text=7 data string, proto=8 data Any
Attribute: key=1 string, value=2 Value
Value: boolean=1 is bool, integer=2 is int32, string=3 is string, bytes=4 is bytes, uri=5 is string, uriref=6 is string, \
       timestamp=7 is Timestamp
Any: type_url=1 string, value=2 bytes
Timestamp: seconds=1 int64, nanos=2 int32"""
SCALARS = {"int64": 3, "uint64": 4, "int32": 5, "bool": 8, "string": 9, "bytes": 12, "uint32": 13}
KINDS = {"boolean": bool, "integer": int, "string": str, "bytes": bytes, "uri": Uri, "uriref": UriRef, "timestamp": Timestamp}


def classes():
    """The package's class for each line of SCHEMA."""
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    except ImportError as error:
        raise Status("FAILED_PRECONDITION", f"FAAS_ENCODING=protobuf needs the package protobuf: {error}") from None
    file = descriptor_pb2.FileDescriptorProto(name="faas.proto", package="faas", syntax="proto3")
    for name, fields in (line.split(": ") for line in SCHEMA.split("\n")[1:]):
        message = file.message_type.add(name=name)
        for label, *how, of in (field.split() for field in fields.split(", ")):
            name, number = label.split("=")
            field = message.field.add(name=name, number=int(number), label=3 if how == ["repeated"] else 1,
                                      type=SCALARS.get(of, 11), type_name=None if of in SCALARS else ".faas." + of)
            if how and how != ["repeated"]:
                if how[0] not in [oneof.name for oneof in message.oneof_decl]:
                    message.oneof_decl.add(name=how[0])
                field.oneof_index = len(message.oneof_decl) - 1
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {message.name: message_factory.GetMessageClass(pool.FindMessageTypeByName("faas." + message.name))
            for message in file.message_type}


def plain(value):
    """What is set in a message, as a dict; the last of several pairs counts."""
    if hasattr(value, "ListFields"):
        return {field.name: plain(item) for field, item in value.ListFields()}
    return {pair.key: plain(pair.value) for pair in value} if hasattr(value, "append") else value


def pairs_of(texts):
    return [{"key": key, "value": value} for key, value in texts.items()]


class JsonText(str):
    """Text that is JSON already, or a piece of it."""


class Protobuf:
    def __init__(self, stream):
        self.types, self.started = classes(), not stream

    def cut(self, buffer, eof):
        """Takes the first whole message out of the buffer, if there is one."""
        size = at = 0
        for at, byte in enumerate(buffer[:5], 1):
            size |= (byte & 127) << 7 * (at - 1)
            if byte < 128:
                break
        else:
            if at == 5:
                raise Malformed(f"expected a length of at most five bytes, got {quote(buffer)}")
            return None
        if not self.started and len(buffer) >= at + 2 and buffer[at:at + 2] != b"\xfa\x01":
            raise Malformed(f"expected a hello, got {quote(buffer)}")
        if size > LIMIT:
            raise Malformed(f"expected a message of at most {LIMIT} bytes, got {size}")
        if len(buffer) < at + size:
            return None
        frame, self.started = bytes(buffer[at:at + size]), True
        del buffer[:at + size]
        return frame

    def load(self, name, frame):
        from google.protobuf.message import DecodeError
        try:
            return plain(self.types[name].FromString(frame))
        except DecodeError as error:
            raise Malformed(f"expected {name}, got {quote(frame)}: {error}") from None

    def message(self, frame):
        message = self.load("Message", frame)
        for owner, name in (message, "end"), (message.get("hello", {}), "status"):
            if name in owner:
                code = owner[name].get("code", 0)
                owner[name]["code"] = CODES[code] if code < len(CODES) else "UNKNOWN"
        if "event" in message:
            message["event"] = self.event(message["event"])
        return message

    def document(self, frame):
        event = self.event(self.load("Event", frame))
        try:
            return event if isinstance(event, Invalid) else self.settle(event)
        except Invalid as error:
            return error

    def event(self, fields):
        """The event, or the Invalid that says why it is none."""
        try:
            event = {name: fields[name] for name in REQUIRED if name in fields}
            for name, value in fields.get("attributes", {}).items():
                kind, value = next(iter(value.items()), ("nothing", None))
                if kind not in KINDS or name in REQUIRED + ("data",) or NAMED.get(name, KINDS[kind]) is not KINDS[kind]:
                    raise Invalid(f"expected an attribute of CloudEvents, got {name} as {kind}")
                event[name] = timestamp(**value) if kind == "timestamp" else KINDS[kind](value)
            for name in {"binary", "text", "proto"} & fields.keys():
                event["data"] = Proto(**{"type_url": "", "value": b"", **fields[name]}) if name == "proto" else fields[name]
            return check(event)
        except Invalid as error:
            return error

    def settle(self, event):
        """JSON is text on the wire, and a value to the handler."""
        if type(event.get("data")) is str and is_json(event):
            try:
                event["data"] = loads(event["data"])
            except (ValueError, RecursionError) as error:
                raise Invalid(f"data: expected JSON: {error}") from None
        return event

    def split(self, event):
        event = self.worded(event)
        if isinstance(event["data"], Proto):
            raise Status("RESOURCE_EXHAUSTED", "expected data that can go in pieces, got a Protobuf message")
        data = event["data"] if isinstance(event["data"], bytes) else event["data"].encode()
        return {**event, "data": type(event["data"])()}, data

    def worded(self, event):
        """JSON data as its text, under an explicit content type."""
        data = event.get("data", b"")
        if isinstance(data, (bytes, Proto, JsonText)) or isinstance(data, str) and not is_json(event):
            return event
        return {"datacontenttype": "application/json", **event, "data": JsonText(dumps(data).decode())}

    def encode(self, event):
        event, attributes = self.worded(event), []
        for name in event.keys() - REQUIRED - {"data"}:
            kind = next(kind for kind, of in KINDS.items() if type(event[name]) is of)
            value = dict(zip(("seconds", "nanos"), instant(event[name]))) if kind == "timestamp" else event[name]
            attributes.append({"key": name, "value": {kind: value}})
        data = event.get("data")
        form = {"proto": data._asdict()} if isinstance(data, Proto) else {"binary": data} if isinstance(data, bytes) else {"text": data}
        return self.types["Event"](attributes=attributes, **{name: event[name] for name in REQUIRED}, **form)

    def pack(self, message):
        def status(fields):
            return {**fields, "code": CODES.index(fields.get("code", "OK")), "details": pairs_of(fields.get("details", {}))}
        forms = {"event": self.encode, "end": status,
                 "context": lambda context: {**context, "extra": pairs_of(context.get("extra", {}))},
                 "hello": lambda hello: {**hello, "status": status(hello["status"])} if "status" in hello else hello}
        packed = self.types["Message"](**{name: forms[name](value) if name in forms else value for name, value in message.items()})
        for name in {"context", "end", "cancel", "hello"} & message.keys():
            getattr(packed, name).SetInParent()          # there, even if there is nothing in it
        return delimited(packed)

    def pack_document(self, event):
        return delimited(self.encode(event))


def delimited(message):
    data = fits(message.SerializeToString())
    size, prefix = len(data), b""
    while size > 127:
        size, prefix = size >> 7, prefix + bytes([size & 127 | 128])
    return prefix + bytes([size]) + data
