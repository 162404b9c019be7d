#!/usr/bin/env python3
"""Writes the fixtures into the corpus, below a folder."""
import json, pathlib, sys

here = pathlib.Path(__file__).parent
corpus = pathlib.Path(sys.argv[1]) / "deliveries"
corpus.mkdir(parents=True, exist_ok=True)
count = 0
for case in sorted((here.parent / "fixtures").glob("*/*/*")):
    [payload] = case.glob("input.*")
    description = case / "delivery.json"
    # White space makes inputs long and teaches nothing.
    head = json.dumps(json.loads(description.read_text())).encode() if description.exists() else b""
    data = payload.read_bytes()
    try:
        data = json.dumps(json.loads(data), ensure_ascii=False, separators=(",", ":")).encode()
    except ValueError:
        pass
    (corpus / "-".join(case.parts[-3:])).write_bytes(head + b"\0" + data if head else data)
    count += 1
print(f"deliveries: {count} seeds")
