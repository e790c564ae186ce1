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
for (const box of document.querySelectorAll(".explorer")) {
  const data = box.dataset;
  const rows = (text) => text.split(";").filter(Boolean).map((row) => row.split(",").map(Number));
  const names = { session: JSON.parse(data.sessions), key: JSON.parse(data.keys), node: JSON.parse(data.nodes), operation: JSON.parse(data.functions), outcome: ["ok", "failed", "indeterminate"] };
  const column = { session: 2, key: 3, node: 4, operation: 5, outcome: 6 };
  const operations = rows(data.operations), counts = rows(data.counts), marks = JSON.parse(data.marks);
  const length = Number(data.length), offset = Number(data.from);
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
    select.addEventListener("change", () => { chosen[kind] = select.value; draw(); });
  }
  const canvas = box.appendChild(make("canvas"));
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "All operations over time. Plus and minus zoom, the arrow keys move, Home shows everything.");
  const note = box.appendChild(make("p"));
  note.className = "detail";
  note.setAttribute("aria-live", "polite");
  const seconds = (micros) => ((micros + offset) / 1e6).toFixed(to - from < 2e6 ? 6 : 3) + " s";
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
  let placed = [];
  const draw = () => {
    const width = box.clientWidth, high = 300, ratio = devicePixelRatio || 1;
    canvas.width = width * ratio; canvas.height = high * ratio;
    canvas.style.width = width + "px"; canvas.style.height = high + "px";
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const x = (at) => ((at - from) / (to - from)) * width;
    const fits = (op) => Object.entries(chosen).every(([kind, value]) => value === "" || op[column[kind]] === Number(value));
    const near = operations.filter((op) => op[0] < to && op[0] + op[1] > from && fits(op));
    const colors = [color("--ok"), color("--fail"), color("--info")];
    placed = [];
    pen.font = "11px sans-serif";
    const filtered = Object.values(chosen).some((value) => value !== "");
    if (near.length <= 1500 && (near.length > 0 || filtered)) {
      const lanes = [...new Set(near.map((op) => op[2]))].sort((a, b) => a - b);
      const step = Math.min(22, (high - 40) / Math.max(1, lanes.length));
      for (const op of near) {
        const y = 20 + lanes.indexOf(op[2]) * step, wide = Math.max(2, x(op[0] + op[1]) - x(op[0]));
        pen.fillStyle = colors[op[6]];
        pen.fillRect(x(op[0]), y, wide, Math.max(1, step - 3));
        placed.push([x(op[0]), y, wide, step, op]);
      }
      pen.fillStyle = color("--text");
      if (step >= 11) lanes.forEach((lane, at) => pen.fillText(names.session[lane], 2, 20 + at * step + Math.min(11, step - 2)));
      note.textContent = near.length + " operations from " + seconds(from) + " to " + seconds(to) + ", one lane per session. Point at one for its details.";
    } else {
      const most = Math.max(1, ...counts.map((count) => count[0] + count[1] + count[2]));
      counts.forEach((count, at) => {
        const left = x((at / counts.length) * length), wide = Math.max(1, x(((at + 1) / counts.length) * length) - left);
        let y = high - 22;
        count.forEach((part, kind) => { const tall = (part / most) * (high - 50); pen.fillStyle = colors[kind]; pen.fillRect(left, y - tall, wide, tall); y -= tall; });
      });
      const held = operations.length < Number(data.total) ? " The page holds " + operations.length + " of " + data.total + " operations, those nearest to the anomalies." : "";
      note.textContent = "Operations over time, from " + seconds(from) + " to " + seconds(to) + ". Zoom in to see single operations." + held;
    }
    pen.fillStyle = color("--violated");
    for (const [at] of marks) if (at >= from && at <= to) { pen.beginPath(); pen.moveTo(x(at) - 5, 2); pen.lineTo(x(at) + 5, 2); pen.lineTo(x(at), 13); pen.fill(); }
    pen.fillStyle = color("--quiet");
    for (let part = 0; part < 5; part++) pen.fillText(seconds(from + ((to - from) * part) / 5), (width * part) / 5 + 2, high - 6);
  };
  const view = (left, right) => {
    const wide = Math.min(length, Math.max(20, right - left));
    from = Math.min(Math.max(0, left), length - wide);
    to = from + wide;
    draw();
  };
  const zoom = (factor, at = (from + to) / 2) => view(at - (at - from) * factor, at + (to - at) * factor);
  button("Zoom in", () => zoom(0.5)); button("Zoom out", () => zoom(2)); button("Earlier", () => view(from - (to - from) / 2, to - (to - from) / 2)); button("Later", () => view(from + (to - from) / 2, to + (to - from) / 2)); button("All", () => view(0, length));
  marks.slice(0, 3).forEach(([at, label]) => button("Go to " + label, () => view(at - length / 200, at + length / 200)));
  canvas.addEventListener("keydown", (event) => {
    const wide = to - from;
    const act = { "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), ArrowLeft: () => view(from - wide / 5, to - wide / 5), ArrowRight: () => view(from + wide / 5, to + wide / 5), Home: () => view(0, length) }[event.key];
    if (act) { event.preventDefault(); act(); }
  });
  canvas.addEventListener("wheel", (event) => { if (!event.ctrlKey && !event.metaKey) return; event.preventDefault(); zoom(event.deltaY > 0 ? 1.25 : 0.8, from + (event.offsetX / box.clientWidth) * (to - from)); }, { passive: false });
  let held = null;
  canvas.addEventListener("pointerdown", (event) => { held = [event.offsetX, from]; canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointerup", () => (held = null));
  canvas.addEventListener("pointermove", (event) => {
    if (held) { const left = held[1] - ((event.offsetX - held[0]) / box.clientWidth) * (to - from); return view(left, left + to - from); }
    const hit = placed.find(([left, top, wide, tall]) => event.offsetX >= left && event.offsetX <= left + wide && event.offsetY >= top && event.offsetY <= top + tall);
    if (!hit) return;
    const op = hit[4];
    note.textContent = "operation " + op[7] + ": " + names.operation[op[5]] + (names.key[op[3]] ? " on " + names.key[op[3]] : "") + "; session " + names.session[op[2]] + (names.node[op[4]] ? "; node " + names.node[op[4]] : "") + "; " + names.outcome[op[6]] + "; " + seconds(op[0]) + " to " + seconds(op[0] + op[1]);
  });
  box.hidden = false;
  draw();
  addEventListener("resize", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}
// On paper everything is open.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => (part.open = true)));
