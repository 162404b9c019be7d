"""Reads what faas-adapt makes of every fixture with the CloudEvents SDK for Python, and compares it with what the fixture expects.

    cargo build -p faas-adapters && target/venv/bin/python3 adapters/tests/sdk/check.py
"""

import base64
import json
import pathlib
import subprocess
import sys
import tempfile
from datetime import datetime

from cloudevents.core.formats.json import JSONFormat

ADAPTERS = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = ADAPTERS.parent / "target" / "debug" / "faas-adapt"
# What a fixture means that does not say it (adapters/README.md).
DEFAULTS = {"now": "2026-11-21T09:30:00Z", "id": "generated"}


def pointed(document, pointer):
    """The value at a JSON Pointer (RFC 6901)."""
    for token in pointer.split("/")[1:]:
        token = token.replace("~1", "/").replace("~0", "~")
        document = document[int(token)] if isinstance(document, list) else document[token]
    return document


def adapted(case):
    """The lines that faas-adapt writes for a case."""
    described = case / "delivery.json"
    description = DEFAULTS | (json.loads(described.read_text()) if described.exists() else {})
    source = f"{case.parent.parent.name}.{case.parent.name}"
    [payload] = case.glob("input.*")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file, payload.open("rb") as stdin:
        json.dump(description, file)
        file.flush()
        run = subprocess.run([PROGRAM, source, "--delivery", file.name], stdin=stdin, capture_output=True)
    if run.returncode != 0:
        sys.exit(f"{case}: {run.stderr.decode()}")
    return run.stdout.splitlines()


def check(case, line, expected):
    read = JSONFormat().read(None, line)
    attributes = {name: value for name, value in expected.items() if name not in ("data", "data_base64")}
    for name, value in read.get_attributes().items():
        if name == "time" and name not in attributes:
            continue  # The SDK's own: an event without a time gets that at which it was read.
        want = attributes.pop(name, None)
        if isinstance(value, datetime) and want is not None:
            # Python's times have microseconds; text with more digits is cut.
            want = datetime.fromisoformat(want)
        if value != want:
            sys.exit(f"{case}: {name}: expected {want!r}, the SDK read {value!r}")
    if attributes:
        sys.exit(f"{case}: the SDK did not read {attributes}")
    wanted = expected.get("data")
    if isinstance(wanted, dict) and "$input" in wanted:
        [payload] = case.glob("input.*")
        wanted = pointed(json.loads(payload.read_text("utf-8-sig")), wanted["$input"])
    content = read.get_data()
    if "data_base64" in expected:
        wanted = base64.b64decode(expected["data_base64"])
    if content != wanted:
        sys.exit(f"{case}: data: expected {wanted!r}, the SDK read {content!r}")


def main():
    events = 0
    for file in sorted((ADAPTERS / "fixtures").glob("*/*/*/output.json")):
        expected = json.loads(file.read_text())
        lines = adapted(file.parent)
        if len(lines) != len(expected):
            sys.exit(f"{file.parent}: expected {len(expected)} events, came {len(lines)}")
        for line, event in zip(lines, expected):
            check(file.parent, line, event)
            events += 1
    print(f"{events} events, read with the CloudEvents SDK for Python")


main()
