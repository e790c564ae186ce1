"use strict";
// Shows the state of the monitor, which it asks for once a second. All texts of the history are set as text, never as markup.
const byId = (id) => document.getElementById(id);
const known = new Set();
let ended = false;

function element(tag, text, kind) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

const count = (number) => Math.round(number).toLocaleString("en");
const seconds = (number) => number < 1 ? `${(number * 1000).toFixed(1)} ms` : `${number.toFixed(1)} s`;
const bytes = (number) => `${(number / 1048576).toFixed(1)} MiB`;

function showFigures(state) {
  const operations = state.operations;
  const rows = [
    ["Operations per second", count(state.operations_per_second)],
    ["Operations ok", count(operations.ok)],
    ["Failed", count(operations.fail)],
    ["Indeterminate", count(operations.info)],
    ["Open", count(state.open_operations)],
    ["Events", count(state.events)],
    ["Judged up to event", count(state.judged)],
    ["Kept operations", count(state.kept_operations)],
    ["Memory of the process", state.memory_bytes === null ? "unknown" : bytes(state.memory_bytes)],
    ["Last event", `${state.quiet_seconds.toFixed(1)} s ago`],
  ];
  const users = state.users, atLeast = users.is_lower_bound ? "at least " : "";
  const latency = users.latency_seconds;
  rows.push(["Latency now, median", latency === null ? "unknown" : seconds(latency[0])],
    ["… 99th percentile", latency === null ? "unknown" : seconds(latency[1])],
    ["Sessions affected", `${atLeast}${count(users.affected_sessions)}`],
    ["… waiting for an answer", `${atLeast}${count(users.waiting_sessions)}`],
    ["Faults in force", users.faults.length ? users.faults.join("; ") : "none"]);
  if (state.unread_bytes !== null) rows.push(["Not read yet", bytes(state.unread_bytes)]);
  byId("figures").replaceChildren(...rows.map(([name, value]) => {
    const cell = document.createElement("div");
    cell.append(element("dt", name), element("dd", value));
    return cell;
  }));
  const most = Math.max(1, ...state.rates);
  const from = 120 - state.rates.length;
  const points = state.rates.map((rate, at) => `${from + at},${(38 - 36 * rate / most).toFixed(1)}`);
  byId("rates").firstElementChild.setAttribute("points", points.join(" "));
}

function showLevels(levels) {
  byId("levels").replaceChildren(...levels.map((level) => {
    const row = document.createElement("tr");
    const soFar = level.verdict === "holds" && !ended ? "holds so far" : level.verdict;
    let detail = "";
    if (level.event !== undefined) {
      detail = level.reason ? `from event ${level.event} on: ${level.reason}` : `certain since event ${level.event}`;
    }
    if (level.assumption) detail += `${detail ? ". " : ""}The verdict ${level.assumption}`;
    row.append(element("td", level.level), element("td", soFar, `verdict ${level.verdict}`), element("td", detail));
    return row;
  }));
}

function showObjectives(objectives) {
  byId("objectives-part").hidden = objectives.length === 0;
  byId("objectives").replaceChildren(...objectives.map((objective) => {
    const row = document.createElement("tr");
    const alerting = objective.burn_rates.filter((rate) => rate.alert);
    const verdict = alerting.length ? "alert" : ended ? objective.verdict : `${objective.verdict} so far`;
    const kind = alerting.length || objective.verdict === "missed" ? "violated" : objective.verdict === "met" ? "holds" : "unknown";
    const rates = objective.burn_rates.map((rate) =>
      `${hours(rate.long_seconds)}: ${times(rate.long)}, ${hours(rate.short_seconds)}: ${times(rate.short)} (alert at ${rate.alerts_at})`);
    row.append(element("td", objective.name), element("td", verdict, `verdict ${kind}`),
      element("td", `${count(objective.bad)} of ${count(objective.operations)}`), element("td", rates.join("; ")));
    return row;
  }));
}

const times = (rate) => rate === null ? "∞" : rate.toFixed(1);
const hours = (length) => length >= 3600 ? `${length / 3600} h` : length >= 60 ? `${length / 60} min` : `${length} s`;

function showViolations(violations) {
  for (const violation of violations.filter((violation) => !known.has(violation.number))) {
    known.add(violation.number);
    const address = `/violations/${violation.number}`;
    const on = violation.key === null ? "" : ` on ${violation.key}`;
    const heading = element("h3", `${violation.anomaly}${on}: ${violation.level} is violated at event ${violation.event}`);
    const link = element("a", "Open the report on its own");
    link.href = address;
    const frame = document.createElement("iframe");
    frame.src = address;
    frame.title = `Report on violation ${violation.number}`;
    byId("violations").prepend(heading, element("p", violation.text), frame, link);
  }
  byId("none").hidden = violations.length > 0;
}

function show(state) {
  ended = state.ended;
  const [violated, unknown, untested] = ["violated", "unknown", "untested"].map((verdict) =>
    state.levels.filter((level) => level.verdict === verdict).map((level) => level.level));
  const soFar = ended ? "" : " so far";
  const undecided = [["unknown", unknown], ["untested", untested]].filter(([, levels]) => levels.length)
    .map(([name, levels]) => `; ${name}: ${levels.join(", ")}`);
  let [verdict, headline] = ["holds", `All levels hold${soFar}`];
  if (undecided.length) headline = `No level is violated${soFar}${undecided.join("")}`;
  if (untested.length) verdict = "untested";
  if (untested.length === state.levels.length) headline = `Nothing has tested any level${soFar}`;
  if (unknown.length) verdict = "unknown";
  if (violated.length) [verdict, headline] = ["violated", `Violated: ${violated.join(", ")}`];
  byId("headline").textContent = headline;
  byId("headline").className = `verdict ${verdict}`;
  byId("state").className = "";
  const name = state.history === "-" ? "standard input" : state.history;
  const elapsed = state.elapsed_seconds.toFixed(0);
  byId("state").textContent = `${name} (${state.model}): ${ended ? `ended after ${elapsed} s` : `followed for ${elapsed} s`}`;
  document.title = violated.length ? "steadfast: violated" : "steadfast: live";
  showFigures(state);
  showLevels(state.levels);
  showObjectives(state.objectives);
  showViolations(state.violations);
}

async function poll() {
  try {
    const answer = await fetch("/state.json", { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.statusText);
    show(await answer.json());
  } catch {
    byId("state").className = "lost";
    byId("state").textContent = ended ? "The stream has ended, and so has the monitor. This is its last state." : "The monitor does not answer. This is its last state.";
    if (ended) return;
  }
  setTimeout(poll, 1000);
}
poll();
