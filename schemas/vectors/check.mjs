// Reads every vector with other implementations and compares what they read with what the vector says:
// events in JSON with the CloudEvents SDK for JavaScript, Protobuf with protobuf.js. See check.py, which does the same in Python.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const VECTORS = fileURLToPath(new URL(".", import.meta.url));
const require = createRequire(`${VECTORS}../../target/node/`);
const { HTTP } = require("cloudevents");
const protobuf = require("protobufjs");

const CODES = (
  "OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED " +
  "FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED"
).split(" ");
// Rules that the bytes alone can break, so that a decoder that knows the schema refuses them.
const OF_THE_ENCODING = new Set(["encoding-malformed", "encoding-truncated", "protobuf-length", "protobuf-utf8"]);
const UNKNOWN_LIMITS = new Set(["encoding-limit", "json-depth", "json-duplicate-member"]);

class Skipped extends Error {}

const isJson = (contentType) => /^[^/;]+\/([^/;]+\+)?json\s*(;.*)?$/i.test(contentType ?? "");
const withoutUndefined = (object) => Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));

/** RFC 3339 without trailing zeros, from seconds and nanoseconds. */
function instant(seconds, nanos) {
  const date = new Date(Number(seconds) * 1000);
  const year = date.getUTCFullYear();
  if (nanos < 0 || nanos > 999_999_999 || !(year >= 1 && year <= 9999)) throw new Skipped("a timestamp that is invalid");
  const fraction = nanos ? `.${String(nanos).padStart(9, "0")}`.replace(/0+$/, "") : "";
  return `${date.toISOString().slice(0, 19)}${fraction}Z`;
}

// JSON

const NAMED = new Set(["id", "source", "type", "specversion", "data", "data_base64"]);

function jsonEvent(body) {
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body);
  const event = HTTP.toEvent({ headers: { "content-type": "application/cloudevents+json" }, body: text });
  event.validate();
  const written = JSON.parse(text);
  const attributes = {};
  for (const [name, value] of Object.entries(event)) {
    if (NAMED.has(name) || value === undefined) continue;
    if (name === "time") {
      // An event without a time gets that at which it was read.
      if (!("time" in written)) continue;
      attributes.time = { timestamp: new Date(value).toISOString().replace(/\.?0*Z$/, "Z") };
    } else if (name === "dataschema") attributes[name] = { uri: value };
    else if (typeof value === "boolean") attributes[name] = { boolean: value };
    else if (typeof value === "number") attributes[name] = { integer: value };
    else attributes[name] = { string: value };
  }
  const meaning = { id: event.id, source: event.source, type: event.type, attributes };
  if (event.data_base64 !== undefined) meaning.data = { binary: event.data_base64 };
  else if (event.data !== undefined) {
    const isText = typeof event.data === "string" && event.datacontenttype && !isJson(event.datacontenttype);
    meaning.data = isText ? { text: event.data } : { json: event.data };
  }
  return meaning;
}

// Protobuf

const root = new protobuf.Root();
root.resolvePath = (origin, target) => (protobuf.common.get(target) ? null : `${VECTORS}../proto/${target}`);
root.loadSync(["fsi/v1/fsi.proto", "io/cloudevents/v1/cloudevents.proto"]);
const CloudEvent = root.lookupType("io.cloudevents.v1.CloudEvent");
const Message = root.lookupType("fsi.v1.Message");
const base64 = (bytes) => Buffer.from(bytes).toString("base64");
const TYPES = { ceBoolean: "boolean", ceInteger: "integer", ceString: "string", ceBytes: "binary", ceUri: "uri", ceUriRef: "uriRef", ceTimestamp: "timestamp" };

function protobufEvent(event) {
  const attributes = {};
  for (const [name, value] of Object.entries(event.attributes)) {
    if (value.attr === undefined) continue;
    const read = value[value.attr];
    const type = TYPES[value.attr];
    attributes[name] = { [type]: type === "binary" ? base64(read) : type === "timestamp" ? instant(read.seconds, read.nanos) : read };
  }
  const meaning = { id: event.id, source: event.source, type: event.type, attributes };
  if (event.data === "binaryData") meaning.data = { binary: base64(event.binaryData) };
  if (event.data === "protoData") meaning.data = { proto: { typeUrl: event.protoData.type_url, value: base64(event.protoData.value) } };
  if (event.data === "textData") {
    meaning.data = { text: event.textData };
    try {
      if (isJson(attributes.datacontenttype?.string)) meaning.data = { json: JSON.parse(event.textData) };
    } catch {
      // It is text that claims to be JSON, which is for a validator to find.
    }
  }
  return meaning;
}

const absentIfEmpty = (value) => (value === "" || value === 0 || (typeof value === "object" && Object.keys(value).length === 0) ? undefined : value);
const present = (object, ...names) => withoutUndefined(Object.fromEntries(names.map((name) => [name, absentIfEmpty(object[name])])));
const status = (read) => ({ code: CODES[read.code] ?? "UNKNOWN", ...present(read, "message", "details") });

