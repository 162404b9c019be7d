// Reads what faas-adapt makes of every fixture with the CloudEvents SDK for JavaScript, and compares it with what the fixture expects.
//
//     cargo build -p faas-adapters && node adapters/tests/sdk/check.mjs
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const FIXTURES = join(ROOT, "adapters/fixtures");
const require = createRequire(join(ROOT, "target/node/"));
const { HTTP } = require("cloudevents");
// What a fixture means that does not say it (adapters/README.md).
const DEFAULTS = { now: "2026-11-21T09:30:00Z", id: "generated" };

const json = (file) => JSON.parse(readFileSync(file, "utf8").replace(/^\uFEFF/, ""));

/** The value at a JSON Pointer (RFC 6901). */
const pointed = (document, pointer) =>
  pointer.split("/").slice(1).reduce((value, token) => value[token.replaceAll("~1", "/").replaceAll("~0", "~")], document);

/** The lines that faas-adapt writes for a case. */
function adapted(folder, payload, description) {
  const source = `${basename(dirname(dirname(folder)))}.${basename(dirname(folder))}`;
  const options = { input: readFileSync(payload), encoding: "utf8", stdio: ["pipe", "pipe", "ignore"] };
  return execFileSync(join(ROOT, "target/debug/faas-adapt"), [source, "--delivery", description], options).split("\n").slice(0, -1);
}

function check(line, expected, payload) {
  const event = HTTP.toEvent({ headers: { "content-type": "application/cloudevents+json" }, body: line });
  event.validate();
  const { data, data_base64: base64, ...attributes } = expected;
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "time") assert.equal(Date.parse(event.time), Date.parse(value), name);
    else assert.equal(event[name], value, name);
  }
  const own = new Set(["data", "data_base64", "time", ...Object.keys(attributes)]);
  assert.deepEqual(Object.keys(event).filter((name) => event[name] !== undefined && !own.has(name)), []);
  if (base64 !== undefined) assert.equal(event.data_base64, base64);
  else {
    const wanted = data?.$input === undefined ? data : pointed(json(payload), data.$input);
    // The SDK drops data that JavaScript takes for false.
    if (wanted || event.data !== undefined) assert.deepEqual(event.data, wanted);
  }
}

const scratch = mkdtempSync(join(tmpdir(), "faas-adapt-"));
const description = join(scratch, "delivery.json");
let events = 0;
try {
  for (const output of readdirSync(FIXTURES, { recursive: true }).filter((path) => basename(path) === "output.json").sort()) {
    const folder = join(FIXTURES, dirname(output));
    const payload = join(folder, readdirSync(folder).find((name) => name.startsWith("input.")));
    const described = join(folder, "delivery.json");
    writeFileSync(description, JSON.stringify({ ...DEFAULTS, ...(existsSync(described) ? json(described) : {}) }));
    const expected = json(join(folder, "output.json"));
    const lines = adapted(folder, payload, description);
    assert.equal(lines.length, expected.length, folder);
    lines.forEach((line, index) => {
      try {
        check(line, expected[index], payload);
      } catch (error) {
        throw new Error(`${folder}, event ${index}: ${error.message}`);
      }
      events += 1;
    });
  }
} finally {
  rmSync(scratch, { recursive: true });
}
console.log(`${events} events, read with the CloudEvents SDK for JavaScript`);
