// Parts of a page that others change while one looks (core/live.py):
//   <div id="lines" data-live="5" data-mark="…" hx-get="…" hx-trigger="live" hx-swap="innerHTML">
// Asked for every so many seconds, slower when nothing happens; not while the page is hidden or offline, nor over somebody's typing.
(function () {
  "use strict";

  const CALM = 24; // answers without news, then three times slower until something is touched
  const SLOWER = 3;
  const standing = new WeakMap();

  const state = (part) => {
    if (!standing.has(part)) standing.set(part, { due: Date.now() + Number(part.dataset.live) * 1000, quiet: 0, failed: 0, isAsking: false });
    return standing.get(part);
  };
  const parts = () => document.querySelectorAll("[data-live]");
  const liveOf = (detail) => {
    const part = detail.requestConfig ? detail.requestConfig.elt : detail.elt;
    return part && part.dataset && part.dataset.live !== undefined ? part : null;
  };

  function isTyping(part) {
    const field = document.activeElement;
    return part.contains(field) && "defaultValue" in field && field.value !== field.defaultValue;
  }

  function ask(part) {
    const now = state(part);
    if (now.isAsking) return;
    now.isAsking = true;
    htmx.trigger(part, "live");
  }

  function later(part) {
    const now = state(part);
    const pace = now.failed ? 2 ** Math.min(now.failed, 4) : now.quiet > CALM ? SLOWER : 1;
    now.isAsking = false;
    now.due = Date.now() + Number(part.dataset.live) * 1000 * pace;
  }

  function beat() {
    if (document.hidden || window.yjb.offline) return;
    parts().forEach((part) => { if (state(part).due <= Date.now()) ask(part); });
  }

  function wake(isAtOnce) {
    parts().forEach((part) => {
      const now = state(part);
      now.quiet = 0;
      if (isAtOnce) now.due = 0;
    });
    if (isAtOnce) beat();
  }

  document.addEventListener("htmx:configRequest", ({ detail }) => {
    const part = liveOf(detail);
    if (part && part.dataset.mark) detail.headers["If-None-Match"] = `"${part.dataset.mark}"`;
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { detail } = event;
    const part = liveOf(detail);
    if (!part) return;
    const now = state(part);
    if (detail.xhr.status === 304) { detail.shouldSwap = false; now.quiet += 1; return; }
    if (detail.xhr.status !== 200 || !detail.shouldSwap) return;
    if (isTyping(part)) { detail.shouldSwap = false; return; } // the mark stays the old one: it is asked for again
    now.quiet = 0;
    part.dataset.mark = (detail.xhr.getResponseHeader("ETag") || "").replace(/^W\//, "").replace(/"/g, "");
  });
  document.addEventListener("htmx:afterRequest", ({ detail }) => {
    const part = liveOf(detail);
    if (!part) return;
    const { status } = detail.xhr;
    if (status === 401) { location.reload(); return; } // the house leads to the sign-in of whoever this page is for
    if (status === 403 || status === 404) { part.removeAttribute("data-live"); return; } // no longer his to see
    state(part).failed = status === 200 || status === 304 ? 0 : state(part).failed + 1;
    later(part);
  });

  ["pointerdown", "keydown"].forEach((name) => document.addEventListener(name, () => wake(false), { passive: true }));
  document.addEventListener("visibilitychange", () => { if (!document.hidden) wake(true); });
  document.addEventListener("yjb:online", () => wake(true));
  setInterval(beat, 1000);
})();
