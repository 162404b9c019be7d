// Vectors whose bytes the official JavaScript SDK writes, as JSON on stdout.
// The packages of ../package.json are installed in target/node.
import { createRequire } from "node:module";

const require = createRequire(new URL("../../../target/node/", import.meta.url));
const { CloudEvent, HTTP } = require("cloudevents");
const origin = `js-cloudevents ${require("cloudevents/package.json").version}`;

// The SDK gives every event a time, so each of these has one.
const base = { id: "n-1", source: "/s", type: "t", time: "2026-11-21T09:30:00.250Z" };
const meaning = (attributes, data) => ({
  id: "n-1",
  source: "/s",
  type: "t",
  attributes: { time: { timestamp: "2026-11-21T09:30:00.25Z" }, ...attributes },
  ...(data && { data }),
});
const made = [
  ["attributes", "one of each type that JSON has", { b: true, i: -1, s: "世" }, meaning({ b: { boolean: true }, i: { integer: -1 }, s: { string: "世" } })],
  ["JSON data", "an object, without a content type", { data: { a: [1, null] } }, meaning({}, { json: { a: [1, null] } })],
  ["text data", "a string under a text type", { datacontenttype: "text/plain", data: "ü\n" }, meaning({ datacontenttype: { string: "text/plain" } }, { text: "ü\n" })],
  ["binary data", "base64", { datacontenttype: "image/png", data: new Uint8Array([0x89, 0x50]) }, meaning({ datacontenttype: { string: "image/png" } }, { binary: "iVA=" })],
];
console.log(
  JSON.stringify(
    made.map(([name, why, properties, meaning]) => ({
      name: `${name}, by JavaScript's SDK`,
      why,
      origin,
      text: HTTP.structured(new CloudEvent({ ...base, ...properties })).body,
      meaning,
    })),
  ),
);
