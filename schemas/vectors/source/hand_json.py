"""JSON vectors, written as text; as bytes where they are no text."""

from vector import *

# What every event below begins with; a variant continues it.
OPEN = '{"specversion":"1.0","id":"1","source":"/s","type":"t"'
EVENT = OPEN + "}"
HELLO = '{"call":0,"hello":{"fsi":"1.0"}}'
HELLO_MEANING = message(0, hello={"fsi": "1.0"})


def more(members):
    return f"{OPEN},{members}}}"


def typed(content_type, members):
    return more(f'"datacontenttype":"{content_type}",{members}')


def event_valid():
    yield valid("minimal", "the four required attributes and nothing else", EVENT, event())
    yield valid("white space", "between any two tokens", ' {\t"specversion" : "1.0",\r "id":"1","source":"/s","type":"t" } ', event())
    yield valid("members in another order", "their order carries no meaning", '{"data":1,"x":true,"type":"t","source":"/s","id":"1","specversion":"1.0"}', event(data=json(1), x=boolean(True)))
    yield valid("escaped names", "a name may be written with escapes", more('"\\u0078":"y"'), event(x=string("y")))
    yield valid("boolean true", "a JSON true", more('"x":true'), event(x=boolean(True)))
    yield valid("boolean false", "a JSON false", more('"x":false'), event(x=boolean(False)))
    yield valid("integer zero", "a JSON number", more('"x":0'), event(x=integer(0)))
    yield valid("integer maximum", "2^31-1", more('"x":2147483647'), event(x=integer(2147483647)))
    yield valid("integer minimum", "-2^31", more('"x":-2147483648'), event(x=integer(-2147483648)))
    yield valid("integer minus zero", "it is zero", more('"x":-0'), event(x=integer(0)))
    yield valid("integer in a string", "a string is a String, whatever is in it", more('"x":"42"'), event(x=string("42")))
    yield valid("string empty", "an extension may be empty", more('"x":""'), event(x=string("")))
    yield valid("string of a URI", "JSON cannot tell a URI from a String", more('"x":"https://example.com/"'), event(x=string("https://example.com/")))
    yield valid("string of a timestamp", "JSON cannot tell a Timestamp from a String", more('"x":"2026-11-21T09:30:00Z"'), event(x=string("2026-11-21T09:30:00Z")))
    yield valid("string of base64", "JSON cannot tell Binary from a String", more('"x":"AQI="'), event(x=string("AQI=")))
    yield valid("string of every length of UTF-8", "one to four bytes each", more('"x":"a\u00e9\u20ac\U0001f980"'), event(x=string("a\u00e9\u20ac\U0001f980")))
    yield valid("string of escapes", "each way to escape that names no control character", more('"x":"\\"\\\\\\/\\u20ac\\ud83e\\udd80"'), event(x=string('"\\/\u20ac\U0001f980')))
    yield valid("string not normalised", "e and a combining accent stay two characters", more('"x":"e\u0301"'), event(x=string("e\u0301")))
    yield valid("string long", "20,000 characters", more(f'"x":"{"s" * 20000}"'), event(x=string("s" * 20000)))
    yield valid("nulls", "a null attribute is absent, data_base64 too", more('"x":null,"subject":null,"time":null,"datacontenttype":null,"dataschema":null,"data_base64":null'), event())
    yield valid("null before its attribute's kind of data", "datacontenttype null is none, so data is JSON", more('"datacontenttype":null,"data":"a"'), event(data=json("a")))
    yield valid("name of digits", "a name may begin with a digit", more('"9":true'), event(**{"9": boolean(True)}))
    yield valid("name of 40 characters", "twenty characters are advice", more(f'"{"n" * 40}":true'), event(**{"n" * 40: boolean(True)}))
    yield valid(
        "every optional attribute",
        "time is a Timestamp and dataschema a URI by their names",
        typed("text/plain", '"subject":"a","time":"2026-11-21T09:30:00.25Z","dataschema":"https://example.com/s"'),
        event(subject=string("a"), time=timestamp("2026-11-21T09:30:00.25Z"), datacontenttype=string("text/plain"), dataschema=uri("https://example.com/s")),
    )
    for shown, written, meant in [
        ("of a nanosecond", "1970-01-01T00:00:00.000000001Z", "1970-01-01T00:00:00.000000001Z"),
        ("of all nanoseconds", "2026-11-21T09:30:00.999999999Z", "2026-11-21T09:30:00.999999999Z"),
        ("with trailing zeros", "2026-11-21T09:30:00.250000000Z", "2026-11-21T09:30:00.25Z"),
        ("in another zone", "2026-11-21T09:30:00+05:45", "2026-11-21T03:45:00Z"),
        ("in an unknown zone", "2026-11-21T09:30:00-00:00", "2026-11-21T09:30:00Z"),
        ("in small letters", "2026-11-21t09:30:00z", "2026-11-21T09:30:00Z"),
        ("before the epoch", "1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.5Z"),
        ("on a leap day", "2000-02-29T00:00:00Z", "2000-02-29T00:00:00Z"),
        ("of a leap second", "2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ("of a leap second in another zone", "2017-01-01T08:59:60+09:00", "2017-01-01T00:00:00Z"),
        ("first", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("last", "9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999Z"),
    ]:
        yield valid(f"time {shown}", "RFC 3339; the meaning is an instant", more(f'"time":"{written}"'), event(time=timestamp(meant)))
    for shown, written in [("relative", "../a?b#c"), ("of a fragment", "#c"), ("absolute", "urn:a:b"), ("with a host", "//example.com:80/a%20b")]:
        yield valid(f"source {shown}", "any URI-reference", '{"specversion":"1.0","id":"1","source":"' + written + '","type":"t"}', event(source=written))

    yield valid("data object", "without a content type data is JSON", more('"data":{"a":[1,{"b":null}]}'), event(data=json({"a": [1, {"b": None}]})))
    yield valid("data string without a content type", "JSON data: that string", more('"data":"{}"'), event(data=json("{}")))
    yield valid("data string of a JSON type", "JSON data: that string, not what is in it", typed("application/json", '"data":"{}"'), event(data=json("{}"), datacontenttype=string("application/json")))
    yield valid("data string of a text type", "text", typed("text/plain", '"data":"{}"'), event(data=text("{}"), datacontenttype=string("text/plain")))
    yield valid("data string before its content type", "the order of members does not matter", more('"data":"a","datacontenttype":"text/plain"'), event(data=text("a"), datacontenttype=string("text/plain")))
    yield valid("data string of a binary type", "anything that is not JSON is text", typed("image/svg+xml", '"data":"<svg/>"'), event(data=text("<svg/>"), datacontenttype=string("image/svg+xml")))
    yield valid("data string empty", "empty text is text", typed("text/plain", '"data":""'), event(data=text(""), datacontenttype=string("text/plain")))
    yield valid("data string with control characters", "they are excluded from attributes only", typed("text/plain", '"data":"a\\u0000\\n"'), event(data=text("a\0\n"), datacontenttype=string("text/plain")))
    yield valid("data null", "null is a value", more('"data":null'), event(data=json(None)))
    yield valid("data false", "false is a value", more('"data":false'), event(data=json(False)))
    yield valid("data of a +json type", "with a parameter, in capitals", typed("application/Problem+JSON; charset=utf-8", '"data":[]'), event(data=json([]), datacontenttype=string("application/Problem+JSON; charset=utf-8")))
    yield valid("data of text/json", "any type with the subtype json", typed("text/json", '"data":1'), event(data=json(1), datacontenttype=string("text/json")))
    yield valid("data of a large integer", "not a double", more('"data":12345678901234567890'), event(data=json(12345678901234567890)))
    yield valid("data of a number with an exponent", "it is data, not an Integer", more('"data":1e2'), event(data=json(100.0)))
    yield valid("data with a member twice", "what is in data is not our business", more('"data":{"a":1,"a":1}'), event(data=json({"a": 1})))
    yield valid("data with names of attributes", "they are not", more('"data":{"id":2,"data_base64":"x"}'), event(data=json({"id": 2, "data_base64": "x"})))
    yield valid("data 100 deep", "that much is no problem", more('"data":' + "[" * 100 + "]" * 100), event(data=json(nested(100))))
    yield valid("data_base64", "bytes, whatever the content type", typed("application/json", '"data_base64":"AAH/"'), event(data=binary(b"\x00\x01\xff"), datacontenttype=string("application/json")))
    yield valid("data_base64 of + and /", "the standard alphabet", more('"data_base64":"+/+/"'), event(data=binary(b"\xfb\xff\xbf")))
    yield valid("data_base64 with padding", "one byte and two", more('"data_base64":"AA=="'), event(data=binary(b"\x00")))
    yield valid("data_base64 empty", "empty data is not the absence of data", more('"data_base64":""'), event(data=binary(b"")))
    yield valid("data_base64 null beside data", "absent", more('"data":1,"data_base64":null'), event(data=json(1)))


def nested(depth):
    value = []
    for _ in range(depth - 1):
        value = [value]
    return value


def event_invalid():
    r = "event-required-attribute"
    for name, members in [
        ("id", '"specversion":"1.0","source":"/s","type":"t"'),
        ("source", '"specversion":"1.0","id":"1","type":"t"'),
        ("type", '"specversion":"1.0","id":"1","source":"/s"'),
        ("specversion", '"id":"1","source":"/s","type":"t"'),
    ]:
        yield invalid(f"no {name}", f"{name} is required", "{" + members + "}", r)
        yield invalid(f"empty {name}", f"{name} has at least one character", "{" + members + f',"{name}":""' + "}", r)
    yield invalid("id null", "a null attribute is absent", '{"specversion":"1.0","id":null,"source":"/s","type":"t"}', r)
    yield invalid("no member", "an empty object is an event without attributes", "{}", r)
    yield invalid("specversion 0.3", "only 1.0 is read", '{"specversion":"0.3","id":"1","source":"/s","type":"t"}', "event-specversion")
    yield invalid("specversion 1", "only 1.0 is read", '{"specversion":"1","id":"1","source":"/s","type":"t"}', "event-specversion")
    t = "event-attribute-type"
    yield invalid("id a number", "id is a String", '{"specversion":"1.0","id":1,"source":"/s","type":"t"}', t)
    yield invalid("type a boolean", "type is a String", '{"specversion":"1.0","id":"1","source":"/s","type":true}', t)
    yield invalid("subject a number", "subject is a String", more('"subject":1'), t)
    yield invalid("datacontenttype a boolean", "datacontenttype is a String", more('"datacontenttype":true'), t)
    yield invalid("time a number", "time is a Timestamp", more('"time":1795512600'), t)
    for shown, name in [("upper-case", "myExt"), ("with a hyphen", "my-ext"), ("with an underscore", "my_ext"), ("not ASCII", "\u00e9"), ("empty", "")]:
        yield invalid(f"name {shown}", "names are lower-case letters and digits", more(f'"{name}":true'), "event-attribute-name")
    for name in ["subject", "datacontenttype", "dataschema"]:
        yield invalid(f"empty {name}", "present means not empty", more(f'"{name}":""'), "event-attribute-empty")
    for shown, escape in [("NUL", "\\u0000"), ("line feed", "\\n"), ("U+007F", "\u007f"), ("U+0085", "\u0085"), ("U+FFFE", "\ufffe"), ("U+FDD0", "\\ufdd0"), ("U+1FFFF", "\\ud83f\\udfff")]:
        yield invalid(f"{shown} in an attribute", "control characters and non-characters are excluded", more(f'"x":"a{escape}"'), "event-attribute-text")
    s = "json-event-surrogate"
    yield invalid("high surrogate alone", "it is half a character", more('"x":"\\ud800"'), s)
    yield invalid("low surrogate alone", "it is half a character", more('"x":"\\udc00"'), s)
    yield invalid("surrogates the wrong way round", "low before high", more('"x":"\\udc00\\ud800"'), s)
    yield invalid("high surrogate before another escape", "no low surrogate follows", more('"x":"\\ud800\\u0041"'), s)
    a = "json-event-attribute"
    yield invalid("attribute an array", "no attribute type is", more('"x":[]'), a)
    yield invalid("attribute an object", "no attribute type is", more('"x":{}'), a)
    yield invalid("attribute a fraction", "Integers are whole", more('"x":1.5'), a)
    yield invalid("attribute 1.0", "a fraction, although it is zero", more('"x":1.0'), a)
    yield invalid("attribute 1e2", "an exponent, although it is whole", more('"x":1e2'), a)
    i = "event-integer-range"
    yield invalid("integer 2^31", "one above int32", more('"x":2147483648'), i)
    yield invalid("integer -2^31-1", "one below int32", more('"x":-2147483649'), i)
    yield invalid("integer 2^32", "no truncation to 32 bits", more('"x":4294967296'), i)
    yield invalid("integer of 30 digits", "no detour through floating point", more('"x":100000000000000000000000000000'), i)
    u = "event-uri"
    yield invalid("source with a space", "no URI-reference", '{"specversion":"1.0","id":"1","source":"/a b","type":"t"}', u)
    yield invalid("source with a broken escape", "% needs two hex digits", '{"specversion":"1.0","id":"1","source":"/%zz","type":"t"}', u)
    yield invalid("source not ASCII", "an IRI is no URI", '{"specversion":"1.0","id":"1","source":"/\u00e9","type":"t"}', u)
    yield invalid("dataschema relative", "dataschema is absolute", more('"dataschema":"/s"'), u)
    for shown, written in [
        ("without a zone", "2026-11-21T09:30:00"), ("without a time", "2026-11-21"), ("on 30 February", "2026-02-30T00:00:00Z"), ("on a leap day of a common year", "2026-02-29T00:00:00Z"),
        ("of 24 hours", "2026-11-21T24:00:00Z"), ("of 60 minutes", "2026-11-21T09:60:00Z"), ("of 61 seconds", "2026-11-21T09:30:61Z"), ("in month 13", "2026-13-01T00:00:00Z"),
        ("with a space", "2026-11-21 09:30:00Z"), ("with a comma", "2026-11-21T09:30:00,5Z"), ("with a dot and no digit", "2026-11-21T09:30:00.Z"),
        ("with ten digits of a second", "2026-11-21T09:30:00.0123456789Z"), ("in a zone of 24 hours", "2026-11-21T09:30:00+24:00"), ("in a zone without a colon", "2026-11-21T09:30:00+0100"),
        ("in ISO 8601's basic form", "20261121T093000Z"), ("empty", ""),
    ]:
        yield invalid(f"time {shown}", "not RFC 3339", more(f'"time":"{written}"'), "event-time")
    yield invalid("data and data_base64", "one of them", more('"data":"x","data_base64":"AQ=="'), "json-event-data-conflict")
    yield invalid("data null and data_base64", "null is a value of data", more('"data":null,"data_base64":"AQ=="'), "json-event-data-conflict")
    b = "json-event-data-base64"
    yield invalid("data_base64 without padding", "two = are missing", more('"data_base64":"AQ"'), b)
    yield invalid("data_base64 of base64url", "- and _ are another alphabet's", more('"data_base64":"-_-_"'), b)
    yield invalid("data_base64 with a line feed", "no white space", more('"data_base64":"AQID\\nBAUG"'), b)
    yield invalid("data_base64 with spare bits", "the last character says more than a byte", more('"data_base64":"AR=="'), b)
    yield invalid("data_base64 of one character", "no byte needs just one", more('"data_base64":"A"'), b)
    yield invalid("data_base64 after its padding", "padding ends it", more('"data_base64":"AA==AAAA"'), b)
    yield invalid("data_base64 a number", "a string", more('"data_base64":1'), b)
    d = "json-event-data"
    yield invalid("data an object under a text type", "only a string is text", typed("text/plain", '"data":{}'), d)
    yield invalid("data null under a text type", "null is no text", typed("text/plain", '"data":null'), d)
    yield invalid("data a number under jsonl", "jsonl is not JSON", typed("application/jsonl", '"data":1'), d)

    o = "json-object"
    for shown, written in [("array", "[]"), ("string", '"{}"'), ("null", "null"), ("two objects", EVENT + EVENT), ("text after it", EVENT + "x")]:
        yield malformed(shown, "not exactly one object", written, o)
    for shown, written in [
        ("trailing comma", OPEN + ",}"), ("missing comma", OPEN + ' "x":true}'), ("single quotes", EVENT.replace('"', "'")), ("unquoted name", OPEN + ",x:true}"), ("comment", OPEN + "/* */}"),
        ("NaN", more('"x":NaN')), ("leading zero", more('"x":01')), ("plus sign", more('"x":+1')), ("bare fraction", more('"data":.5')), ("number that ends in a dot", more('"data":1.')), ("hex", more('"x":0x1')),
        ("raw control character in a string", more('"x":"\u0001"')), ("unknown escape", more('"x":"\\x41"')), ("cut escape", more('"x":"\\u00"')), ("form feed between tokens", OPEN + "\f}"),
    ]:
        yield malformed(shown, "not JSON", written, o)
    yield malformed("empty", "no document at all", "", o)
    yield malformed("cut", "the brace that closes it is missing", OPEN, o)
    utf8 = "json-utf8"
    head = OPEN.encode() + b',"x":"'
    yield malformed("lone FF", "no UTF-8", head + b'\xff"}', utf8)
    yield malformed("character cut", "two bytes of three", head + b'\xe2\x82"}', utf8)
    yield malformed("over-long UTF-8", "a slash in two bytes", head + b'\xc0\xaf"}', utf8)
    yield malformed("surrogate in UTF-8", "U+D800 has no encoding", head + b'\xed\xa0\x80"}', utf8)
    yield malformed("not UTF-8 in data", "data too", OPEN.encode() + b',"data":"\xff"}', utf8)
    yield malformed("byte order mark", "EF BB BF", b"\xef\xbb\xbf" + EVENT.encode(), "json-no-bom")
    yield malformed("UTF-16", "with its byte order mark", b"\xff\xfe" + EVENT.encode("utf-16-le"), utf8)
    yield malformed("data 128 deep", "with the event around it, 129", more('"data":' + "[" * 128 + "]" * 128), "json-depth")
    yield malformed("attribute twice", "which of them counts?", more('"x":1,"x":1'), "json-duplicate-member")
    yield malformed("id twice", "which of them counts?", more('"id":"1"'), "json-duplicate-member")
    yield malformed("data twice", "the members of the event, not those in data", more('"data":1,"data":1'), "json-duplicate-member")
    yield malformed("attribute twice, once escaped", "the names are equal", more('"x":1,"\\u0078":1'), "json-duplicate-member")


def call(number, members):
    return f'{{"call":{number},{members}}}'


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def message_valid():
    yield valid("hello", "fsi alone", HELLO, HELLO_MEANING)
    yield valid("hello without call", "0 may be left out", '{"hello":{"fsi":"1.0"}}', HELLO_MEANING)
    yield valid(
        "hello with everything", "producer and a status",
        '{"call":0,"hello":{"fsi":"1.0","producer":"example/0.1","status":{"code":"FAILED_PRECONDITION","message":"no model","details":{"path":"m"}}}}',
        message(0, hello={"fsi": "1.0", "producer": "example/0.1", "status": {"code": "FAILED_PRECONDITION", "message": "no model", "details": {"path": "m"}}}),
    )
    yield valid("event and end", "a unary call in one message", call(1, f'"event":{EVENT},"end":{{}}'), message(1, event=event(), end={"code": "OK"}))
    yield valid("call last", "members in any order", f'{{"end":{{}},"event":{EVENT},"call":1}}', message(1, event=event(), end={"code": "OK"}))
    yield valid("last call", "2^52-1", call(4503599627370495, '"end":{}'), message(4503599627370495, end={"code": "OK"}))
    yield valid("nothing but a call", "it opens nothing, and is no error", '{"call":1}', message(1))
    yield valid("chunk", "standard base64", call(1, '"chunk":"AP8="'), message(1, chunk="AP8="))
    yield valid("chunk empty", "a chunk of no bytes is not the absence of one", call(1, '"chunk":""'), message(1, chunk=""))
    yield valid("chunk that goes on", "more", call(1, '"chunk":"+/+/","more":true'), message(1, chunk="+/+/", more=True))
    yield valid("more false", "a default may be written", call(1, '"chunk":"AA==","more":false'), message(1, chunk="AA=="))
    yield valid("event that goes on", "the first piece is text", call(1, '"event":' + typed("text/plain", '"data":"a"') + ',"more":true'), message(1, event=event(data=text("a"), datacontenttype=string("text/plain")), more=True))
    yield valid("end with a message and details", "the code by name", call(1, '"end":{"code":"NOT_FOUND","message":"no such door","details":{"door":"7"}}'), message(1, end={"code": "NOT_FOUND", "message": "no such door", "details": {"door": "7"}}))
    yield valid("end without code", "absent is OK", call(1, '"end":{"message":"fine"}'), message(1, end={"code": "OK", "message": "fine"}))
    yield valid("end with an unknown code", "a code of a later version is UNKNOWN", call(1, '"end":{"code":"TEAPOT"}'), message(1, end={"code": "UNKNOWN"}))
    yield valid("end with a code in small letters", "names are case-sensitive, so this one is unknown", call(1, '"end":{"code":"not_found"}'), message(1, end={"code": "UNKNOWN"}))
    yield valid("cancel", "with a reason", call(1, '"cancel":{"reason":"gone"}'), message(1, cancel={"reason": "gone"}))
    yield valid("cancel without reason", "an empty object", call(1, '"cancel":{}'), message(1, cancel={}))
    yield valid(
        "context", "every member",
        call(1, f'"context":{{"invocationId":"inv-1","attempt":2,"deadlineMs":1795512600000,"traceparent":"{TRACE}","tracestate":"a=b","baggage":"k=v","extra":{{"REGION":"eu"}}}}'),
        message(1, context={"invocationId": "inv-1", "attempt": 2, "deadlineMs": 1795512600000, "traceparent": TRACE, "tracestate": "a=b", "baggage": "k=v", "extra": {"REGION": "eu"}}),
    )
    yield valid("context empty", "present, and says nothing", call(1, '"context":{}'), message(1, context={}))
    yield valid("deadline at the epoch", "0 is a deadline; only absence is none", call(1, '"context":{"deadlineMs":0}'), message(1, context={"deadlineMs": 0}))
    yield valid("deadline before the epoch", "the type is signed", call(1, '"context":{"deadlineMs":-1}'), message(1, context={"deadlineMs": -1}))
    yield valid("greatest attempt", "2^32-1", call(1, '"context":{"attempt":4294967295}'), message(1, context={"attempt": 4294967295}))
    yield valid("unknown members", "of any type, at every level", call(1, '"later":"","x":[{}],"end":{"code":"OK","later":{"a":1}},"context":{"later":1.5}'), message(1, context={}, end={"code": "OK"}))
    yield valid("unknown member 127 deep", "with the message around it, 128", call(1, '"later":' + "[" * 127 + "]" * 127), message(1))
    yield valid("null attribute in the event", "CloudEvents' own rule holds inside an event", call(1, '"event":' + more('"x":null')), message(1, event=event()))


def message_invalid():
    yield malformed("call 2^52", "reserved", call(4503599627370496, '"end":{}'), "message-call-range")
    yield malformed("call 2^64", "reserved, and beyond 64 bits", call(18446744073709551616, '"end":{}'), "message-call-range")
    z = "message-call-zero"
    yield malformed("event on call 0", "call 0 is the stream itself", call(0, f'"event":{EVENT}'), z)
    yield malformed("event without a call", "which is call 0", f'{{"event":{EVENT}}}', z)
    yield malformed("context on call 0", "call 0 is the stream itself", call(0, '"context":{}'), z)
    yield malformed("chunk on call 0", "call 0 is the stream itself", call(0, '"chunk":""'), z)
    yield malformed("cancel on call 0", "call 0 is the stream itself", call(0, '"cancel":{}'), z)
    yield malformed("hello with an event", "a hello is alone", call(0, f'"hello":{{"fsi":"1.0"}},"event":{EVENT}'), z)
    yield invalid("event without id", "it costs call 7 only", call(7, '"event":{"specversion":"1.0","source":"/s","type":"t"},"end":{}'), "event-required-attribute", call=7)
    yield invalid("event with an attribute that is an array", "it costs call 7 only", call(7, '"event":' + more('"x":[]')), "json-event-attribute", call=7)
    yield invalid("event before its call", "the order of members does not matter to the finding", '{"event":{"specversion":"0.3","id":"1","source":"/s","type":"t"},"call":7}', "event-specversion", call=7)
    yield invalid("event with a lone surrogate", "it costs call 7 only", call(7, '"event":' + more('"x":"\\ud800"')), "json-event-surrogate", call=7)
    n = "json-null-member"
    for member in ["call", "context", "event", "chunk", "more", "end", "cancel", "hello"]:
        yield malformed(f"{member} null", "absent is written by leaving it out", '{"call":null}' if member == "call" else call(1, f'"{member}":null'), n)
    yield malformed("code null", "absent is written by leaving it out", call(1, '"end":{"code":null}'), n)
    yield malformed("detail null", "details are strings", call(1, '"end":{"code":"NOT_FOUND","details":{"a":null}}'), n)
    yield malformed("deadline null", "absent is written by leaving it out", call(1, '"context":{"deadlineMs":null}'), n)
    yield malformed("reason null", "absent is written by leaving it out", call(1, '"cancel":{"reason":null}'), n)
    yield malformed("producer null", "absent is written by leaving it out", '{"call":0,"hello":{"fsi":"1.0","producer":null}}', n)
    t = "json-member-type"
    for shown, line in [
        ("call a string", call('"1"', '"end":{}')), ("call a fraction", call("1.5", '"end":{}')), ("call 1.0", call("1.0", '"end":{}')), ("call negative", call("-1", '"end":{}')),
        ("event an array", call(1, '"event":[]')), ("event a string", call(1, '"event":"{}"')), ("chunk a number", call(1, '"chunk":1')), ("more a number", call(1, '"chunk":"","more":1')), ("end a string", call(1, '"end":"OK"')),
        ("code a number", call(1, '"end":{"code":5}')), ("message a number", call(1, '"end":{"message":5}')), ("details an array", call(1, '"end":{"details":[]}')), ("detail a number", call(1, '"end":{"code":"UNAVAILABLE","details":{"retry-after-ms":5}}')),
        ("cancel a boolean", call(1, '"cancel":true')), ("reason an object", call(1, '"cancel":{"reason":{}}')), ("hello true", call(0, '"hello":true')), ("fsi a number", call(0, '"hello":{"fsi":1.0}')),
        ("attempt a string", call(1, '"context":{"attempt":"1"}')), ("attempt negative", call(1, '"context":{"attempt":-1}')), ("attempt 2^32", call(1, '"context":{"attempt":4294967296}')),
        ("deadline a fraction", call(1, '"context":{"deadlineMs":0.5}')), ("deadline a string", call(1, '"context":{"deadlineMs":"0"}')), ("extra a number", call(1, '"context":{"extra":{"A":1}}')), ("traceparent an array", call(1, '"context":{"traceparent":[]}')),
    ]:
        yield malformed(shown, "another JSON type than the member's", line, t)
    b = "json-base64"
    yield malformed("chunk without padding", "one = is missing", call(1, '"chunk":"AQI"'), b)
    yield malformed("chunk of base64url", "- and _ are another alphabet's", call(1, '"chunk":"-_-_"'), b)
    yield malformed("chunk with a space", "no white space", call(1, '"chunk":"AQ =="'), b)
    yield malformed("chunk after its padding", "padding ends it", call(1, '"chunk":"AA==AAAA"'), b)
    yield malformed("chunk with spare bits", "the last character says more than a byte", call(1, '"chunk":"AR=="'), b)
    d = "json-duplicate-member"
    yield malformed("call twice", "which of them counts?", '{"call":1,"call":2,"end":{}}', d)
    yield malformed("event twice", "JSON has no merging", call(1, f'"event":{EVENT},"event":{EVENT}'), d)
    yield malformed("code twice", "which of them counts?", call(1, '"end":{"code":"OK","code":"NOT_FOUND"}'), d)
    yield malformed("detail twice", "which of them counts?", call(1, '"end":{"code":"NOT_FOUND","details":{"a":"1","a":"2"}}'), d)
    yield malformed("attribute twice", "within the event too", call(1, '"event":' + more('"x":1,"x":2')), d)
    yield malformed("array", "a line is an object", '[{"call":1}]', "json-object")
    yield malformed("number", "a line is an object", "1", "json-object")
    yield malformed("byte order mark", "EF BB BF", b"\xef\xbb\xbf" + HELLO.encode(), "json-no-bom")
    yield malformed("not UTF-8", "a lone FF in a reason", b'{"call":1,"cancel":{"reason":"\xff"}}', "json-utf8")
    yield malformed("data 127 deep", "with event and message around it, 129", call(1, '"event":' + more('"data":' + "[" * 127 + "]" * 127)), "json-depth")
    yield malformed("unknown member 128 deep", "unknown members count as well", call(1, '"later":' + "[" * 128 + "]" * 128), "json-depth")


def lines(*texts, last="\n"):
    return "\n".join(texts) + last


SECOND = EVENT.replace('"1"', '"2"')


def events_valid():
    two = [event(), event(id="2")]
    yield valid("none", "EOF at once", "", [])
    yield valid("two", "a line feed after each", lines(EVENT, SECOND), two)
    yield valid("without the last line feed", "it is optional", lines(EVENT, SECOND, last=""), two)
    yield valid("CRLF", "a carriage return before the line feed is white space", f"{EVENT}\r\n{SECOND}\r\n", two)
    yield valid("empty lines", "of nothing, spaces, tabs and carriage returns", f"\n \t\n{EVENT}\n\r\n\n{SECOND}\n\n", two)
    yield valid("only empty lines", "no event", "\n\r\n \n", [])


def events_invalid():
    o = "json-object"
    yield malformed("over two lines", "each line is a document", OPEN + ",\n" + '"x":true}\n', o, before=0)
    yield malformed("two on a line", "each line is one document", EVENT + EVENT + "\n", o, before=0)
    yield malformed("comma between", "it is no array", lines(EVENT + ",", SECOND), o, before=0)
    yield malformed("record separator", "RFC 7464 is another framing", "\x1e" + lines(EVENT), o, before=0)
    yield malformed("text after the first", "a print that reached stdout", lines(EVENT, "done"), o, before=1)
    yield malformed("byte order mark", "at the start of the stream too", "\ufeff".encode() + lines(EVENT).encode(), "json-no-bom", before=0)
    yield malformed("byte order mark on the second line", "nor anywhere else", lines(EVENT).encode() + "\ufeff".encode() + lines(SECOND).encode(), "json-no-bom", before=1)
    yield malformed("cut", "EOF inside the second document", lines(EVENT, SECOND[:-1], last=""), "encoding-truncated", before=1)
    yield invalid("second without id", "the first one stands", lines(EVENT, '{"specversion":"1.0","source":"/s","type":"t"}'), "event-required-attribute", before=1)


def messages_valid():
    unary = call(1, f'"event":{EVENT},"end":{{}}')
    yield valid("a call", "hello, then a unary call", lines(HELLO, unary), [HELLO_MEANING, message(1, event=event(), end={"code": "OK"})])
    yield valid("without the last line feed", "it is optional", lines(HELLO, '{"call":1,"end":{}}', last=""), [HELLO_MEANING, message(1, end={"code": "OK"})])
    yield valid("CRLF and empty lines", "white space", f"\r\n{HELLO}\r\n\n" + '{"call":1,"end":{}}\r\n', [HELLO_MEANING, message(1, end={"code": "OK"})])
    yield valid(
        "data in pieces", "an event, two chunks and an end; the chunks split a character; calls 1 and 2 interleaved",
        lines(HELLO, call(1, '"event":' + typed("text/plain", '"data":"caf"') + ',"more":true'), '{"call":2,"end":{}}', call(1, '"chunk":"ww==","more":true'), call(1, '"chunk":"qQ==","end":{}')),
        [
            HELLO_MEANING, message(1, event=event(data=text("caf"), datacontenttype=string("text/plain")), more=True), message(2, end={"code": "OK"}),
            message(1, chunk="ww==", more=True), message(1, chunk="qQ==", end={"code": "OK"}),
        ],
    )
    yield valid(
        "an invalid event in the middle", "the stream goes on",
        lines(HELLO, call(1, '"event":{},"end":{}'), call(2, '"end":{}')),
        [HELLO_MEANING, message(1, invalid="event-required-attribute", end={"code": "OK"}), message(2, end={"code": "OK"})],
    )
    yield valid("unknown member beside hello", "it is ignored", lines('{"hello":{"fsi":"1.0"},"later":1}'), [HELLO_MEANING])


def messages_invalid():
    end = '{"call":1,"end":{}}'
    h = "hello-missing"
    yield malformed("banner", "text where a hello belongs", lines("Loading the model, please wait"), h, before=0, stateful=True)
    yield malformed("call before hello", "work does not precede it", lines(end, HELLO), h, before=0, stateful=True)
    yield malformed("protobuf", "a peer that speaks another encoding", bytes.fromhex("08fa01050a03312e30"), h, before=0, stateful=True)
    yield malformed("second hello", "once", lines(HELLO, HELLO), "hello-once", before=1, stateful=True)
    yield malformed("hello on a call", "it is a second hello, and not on call 0", lines(HELLO, call(1, '"hello":{"fsi":"1.0"}')), "hello-once", before=1, stateful=True)
    yield malformed("chunk without event", "nothing is unfinished", lines(HELLO, call(1, '"chunk":"AA=="')), "chunk-without-event", before=1, stateful=True)
    yield malformed("chunk after a complete event", "an event without more is complete", lines(HELLO, call(1, f'"event":{EVENT}'), call(1, '"chunk":"AA=="')), "chunk-without-event", before=2, stateful=True)
    unfinished = call(1, '"event":' + more('"data_base64":""') + ',"more":true')
    beside = call(1, '"event":' + more('"data_base64":""') + ',"chunk":"AA==","more":true')
    yield malformed("chunk beside its event", "data goes on in a later message", lines(HELLO, beside), "chunk-without-event", before=1, stateful=True)
    yield malformed("event while one is unfinished", "more was promised a chunk", lines(HELLO, unfinished, call(1, f'"event":{EVENT}')), "chunk-event-unfinished", before=2, stateful=True)
    yield malformed("end OK while an event is unfinished", "the data is not whole", lines(HELLO, unfinished, end), "chunk-end-unfinished", before=2, stateful=True)
    yield malformed("event after end", "the input had ended", lines(HELLO, end, call(1, f'"event":{EVENT}')), "stream-input-ended", before=2, stateful=True)
    yield malformed("text in the middle", "a print that reached stdout", lines(HELLO, "done", end), "json-object", before=1)
    yield malformed("over two lines", "each line is a message", lines(HELLO, '{"call":1,', '"end":{}}'), "json-object", before=1)
    yield malformed("cut", "EOF inside a message", lines(HELLO, end[:-1], last=""), "encoding-truncated", before=1)
    yield malformed("byte order mark on the second line", "nor anywhere else", lines(HELLO).encode() + "\ufeff".encode() + lines(end).encode(), "json-no-bom", before=1)
    yield malformed("number above the range in the second message", "the first one stands", lines(HELLO, call(2**52, '"end":{}')), "message-call-range", before=1)
