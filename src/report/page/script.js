// Details of the operation that is pointed at, tapped or focused; its row in the table lights up with it. Without
// scripts the same text is the tooltip. The names of lanes stay where a picture is scrolled.
"use strict";
for (const figure of document.querySelectorAll("figure.timeline")) {
  const detail = figure.querySelector(".detail");
  const section = figure.closest("article");
  const show = (op) => {
    if (!op) return;
    section.querySelectorAll(".lit").forEach((lit) => lit.classList.remove("lit"));
    op.classList.add("lit");
    for (const row of section.querySelectorAll("tr[data-op]"))
      if (row.dataset.op === op.dataset.op) row.classList.add("lit");
    detail.textContent = op.querySelector("title").textContent;
  };
  for (const kind of ["pointerover", "focusin", "click"])
    figure.addEventListener(kind, (event) => show(event.target.closest(".op")));
  const scroll = figure.querySelector(".scroll");
  const names = figure.querySelector(".names");
  scroll.addEventListener("scroll", () => names.setAttribute("transform", `translate(${scroll.scrollLeft})`), { passive: true });
  figure.addEventListener("keydown", (event) => {
    const ops = [...figure.querySelectorAll(".op")].sort((a, b) => a.dataset.op - b.dataset.op);
    const at = ops.indexOf(event.target.closest(".op"));
    const next = { ArrowRight: at + 1, ArrowLeft: at - 1 }[event.key];
    if (at < 0 || !ops[next]) return;
    event.preventDefault();
    ops[next].focus();
  });
}
for (const row of document.querySelectorAll("tr[data-op]"))
  row.addEventListener("pointerover", () => {
    const section = row.closest("article");
    section.querySelectorAll(".lit").forEach((lit) => lit.classList.remove("lit"));
    row.classList.add("lit");
    section.querySelectorAll(`.op[data-op="${row.dataset.op}"]`).forEach((op) => op.classList.add("lit"));
  });
