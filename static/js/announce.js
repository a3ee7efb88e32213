// 公告: the composer's marks and units, and the button that waits until the text can have been read.
(function () {
  "use strict";
  const wait = document.querySelector("[data-wait]");
  if (wait) {
    const words = wait.textContent;
    let left = Number(wait.dataset.wait);
    wait.disabled = true;
    const tick = () => {
      wait.textContent = left > 0 ? `再看 ${left} 秒` : words;
      if (left-- <= 0) { wait.disabled = false; return; }
      setTimeout(tick, 1000);
    };
    tick();
  }

  const form = document.getElementById("composer");
  if (!form) return;
  const body = form.elements.body;
  const changed = () => form.dispatchEvent(new CustomEvent("announce:changed"));

  // ---- marks
  const lines = (begin) => {
    const [from, to] = [body.value.lastIndexOf("\n", body.selectionStart - 1) + 1, body.selectionEnd];
    const text = body.value.slice(from, to).split("\n").map((line, place) => begin(place) + line).join("\n");
    body.setRangeText(text, from, to, "end");
  };
  const marks = {
    bold() {
      const [from, to] = [body.selectionStart, body.selectionEnd];
      body.setRangeText(`**${body.value.slice(from, to) || "重点"}**`, from, to, "select");
    },
    list() { lines(() => "- "); },
    ordered() { lines((place) => `${place + 1}. `); },
    link() { body.setRangeText("https://", body.selectionEnd, body.selectionEnd, "end"); },
  };
  form.addEventListener("click", (event) => {
    const mark = event.target.closest("[data-mark]");
    if (mark) { marks[mark.dataset.mark](); body.focus(); changed(); }
  });

  // ---- whom
  const chosen = document.getElementById("chosen");
  const x = document.createElement("template");
  form.addEventListener("click", (event) => {
    const unit = event.target.closest("[data-unit]");
    const drop = event.target.closest("[data-drop]");
    if (drop) { drop.closest(".an-tag").remove(); changed(); }
    if (!unit) return;
    const name = "not" in unit.dataset ? "not_units" : "units";
    if (chosen.querySelector(`input[value="${unit.dataset.unit}"]`)) return;
    x.innerHTML = '<span class="tag an-tag"><input type="hidden"><span></span><button type="button" data-drop>×</button></span>';
    const tag = x.content.firstElementChild.cloneNode(true);
    tag.classList.add(name === "units" ? "navy" : "red");
    tag.querySelector("input").name = name;
    tag.querySelector("input").value = unit.dataset.unit;
    tag.querySelector("span").textContent = (name === "units" ? "" : "排除：") + unit.dataset.name;
    tag.querySelector("button").setAttribute("aria-label", `去掉${unit.dataset.name}`);
    chosen.append(tag);
    if (unit.classList.contains("chip")) unit.remove();
    changed();
  });

  // ---- Enter in a field sends nothing: the first button of the form is not the one that was meant
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.tagName === "INPUT") event.preventDefault();
  });

  // ---- what was attached stands in the preview, too
  document.addEventListener("htmx:afterSwap", (event) => { if (event.target.id === "files") changed(); });

  // ---- a button pressed while a draft is being saved waits for it, else its version would be the one before
  let saving = 0;
  form.addEventListener("htmx:beforeRequest", (event) => { if (event.target === form) saving += 1; });
  form.addEventListener("htmx:afterRequest", (event) => { if (event.target === form) saving -= 1; });
  form.addEventListener("submit", (event) => {
    if (saving <= 0) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const again = () => (saving > 0 ? setTimeout(again, 60) : form.requestSubmit(event.submitter));
    setTimeout(again, 60);
  }, true);
})();
