"""Turns notifications of a container registry (CNCF Distribution) into CloudEvents: an adapter, as a filter.

stdin has one notification, stdout gets one event a line. The mapping is the table in README.md, the rules are those of
spec/adapters.md. Exit status: 0 done, 64 usage, 65 the notification can't be mapped.
"""

import json
import re
import sys
from urllib.parse import quote

SPACE = re.compile(r"[ \t\n\r]*")
RFC_3339 = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-][0-2]\d:[0-5]\d)$")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Unmappable(ValueError):
    """Where, as spec/probe.md has an adapter say it: the JSON Pointer is a URI fragment."""

    def __init__(self, pointer, expected, found):
        super().__init__(f"payload#{quote(pointer)}: expected {expected}, found {found}")


def no_number(text):
    raise ValueError(f"{text}, which is no JSON")


DECODER = json.JSONDecoder(parse_constant=no_number)


def parts(text, at):
    """What the array or object that begins at `at` holds, as names and places: a value that is read and written again loses digits."""
    at, in_object = SPACE.match(text, at + 1).end(), text[at] == "{"
    while text[at] not in "]}":
        name = None
        if in_object:
            name, at = DECODER.raw_decode(text, at)
            at = SPACE.match(text, SPACE.match(text, at).end() + 1).end()
        _, end = DECODER.raw_decode(text, at)
        yield name, at, end
        at = SPACE.match(text, end).end()
        at = SPACE.match(text, at + 1).end() if text[at] == "," else at


def at(value, pointer):
    for name in pointer.split("/")[1:]:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def text_at(record, pointer):
    """Null, empty and absent are the same, and so is what no attribute can hold."""
    text = at(record, pointer)
    return text if isinstance(text, str) and not CONTROL.search(text) else ""


def need(record, pointer, place):
    text = text_at(record, pointer)
    if not text:
        raise Unmappable(place + pointer, "a non-empty string", json.dumps(at(record, pointer)))
    return text


def attributes(record, place):
    """The mapping: a line for each attribute."""
    host = text_at(record, "/request/host") or need(record, "/source/addr", place)
    time = text_at(record, "/timestamp")
    mapped = {
        "specversion": "1.0",
        "id": need(record, "/id", place),
        "source": quote(f"//{host}/" + need(record, "/target/repository", place), safe="/:@[]"),
        "type": "io.github.distribution." + need(record, "/action", place),
        "subject": text_at(record, "/target/tag") or text_at(record, "/target/digest"),
        "time": time if RFC_3339.match(time) else "",
        "datacontenttype": "application/json",
    }
    return {name: value for name, value in mapped.items() if value}


def adapt(text):
    document = DECODER.decode(text)
    one_line = text.replace("\n", " ").replace("\r", " ")  # in JSON they only stand between values
    if isinstance(document, dict) and "specversion" in document:
        return one_line.strip() + "\n"  # a CloudEvent already
    events = [part for part in parts(text, SPACE.match(text).end()) if part[0] == "events"] if isinstance(document, dict) else []
    if not events or not isinstance(document["events"], list):
        raise Unmappable("/events" if isinstance(document, dict) else "", "an array", one_line[:80])
    records = zip(document["events"], parts(text, events[-1][1]))
    return "".join(
        json.dumps(attributes(record, f"/events/{index}"), ensure_ascii=False)[:-1] + f', "data": {one_line[start:end]}}}\n'
        for index, (record, (_, start, end)) in enumerate(records)
    )


if __name__ == "__main__":
    # `--delivery FILE` says how a payload came; this mapping needs nothing of it.
    if len(sys.argv) != 1 and (len(sys.argv) != 3 or sys.argv[1] != "--delivery"):
        sys.exit(64)
    try:
        # All or nothing: no event of a batch is written before all are made.
        sys.stdout.buffer.write(adapt(sys.stdin.buffer.read().decode("utf-8-sig")).encode())
    except (ValueError, RecursionError) as error:
        where = "" if isinstance(error, Unmappable) else "payload#: expected JSON, found "
        print(f"registry: {where}{error}", file=sys.stderr)
        sys.exit(65)
