"""Counts lines, words and characters of a text, and says which words are the most frequent."""
import faas

import collections, re


def handler(event, context):
    text = event.get("data", "")
    if not isinstance(text, str):
        raise faas.Status("INVALID_ARGUMENT", f"expected text, got {event.get('datacontenttype', 'data without a content type')}")
    words = re.findall(r"[^\W\d_]+(?:['’-][^\W\d_]+)*", text)
    # Most frequent first, and in the order of the alphabet where that is equal, so that the answer is always the same.
    ranking = sorted(collections.Counter(word.casefold() for word in words).items(), key=lambda item: (-item[1], item[0]))
    return {
        "type": "org.example.text.counted",
        "subject": event["id"],
        "datacontenttype": "application/json",
        "data": {"lines": len(text.splitlines()), "words": len(words), "characters": len(text), "frequent": dict(ranking[:10])},
    }


faas.serve(handler)