function protobufMessage(read) {
  const meaning = { call: Number(read.call) };
  if (read.context) {
    meaning.context = present(read.context, "invocationId", "attempt", "traceparent", "tracestate", "baggage", "extra");
    if (Object.hasOwn(read.context, "deadlineMs") && read.context.deadlineMs !== null) meaning.context.deadlineMs = Number(read.context.deadlineMs);
  }
  if (read.event) meaning.event = protobufEvent(read.event);
  if (Object.hasOwn(read, "chunk") && read.chunk !== null) meaning.chunk = base64(read.chunk);
  if (read.more) meaning.more = true;
  if (read.end) meaning.end = status(read.end);
  if (read.cancel) meaning.cancel = present(read.cancel, "reason");
  if (read.hello) {
    meaning.hello = present(read.hello, "fsi", "producer");
    if (read.hello.status) meaning.hello.status = status(read.hello.status);
  }
  return meaning;
}

// A reader of each encoding: it yields what it reads and throws at what it refuses.

function* readJson(shape, body) {
  if (shape.startsWith("message")) throw new Skipped("the SDK has no messages");
  if (shape === "event") return yield jsonEvent(body);
  for (const line of body.toString("latin1").split("\n")) {
    if (/[^ \t\r]/.test(line)) yield jsonEvent(Buffer.from(line, "latin1"));
  }
}

function* readProtobuf(shape, body) {
  const [type, read] = shape.startsWith("event") ? [CloudEvent, protobufEvent] : [Message, protobufMessage];
  if (!shape.endsWith("s")) return yield read(type.decode(body));
  const reader = protobuf.Reader.create(body);
  while (reader.pos < reader.len) yield read(type.decodeDelimited(reader));
}

const sorted = (value) =>
  Array.isArray(value) ? value.map(sorted) : value && typeof value === "object" ? Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])])) : value;

function same(read, meant) {
  if (Array.isArray(meant) && meant.some((each) => each.invalid)) return read.length === meant.length && meant.every((each, n) => same(read[n], each));
  if (meant.invalid) {
    const [{ event, ...others }, { invalid, ...expected }] = [read, meant];
    return same(others, expected);
  }
  return JSON.stringify(sorted(read)) === JSON.stringify(sorted(meant));
}

/** undefined if the implementation agrees, else what it did. */
function judge(encoding, shape, vector) {
  const body = vector.bytes === undefined ? Buffer.from(vector.text) : Buffer.from(vector.bytes, "hex");
  const found = [];
  try {
    for (const each of (encoding === "json" ? readJson : readProtobuf)(shape, body)) found.push(each);
  } catch (error) {
    if (error instanceof Skipped) throw error;
    if (vector.meaning !== undefined) return `refused it: ${error.message}`;
    if (vector.severity !== "malformed" && encoding !== "json") return `refused it, though it can be decoded: ${error.message}`;
    if (vector.before !== undefined && !vector.stateful && vector.before !== found.length) return `refused it after ${found.length} whole ones`;
    return undefined;
  }
  const read = shape.endsWith("s") ? found : found[0];
  const shown = `read ${JSON.stringify(read).slice(0, 300)}`;
  if (vector.meaning !== undefined) return same(read, vector.meaning) ? undefined : shown;
  if (UNKNOWN_LIMITS.has(vector.breaks)) throw new Skipped("a limit of FSI's own");
  if (encoding === "json") return shown;
  return vector.severity === "malformed" && OF_THE_ENCODING.has(vector.breaks) ? shown : undefined;
}

const listed = JSON.parse(readFileSync(`${VECTORS}disagreements.json`, "utf8"));
let failures = 0;
for (const [encoding, implementation, name] of [["json", "js-cloudevents", "cloudevents"], ["protobuf", "protobuf.js", "protobufjs"]]) {
  const explained = new Set(listed.filter((entry) => entry.implementation === implementation).flatMap((entry) => entry.vectors));
  const counts = { passed: 0, failed: 0, skipped: 0, known: 0 };
  const fail = (vector, what) => {
    counts.failed += 1;
    console.log(`FAILED ${vector}: ${implementation} ${what}`);
  };
  for (const shape of ["event", "message", "events", "messages"]) {
    for (const validity of ["valid", "invalid"]) {
      const file = `${encoding}/${shape}-${validity}`;
      for (const vector of JSON.parse(readFileSync(`${VECTORS}${file}.json`, "utf8"))) {
        const id = `${file}/${vector.name}`;
        const known = explained.delete(id);
        let found;
        try {
          found = judge(encoding, shape, vector);
        } catch (error) {
          if (!(error instanceof Skipped)) throw error;
          counts.skipped += 1;
          if (known) fail(id, "is listed as disagreeing, but says nothing");
          continue;
        }
        if (found === undefined && known) fail(id, "is listed as disagreeing, but agrees");
        else if (found === undefined) counts.passed += 1;
        else if (known) counts.known += 1;
        else fail(id, found);
      }
    }
  }
  for (const id of explained) fail(id, "is listed as disagreeing, but there is no such vector");
  const { version } = require(`${name}/package.json`);
  console.log(`${implementation} ${version}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped, ${counts.known} known disagreements`);
  failures += counts.failed + (counts.passed === 0 ? 1 : 0);
}
process.exit(failures ? 1 : 0);
