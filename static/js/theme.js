// Runs before the first paint, from <head>: theme and care mode must never flash. The rest is app.js.
(function () {
  "use strict";
  var root = document.documentElement;
  var asked = new URLSearchParams(location.search);
  var dark = matchMedia("(prefers-color-scheme: dark)");

  function stored(name) {
    try {
      return localStorage.getItem(name);
    } catch (refused) {
      return null;
    }
  }

  function apply() {
    var theme = asked.get("theme") || stored("yjb.theme") || "auto";
    root.dataset.weuiTheme = theme === "auto" ? (dark.matches ? "dark" : "light") : theme;
    if ((asked.get("care") || stored("yjb.care")) === "1") root.dataset.weuiMode = "care";
    else delete root.dataset.weuiMode;
  }

  apply();
  dark.addEventListener && dark.addEventListener("change", apply);
  window.yjbApplyTheme = apply;
  root.classList.add("js");
})();
