"""Statistics of the numbers in an event's data, read in place. Stream mode, encoding capnp, with pycapnp."""
import json, math, os, sys

import capnp
import wire
from wire import fsi, status

# ---- The job: it sees the data where the message lies, and copies nothing.


def statistics(data):
    if len(data) % 8 or not len(data):
        raise ValueError("expected data of 64-bit floating point numbers, little-endian; came %d bytes" % len(data))
    numbers = data.cast("d")
    mean = math.fsum(numbers) / len(numbers)
    if not math.isfinite(mean):
        raise ValueError("expected finite numbers only")
    deviation = math.sqrt(math.fsum((x - mean) ** 2 for x in numbers) / len(numbers))
    return {"count": len(numbers), "min": min(numbers), "max": max(numbers), "mean": mean, "deviation": deviation}


def handle(event, id):
    """An event in, an event out."""
    if event.data.which() != "binary":
        raise ValueError("expected binary data, came %s" % event.data.which())
    figures = statistics(event.data.get_data_as_view("binary"))
    result = fsi.Event.new_message(id=id, source="/capnp-statistics", specVersion="1.0", type="com.example.statistics.computed")
    attributes = result.init("attributes", 2)
    for slot, (name, value) in zip(attributes, [("datacontenttype", "application/json"), ("causationid", event.id)]):
        slot.name = name
        slot.value.string = value
    result.data.text = json.dumps(figures)
    return result


# ---- The loop.

class Call:
    def __init__(self, message):
        self.context = message.context.as_builder() if message._has("context") else None  # a copy: the message will be gone
        self.results = 0
        self.answered = self.ended = self.over = self.cancelled = False


calls, over = {}, []  # the calls that are open and the last ones that are over; and the numbers of the latter, oldest first


def answer(number, call, **fields):
    """Writes about a call. The context goes onto our first message for it, as it came."""
    message = fsi.Message.new_message(call=number, **fields)
    if call.context is not None and not call.answered:
        message.context = call.context
    call.answered = True
    call.ended = call.ended or "end" in fields
    wire.transmit(message)


def respond(call, message):
    """What the job makes of an event: fields for our message."""
    wrong = "data in pieces: the feature chunks is not declared" if message.more else wire.defect(message.event)
    if wrong:
        return {"end": status("INVALID_ARGUMENT", wrong)}
    call.results += 1
    # An id that is the same in every attempt lets whoever reads the result twice drop one.
    base = (call.context.invocationId if call.context is not None else "") or message.event.id
    try:
        return {"event": handle(message.event, "%s/%d" % (base, call.results))}
    except ValueError as error:
        return {"end": status("INVALID_ARGUMENT", str(error))}
    except Exception as error:
        print("the handler failed:", repr(error), file=sys.stderr)
        return {"end": status("INTERNAL", repr(error))}


def take(message):
    """One message. Its fields apply in the order of the specification."""
    has = [name for name in ("event", "chunk", "end", "cancel") if message._has(name)]
    if not has:
        return  # nothing that we know
    number = message.call
    unseen = number not in calls
    call = calls.setdefault(number, Call(message) if unseen else None)
    if call.cancelled:
        return
    if call.over and has[0] != "cancel":
        raise wire.Malformed("call %d goes on after its input has ended" % number)
    if "chunk" in has and not call.ended:
        raise wire.Malformed("chunk on call %d without an event" % number)
    reply = {}  # a unary call is one message, and one write, each way
    if "event" in has and not call.ended:
        reply = respond(call, message)
    if "end" in has and not call.ended:
        # An end that is not OK passes through as it came: so errors cross a pipeline. Exactly one end a call.
        end = message.end.as_builder()
        end.code = end.code if end.code <= 16 else 2  # what we don't know is UNKNOWN
        reply.setdefault("end", end)
    if reply:
        answer(number, call, **reply)
    if "cancel" in has:
        # Copied on at once, whatever we owe: a busy stage behind us may be at work on this call.
        answer(number, call, cancel=message.cancel)
        if not call.ended and not (unseen and has == ["cancel"]):
            answer(number, call, end=status("CANCELLED", message.cancel.reason))
        call.cancelled = True
    if ("end" in has or "cancel" in has) and not call.over:
        # Late messages of a call are told from a new call for a while, not for ever: memory is finite.
        call.over = True
        over.append(number)
        if len(over) > 1024:
            del calls[over.pop(0)]


def serve():
    incoming = wire.messages()
    # Our hello answers our input's, and a bad status there becomes ours: so the last stage's speaks for a whole pipeline.
    first = next(incoming, None)
    if first is None:
        ready = status("UNAVAILABLE", "stdin ended before a hello")
    elif first.hello.fsi.split(".")[0] != "1":
        ready = status("FAILED_PRECONDITION", "expected fsi 1.x, came %s" % first.hello.fsi)
    else:
        ready = first.hello.status
    wire.transmit(fsi.Message.new_message(hello={"fsi": "1.0", "producer": "capnp-statistics/1.0", "status": ready}))
    if ready.code:
        return 65 if wire.cut else 1
    for message in incoming:
        take(message)
    # EOF on stdin: a call whose input was complete has its end already, the others will never be complete.
    for number, call in calls.items():
        if not call.ended and not call.over:
            answer(number, call, end=status("ABORTED", "stdin ended within the call"))
    return 65 if wire.cut else 0


try:
    sys.exit(serve())
except BrokenPipeError:  # nobody reads our results any more, which is no reason to complain
    os._exit(0)
except (wire.Malformed, capnp.KjException, UnicodeDecodeError) as error:  # a stream that lost its place can't be taken up again
    print("malformed input:", error, file=sys.stderr)
    sys.exit(65)
