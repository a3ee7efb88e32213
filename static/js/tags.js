// Tags set with the thumb: a chip changes at once, and changes back if the server does not agree. What a chip asks for is
// absolute (put, drop), so a second try of the same tap changes nothing.
(function () {
  "use strict";

  const chips = (form) => Array.from(form.querySelectorAll(".chip[name]"));
  const flipped = new WeakMap(); // request -> how the chips stood before

  function stand(chip, isOn) {
    chip.setAttribute("aria-pressed", String(isOn));
    chip.name = isOn ? "drop" : "put";
  }

  document.addEventListener("htmx:beforeRequest", (event) => {
    const { detail } = event;
    const tapped = detail.elt;
    const form = tapped.closest("form[data-tap]");
    if (event.defaultPrevented || !form || !tapped.matches(".chip[name]")) return;
    flipped.set(detail.xhr, chips(form).map((chip) => [chip, chip.getAttribute("aria-pressed") === "true"]));
    const isOn = tapped.name === "put";
    if (isOn && form.dataset.tap !== "multi_enum") chips(form).forEach((chip) => stand(chip, chip === tapped));
    else stand(tapped, isOn);
  });

  document.addEventListener("htmx:afterRequest", ({ detail }) => {
    const before = flipped.get(detail.xhr);
    if (before && !detail.successful) before.forEach(([chip, isOn]) => stand(chip, isOn));
  });

  // 「别的」 opens the sheet at the tag it is about.
  let wanted = "";
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-sheet][href*='#tag-']");
    if (link) wanted = link.hash.slice(1);
  });
  document.addEventListener("htmx:afterSettle", ({ detail }) => {
    if (!wanted || detail.target.id !== "sheet-body") return;
    const row = document.getElementById(wanted);
    wanted = "";
    if (row) row.scrollIntoView({ block: "center" });
  });
})();
