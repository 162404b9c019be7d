#!/usr/bin/env python3
"""Writes requests and schedules into the corpora, below a folder."""
import pathlib, struct, sys

here = pathlib.Path(__file__).parent
vectors = here.parent.parent.parent / "schemas/vectors"
counts = {}

def seed(target, name, data):
    folder = pathlib.Path(sys.argv[1]) / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    counts[target] = counts.get(target, 0) + 1

def request(line, headers, body=b""):
    lines = [line] + [f"{name}: {value}" for name, value in headers.items()]
    return "\n".join(lines).encode() + b"\n\n" + body

EVENT = b'{"specversion":"1.0","id":"1","source":"/s","type":"t","ext":"x","datacontenttype":"text/plain","data":"hi"}'
BINARY = {"ce-specversion": "1.0", "ce-id": "41", "ce-source": "/cameras/7", "ce-type": "com.example.image.uploaded"}
for name, data in {
    "binary": request("POST /acme/thumbnail", BINARY | {"ce-subject": "Euro%20%E2%82%AC", "ce-time": "2026-11-21T09:30:00.25Z", "ce-myext": '"%22x%22"', "content-type": "image/png"}, b"\x89PNG"),
    "binary-json": request("POST /acme/f", BINARY | {"content-type": "application/json"}, b'{"n":1.10}'),
    "structured": request("POST /acme/f", {"content-type": 'application/cloudevents+json; charset="UTF-8"'}, EVENT),
    "batch": request("POST /acme/f", {"content-type": "application/cloudevents-batch+json"}, b"[" + EVENT + b", " + EVENT + b"]"),
    "protobuf": request("POST /acme/f", {"content-type": "application/cloudevents+protobuf"}, b"\x0a\x011\x12\x02/s\x1a\x031.0\x22\x01t"),
    "plain": request("PUT /acme/any/a%20b|c?x=1&y=%20", {"content-type": "text/plain", "accept": "application/cloudevents+json;q=0.5, */*"}, b"hi"),
    "trace": request("POST /acme/f", {"fsi-timeout-ms": "1500", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=1", "baggage": "k=v;p"}),
    "preflight": request("OPTIONS /acme/a%20b", {"origin": "https://example.com", "access-control-request-method": "POST", "access-control-request-headers": "ce-id"}),
    "gzip": request("POST /acme/f", {"content-encoding": "gzip"}, b"\x1f\x8b"),
}.items():
    seed("http", name, data)
for name, data in {
    "all": request("GET /functions", {}),
    "one": request("GET /functions/acme/f", {}),
    "put": request("PUT /functions/acme/f", {"content-type": "application/json"}, b'{"manifest": "/srv/f/function.json"}'),
    "up": request("PUT /functions/acme/f", {}, b'{"manifest": "/proc/self/../../etc/passwd"}'),
    "delete": request("DELETE /functions/acme/f", {"authorization": "Bearer 0123456789abcdef"}),
    "metrics": request("GET /metrics", {}),
    "health": request("HEAD /healthz", {}),
    "ready": request("GET /readyz", {}),
}.items():
    seed("admin", name, data)
for number, cron in enumerate(["* * * * *", "*/5 0-6,12 1 JAN-MAR MON#2", "0 0 29 2 *", "0 0 L * 7", "59 23 31 12 0"]):

    seed("schedule", str(number), struct.pack("<q", 1_790_000_000_000) + cron.encode())
for target, count in sorted(counts.items()):
    print(f"{target}: {count} seeds")
