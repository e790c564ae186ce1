// The module answers as the program does: the same JSON for every history of the corpus, the same certificates, and the same
// messages about input that is wrong.
//
//   node wasm/tests/corpus.mjs PROGRAM PACKAGE
//
// The program is `steadfast`, the package the folder that wasm/build.sh made.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, existsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [program, folder] = process.argv.slice(2).map((path) => resolve(path));
const { loadSteadfast, SteadfastError } = await import(pathToFileURL(join(folder, "steadfast.mjs")));
const steadfast = await loadSteadfast();
const corpus = resolve(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "../../histories/corpus");
const scratch = mkdtempSync(join(tmpdir(), "steadfast-wasm-"));

function run(...words) {
  const { status, stdout, stderr, error } = spawnSync(program, words, { encoding: "utf8", maxBuffer: 1 << 28, timeout: 120_000 });
  assert.ifError(error);
  return { status, stdout, stderr };
}

/** JSON without what depends on the machine: the times. */
function withoutTimes(value) {
  if (Array.isArray(value)) return value.map(withoutTimes);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).flatMap(([name, part]) => (name === "seconds" ? [] : [[name, withoutTimes(part)]])));
}

/** The options that a case of the corpus is argued for. */
function optionsOf(expected) {
  const options = [];
  const model = /^model = "(.*)"$/m.exec(expected);
  if (model) options.push("--model", model[1]);
  const levels = expected.split(/^\[levels\]$/m)[1].split(/^\[/m)[0];
  const names = [...levels.matchAll(/^"?([a-z0-9-]+)"? *=/gm)].map((found) => found[1]);
  assert.ok(names.length > 0, "a case expects something");
  return [...options, "--consistency", names.join(",")];
}

async function compareCorpus() {
  const pathOf = (name) => ["history.jsonl", "history.jsonl.zst"].map((file) => join(corpus, name, file)).find(existsSync);
  const cases = readdirSync(corpus).filter(pathOf);
  const violated = new Set();
  for (const name of cases) {
    const path = pathOf(name);
    const history = readFileSync(path);
    // Both get the same limit, which certificates state.
    const asked = ["--memory", "1GiB", ...optionsOf(readFileSync(join(corpus, name, "expect.toml"), "utf8"))];
    for (const options of [["--memory", "1GiB"], asked]) {
      const proof = join(scratch, "proof.json");
      const told = run("check", "--format", "json", "--force", "--certificate", proof, ...options, path);
      if (told.status === 2) {
        await assert.rejects(steadfast.check(history, { name: path, options }), { kind: "bad-input" }, name);
        continue;
      }
      const report = await steadfast.check(history, { name: path, options });
      const expected = JSON.parse(told.stdout);
      assert.deepEqual(withoutTimes(report.toObject()), withoutTimes(expected), `${name} ${options.join(" ")}`);
      assert.equal(report.verdict, expected.verdict);
      if (report.verdict === "violated") violated.add(name);
      const certificate = readFileSync(proof, "utf8");
      assert.deepEqual(JSON.parse(report.render("certificate")), JSON.parse(certificate), name);
      const verified = await steadfast.verify(history, certificate, { name: path });
      const again = run("verify", proof, path);
      assert.equal(verified.text, again.stdout, name);
      assert.equal(verified.confirmed, again.status === 0, name);
      assert.match(report.render("html"), /<\/html>\s*$/, name);
      for (const form of ["text", "junit", "sarif"]) assert.ok(report.render(form).length > 0, `${name} ${form}`);
    }
  }
  assert.ok(cases.length >= 190, `the corpus has ${cases.length} histories`);
  assert.ok(cases.filter((name) => pathOf(name).endsWith(".zst")).length >= 5, "some are compressed");
  assert.ok(violated.size >= 50, `${violated.size} of them are violated`);
  console.log(`corpus: ${cases.length} histories as the program, ${violated.size} of them violated`);
}

/** What cannot be checked is refused with the words of the program. */
async function compareRefusals() {
  const event = '{"process":0,"type":"invoke","f":"write","key":"a","value":1}\n';
  const bad = {
    "not-utf8.jsonl": Buffer.from([0x7b, 0xff, 0xfe, 0x0a]),
    "not-utf8-inside.jsonl": Buffer.concat([Buffer.from('{"process":0,"type":"invoke","f":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}\n')]),
    "empty.jsonl": Buffer.from(""),
    "blank.jsonl": Buffer.from("\n\n"),
    "picture.png": Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13]),
    "of-another-tool.json": Buffer.from('{"name":"package","version":"1.0.0"}'),
    "no-process.jsonl": Buffer.from('{"type":"invoke","f":"read"}\n'),
    "truncated.jsonl": Buffer.from(event + '{"process":0,"ty'),
    "ok-without-invoke.jsonl": Buffer.from('{"process":0,"type":"ok","f":"write","value":1}\n'),
    "not-gzip.jsonl.gz": Buffer.from(event),
    "deep.jsonl": Buffer.from(`{"process":0,"type":"invoke","f":"write","value":${"[".repeat(100_000)}`),
  };
  for (const [name, bytes] of Object.entries(bad)) {
    const path = join(scratch, name);
    writeFileSync(path, bytes);
    // An empty file is a history without operations, and an `ok` alone is an operation that began before the recording.
    const answered = ["empty.jsonl", "blank.jsonl", "ok-without-invoke.jsonl"].includes(name);
    assert.equal(await isRefusedAlike(bytes, path, []), !answered, name);
  }
  const good = Buffer.from(event + '{"process":0,"type":"ok","f":"write","key":"a","value":1}\n');
  const path = join(scratch, "good.jsonl");
  writeFileSync(path, good);
  for (const options of [
    ["--consistency", "perfect"],
    ["--consistency", "serializable"],
    ["--model", "regsiter"],
    ["--model", "list-append"],
    ["--from", "morse"],
    ["--init", "{"],
    ["--memory", "much"],
    ["--no-such-option"],
    ["--objective", "recovery=fast"],
  ])
    assert.ok(await isRefusedAlike(good, path, options), options.join(" "));
  // Nothing in this history could contradict the level: that is not a green.
  const untested = await steadfast.check(good, { name: path, options: ["--consistency", "read-your-writes"] });
  assert.equal(untested.verdict, "untested");
  console.log(`refusals: ${Object.keys(bad).length} files and 9 options as the program`);
}

