"""A driver for runtimes that are reached over HTTP (spec/probe.md, "The driver"). Copy it and make it yours.

http_driver.py --url URL [--deploy COMMAND] [--remove COMMAND] MANIFEST
"""
import argparse, http.client, json, os, re, subprocess, sys, threading, time, urllib.parse

parser = argparse.ArgumentParser(usage=__doc__)
for option in ("--url", "--deploy", "--remove"):
    parser.add_argument(option, default="")
parser.add_argument("manifest")
options = parser.parse_args()
lock, calls, deployed, home = threading.RLock(), {}, {}, os.environ.get("FAAS_TENANT", "default")

class Failed(Exception): ...                # the code and the message of a status

def loads(text):                            # as text a number keeps the digits that floating point would lose
    return json.loads(text, parse_float=lambda digits: "\0" + digits)

def dumps(value):
    return re.sub(r'"\\u0000([^"]*)"', r"\1", json.dumps(value))

def write(message):
    with lock:
        print(dumps(message), flush=True)

def fill(text, tenant):
    name = re.search(r'\bname"?\s*:\s*"?([a-z0-9-]+)', open(options.manifest).read())
    for key, value in (("tenant", tenant), ("function", name[1] if name else "unnamed"), ("manifest", options.manifest)):
        text = text.replace("{%s}" % key, value)
    return text

def run(command, tenant):
    done = subprocess.run(fill(command, tenant), shell=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise Failed("FAILED_PRECONDITION", (done.stderr + done.stdout).strip()[-1000:])
    return json.loads(done.stdout or "{}")

def deploy(tenant):
    with lock:
        if tenant not in deployed and options.deploy:
            deployed[tenant] = run(options.deploy, tenant)
        told = deployed.get(tenant, {})
    if told.get("state", "ready") != "ready":
        raise Failed(told.get("code", "UNAVAILABLE"), told.get("message", "the function is not ready"))

def for_driver(event, tenant):
    what, data = event["type"].removeprefix("fsi.driver."), {}
    if what == "update" and options.deploy:
        options.manifest = event["data"]["manifest"]
        what, data = "updated", {"state": "ready", **run(options.deploy, tenant)}
    elif what == "remove" and options.remove:
        run(options.remove, tenant)
        what = "removed"
    elif what == "http":
        data = {"url": fill(options.url, tenant)}
    else:
        raise Failed("UNIMPLEMENTED", "this driver does not know " + event["type"])
    return [{"specversion": "1.0", "id": "1", "source": "/driver", "type": "fsi.driver." + what, "data": data}]

def over_http(call, tenant):
    url, context = urllib.parse.urlsplit(fill(options.url, tenant)), call["context"]
    headers = {"accept": "application/cloudevents+json", "content-type": "application/cloudevents-batch+json"}
    headers.update((name, context[name]) for name in ("traceparent", "tracestate") if name in context)
    if "deadlineMs" in context:
        headers["fsi-timeout-ms"] = str(max(1, int(context["deadlineMs"] - time.time() * 1000)))
    call["connection"] = connection = http.client.HTTPConnection(url.netloc, timeout=300)
    connection.request("POST", url.path, dumps(call["events"]), headers)
    answer = connection.getresponse()
    if answer.status >= 300:
        raise Failed(answer.headers.get("fsi-status", "UNKNOWN"), "HTTP status %d" % answer.status)
    results = loads(answer.read() or "[]")
    return results if isinstance(results, list) else [results]

def attempt(job, *arguments):               # what the job gives, and the status of its end
    try:
        return job(*arguments), {}
    except Failed as failed:
        return [], dict(zip(("code", "message"), failed.args))
    except (OSError, http.client.HTTPException, ValueError) as error:
        return [], {"code": "UNAVAILABLE", "message": repr(error)}

def work(call, tenant):
    if call["events"] and call["events"][0]["type"].startswith("fsi.driver."):
        return for_driver(call["events"][0], tenant)
    deploy(tenant)
    return over_http(call, tenant)

def serve(number, call):
    results, end = attempt(work, call, call["context"].get("extra", {}).get("TENANT", home))
    end = {"code": "CANCELLED"} if call["cancelled"] else end
    messages = [{"call": number, "event": event} for event in results] + [{"call": number, "end": end}]
    messages[0]["context"] = call["context"]
    list(map(write, messages))

def step(message):
    number = message.get("call", 0)
    if number == 0:
        return write({"call": 0, "hello": {"fsi": "1.0", "producer": "http_driver.py", "status": attempt(deploy, home)[1]}})
    call = calls.setdefault(number, {"events": [], "context": message.get("context", {}), "cancelled": False})
    call["events"] += [message["event"]] if "event" in message else []
    if "cancel" in message:
        write({"call": number, "cancel": message["cancel"]})
        call["cancelled"] = True
        if "connection" in call and call["connection"].sock:
            call["connection"].sock.shutdown(2)
    elif "end" in message:
        call["thread"] = threading.Thread(target=serve, args=(number, call))
        call["thread"].start()

for line in sys.stdin:
    step(loads(line))
for call in calls.values():
    "thread" in call and call["thread"].join()
for tenant in deployed if options.remove else ():
    attempt(run, options.remove, tenant)
