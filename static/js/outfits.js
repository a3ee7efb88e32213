// Outfits: the words with the link go into his chat; the picker of an editor keeps its board and lets the rules judge it.
(function () {
  "use strict";

  const one = (selector, scope) => (scope || document).querySelector(selector);
  const said = (problem) => [problem.title, problem.detail].filter((part, at, all) => part && all.indexOf(part) === at).join("：");

  // ---------------------------------------------------------------- 发给他
  // The day or the week decides which words stand there, as long as she has not changed them.
  document.addEventListener("change", (event) => {
    const choice = event.target.closest("#send-form [name=day]");
    if (!choice) return;
    const field = choice.form.elements.text;
    const untouched = Array.from(choice.form.querySelectorAll("[data-words]"), (node) => node.dataset.words);
    if (untouched.includes(field.value)) field.value = choice.dataset.words;
  });

  function fail(form, text) {
    const box = one("[data-fail]", form);
    box.hidden = !text;
    one("[data-fail-text]", box).textContent = text || "";
  }

  async function send(form, button) {
    const text = form.elements.text.value.trim();
    if (!text) { yjb.alert("先写一句话再发"); return; }
    fail(form, "");
    yjb.busy(button);
    try {
      const ready = await yjb.post(form.dataset.share, { text, day: form.elements.day.value });
      if (!ready.ok) { fail(form, said(ready.data)); return; }
      const out = await yjbWecom.share(ready.data.text, ready.data.external_user_id, form.dataset.called);
      if (!out.ok) { fail(form, out.sentence); return; }
      await yjb.post(ready.data.sent, {});
      one("[data-close]", form.closest(".sheet"))?.click();
      yjb.toast(out.said);
    } finally {
      yjb.idle(button);
    }
  }

  document.addEventListener("submit", (event) => {
    const form = event.target.closest("#send-form");
    if (!form) return;
    event.preventDefault();
    event.stopPropagation();
    if (!yjb.offline) send(form, one(".btn-send", form));
  });

  // Opened beside a chat: the one she is talking with comes first.
  const beside = one("#beside");
  if (beside && window.yjbWecom) yjbWecom.offerBeside(beside);

  // ---------------------------------------------------------------- the picker
  const form = one("#outfit-form");
  if (!form) return;
  const url = one("[data-board]", form).dataset.board;

  function judge(values) {
    htmx.ajax("POST", url, { target: "#board", swap: "outerHTML", values });
  }

  // What the rules look at: the pieces, the plan and its day, and which outfit this is.
  function facts(pieces) {
    const values = { piece: pieces };
    ["plan", "day", "outfit"].forEach((name) => { if (form.elements[name]) values[name] = form.elements[name].value; });
    return values;
  }

  const picked = () => Array.from(form.querySelectorAll("#board [name=piece]"), (field) => field.value);

  document.addEventListener("click", (event) => {
    const add = event.target.closest("[data-pick]");
    const drop = event.target.closest("[data-drop]");
    if (add && !picked().includes(add.dataset.pick)) judge(facts([...picked(), add.dataset.pick]));
    if (drop) {
      const gone = one("[name=piece]", drop.closest(".pick")).value;
      judge(facts(picked().filter((id) => id !== gone)));
    }
  });
  form.addEventListener("change", (event) => { if (event.target.matches("[data-rules]") && picked().length) judge(facts(picked())); });
  // Enter in the search looks for goods; it does not hand the outfit in.
  one("#goods-q", form)?.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); htmx.trigger("#goods-form", "submit"); } });
})();
