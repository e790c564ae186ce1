// The page in a headless Chromium, driven over its debugging pipe: what people do with it, and what it must never do.
//
//   node wasm/tests/browser.mjs CHROMIUM PAGE [HISTORY]
//
// With a history, it is checked too, and the time is printed. With the file of axe-core in STEADFAST_AXE, the page is also
// searched for what people with disabilities could not use.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { mkdtempSync, openSync, closeSync, ftruncateSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL, fileURLToPath } from "node:url";

const [chromium, page, large] = process.argv.slice(2);
const corpus = fileURLToPath(new URL("../../histories/corpus", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "steadfast-page-"));
const PATIENCE_MS = 60_000;
const LARGE_PATIENCE_MS = 400_000;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** A browser at the other end of two pipes; messages end with a zero byte. */
class Browser {
  #calls = new Map();
  #count = 0;
  #rest = "";
  events = [];

  constructor(program) {
    const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"];
    this.process = spawn(program, [...flags, "--remote-debugging-pipe", `--user-data-dir=${join(scratch, "profile")}`, "about:blank"], {
      stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
    });
    this.ended = new Promise((done) => this.process.on("exit", done));
    this.process.stdio[4].setEncoding("utf8").on("data", (text) => this.#receive(text));
  }

  #receive(text) {
    const parts = (this.#rest + text).split("\0");
    this.#rest = parts.pop();
    for (const part of parts) {
      const message = JSON.parse(part);
      if (message.id === undefined) {
        this.events.push(message);
        continue;
      }
      const { done, failed } = this.#calls.get(message.id);
      this.#calls.delete(message.id);
      message.error ? failed(new Error(message.error.message)) : done(message.result);
    }
  }

  send(method, params = {}, session = this.session) {
    const id = (this.#count += 1);
    const answer = new Promise((done, failed) => this.#calls.set(id, { done, failed }));
    this.process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId: session })}\0`);
    return Promise.race([
      answer,
      pause(PATIENCE_MS).then(() => assert.fail(`the browser did not answer ${method}`)),
      this.ended.then(() => assert.fail("the browser has ended")),
    ]);
  }

  async open(url, server) {
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank" });
    this.session = (await this.send("Target.attachToTarget", { targetId, flatten: true })).sessionId;
    for (const domain of ["Page", "Network", "Runtime", "Log", "DOM"]) await this.send(`${domain}.enable`);
    await this.send("Target.setAutoAttach", { autoAttach: true, waitForDebuggerOnStart: false, flatten: true });
    // What the policy of the page is held against: without it, a request arrives.
    await this.evaluate(`fetch("${server.url}without-policy").then(() => true)`);
    await this.send("Page.navigate", { url });
    await this.until("document.readyState === 'complete' && document.getElementById('status') !== null");
  }

  async evaluate(expression, session) {
    const asked = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", asked, session);
    assert.ok(!exceptionDetails, JSON.stringify(exceptionDetails));
    return result.value;
  }

  async until(expression, patience = PATIENCE_MS) {
    const began = Date.now();
    while (!(await this.evaluate(expression))) {
      assert.ok(Date.now() - began < patience, `still not: ${expression}; status: ${await this.text("status")} ${await this.text("refused")}`);
      await pause(50);
    }
  }

  /** The session of the frame that was attached last. */
  async frame() {
    const began = Date.now();
    const isFrame = ({ method, params }) => method === "Target.attachedToTarget" && params.targetInfo.type === "iframe";
    while (!this.events.some(isFrame)) {
      assert.ok(Date.now() - began < PATIENCE_MS, "the report has no frame");
      await pause(50);
    }
    return this.events.findLast(isFrame).params.sessionId;
  }

  text(id) {
    return this.evaluate(`document.getElementById(${JSON.stringify(id)})?.textContent`);
  }

  async chooseFile(path) {
    const { root } = await this.send("DOM.getDocument");
    const { nodeId } = await this.send("DOM.querySelector", { nodeId: root.nodeId, selector: "#file" });
    await this.send("DOM.setFileInputFiles", { files: [path], nodeId });
  }

  async end() {
    this.process.kill();
    await this.ended;
  }
}

function makeHistory(name, operations) {
  const lines = [];
  for (let at = 0; at < operations; at += 1) {
    const event = { process: at % 7, type: "invoke", f: "write", key: `k${at % 100}`, value: at };
    lines.push(JSON.stringify(event), JSON.stringify({ ...event, type: "ok" }));
  }
  const path = join(scratch, name);
  writeFileSync(path, lines.join("\n") + "\n");
  return path;
}

const answered = "document.getElementById('status').textContent !== ''";

async function checkHistories(browser) {
  await browser.chooseFile(join(corpus, "stale-read/history.jsonl"));
  await browser.until(answered);
  assert.equal(await browser.text("status"), "violated: history.jsonl", await browser.text("refused"));
  const rows = await browser.evaluate("[...document.querySelectorAll('#levels-told tr')].map((row) => [...row.cells].map((cell) => cell.textContent))");
  assert.deepEqual(rows[0], ["linearizable", "violated", "stale-read"]);
  assert.equal(rows.length, 6);
  const report = await browser.evaluate("document.getElementById('report').srcdoc");
  assert.match(report, /stale-read/);
  assert.match(report, /<\/html>/);
  // The report is drawn, and its own script runs: the policy of the page names it by its hash.
  const frame = await browser.frame();
  const detail = await browser.evaluate(`new Promise((done) => {
    const look = () => {
      if (document.readyState !== "complete" || !document.querySelector("figure.timeline .op")) return setTimeout(look, 50);
      document.querySelector("figure.timeline .op").dispatchEvent(new MouseEvent("click", { bubbles: true }));
      done(document.querySelector("figure.timeline .detail").textContent);
    };
    look();
  })`, frame);
  assert.match(detail, /write|read/);
  assert.equal(await browser.evaluate("document.getElementById('save-page').download"), "history.jsonl.html");
  const saved = await browser.evaluate("document.getElementById('save-page').href.startsWith('blob:')");
  assert.ok(saved);
  console.log("page: a violation is shown with its report");
}

async function dropHistory(browser) {
  const text = readFileSync(join(corpus, "cas-chain/history.jsonl"), "utf8");
  await browser.evaluate(`{
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([${JSON.stringify(text)}], "dropped.jsonl"));
    document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
  }`);
  await browser.until("document.getElementById('status').textContent.endsWith('dropped.jsonl')");
  assert.equal(await browser.text("status"), "holds: dropped.jsonl");
  console.log("page: a dropped history is checked");
}

async function refuseWrongInput(browser) {
  const refused = "!document.getElementById('refused').hidden";
  const path = join(scratch, "not-utf8.jsonl");
  writeFileSync(path, Buffer.from([0x7b, 0xff, 0xfe, 0x0a]));
  await browser.chooseFile(path);
  await browser.until(refused);
  assert.equal(await browser.text("status"), "There is no verdict.");
  assert.match(await browser.text("refused"), /^not-utf8\.jsonl/);
  // The answers of the history before must not stay beside the refusal.
  assert.ok(await browser.evaluate("document.getElementById('answers').hidden"));

  await browser.evaluate("document.getElementById('levels').value = 'perfect'");
  await browser.chooseFile(join(corpus, "stale-read/history.jsonl"));
  await browser.until(refused);
  assert.match(await browser.text("refused"), /'perfect'/);
  await browser.evaluate("document.getElementById('levels').value = 'linearizable, read-your-writes'");
  await browser.evaluate("document.getElementById('again').click()");
  await browser.until("document.getElementById('status').textContent === 'violated: history.jsonl'");
  assert.equal(await browser.evaluate("document.querySelectorAll('#levels-told tr').length"), 2);
  await browser.evaluate("document.getElementById('levels').value = ''");

  const huge = join(scratch, "huge.jsonl");
  const file = openSync(huge, "w");
  ftruncateSync(file, 401_000_000);
  closeSync(file);
  await browser.chooseFile(huge);
  await browser.until(refused);
  assert.match(await browser.text("refused"), /huge\.jsonl has 401 MB\. This page checks files of up to 400 MB/);
  console.log("page: wrong input is refused with a reason");
}

async function cancelCheck(browser) {
  const path = makeHistory("long.jsonl", 400_000);
  await browser.chooseFile(path);
  await browser.until("document.getElementById('stage').textContent.startsWith('reading')");
  const asked = Date.now();
  const alive = await browser.evaluate("new Promise((done) => setTimeout(() => done('alive'), 0))");
  assert.equal(alive, "alive");
  assert.ok(Date.now() - asked < 5_000, "the page answers while a history is checked");
  assert.ok(!(await browser.evaluate("document.getElementById('cancel').hidden")));
  await browser.evaluate("document.getElementById('cancel').click()");
  assert.equal(await browser.text("status"), "Cancelled. There is no verdict.");
  await pause(1_000);
  assert.equal(await browser.text("status"), "Cancelled. There is no verdict.");
  await checkHistories(browser);
  console.log("page: a check can be cancelled, and the next one works");
}

/** The policy is what keeps a history on the machine; a page without one would pass all other tests. */
async function tryToSend(browser, server) {
  const url = JSON.stringify(server.url);
  const ways = {
    "connect-src": `fetch(${url}).catch(() => {})`,
    "img-src": `new Image().src = ${url}`,
    "script-src-elem": `document.head.append(Object.assign(document.createElement("script"), { src: ${url} }))`,
    "form-action": `{ const form = Object.assign(document.createElement("form"), { action: ${url} }); document.body.append(form); form.submit(); form.remove() }`,
  };
  for (const [directive, way] of Object.entries(ways)) {
    const refused = await browser.evaluate(`new Promise((done) => {
      document.addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective), { once: true });
      setTimeout(() => done("nothing was refused"), 10_000);
      ${way};
    })`);
    assert.equal(refused, directive);
  }
  // A worker from a blob has the policy of the page.
  const text = `addEventListener("securitypolicyviolation", (event) => postMessage(event.effectiveDirective)); fetch(${url}).then(() => postMessage("sent"), () => {})`;
  const inWorker = await browser.evaluate(`new Promise((done) => {
    const worker = new Worker(URL.createObjectURL(new Blob([${JSON.stringify(text)}])));
    worker.onmessage = (event) => done(event.data);
    setTimeout(() => done("nothing was refused"), 10_000);
  })`);
  assert.equal(inWorker, "connect-src");
  assert.deepEqual(server.requests, ["/without-policy"]);
  console.log("page: nothing can be sent");
}

/** A server on this machine that counts who reaches it. */
async function startServer() {
  const requests = [];
  const server = createServer((request, answer) => {
    requests.push(request.url);
    answer.setHeader("Access-Control-Allow-Origin", "*").end();
  }).listen(0, "127.0.0.1");
  await new Promise((done) => server.on("listening", done));
  return { requests, url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

/** Nothing was loaded from elsewhere, and nothing was refused or raised, before the page was asked to. */
function assertQuiet(browser, server) {
  for (const { method, params } of browser.events) {
    if (method === "Network.requestWillBeSent" && params.request.url !== `${server.url}without-policy`)
      assert.match(params.request.url, /^(file|blob|about):/);
    if (method === "Runtime.exceptionThrown") assert.fail(JSON.stringify(params.exceptionDetails));
    if (method === "Log.entryAdded" && params.entry.level === "error") assert.fail(params.entry.text);
  }
}

/** Serious findings about the page with its answers shown. */
async function searchBarriers(browser, axe) {
  await browser.evaluate(`${readFileSync(axe, "utf8")}; true`);
  const found = await browser.evaluate("axe.run({ iframes: false }).then((found) => found.violations.map(({ id, impact, nodes }) => ({ id, impact, first: nodes[0].html })))");
  assert.deepEqual(found.filter(({ impact }) => ["serious", "critical"].includes(impact)), []);
  console.log("page: no serious barriers");
}

async function measureLarge(browser, path) {
  await browser.chooseFile(resolve(path));
  await browser.until("document.getElementById('status').textContent !== '' || !document.getElementById('refused').hidden", LARGE_PATIENCE_MS);
  console.log(`page: ${path}, ${statSync(path).size} bytes: ${await browser.text("status")} ${await browser.text("figures")} ${await browser.text("refused")}`);
}

const server = await startServer();
const browser = new Browser(chromium);
try {
  await browser.open(pathToFileURL(resolve(page)).href, server);
  if (large) await measureLarge(browser, large);
  await checkHistories(browser);
  if (process.env.STEADFAST_AXE) await searchBarriers(browser, process.env.STEADFAST_AXE);
  await dropHistory(browser);
  await refuseWrongInput(browser);
  await cancelCheck(browser);
  assertQuiet(browser, server);
  await tryToSend(browser, server);
} finally {
  server.close();
  await browser.end();
  await pause(200);
  rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
}
