// The pages of a ticket: a way out or a ready sentence is put where one writes; only what somebody typed himself stays.
(function () {
  "use strict";

  let filled = "";

  function fill(from) {
    const field = document.querySelector(from.dataset.into);
    if (!field) return;
    const own = field.value.trim() && field.value !== filled;
    field.value = own ? `${field.value.trimEnd()}\n${from.dataset.fill}` : from.dataset.fill;
    filled = field.value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  document.addEventListener("change", (event) => { if (event.target.matches("input[data-fill]")) fill(event.target); });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-fill]");
    if (button) fill(button);
  });
})();
