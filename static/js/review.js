// 任务复盘: on a wide screen the names open beside the map, on a phone in the sheet (htmx does that by itself). After an act
// the figures are fetched again.
(function () {
  "use strict";

  const wide = window.matchMedia("(min-width: 1100px)");
  const one = (selector, scope) => (scope || document).querySelector(selector);
  const all = (selector, scope) => Array.from((scope || document).querySelectorAll(selector));
  let shown = "";

  function mark() {
    all(".heat .c.sel").forEach((cell) => cell.classList.remove("sel"));
    if (!wide.matches || !shown) return;
    const cell = all(".heat a.c[data-names]").find((link) => link.getAttribute("href") === shown);
    if (cell) cell.classList.add("sel");
  }

  function openBeside(href) {
    const drill = one("#drill");
    shown = href;
    mark();
    drill.innerHTML = '<div class="sk-late mt3"><div class="sk"></div><div class="sk mt2"></div><div class="sk mt2 sk-short"></div></div>';
    htmx.ajax("GET", href, { target: "#drill", swap: "innerHTML" });
  }

  // Before htmx hears the tap.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-names]");
    if (!link || !wide.matches || !one("#drill") || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    openBeside(link.getAttribute("href"));
  }, true);

  document.addEventListener("change", (event) => {
    const box = event.target.closest("[data-names-box]");
    if (!box || event.target.name !== "task") return;
    const count = all("input[name=task]:checked", box).length;
    all("[data-picked]", box).forEach((place) => {
      place.textContent = String(count);
      const button = place.closest("button");
      if (button) button.disabled = count === 0;
    });
  });

  async function refresh() {
    const answer = await fetch(location.href, { credentials: "same-origin", headers: { Accept: "text/html" } }).catch(() => null);
    if (!answer || !answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    ["figures", "board"].forEach((id) => {
      const [now, fresh] = [document.getElementById(id), page.getElementById(id)];
      if (!now || !fresh) return;
      now.replaceChildren(...Array.from(fresh.childNodes).map((node) => document.adoptNode(node)));
      htmx.process(now);
    });
    mark();
  }
  document.addEventListener("review:changed", () => { if (one("#board")) setTimeout(refresh, 0); });

  // The field with the most overdue is open already when the page comes up beside it.
  document.addEventListener("DOMContentLoaded", () => {
    const first = one("#drill[data-first]");
    if (first && wide.matches) openBeside(first.dataset.first);
  });
})();
