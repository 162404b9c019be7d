#!/usr/bin/env python3
"""Writes the test vectors into the corpus of each target, below a folder."""
import json, pathlib, sys

here = pathlib.Path(__file__).parent
vectors = here.parent.parent / "schemas/vectors"
counts = {}

def seed(target, name, data):
    folder = pathlib.Path(sys.argv[1]) / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    counts[target] = counts.get(target, 0) + 1

for file in sorted(vectors.glob("*/*.json")):
    encoding = file.parent.name
    for vector in json.loads(file.read_text()):
        if "bytes" not in vector and "text" not in vector:
            continue
        data = bytes.fromhex(vector["bytes"]) if "bytes" in vector else vector["text"].encode()
        name = f"{file.stem}-{vector['name']}".replace("/", "_")[:120]
        for target in (f"messages_{encoding}", f"events_{encoding}"):
            seed(target, name, b"\x05" + data)
        number = ["json", "protobuf", "capnp"].index(encoding)
        stream = "message" not in file.stem
        for to in range(3):
            seed("relay", f"{name}-{to}", bytes([stream | number << 1 | to << 3, 5]) + data)
        if not stream:
            seed("function", name, bytes([number | 3 << 2, 40]) + data)
        if stream:
            seed("outcome", name, bytes([3 + number, 0, 5]) + data)
        if encoding != "json":
            seed("view", name, bytes([encoding == "capnp"]) + data)
for file in sorted((here.parent.parent / "examples").glob("*/*/function.*")):
    seed("manifest", file.parent.name, file.read_bytes())
seed("environment", "stream", b"FAAS_MODE=stream\nFAAS_ENCODING=protobuf\nFAAS_CONCURRENCY=4\nFAAS_FEATURES=chunks\n")
seed("environment", "binary", b"FAAS_MODE=binary\nFAAS_INVOCATION_ID=a\nFAAS_ATTEMPT=1\nFAAS_DEADLINE_MS=1\nTRACEPARENT=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\nFAAS_X_A=b\n")
for name, line in {
    "text": "plain\r\n\n  twice \t\x1b[31m",
    "object": '{"timestamp":"2026-11-21T09:30:00Z","severityText":"WARN","body":"hot","attributes":{"t":90.10},"call":3,"traceId":"ff"}\n',
    "odd": '{"body":{"a":1},"severityText":5,"call":-1}\n{"body":',
}.items():
    seed("log", name, b"\x05" + line.encode())
for which in range(6):
    for exit in (0, 130, 200, 255):
        seed("outcome", f"{which}-{exit}", bytes([which, exit, 3]) + b'{"specversion":"1.0","id":"1","source":"/s","type":"t"}\n')
EVENT = '"event":{"specversion":"1.0","id":"1","source":"/s","type":"%s","data":"d"}'
for kind in "abcdh":
    lines = ['{"call":1,%s}' % EVENT, '{"call":2,%s,"more":true}' % EVENT, '{"call":3,%s,"end":{}}' % EVENT,
             '{"call":1,%s,"end":{}}' % EVENT, '{"call":2,"chunk":"ZQ==","end":{}}', '{"call":3,"cancel":{}}', '{"call":4,"end":{"code":"ABORTED"}}']
    for concurrency in range(4):
        text = "".join(line.replace("%s", kind) + "\n" for line in lines)
        seed("function", f"calls-{kind}-{concurrency}", bytes([concurrency << 2, 30]) + text.encode())
for target in ("crossing", "pair"):
    for length in (16, 64, 256, 1024):
        seed(target, str(length), bytes((n * 37 + n * n // 7) % 256 for n in range(length)))
for target, count in sorted(counts.items()):
    print(f"{target}: {count} seeds")
