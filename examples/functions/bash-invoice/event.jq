# A line to an event, or an error that says what keeps it from being a CloudEvent 1.0.

def uri: test("^([-A-Za-z0-9._~:/?#\\[\\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*$");
def printable: explode | all(. >= 32 and (. < 127 or . > 159) and (. < 64976 or . > 65007) and . % 65536 < 65534);
def base64: test("^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$");
def jsontype: test("^[^;/]+/([^;]*\\+)?json[ \\t]*(;|$)"; "i");
def timestamp: test("^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\\.[0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$")
  and ((.[0:4] | tonumber) as $year | (.[5:7] | tonumber) as $month | (.[8:10] | tonumber) <=
    if $month == 2 then (if $year % 4 == 0 and ($year % 100 != 0 or $year % 400 == 0) then 29 else 28 end)
    elif $month | IN(4, 6, 9, 11) then 30 else 31 end);

def named: IN("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema");

def attribute($name; $value):
  ($value | type) as $type
  | if $name | test("^[a-z0-9]+$") | not then "attribute name '\($name)'"
    elif ($type | IN("object", "array")) or (($name | named) and $type != "string") then "\($name) is of type \($type)"
    elif ($name | named) and $value == "" then "\($name) is empty"
    elif $type == "string" and ($value | printable | not) then "\($name) has control characters"
    elif $type == "number" and ($value != ($value | floor) or $value < -2147483648 or $value > 2147483647) then "\($name) is no 32-bit integer"
    else empty end;

def depth: if type == "object" or type == "array" then 1 + ([.[] | depth] | max // 0) else 0 end;

def defects:
  (("specversion", "id", "source", "type") as $name | if has($name) then empty else "the event has no \($name)" end),
  (to_entries[] | select(.key | IN("data", "data_base64") | not) | attribute(.key; .value)),
  (if .specversion != "1.0" then "specversion is not 1.0" else empty end),
  (if .source | uri | not then "source is no URI-reference" else empty end),
  (if .dataschema // "a:" | test("^[A-Za-z][-A-Za-z0-9+.]*:") and uri | not then "dataschema is no absolute URI" else empty end),
  (if .time // "2000-01-01T00:00:00Z" | timestamp | not then "time is no RFC 3339 timestamp" else empty end),
  (if has("data") and has("data_base64") then "both data and data_base64" else empty end),
  (if .data_base64 // "" | type != "string" or (base64 | not) then "data_base64 is no base64" else empty end),
  (if has("data") and (.data | type) != "string" and (.datacontenttype // "a/json" | jsontype | not)
   then "data is no string, but datacontenttype is \(.datacontenttype)" else empty end);

def event:
  ($ENV.FAAS_MAX_MESSAGE_BYTES // "16777216" | tonumber) as $limit
  | if utf8bytelength > $limit then error("expected at most \($limit) bytes, came \(utf8bytelength)") else . end
  | if startswith("\ufeff") then error("expected an event, came a byte order mark") else . end
  | .[0:80] as $start
  | [fromjson?]
  | if length == 1 then first else error("expected one JSON object, came \($start)") end
  | if type != "object" then error("expected an object, came \(type)") else . end
  # A member that is null is absent, but data may be null.
  | with_entries(select(.value != null or .key == "data"))
  | (first(defects) // null) as $defect
  | if depth > 128 then error("expected at most 128 levels of nesting") elif $defect then error($defect) else . end;
