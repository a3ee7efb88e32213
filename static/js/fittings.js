// 量体 with one thumb: keys of our own at the bottom, the number large, 下一项 goes on. What is typed is kept by the form's draft
// (photos.js, data-draft); without this file the fields take the phone's own keyboard.
(function () {
  "use strict";

  const form = document.querySelector("[data-measure]");
  const pad = document.querySelector("[data-pad]");
  if (!form || !pad) return;
  const part = (name) => pad.querySelector(`[data-pad-${name}]`);
  const rows = Array.from(form.querySelectorAll(".ms-r"));
  const fieldOf = (row) => row.querySelector("input");
  let current = null;

  const shown = () => rows.filter((row) => !row.hidden);
  function choose() {
    const garment = new FormData(form).get("garment");
    rows.forEach((row) => { row.hidden = !row.dataset.garments.split(" ").includes(garment); });
    count();
  }
  function count() {
    const wanted = shown();
    const done = wanted.filter((row) => fieldOf(row).value.trim()).length;
    document.querySelectorAll("[data-measured]").forEach((place) => { place.textContent = `${done}/${wanted.length}`; });
  }

  function open(row) {
    rows.forEach((one) => one.classList.toggle("is-now", one === row));
    current = row;
    pad.hidden = !row;
    document.body.classList.toggle("has-pad", Boolean(row));
    if (!row) return;
    const field = fieldOf(row);
    part("name").textContent = field.dataset.name;
    part("hint").textContent = [field.dataset.before && `上次 ${field.dataset.before}`, field.dataset.limits].filter(Boolean).join(" · ");
    paint();
    const below = row.getBoundingClientRect().bottom - (window.innerHeight - pad.offsetHeight - 12);
    if (below > 0 || row.getBoundingClientRect().top < 60) window.scrollBy({ top: below > 0 ? below : row.getBoundingClientRect().top - 80, behavior: "smooth" });
  }
  const paint = () => { part("number").textContent = fieldOf(current).value || "0"; count(); };
  function write(value) {
    const field = fieldOf(current);
    field.value = value;
    field.closest(".ms-r").classList.remove("is-wrong");
    field.dispatchEvent(new Event("input", { bubbles: true }));
    paint();
  }

  function press(key) {
    const old = fieldOf(current).value;
    if (key === "back") write(old.slice(0, -1));
    else if (key === ".") write(old.includes(".") ? old : `${old || "0"}.`);
    else if (/\.\d$/.test(old) || old.length >= 5) return;
    else write(old === "0" ? key : old + key);
  }
  function next() {
    const wanted = shown();
    const after = wanted.slice(wanted.indexOf(current) + 1).concat(wanted).find((row) => !fieldOf(row).value.trim());
    open(after && after !== current ? after : null);
  }

  rows.forEach((row) => {
    const field = fieldOf(row);
    field.inputMode = "none"; // our keys; a keyboard that is plugged in types all the same
    field.addEventListener("focus", () => open(row));
    field.addEventListener("input", () => { if (current === row) paint(); });
  });
  form.addEventListener("click", (event) => {
    const same = event.target.closest("[data-same]");
    if (!same) return;
    open(same.closest(".ms-r"));
    write(fieldOf(current).dataset.before);
  });
  form.addEventListener("change", (event) => { if (event.target.name === "garment") { choose(); open(null); } });
  form.addEventListener("focusin", (event) => { if (current && !event.target.closest(".ms-r")) open(null); });
  form.addEventListener("yjb:restored", choose);
  pad.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button || !current) return;
    if (button.dataset.key) press(button.dataset.key);
    else if (button.dataset.step) write(String(Math.max(0, Math.round((Number(fieldOf(current).value || fieldOf(current).dataset.before || 0) + Number(button.dataset.step)) * 10) / 10)));
    else if ("padNext" in button.dataset) next();
    else open(null);
  });
  choose();
  if (window.yjbKept && window.yjbKept.warm) window.yjbKept.warm();
})();
