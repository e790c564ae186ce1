// Makes the package and the page out of the module.
//
//   node wasm/assemble.mjs MODULE FOLDER
//
// Writes FOLDER/steadfast-wasm (the package) and FOLDER/steadfast.html (the page, one file that needs nothing else).

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";

const [modulePath, folder] = process.argv.slice(2);
const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const read = (name) => readFileSync(here(name), "utf8");

const packageFolder = join(folder, "steadfast-wasm");
mkdirSync(packageFolder, { recursive: true });
for (const name of ["steadfast.mjs", "steadfast.d.ts", "package.json", "README.md"]) copyFileSync(here(`npm/${name}`), join(packageFolder, name));
for (const name of ["LICENSE-APACHE", "LICENSE-MIT"]) copyFileSync(here(`../${name}`), join(packageFolder, name));
copyFileSync(modulePath, join(packageFolder, "steadfast_wasm.wasm"));

// The report is shown inside the page and inherits its policy, so the policy must allow the script of the report.
const { loadSteadfast } = await import(pathToFileURL(join(packageFolder, "steadfast.mjs")));
const steadfast = await loadSteadfast();
const example = '{"process":0,"type":"invoke","f":"write","value":1}\n{"process":0,"type":"ok","f":"write","value":1}\n';
const report = (await steadfast.check(example, { name: "example.jsonl" })).render("html");
const scripts = [...report.matchAll(/<script>([\s\S]*?)<\/script>/g)].map((found) => found[1]);
assert.equal(scripts.length, 1, "a report has one script");

const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
const pageScript = read("page/page.js");
const policy = [
  "default-src 'none'",
  `script-src 'wasm-unsafe-eval' blob: ${hash(pageScript)} ${scripts.map(hash).join(" ")}`,
  "worker-src blob:",
  "style-src 'unsafe-inline'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");
// A page that is opened from a disk may not start a worker that is a module.
const library = read("npm/steadfast.mjs").replace(/^export /gm, "").replace("import.meta.url", "location.href");
assert.ok(!/^(import|export) |import\.meta/m.test(library), "the worker is a classic script");
const parts = {
  POLICY: policy,
  WORKER: `${library}\n${read("page/worker.js")}`,
  MODULE: gzipSync(readFileSync(modulePath), { level: 9 }).toString("base64"),
  PAGE: pageScript,
};
for (const part of [parts.WORKER, parts.PAGE]) assert.ok(!/<\/script/i.test(part), "a script must not end its element");
const page = read("page/page.html").replace(/@(POLICY|WORKER|MODULE|PAGE)@/g, (_, name) => parts[name]);
writeFileSync(join(folder, "steadfast.html"), page);
