// What every page shares in the browser. Server-rendered pages work without this file; it keeps countdowns fresh, shows
// toasts and sheets, guards against double sending, and says plainly when the network is gone.
(function () {
  "use strict";

  const root = document.documentElement;
  const body = document.body;
  const one = (selector, scope) => (scope || document).querySelector(selector);
  const all = (selector, scope) => Array.from((scope || document).querySelectorAll(selector));
  const isCare = () => root.dataset.weuiMode === "care";
  const meta = (name) => one(`meta[name="${name}"]`)?.content || "";
  const cookie = (name) => document.cookie.split("; ").find((one) => name && one.startsWith(`${name}=`))?.slice(name.length + 1) || "";
  // As the cookie has it now: whoever signed in on another page of this browser has changed it since this one was made.
  const token = () => cookie(meta("csrf-cookie")) || meta("csrf-token");
  const tell = (name, detail) => document.dispatchEvent(new CustomEvent(name, { detail }));

  const shelf = (storage) => ({
    // Private windows and full phones refuse storage; nothing here may depend on it.
    get(name) { try { return window[storage].getItem(name); } catch (refused) { return null; } },
    set(name, value) { try { window[storage].setItem(name, value); } catch (refused) { /* works without */ } },
    drop(name) { try { window[storage].removeItem(name); } catch (refused) { /* works without */ } },
  });
  const kept = shelf("localStorage");
  const session = shelf("sessionStorage");

  // ---------------------------------------------------------------- the product's clock, and countdowns
  // The page says what the product's clock showed when it was made; a copy from the cache says it late.
  const madeAt = Date.parse(body.dataset.now) || Date.now();
  const navigation = performance.getEntriesByType("navigation")[0];
  const isCopy = "cached" in root.dataset || (navigation && navigation.type === "back_forward");
  let skew = madeAt - Date.now();
  if (isCopy && kept.get("yjb.skew") !== null) skew = Number(kept.get("yjb.skew"));
  else kept.set("yjb.skew", String(skew));
  const productNow = () => Date.now() + skew;

  const SOON = 2 * 3600;
  const deadlines = new WeakMap();

  // The same words as core/words.py says.
  function dueWords(left) {
    if (left <= 0) {
      const over = Math.floor(-left / 60);
      if (over < 60) return `超 ${Math.max(1, over)} 分`;
      return over < 1440 ? `超 ${Math.floor(over / 60)} 时` : `超 ${Math.floor(over / 1440)} 天`;
    }
    const minutes = Math.ceil(left / 60);
    const hours = Math.floor(minutes / 60);
    if (!hours) return `剩 ${minutes} 分`;
    return minutes % 60 ? `剩 ${hours} 时 ${minutes % 60} 分` : `剩 ${hours} 时`;
  }

  function tick(scope) {
    all("[data-due]", scope).forEach((due) => {
      if (!deadlines.has(due)) {
        const from = isCopy && !scope ? madeAt : productNow();
        deadlines.set(due, from + Number(due.dataset.due) * 1000);
      }
      const left = (deadlines.get(due) - productNow()) / 1000;
      if (left >= SOON) return;
      const words = dueWords(left);
      if (due.textContent !== words) due.textContent = words;
      const colour = due.closest(".due");
      if (colour && !colour.classList.contains("c-red")) {
        colour.classList.remove("c-amber", "muted");
        colour.classList.add("c-red");
      }
    });
  }

  // ---------------------------------------------------------------- toasts
  function icon(name) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    svg.setAttribute("class", "i");
    svg.setAttribute("aria-hidden", "true");
    use.setAttribute("href", `${body.dataset.sprite}#i-${name}`);
    svg.append(use);
    return svg;
  }

  function letGo(box, seconds) {
    // Time stands still while a finger, mouse or the focus is on it.
    let left = seconds * 1000;
    let since = Date.now();
    let timer = setTimeout(() => box.remove(), left);
    const hold = () => { clearTimeout(timer); left -= Date.now() - since; };
    const run = () => { clearTimeout(timer); since = Date.now(); timer = setTimeout(() => box.remove(), Math.max(left, 800)); };
    box.addEventListener("pointerenter", (event) => { if (event.pointerType === "mouse") hold(); });
    box.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") run(); });
    box.addEventListener("focusin", hold);
    box.addEventListener("focusout", run);
  }

  function say(text, { undo, target, swap, bad } = {}) {
    const box = document.createElement("div");
    const words = document.createElement("span");
    box.className = `toast${undo ? " undo" : ""}${bad ? " bad" : ""}`;
    words.className = "grow";
    words.textContent = text;
    box.append(icon(bad ? "triangle-alert" : "circle-check"), words);
    const seconds = (undo ? 5 : bad ? 6 : 3) * (isCare() ? 2 : 1);
    box.style.setProperty("--toast-time", `${seconds}s`);
    if (undo) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "撤销";
      button.addEventListener("click", () => { box.remove(); takeBack(undo, target, swap); });
      box.append(button);
    }
    if (!undo) box.addEventListener("click", () => box.remove());
    all("#toasts .toast, #alerts .toast").forEach((old) => old.remove());
    one(bad ? "#alerts" : "#toasts").append(box);
    letGo(box, seconds);
    return box;
  }

  function takeBack(url, target, swap) {
    if (target && one(target)) return htmx.ajax("POST", url, { target, swap: swap || "outerHTML" });
    return post(url).then((answer) => (answer.ok ? location.reload() : say(sentence(answer.data), { bad: true })));
  }

  function sentence(problem) {
    const told = [problem?.title, problem?.detail].filter(Boolean).join("：") || "没做成";
    return !problem || problem.status >= 500 ? `${told}，内容还在，可以再试一次` : told;
  }

  // ---------------------------------------------------------------- sheets
  let opener = null;
  const openSheet = () => all(".sheet-host").find((host) => !host.hidden);

  function showSheet(host, from) {
    if (!host) return;
    if (openSheet() && openSheet() !== host) hideSheet();
    opener = from || document.activeElement;
    host.hidden = false;
    root.classList.add("sheet-open");
    one(".sheet", host).focus({ preventScroll: true });
    tell("yjb:sheet-open", { sheet: host });
  }

  function hideSheet() {
    const host = openSheet();
    if (!host) return;
    host.hidden = true;
    root.classList.remove("sheet-open");
    if (opener && document.contains(opener)) opener.focus({ preventScroll: true });
    opener = null;
    tell("yjb:sheet-close", { sheet: host });
  }

  function keepFocus(event) {
    const host = openSheet();
    if (!host) return;
    if (event.key === "Escape") { hideSheet(); return; }
    if (event.key !== "Tab") return;
    const stops = all("a[href],button:not([disabled]),input:not([disabled]),select,textarea,[tabindex='0']", host)
      .filter((stop) => stop.getClientRects().length);
    if (!stops.length) { event.preventDefault(); return; }
    const [first, last] = [stops[0], stops[stops.length - 1]];
    const here = document.activeElement;
    if (event.shiftKey && (here === first || !host.contains(here) || here.matches(".sheet"))) { event.preventDefault(); last.focus(); }
    else if (!event.shiftKey && (here === last || !host.contains(here))) { event.preventDefault(); first.focus(); }
  }

  // ---------------------------------------------------------------- one act, one effect
  // The key is made before the first try and kept until an answer came: a second try of the same act carries it again.
  const asked = new Map();

  function digest(text) {
    let sum = 5381;
    for (let at = 0; at < text.length; at += 1) sum = ((sum * 33) ^ text.charCodeAt(at)) >>> 0;
    return sum.toString(36);
  }

  function newKey() {
    if (window.crypto && crypto.randomUUID) return crypto.randomUUID();
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  }

  function actKey(verb, path, content) {
    const name = `yjb.act:${verb} ${path} ${digest(content)}`;
    const key = session.get(name) || newKey();
    session.set(name, key);
    asked.set(key, name);
    return key;
  }

  function settle(key, status, problem) {
    // No answer, a server error, "too many" or "still running": the same act may be tried again under the same key.
    const isOpen = !status || status >= 500 || status === 429 || (problem && problem.code === "idempotency.in_progress");
    if (key && asked.has(key) && !isOpen) { session.drop(asked.get(key)); asked.delete(key); }
  }

  async function post(url, data) {
    const content = JSON.stringify(data === undefined ? {} : data);
    const key = actKey("POST", url, content);
    try {
      const response = await fetch(url, {
        method: "POST",
        credentials: "same-origin",
        headers: {
          "Content-Type": "application/json", Accept: "application/json",
          "X-CSRFToken": token(), "Idempotency-Key": key, "X-Requested-With": "fetch",
        },
        body: content,
      });
      const text = await response.text();
      let answer = {};
      try { answer = text ? JSON.parse(text) : {}; } catch (notJson) { answer = readProblem(text) || {}; }
      settle(key, response.status, answer);
      heard();
      return { ok: response.ok, status: response.status, data: answer };
    } catch (lost) {
      probe();
      return { ok: false, status: 0, data: { title: "没网", detail: "没发出去，内容还在，可以再试一次" } };
    }
  }

  // ---------------------------------------------------------------- buttons at work
  function busy(button) {
    if (!button || button.getAttribute("aria-busy") === "true") return;
    button.style.minWidth = `${button.offsetWidth}px`;
    button.setAttribute("aria-busy", "true");
    if (button.dataset.busy) { button.yjbWas = button.innerHTML; button.textContent = button.dataset.busy; }
  }

  function idle(button) {
    if (!button) return;
    button.style.minWidth = "";
    button.removeAttribute("aria-busy");
    if (button.yjbWas !== undefined) { button.innerHTML = button.yjbWas; delete button.yjbWas; }
  }

  function actor(detail) {
    const by = detail.requestConfig && detail.requestConfig.triggeringEvent && detail.requestConfig.triggeringEvent.submitter;
    if (by) return by;
    return detail.elt.matches("button,.btn,.ib") ? detail.elt : one("button:not([type=button])", detail.elt);
  }

  // A second tap while the first is under way is swallowed before anybody hears it; htmx would queue it.
  document.addEventListener("click", (event) => {
    if (event.target.closest && event.target.closest("[aria-busy=true]")) { event.preventDefault(); event.stopImmediatePropagation(); }
  }, true);
  document.addEventListener("submit", (event) => {
    if (event.target.querySelector("[aria-busy=true]")) { event.preventDefault(); event.stopImmediatePropagation(); }
  }, true);

  // A plain form goes out once.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || (form.method || "get").toLowerCase() !== "post" || form.matches("[hx-post],[hx-put],[hx-delete],[hx-patch]")) return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    if (root.classList.contains("is-offline")) { event.preventDefault(); say("没网，还没发出去。内容还在", { bad: true }); return; }
    form.dataset.sent = "1";
    const held = one("[name=csrfmiddlewaretoken]", form);
    if (held && token()) held.value = token();
    setTimeout(() => busy(event.submitter || one("button:not([type=button])", form)), 0);
  });
  window.addEventListener("pageshow", () => {
    all("form[data-sent]").forEach((form) => { delete form.dataset.sent; });
    all("[aria-busy=true]").forEach(idle);
    tick();
  });

  // ---------------------------------------------------------------- htmx
  const isRead = (config) => !config || config.verb === "get";

  document.addEventListener("htmx:configRequest", ({ detail }) => {
    if (detail.verb === "get") return;
    const pairs = [];
    const form = detail.formData || new FormData();
    form.delete("csrfmiddlewaretoken"); // a field would be heard before the header
    form.forEach((value, name) => { pairs.push(`${name}=${value && value.name ? value.name + value.size : value}`); });
    detail.headers["X-CSRFToken"] = token();
    detail.headers["Idempotency-Key"] = actKey(detail.verb.toUpperCase(), detail.path, pairs.join("&"));
  });

  // What each place waits for: a list that was asked for earlier and comes later must not cover what one has found since.
  const awaited = new WeakMap();

  document.addEventListener("htmx:beforeRequest", (event) => {
    const { detail } = event;
    if (isRead(detail.requestConfig)) {
      awaited.set(detail.target, detail.xhr);
    } else {
      if (root.classList.contains("is-offline")) {
        event.preventDefault();
        say("没网，还没发出去。内容还在", { bad: true });
        return;
      }
      const button = actor(detail);
      if (button && button.getAttribute("aria-busy") === "true") { event.preventDefault(); return; }
      detail.xhr.yjbButton = button;
      busy(button);
    }
    const title = detail.elt.dataset && detail.elt.dataset.sheet;
    if (title !== undefined) {
      one("#sheet-title").textContent = title;
      one("#sheet-body").innerHTML = '<div class="sk-late mt3"><div class="sk"></div><div class="sk mt2"></div><div class="sk mt2 sk-short"></div></div>';
      showSheet(one("#sheet"), detail.elt);
    }
  });

  document.addEventListener("htmx:afterRequest", ({ detail }) => {
    idle(detail.xhr && detail.xhr.yjbButton);
    if (!isRead(detail.requestConfig)) {
      const problem = detail.successful ? null : readProblem(detail.xhr.responseText);
      settle(detail.requestConfig.headers["Idempotency-Key"], detail.xhr.status, problem);
    }
    if (detail.xhr.status) heard();
    if (detail.successful) detail.elt.classList.remove("stale");
  });

  function readProblem(text) {
    if (!text) return null;
    try {
      const problem = JSON.parse(text);
      return problem.title || problem.detail ? problem : null;
    } catch (notJson) {
      const found = new DOMParser().parseFromString(text, "text/html").querySelector("[data-problem]");
      return found && { title: found.dataset.title, detail: found.dataset.detail, code: found.dataset.code, status: Number(found.dataset.status) };
    }
  }

  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    // A form that comes back with its mistakes marked is an answer, not a failure.
    if (detail.xhr.status === 422 && !readProblem(detail.xhr.responseText)) { detail.shouldSwap = true; detail.isError = false; }
    if (!isRead(detail.requestConfig)) { if (detail.shouldSwap) awaited.set(detail.target, detail.xhr); return; }
    if (awaited.get(detail.target) !== detail.xhr) { detail.shouldSwap = false; detail.isError = false; }
  });

  function failed(detail, problem) {
    const config = detail.requestConfig || {};
    if (!isRead(config)) { say(sentence(problem), { bad: true }); return; }
    if (/every|live/.test(detail.elt.getAttribute("hx-trigger") || "")) { detail.elt.classList.add("stale"); return; }
    const target = detail.target || detail.elt;
    if (!target || target === body) { say(sentence(problem), { bad: true }); return; }
    const panel = one("#tpl-error").content.cloneNode(true);
    if (problem && problem.title) one("[data-title]", panel).textContent = problem.title;
    if (problem && problem.detail) one("[data-text]", panel).textContent = problem.detail;
    const how = detail.elt.getAttribute("hx-swap") || "innerHTML";
    one("[data-retry]", panel).addEventListener("click", () => htmx.ajax("GET", config.path, { target, swap: how }));
    target.replaceChildren(panel);
  }

  document.addEventListener("htmx:responseError", ({ detail }) => {
    if (detail.xhr.status === 401 && detail.elt.dataset.live === undefined) { location.assign(`/login/?next=${encodeURIComponent(location.pathname + location.search)}`); return; }
    failed(detail, readProblem(detail.xhr.responseText));
  });
  ["htmx:sendError", "htmx:timeout"].forEach((name) => document.addEventListener(name, ({ detail }) => {
    const isTimeout = name === "htmx:timeout";
    failed(detail, { title: isTimeout ? "等太久了" : "没网", detail: isRead(detail.requestConfig) ? "别的都能用" : "没发出去，内容还在，可以再试一次" });
    if (!isTimeout) probe();
  }));
  document.addEventListener("htmx:load", ({ detail }) => tick(detail.elt === body ? undefined : detail.elt.parentElement || detail.elt));
  document.addEventListener("toast", ({ detail }) => say(detail.text, { undo: detail.undo, target: detail.target, swap: detail.swap }));
  document.addEventListener("alert", ({ detail }) => say(detail.text || detail.value, { bad: true }));
  document.addEventListener("closeSheet", hideSheet);

  // ---------------------------------------------------------------- offline
  let asking = 0;
  let losses = 0; // how often the net went: what was asked for before the last time says nothing of now

  function setOffline(isOff) {
    if (root.classList.contains("is-offline") === isOff) return;
    root.classList.toggle("is-offline", isOff);
    all("[data-net]").forEach((banner) => { banner.hidden = !isOff; });
    all(".btn-send,.ib-send,[data-needs-net]").forEach((button) => {
      if (isOff) button.setAttribute("aria-disabled", "true");
      else button.removeAttribute("aria-disabled");
    });
    clearInterval(asking);
    if (isOff) asking = setInterval(probe, 10000);
    else if ("cached" in root.dataset && !("keepsOpen" in body.dataset)) location.reload(); // the copy has done its duty
    tell(isOff ? "yjb:offline" : "yjb:online");
  }

  function probe() {
    // navigator.onLine only knows about the cable; ask the house itself.
    const before = losses;
    fetch("/healthz", { cache: "no-store", credentials: "omit" }).then(
      (answer) => { if (before === losses) setOffline(!answer.ok); }, () => setOffline(true),
    );
  }

  function heard() {
    if (root.classList.contains("is-offline")) probe(); // an answer, maybe one that was on its way when the net went
  }

  window.addEventListener("offline", () => { losses += 1; setOffline(true); });
  window.addEventListener("online", probe);
  document.addEventListener("click", (event) => {
    if (root.classList.contains("is-offline") && event.target.closest(".btn-send,.ib-send,[data-needs-net]")) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  }, true);

  // ---------------------------------------------------------------- small manners
  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch (refused) { // web views without the clipboard API, or without https
      const area = document.createElement("textarea");
      area.value = text;
      area.className = "sr";
      body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      if (!done) { say("没复制上，长按话术可以复制", { bad: true }); return false; }
    }
    return true;
  }

  document.addEventListener("click", async (event) => {
    const hit = (selector) => event.target.closest(selector);
    let at = hit("[data-open]");
    if (at) { event.preventDefault(); showSheet(one(at.dataset.open), at); return; }
    if (hit("[data-close]")) { event.preventDefault(); hideSheet(); return; }
    at = hit("[data-copy],[data-copy-text]");
    if (at) {
      const source = at.dataset.copy && one(at.dataset.copy);
      const text = source ? ("value" in source ? source.value : source.innerText) : at.dataset.copyText;
      if (await copy(text || "")) say(at.dataset.copied || "已复制");
      return;
    }
    at = hit("[data-back]");
    if (at && document.referrer.startsWith(location.origin) && history.length > 1) { event.preventDefault(); history.back(); return; }
    if (hit("[data-reload]")) { event.preventDefault(); location.reload(); return; }
    at = hit("[role=tab][aria-controls]");
    if (at) { pickTab(at); return; }
    at = hit("[data-toggle]");
    if (at) {
      const isOn = at.getAttribute("aria-pressed") === "true";
      if (at.dataset.toggle === "one") all("[data-toggle]", at.parentNode).forEach((other) => other.setAttribute("aria-pressed", "false"));
      at.setAttribute("aria-pressed", at.dataset.toggle === "one" ? "true" : String(!isOn));
      return;
    }
    at = hit("[data-set-theme]");
    if (at) { kept.set("yjb.theme", at.dataset.setTheme); window.yjbApplyTheme(); marks(); return; }
    at = hit("[data-set-care]");
    if (at) { kept.set("yjb.care", at.dataset.setCare === "on" ? "1" : "0"); window.yjbApplyTheme(); marks(); }
  });

  function pickTab(tab) {
    all("[role=tab]", tab.closest("[role=tablist]")).forEach((other) => {
      const isOn = other === tab;
      other.setAttribute("aria-selected", String(isOn));
      const panel = document.getElementById(other.getAttribute("aria-controls"));
      if (panel) panel.hidden = !isOn;
    });
  }

  function marks() {
    const theme = kept.get("yjb.theme") || "auto";
    const care = kept.get("yjb.care") === "1" ? "on" : "off";
    all("[data-set-theme]").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.setTheme === theme)));
    all("[data-set-care]").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.setCare === care)));
  }

  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-autosubmit]");
    if (form) form.requestSubmit ? form.requestSubmit() : form.submit();
  });
  document.addEventListener("keydown", keepFocus);

  // What was typed before one had to show who one is stands in its form again afterwards.
  const NOT_KEPT = /^(csrfmiddlewaretoken|idempotency_key|seen|was)$/;
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-keep]");
    if (!form) return;
    const fields = [...new FormData(form)].filter(([name, value]) => typeof value === "string" && !NOT_KEPT.test(name));
    session.set("yjb.typed", JSON.stringify({ path: location.pathname, action: form.getAttribute("action"), fields }));
  });

  function typeAgain() {
    const typed = JSON.parse(session.get("yjb.typed") || "null");
    if (!typed) return;
    if (one("[data-confirming]")) return session.set("yjb.typed", JSON.stringify({ ...typed, waits: true }));
    const form = all("form[data-keep]").find((found) => found.getAttribute("action") === typed.action);
    if (!typed.waits || typed.path !== location.pathname || !form) return;
    session.drop("yjb.typed");
    typed.fields.forEach(([name, value]) => all(`[name="${name}"]`, form).forEach((field) => {
      if (/radio|checkbox/.test(field.type)) field.checked = field.checked || field.value === value;
      else field.value = value;
    }));
    const folded = form.closest("details");
    if (folded) folded.open = true;
  }

  // A link to a folded part of a page unfolds it.
  function unfold() {
    const found = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (found && found.tagName === "DETAILS") found.open = true;
  }
  window.addEventListener("hashchange", unfold);

  // ---------------------------------------------------------------- start
  window.yjb = {
    post, token, copy, newKey, productNow,
    toast: say,
    alert: (text) => say(text, { bad: true }),
    openSheet: (selector, from) => showSheet(one(selector), from),
    closeSheet: hideSheet,
    sayThen: (text) => session.set("yjb.said", text), // on the next page
    busy, idle,
    get offline() { return root.classList.contains("is-offline"); },
  };
  if (session.get("yjb.said") !== null) { say(session.get("yjb.said")); session.drop("yjb.said"); }
  all("[data-toast]").forEach((box) => letGo(box, (box.dataset.undo ? 5 : 3) * (isCare() ? 2 : 1)));
  tick();
  marks();
  unfold();
  typeAgain();
  const here = one(".side a[aria-current]");
  if (here) here.closest(".side").scrollTop = here.offsetTop - here.closest(".side").clientHeight / 2;
  setInterval(tick, 15000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) tick(); });
  if (navigator.onLine === false || "cached" in root.dataset) setOffline(true);

  // A push led here: what it told is read in 消息, too.
  const pushed = new URLSearchParams(location.search).get("m") || "";
  if (/^\d{1,18}$/.test(pushed) && body.classList.contains("phone")) post(`/me/notifications/opened/?m=${pushed}`, {});

  if (one("[data-purge-offline]")) { if (window.caches) caches.delete("yjb-pages"); }
  else if ("serviceWorker" in navigator && body.classList.contains("phone")) navigator.serviceWorker.register("/sw.js").catch(() => {});
})();
