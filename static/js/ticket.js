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

  // Who chose a way out wants his yes to it: the large button of the store's page asks for it, not only says it.
  function follow() {
    const [say, offer] = ["say", "offer"].map((id) => document.getElementById(id));
    if (!say || !offer) return;
    const chosen = Boolean(document.querySelector("input[name=way_out]:checked"));
    say.hidden = chosen;
    offer.hidden = !chosen;
    document.querySelectorAll("[data-otherwise]").forEach((other) => { other.hidden = chosen; });
  }

  document.addEventListener("change", (event) => {
    if (event.target.matches("input[data-fill]")) fill(event.target);
    if (event.target.name === "way_out") follow();
  });
  follow(); // a draft brings its choice back
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-fill]");
    if (button) fill(button);
  });
})();
