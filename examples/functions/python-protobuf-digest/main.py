"""Gives the checksums of what an event carries, whatever that is, so that a later stage can tell a damaged copy."""
import faas

import hashlib, zlib


def handler(event, context):
    data = event.get("data", b"")
    if not isinstance(data, bytes):
        raise faas.Status("INVALID_ARGUMENT", "expected binary data; the checksum of a text depends on how it is encoded")
    return {
        "type": "org.example.blob.digested",
        "subject": event.get("subject", event["id"]),
        "datacontenttype": "application/json",
        "data": {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "crc32": f"{zlib.crc32(data):08x}"},
    }


faas.serve(handler)