/** There is no second thread to watch the time: the check itself has to look at the clock. */
async function endsInTime() {
  const line = (process, type, f, value) => `${JSON.stringify({ process, type, f, value })}\n`;
  // Elements that were enqueued twice leave the queue to the search, and an element too many leaves it all orders.
  const enqueues = Array.from({ length: 24 }, (_, process) => [process, process >> 1]);
  const begun = enqueues.map(([process, value]) => line(process, "invoke", "enqueue", value));
  const dequeue = line(24, "invoke", "dequeue", null) + line(24, "ok", "dequeue", 0);
  const ended = enqueues.map(([process, value]) => line(process, "ok", "enqueue", value));
  const hard = [...begun, dequeue.repeat(3), ...ended].join("");
  const began = performance.now();
  const limited = await steadfast.check(hard, { options: ["--model", "queue", "--timeout", "500ms"] });
  const took = performance.now() - began;
  assert.equal(limited.verdict, "unknown");
  assert.match(limited.render("text"), /the search was stopped/);
  assert.ok(took >= 500 && took < 10_000, `${took} ms`);
  // Time that is not used changes nothing.
  const easy = await steadfast.check(dequeue, { options: ["--model", "queue", "--timeout", "1h"] });
  assert.equal(easy.verdict, "violated");
  // No verdict on a part of what should have been read.
  const long = dequeue.repeat(500_000);
  const unread = await steadfast.check(long, { options: ["--model", "queue", "--timeout", "10ms"] }).catch((error) => error);
  assert.equal(unread.kind, "out-of-time", String(unread.stack ?? unread.verdict));
  console.log(`time: a limit of 500 ms ended a search after ${Math.round(took)} ms`);
}

/** Whether the program refuses the history; the module must say the same either way. */
async function isRefusedAlike(bytes, path, options) {
  const told = run("check", "--format", "json", ...options, path);
  const answer = await steadfast.check(bytes, { name: path, options }).catch((error) => error);
  const what = `${path} ${options.join(" ")}`;
  if (told.status !== 2) {
    assert.ok(!(answer instanceof Error), `${what}: ${answer.stack}`);
    assert.deepEqual(withoutTimes(answer.toObject()), withoutTimes(JSON.parse(told.stdout)), what);
    return false;
  }
  assert.ok(answer instanceof SteadfastError, `${what} was checked: ${answer.verdict ?? answer.stack}`);
  assert.equal(answer.kind, "bad-input", answer.message);
  const said = told.stderr.replace(/^error: /, "").split("\n\nUsage:")[0].split("\n\nFor more information")[0].trim();
  assert.equal(answer.message.trim(), said, what);
  return true;
}

/** A check tells how far it is, and a trap of one instance does not touch the next. */
async function compareInstances() {
  const lines = [];
  for (let at = 0; at < 20_000; at += 1) {
    const event = (type) => JSON.stringify({ process: at % 7, type, f: "write", key: `k${at % 100}`, value: at });
    lines.push(event("invoke"), event("ok"));
  }
  const text = lines.join("\n") + "\n";
  const stages = new Set();
  const report = await steadfast.check(text, { name: "run.jsonl", onProgress: (stage, done, total) => stages.add(stage) && assert.ok(done <= total || total === 0) });
  assert.ok([...stages].some((stage) => stage === "reading run.jsonl"), [...stages].join());
  assert.ok([...stages].some((stage) => stage.startsWith("checking run.jsonl: ")), [...stages].join());
  assert.ok(report.memoryBytes > text.length);
  await assert.rejects(async () => report.render("morse"), RangeError);
  await assert.rejects(steadfast.check(7), TypeError);
  await assert.rejects(steadfast.check("", { name: "a\0b" }), TypeError);
  // More than the module can address: said as such, and not as a bug.
  await assert.rejects(steadfast.check(new Uint8Array(2_200_000_000)), { kind: "out-of-memory", message: /4 GiB/ });
  const more = await steadfast.check(text, { name: "run.jsonl" });
  assert.deepEqual(withoutTimes(more.toObject()), withoutTimes(report.toObject()));
  console.log("instances: they tell their progress and are independent");
}

try {
  await compareInstances();
  await compareRefusals();
  await endsInTime();
  await compareCorpus();
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
