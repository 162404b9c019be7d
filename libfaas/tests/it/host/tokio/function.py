"""A function in stream mode and JSON that does what the type of an event says, misbehaviour too.

It never waits for one call to serve another: who is told to hang is only not answered.
"""
import json, os, signal, subprocess, sys, time

open_calls = {}


def write(message):
    data = json.dumps(message).encode() + b"\n"
    while data:
        data = data[os.write(1, data):]


def result(call, ty, data):
    event = {"specversion": "1.0", "id": "r", "source": "/test", "type": ty, "data": data}
    return {"call": call, "event": event}


def act(call, event, context):
    ty, data = event["type"], event.get("data")
    if ty == "echo":
        write({**result(call, "echo", data), "end": {}})
    elif ty == "who":
        said = {"pid": os.getpid(), "revision": os.environ["FAAS_REVISION"], "tenant": os.environ["FAAS_TENANT"], "attempt": context.get("attempt")}
        write({**result(call, "who", said), "end": {}})
    elif ty == "fail":
        write({"call": call, "end": data})
    elif ty == "hang":
        write(result(call, "hanging", os.getpid()))
        open_calls[call] = data or {}
        return
    elif ty == "exit":
        print(data.get("say", "bye"), file=sys.stderr, flush=True)
        os._exit(data["status"])
    elif ty == "die":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif ty == "flaky":
        # Dies until the attempt that the data names.
        if context.get("attempt", 1) < data["until"]:
            os._exit(1)
        write({**result(call, "flaky", context.get("attempt")), "end": {}})
    elif ty == "flaky-late":
        write(result(call, "first", None))
        os._exit(1)
    elif ty == "half":
        os.write(1, b'{"call":%d,"event":{"specver' % call)
        time.sleep(3600)
    elif ty == "garbage":
        os.write(1, b"not a message\n")
    elif ty == "stderr":
        line = b"x" * 1000 + b"\n"
        for _ in range(data["kib"]):
            os.write(2, line)
        write({"call": call, "end": {}})
    elif ty == "log":
        print(json.dumps({"body": "mine", "call": call}), file=sys.stderr, flush=True)
        print(json.dumps({"body": "not mine", "call": call + 1000}), file=sys.stderr, flush=True)
        write({"call": call, "end": {}})
    elif ty == "flood":
        for n in range(data["events"]):
            write(result(call, "flood", "y" * data["bytes"]))
        write({"call": call, "end": {}})
    elif ty == "deaf":
        time.sleep(3600)
    elif ty == "grandchild":
        child = subprocess.Popen(["sleep", "3600"], start_new_session=True)
        write({**result(call, "grandchild", child.pid), "end": {}})
    elif ty == "close":
        os.close(1)
        time.sleep(3600)
    elif ty == "count":
        open_calls[call] = {"count": 1}
        return
    open_calls.pop(call, None)


def main():
    if os.environ.get("INIT") == "hang":
        time.sleep(3600)
    if os.environ.get("INIT") == "exit":
        print("no model", file=sys.stderr, flush=True)
        sys.exit(78)
    if os.environ.get("INIT") == "slow":
        time.sleep(0.3)
    if os.environ.get("TERM") == "ignore":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    contexts, ended = {}, set()
    for line in sys.stdin.buffer:
        message = json.loads(line)
        call = message.get("call", 0)
        if "hello" in message:
            status = {"code": "FAILED_PRECONDITION", "message": "no"} if os.environ.get("INIT") == "refuse" else {}
            write({"call": 0, "hello": {"fsi": "1.0", "producer": "test", "status": status}})
            if status:
                return
            continue
        if "cancel" in message:
            write({"call": call, "cancel": message["cancel"]})
            if call in open_calls:
                stubborn = open_calls.pop(call).get("stubborn")
                if not stubborn:
                    write({"call": call, "end": {"code": "CANCELLED", "message": "cancelled"}})
            continue
        if "context" in message:
            contexts[call] = message["context"]
        if "end" in message:
            ended.add(call)
        if "event" in message:
            act(call, message["event"], contexts.get(call, {}))
        if call in open_calls and open_calls[call].get("count") and "end" in message:
            open_calls.pop(call)
            write({"call": call, "end": {}})
    if os.environ.get("DRAIN") == "never":
        time.sleep(3600)
    for call in open_calls:
        if call in ended:
            time.sleep(0.2)
            write({"call": call, "end": {"message": "finished at EOF"}})
        else:
            write({"call": call, "end": {"code": "ABORTED", "message": "EOF"}})


main()
