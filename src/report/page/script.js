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
// On paper everything is open.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => (part.open = true)));
