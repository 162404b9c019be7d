#!/usr/bin/env python3
"""Writes the test vectors into the corpus, below a folder."""
import json, pathlib, sys

here = pathlib.Path(__file__).parent
corpus = pathlib.Path(sys.argv[1]) / "incoming"
corpus.mkdir(parents=True, exist_ok=True)
count = 0
for file in sorted((here.parent.parent / "schemas/vectors").glob("*/*.json")):
    encoding = ["json", "protobuf", "capnp"].index(file.parent.name)
    # Modes in the order of the library: binary, structured, stream.
    mode = 2 if "message" in file.stem else 1
    for vector in json.loads(file.read_text()):
        if "bytes" not in vector and "text" not in vector:
            continue
        data = bytes.fromhex(vector["bytes"]) if "bytes" in vector else vector["text"].encode()
        name = f"{file.parent.name}-{file.stem}-{vector['name']}".replace("/", "_")[:120]
        (corpus / name).write_bytes(bytes([mode | encoding << 2, 5]) + data)
        count += 1
print(f"incoming: {count} seeds")
