// The form of a step: keeps what was typed until the server has it, and says the window in words while numbers change.
(function () {
  "use strict";
  const form = document.querySelector("form[data-kept]");
  if (!form) return;
  const name = `yjb.form:${form.dataset.kept}`;
  const note = form.querySelector("[data-kept-note]");
  const fields = () => Array.from(form.elements).filter((field) => field.name && field.type !== "hidden");
  const values = () => Object.fromEntries(fields().map((field) => [field.name, field.value]));
  const store = {
    get() { try { return JSON.parse(sessionStorage.getItem(name)); } catch (refused) { return null; } },
    set(kept) { try { sessionStorage.setItem(name, JSON.stringify(kept)); } catch (refused) { /* works without */ } },
    drop() { try { sessionStorage.removeItem(name); } catch (refused) { /* works without */ } },
  };
  const served = values();

  const kept = store.get();
  const isAnswer = Boolean(form.parentNode.querySelector("[role=alert]")); // a form that came back holds the newest itself
  if (kept && !isAnswer && JSON.stringify(kept) !== JSON.stringify(served)) {
    fields().forEach((field) => { if (field.name in kept) field.value = kept[field.name]; });
    if (note) note.hidden = false;
  }
  form.addEventListener("input", () => { store.set(values()); say(); });
  form.addEventListener("change", () => { store.set(values()); say(); });
  form.querySelector("[data-kept-drop]")?.addEventListener("click", () => {
    fields().forEach((field) => { field.value = served[field.name]; });
    store.drop();
    if (note) note.hidden = true;
    say();
  });

  const words = form.querySelector("[data-window]");
  function say() {
    if (!words) return;
    const [opens, due, ends] = ["open_day", "due_day", "expire_day"].map((field) => form.elements[field]?.value.trim());
    if (![opens, due, ends].every((text) => /^\d{1,4}$/.test(text || ""))) return;
    words.textContent = `第 ${opens} 天打开，${due === opens ? "当天" : `第 ${due} 天`} 22:00 截止，第 ${ends} 天失效`;
  }
  say();
})();
