// The form of a request. What is wrong leads to what one mostly wishes then, until something else is chosen; only what a wish
// asks for is shown. Without this file everything stands there, and the server says what is missing.
document.querySelectorAll("[data-ticket-form]").forEach((form) => {
  let isOwnChoice = Boolean(form.querySelector("[name=kind]:checked"));

  function show() {
    const kind = new FormData(form).get("kind");
    form.querySelectorAll("[data-kinds]").forEach((part) => {
      part.hidden = !part.dataset.kinds.split(" ").includes(kind);
    });
  }

  function lead(trouble) {
    const way = form.querySelector(`[name=kind][value="${trouble.dataset.way}"]:not(:disabled)`)
      || (trouble.dataset.way === "quality" && form.querySelector("[name=kind][value=repair]:not(:disabled)"))
      || (trouble.dataset.way === "exchange_size" && form.querySelector("[name=kind][value=alteration]:not(:disabled)"));
    if (way && !isOwnChoice) way.checked = true;
  }

  function count() {
    const field = form.querySelector("[data-count]");
    const shown = field && document.querySelector(field.dataset.count);
    if (shown) shown.textContent = field.value ? `${field.value.length} / ${field.maxLength}` : "";
  }

  form.addEventListener("change", (event) => {
    if (event.target.name === "kind") isOwnChoice = true;
    if (event.target.name === "reason") lead(event.target);
    show();
  });
  form.addEventListener("input", count);
  form.addEventListener("yjb:restored", () => { isOwnChoice = true; show(); count(); });
  show();
  count();
});
