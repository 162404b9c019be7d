"""Writes the vectors from `source/`. Without an argument it compares instead, and fails if a file is not what it would write.

    python generate.py [--write]
"""

import json
import pathlib
import sys

VECTORS = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(VECTORS / "source"))
sys.dont_write_bytecode = True

import hand_capnp
import hand_json
import hand_protobuf
import others

SHAPES = ["event", "message", "events", "messages"]


def files():
    """Each file's path and vectors: those by hand first, then those of other implementations."""
    for encoding, hand, made in [
        ("json", hand_json, others.json_files),
        ("protobuf", hand_protobuf, others.protobuf_files),
        ("capnp", hand_capnp, others.capnp_files),
    ]:
        by_others = dict(made())
        for shape in SHAPES:
            for validity in ["valid", "invalid"]:
                vectors = list(getattr(hand, f"{shape}_{validity}")()) + by_others.pop(f"{shape}-{validity}", [])
                yield VECTORS / encoding / f"{shape}-{validity}.json", vectors
        assert not by_others, by_others.keys()


def main():
    write = sys.argv[1:] == ["--write"]
    if sys.argv[1:] and not write:
        raise SystemExit(__doc__)
    drifted = []
    for path, vectors in files():
        text = json.dumps(vectors, indent=1) + "\n"
        if write:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            drifted.append(path)
        print(f"{path.relative_to(VECTORS)}: {len(vectors)}")
    if drifted:
        raise SystemExit("not what source/ makes: " + ", ".join(str(path) for path in drifted) + "; run generate.py --write")


if __name__ == "__main__":
    main()