// The argument, step by step. Without scripts all steps are shown.
for (const steps of document.querySelectorAll(".steps")) {
  const figure = steps.closest("figure");
  const last = Number(steps.dataset.steps);
  let now = last;
  const parts = [...figure.querySelectorAll("[data-step]")];
  const buttons = [...steps.querySelectorAll("button")];
  const go = (to) => {
    now = Math.min(last, Math.max(1, to));
    for (const part of parts) {
      part.classList.toggle("later", Number(part.dataset.step) > now);
      part.classList.toggle("now", part.tagName === "LI" && Number(part.dataset.step) === now);
    }
    buttons[0].disabled = now === 1;
    buttons[1].textContent = now === last ? "From the start" : "Next step";
    const shown = figure.querySelector(`g.step[data-step="${now}"]`);
    if (shown) {
      const scroll = figure.querySelector(".scroll");
      scroll.scrollLeft = Math.max(0, shown.getBBox().x - scroll.clientWidth / 2);
    }
  };
  buttons[0].addEventListener("click", () => go(now - 1));
  buttons[1].addEventListener("click", () => go(now === last ? 1 : now + 1));
  buttons.forEach((button) => (button.hidden = false));
  go(last);
}
// The explorer: the counts of all operations, and the operations themselves when they are near enough to be seen.
const explorers = [];
for (const box of document.querySelectorAll(".explorer")) {
  const data = box.dataset;
  const number = (text) => (text ? parseInt(text, 36) : 0);
  const rows = (text) => text.split(";").slice(0, -1).map((row) => row.split(",").map(number));
  const names = { session: JSON.parse(data.sessions), key: JSON.parse(data.keys), node: JSON.parse(data.nodes), operation: JSON.parse(data.functions), outcome: ["ok", "failed", "indeterminate"] };
  const column = { session: 2, key: 3, node: 4, operation: 5, outcome: 6 };
  const operations = rows(data.operations), counts = rows(data.counts).map((row) => [row[0], row[1] || 0, row[2] || 0]);
  const marks = JSON.parse(data.marks), faults = JSON.parse(data.faults), counted = JSON.parse(data.rows), held = rows(data.held);
  // Starts and indexes are written as distances.
  let start = 0, index = 0;
  for (const op of operations) { op[0] = start += op[0]; op[7] = index += op[7]; }
  const length = Number(data.length), offset = Number(data.from), isWhole = operations.length >= Number(data.total);
  let from = 0, to = length;
  const make = (tag, text) => Object.assign(document.createElement(tag), text === undefined ? {} : { textContent: text });
  const bar = box.appendChild(make("div"));
  bar.className = "controls";
  const button = (text, action) => bar.appendChild(make("button", text)).addEventListener("click", action);
  const chosen = {};
  for (const kind of ["session", "key", "node", "operation", "outcome"]) {
    if (names[kind].length < 2) continue;
    const label = bar.appendChild(make("label", kind + " "));
    const select = label.appendChild(make("select"));
    select.append(Object.assign(make("option", "all"), { value: "" }), ...names[kind].map((name, at) => Object.assign(make("option", name || "(none)"), { value: at })));
    select.addEventListener("change", () => { if (select.value === "") delete chosen[kind]; else chosen[kind] = Number(select.value); draw(); });
  }
  const canvas = box.appendChild(make("canvas"));
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "All operations over time. Plus and minus zoom, the arrow keys move, Home shows everything.");
  const note = box.appendChild(make("p"));
  note.className = "detail";
  note.setAttribute("aria-live", "polite");
  let high = 300, floor = high - 22;
  const seconds = (micros) => ((micros + offset) / 1e6).toFixed(to - from < 2e6 ? 6 : 3) + " s";
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
  const fits = (op) => Object.entries(chosen).every(([kind, value]) => op[column[kind]] === value);
  // The density under the filters: the counts of all operations, or only those of the operations that the page holds.
  const density = () => {
    const kinds = Object.keys(chosen), others = kinds.filter((kind) => kind !== "outcome");
    const only = (row) => (chosen.outcome === undefined ? row : row.map((count, kind) => (kind === chosen.outcome ? count : 0)));
    if (!others.length) return { bars: counts.map(only), isAll: true };
    const row = kinds.length === 1 && !isWhole && counted[kinds[0]] && counted[kinds[0]][chosen[kinds[0]]];
    if (row !== undefined && row !== false) {
      const bars = row.split(",").map((count) => [number(count), 0, 0]);
      while (bars.length < 200) bars.push([0, 0, 0]);
      return { bars, isAll: true, isMixed: true };
    }
    const bars = Array.from({ length: 1000 }, () => [0, 0, 0]);
    for (const op of operations) if (fits(op)) bars[Math.min(999, Math.floor(((op[0] + op[1]) / length) * 1000))][op[6]]++;
    return { bars, isAll: isWhole };
  };
  let placed = [], kept = null;
  const drawDensity = (pen, x, width, colors) => {
    const key = JSON.stringify(chosen);
    if (!kept || kept.key !== key) kept = { key, ...density() };
    const { bars, isAll, isMixed } = kept, share = length / bars.length;
    // Bars of less than two points are joined.
    const joined = Math.max(1, Math.ceil((to - from) / share / (width / 2)));
    const groups = [];
    for (let at = Math.floor(from / share / joined) * joined; at * share < to && at < bars.length; at += joined) {
      const sum = [0, 0, 0];
      for (let one = at; one < Math.min(bars.length, at + joined); one++) bars[one].forEach((count, kind) => (sum[kind] += count));
      groups.push([at, sum]);
    }
    const most = Math.max(1, ...groups.map(([, sum]) => sum[0] + sum[1] + sum[2]));
    for (const [at, sum] of groups) {
      const left = x(at * share), wide = Math.max(1, x((at + joined) * share) - left);
      let y = floor;
      sum.forEach((part, kind) => { const tall = (part / most) * (floor - 30); pen.fillStyle = isMixed ? color("--context") : colors[kind]; pen.fillRect(left, y - tall, wide, tall); y -= tall; });
    }
    const rate = most / ((share * joined) / 1e6);
    pen.fillStyle = color("--quiet");
    pen.fillText((rate < 10 ? rate.toFixed(1) : Math.round(rate)) + "/s", 2, 28);
    return isAll ? (isMixed ? " All outcomes together." : "") : " Under these filters the page has only the " + operations.length + " operations that it holds.";
  };
  const drawOperations = (pen, x, near, lanes, colors) => {
    const step = Math.min(22, (high - 50) / Math.max(1, lanes.length));
    for (const op of near) {
      const y = 30 + lanes.indexOf(op[2]) * step, wide = Math.max(2, x(op[0] + op[1]) - x(op[0]));
      pen.fillStyle = colors[op[6]];
      pen.fillRect(x(op[0]), y, wide, Math.max(1, step - 3));
      placed.push([x(op[0]), y, wide, step, op]);
    }
    pen.fillStyle = color("--text");
    if (step >= 11) lanes.forEach((lane, at) => pen.fillText(names.session[lane], 2, 30 + at * step + Math.min(11, step - 2)));
  };
  // Faults behind everything else.
  const drawFaults = (pen, x) => {
    let free = 0;
    for (const [begins, ends, label] of faults) {
      if (begins > to || ends < from) continue;
      const left = Math.max(0, x(begins));
      pen.fillStyle = color("--fault-ground");
      pen.fillRect(left, 0, Math.max(2, x(ends) - left), floor);
      pen.fillStyle = color("--fault");
      if (left >= free) { pen.fillText(label, left + 14, 12); free = left + 20 + pen.measureText(label).width; }
    }
  };
  // A grey ground where the page does not hold the operations. Returns whether there is such a place.
  const drawGaps = (pen, x) => {
    let at = from, any = false;
    const gap = (end) => { if (end > at) { any = true; pen.fillStyle = color("--context-ground"); pen.fillRect(x(at), 18, x(end) - x(at), floor - 18); } };
    for (const [begins, ends] of held) { if (ends < from || begins > to) continue; gap(begins); at = Math.max(at, ends); }
    gap(to);
    return any;
  };
  const draw = () => {
    const near = operations.filter((op) => op[0] < to && op[0] + op[1] >= from && fits(op));
    const isFiltered = Object.keys(chosen).length > 0;
    // Single operations are drawn only where the page holds a good part of what is in view.
    const inView = held.reduce((sum, [begins, ends]) => sum + Math.max(0, Math.min(to, ends) - Math.max(from, begins)), 0);
    const isNear = near.length <= 1500 && (near.length > 0 || (isFiltered && isWhole)) && (isWhole || inView > (to - from) / 3);
    const lanes = isNear ? [...new Set(near.map((op) => op[2]))].sort((a, b) => a - b) : [];
    // Many lanes need a higher picture to have names.
    high = Math.min(620, Math.max(300, lanes.length * 12 + 56));
    floor = high - 22;
    const width = box.clientWidth, ratio = devicePixelRatio || 1;
    canvas.width = width * ratio; canvas.height = high * ratio;
    canvas.style.width = width + "px"; canvas.style.height = high + "px";
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = "11px sans-serif";
    const x = (at) => ((at - from) / (to - from)) * width;
    const colors = [color("--ok"), color("--fail"), color("--info")];
    const span = "from " + seconds(from) + " to " + seconds(to);
    placed = [];
    if (isNear) {
      const hasGaps = !isWhole && drawGaps(pen, x);
      drawFaults(pen, x);
      drawOperations(pen, x, near, lanes, colors);
      note.textContent = near.length + " operations " + span + ", one lane per session. Point at one for its details." + (hasGaps ? " Grey: operations that this page does not hold." : "");
    } else {
      drawFaults(pen, x);
      const told = drawDensity(pen, x, width, colors);
      note.textContent = "Operations over time, " + span + "." + (to - from === length ? " A click into a chart above leads to its time here." : "") + told + (isWhole ? " Zoom in to see single operations." : " Zoom in on a blue line to see single operations.");
      pen.fillStyle = color("--tells");
      if (!isWhole) for (const [begins, ends] of held) if (begins < to && ends > from) pen.fillRect(x(Math.max(from, begins)), floor, Math.max(3, x(Math.min(to, ends)) - x(Math.max(from, begins))), 4);
    }
    pen.fillStyle = color("--violated");
    for (const [at] of marks) if (at >= from && at <= to) { pen.beginPath(); pen.moveTo(x(at) - 5, 2); pen.lineTo(x(at) + 5, 2); pen.lineTo(x(at), 13); pen.fill(); }
    pen.fillStyle = color("--quiet");
    const ticks = Math.max(2, Math.min(5, Math.floor(width / 110)));
    for (let part = 0; part < ticks; part++) pen.fillText(seconds(from + ((to - from) * part) / ticks), (width * part) / ticks + 2, high - 6);
  };
  const view = (left, right) => {
    const wide = Math.min(length, Math.max(20, right - left));
    from = Math.min(Math.max(0, left), length - wide);
    to = from + wide;
    draw();
  };
  const zoom = (factor, at = (from + to) / 2) => view(at - (at - from) * factor, at + (to - at) * factor);
  button("Zoom in", () => zoom(0.5)); button("Zoom out", () => zoom(2)); button("Earlier", () => view(from - (to - from) / 2, to - (to - from) / 2)); button("Later", () => view(from + (to - from) / 2, to + (to - from) / 2)); button("All", () => view(0, length));
  // As near to an anomaly as single operations can be seen.
  const approach = (at) => {
    let wide = length;
    while (wide > 20 && operations.filter((op) => op[0] < at + wide / 2 && op[0] + op[1] >= at - wide / 2).length > 600) wide /= 2;
    const [begins, ends] = held.find(([begins, ends]) => begins <= at && at <= ends) || [0, length];
    wide = Math.min(wide, Math.max(20, 2 * Math.min(at - begins, ends - at)));
    view(at - wide / 2, at + wide / 2);
  };
  marks.slice(0, 3).forEach(([at, label]) => button("Go to " + label, () => approach(at)));
  canvas.addEventListener("keydown", (event) => {
    const wide = to - from;
    const act = { "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), ArrowLeft: () => view(from - wide / 5, to - wide / 5), ArrowRight: () => view(from + wide / 5, to + wide / 5), Home: () => view(0, length) }[event.key];
    if (act) { event.preventDefault(); act(); }
  });
  canvas.addEventListener("wheel", (event) => { if (!event.ctrlKey && !event.metaKey) return; event.preventDefault(); zoom(event.deltaY > 0 ? 1.25 : 0.8, from + (event.offsetX / box.clientWidth) * (to - from)); }, { passive: false });
  let grabbed = null;
  canvas.addEventListener("pointerdown", (event) => { grabbed = [event.offsetX, from]; canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointerup", () => (grabbed = null));
  canvas.addEventListener("pointermove", (event) => {
    if (grabbed) { const left = grabbed[1] - ((event.offsetX - grabbed[0]) / box.clientWidth) * (to - from); return view(left, left + to - from); }
    const hit = placed.find(([left, top, wide, tall]) => event.offsetX >= left && event.offsetX <= left + wide && event.offsetY >= top && event.offsetY <= top + tall);
    if (!hit) return;
    const op = hit[4];
    note.textContent = "operation " + op[7] + ": " + names.operation[op[5]] + (names.key[op[3]] ? " on " + names.key[op[3]] : "") + "; session " + names.session[op[2]] + (names.node[op[4]] ? "; node " + names.node[op[4]] : "") + "; " + names.outcome[op[6]] + "; " + seconds(op[0]) + " to " + seconds(op[0] + op[1]);
  });
  box.hidden = false;
  draw();
  addEventListener("resize", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  explorers.push({ box, show: (micros, wide) => { view(micros - offset - wide / 2, micros - offset + wide / 2); box.scrollIntoView({ block: "center" }); } });
}
// A click into a chart leads to that time in the explorer below it.
for (const chart of document.querySelectorAll("svg.chart[data-from]")) {
  const next = explorers.find(({ box }) => chart.compareDocumentPosition(box) & Node.DOCUMENT_POSITION_FOLLOWING);
  if (!next) continue;
  chart.classList.add("leads");
  chart.addEventListener("click", (event) => {
    if (event.target.closest("a")) return;
    const place = chart.getBoundingClientRect(), { from, span, left, wide } = chart.dataset;
    const share = (((event.clientX - place.left) / place.width) * chart.viewBox.baseVal.width - left) / wide;
    if (share >= 0 && share <= 1) next.show(Number(from) + share * span, span / 20);
  });
}
// On paper everything is open.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => (part.open = true)));
