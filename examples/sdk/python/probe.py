"""The probe of spec/probe.md, written with faas.py: what the suite judges the library by."""
import faas

import json, os, subprocess, sys


def result(kind, data=None):
    event = {"source": "/fsi/probe", "type": "fsi.probe." + kind}
    return event if data is None else {**event, "datacontenttype": "application/json", "data": data}


def emit(event, context):
    for n in range(1, event["data"]["count"] + 1):
        yield {**result("item"), "subject": str(n), "datacontenttype": "application/octet-stream",
               "data": b"x" * event["data"]["bytes"]}


def fail(event, context):
    status = event["data"]
    raise faas.Status(status["code"], status.get("message", ""), status.get("details"))


def panic(event, context):
    raise ZeroDivisionError("as a defect would")


def wait(event, context):
    yield result("waiting")
    context.cancelled.wait()
    raise faas.Status("CANCELLED", "gave up waiting")


def print_(event, context):
    text = event["data"]["text"] + "\n"
    print(text, end="")
    os.write(1, text.encode())
    subprocess.run(["printf", "%s", text], check=True)
    return event


def read(event, context):
    with open(0, "rb", closefd=False) as stdin:
        return result("read", {"bytes": len(stdin.read())})


def log(event, context):
    line = "x" * 79 + "\n"
    sys.stderr.write((line * (event["data"]["bytes"] // 80 + 1))[:event["data"]["bytes"]])
    return event


def context(event, context):
    fields = {"invocationId": context.invocation_id, "attempt": context.attempt, "deadlineMs": context.deadline_ms,
              "traceparent": context.traceparent, "tracestate": context.tracestate, "baggage": context.baggage,
              "extra": context.extra}
    return result("context", {name: value for name, value in fields.items() if value})


HANDLERS = {"echo": lambda event, context: event, "emit": emit, "fail": fail, "panic": panic, "wait": wait, "print": print_,
            "read": read, "log": log, "context": context, "invalid": lambda event, context: {**event, "id": ""}}


def handler(event, context):
    prefix, _, name = event["type"].rpartition(".")
    if prefix != "fsi.probe" or name not in HANDLERS:
        raise faas.Status("UNIMPLEMENTED", f"the probe has no {event['type']}")
    return HANDLERS[name](event, context)


def init():
    if "PROBE_INIT" in os.environ:
        raise faas.Status(os.environ["PROBE_INIT"], "PROBE_INIT asks for this")


with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "function.json"), encoding="utf-8") as manifest:
    faas.serve(handler, init, json.load(manifest))
