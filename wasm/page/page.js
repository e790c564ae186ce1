"use strict";
// The page: takes a file, has a worker check it, and shows the answers. Nothing is sent anywhere, as the policy in the head
// of the page guarantees.

// A larger file would not fit the 4 GiB that WebAssembly has, together with what a check needs.
const FILE_BYTES_MAX = 400e6;

const part = (id) => document.getElementById(id);
const workerUrl = URL.createObjectURL(new Blob([part("worker").textContent], { type: "text/javascript" }));
const moduleReady = decodeModule(part("module").textContent);

let worker = null;
let file = null;
let began = 0;
let clock = null;
let links = [];

async function decodeModule(base64) {
  const packed = Uint8Array.from(atob(base64.trim()), (sign) => sign.charCodeAt(0));
  const bytes = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return WebAssembly.compile(await new Response(bytes).arrayBuffer());
}

function chooseFile(chosen) {
  if (!chosen) return;
  file = chosen;
  startCheck();
}

async function startCheck() {
  endCheck();
  clearAnswers();
  if (!file) return showRefusal("Choose a file first.");
  if (file.size > FILE_BYTES_MAX)
    return showRefusal(
      `${file.name} has ${formatBytes(file.size)}. This page checks files of up to ${formatBytes(FILE_BYTES_MAX)}, because ` +
        `WebAssembly has 4 GiB of memory. Check it with the program: steadfast check ${file.name}`,
    );
  const levels = part("levels").value.split(/[\s,]+/).filter((name) => name !== "");
  const model = part("model").value.trim();
  const options = levels.length > 0 ? ["--consistency", levels.join(",")] : [];
  if (model !== "") options.push("--model", model);
  began = performance.now();
  part("cancel").hidden = false;
  part("progress").hidden = false;
  showStage({ stage: "starting", done: 0, total: 0 });
  clock = setInterval(showTime, 200);
  const started = new Worker(workerUrl);
  worker = started;
  started.onmessage = ({ data }) => started === worker && takeMessage(data);
  started.onerror = (event) => started === worker && takeMessage({ refused: `the worker ended: ${event.message ?? "it could not be started"}` });
  try {
    started.postMessage({ module: await moduleReady });
    started.postMessage({ file, options });
  } catch (error) {
    takeMessage({ refused: `the browser cannot run the checker: ${error.message}` });
  }
}

function takeMessage(message) {
  if (message.stage !== undefined) return showStage(message);
  const seconds = (performance.now() - began) / 1000;
  endCheck();
  if (message.refused !== undefined) return showRefusal(message.refused);
  showAnswers(message, seconds);
}

/** Ends the worker, and with it the check and its memory. */
function endCheck() {
  worker?.terminate();
  worker = null;
  clearInterval(clock);
  part("cancel").hidden = true;
  part("progress").hidden = true;
}

function clearAnswers() {
  part("answers").hidden = true;
  part("refused").hidden = true;
  part("status").textContent = "";
  part("report").srcdoc = "";
  for (const link of links) URL.revokeObjectURL(link);
  links = [];
}

function showStage({ stage, done, total }) {
  part("stage").textContent = stage;
  const bar = part("bar");
  if (total > 0) {
    bar.max = total;
    bar.value = done;
  } else {
    bar.removeAttribute("value");
  }
  showTime();
}

function showTime() {
  part("time").textContent = `${((performance.now() - began) / 1000).toFixed(0)} s`;
}

function showRefusal(text) {
  part("status").textContent = "There is no verdict.";
  part("refused").textContent = text;
  part("refused").hidden = false;
}

function showAnswers({ json, html, memoryBytes }, seconds) {
  const told = JSON.parse(json);
  part("status").textContent = `${told.verdict}: ${file.name}`;
  const rows = part("levels-told");
  rows.replaceChildren();
  for (const level of told.levels) {
    const row = rows.insertRow();
    row.dataset.verdict = level.verdict;
    const cells = [level.level, level.verdict, level.reason ?? (level.anomalies ?? []).map((anomaly) => anomaly.type).join(", ")];
    for (const text of cells) row.insertCell().textContent = text;
  }
  part("figures").textContent =
    `${told.counts.operations.toLocaleString("en")} operations, ${formatBytes(file.size)}; checked here in ` +
    `${seconds.toFixed(1)} s with ${formatBytes(memoryBytes)} of memory.`;
  offer("save-page", html, "text/html", "html");
  offer("save-json", json, "application/json", "json");
  part("report").srcdoc = html;
  part("answers").hidden = false;
}

function offer(id, text, type, ending) {
  const link = URL.createObjectURL(new Blob([text], { type }));
  links.push(link);
  part(id).href = link;
  part(id).download = `${file.name}.${ending}`;
}

function formatBytes(bytes) {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${Math.round(bytes / 1e6)} MB`;
}

part("file").addEventListener("change", (event) => chooseFile(event.target.files[0]));
part("again").addEventListener("click", startCheck);
part("cancel").addEventListener("click", () => {
  endCheck();
  part("status").textContent = "Cancelled. There is no verdict.";
});
const zone = document.documentElement;
zone.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
zone.addEventListener("dragleave", () => document.body.classList.remove("dropping"));
zone.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  chooseFile(event.dataTransfer.files[0]);
});
