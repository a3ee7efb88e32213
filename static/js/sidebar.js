// The page beside the chat. It asks the client who is at the other end, lets the server say what may be seen of him, and
// sends the words into the chat: prepare (the rules are checked), sendChatMessage, record. One tap, one message.
(function () {
  "use strict";

  const host = document.querySelector("#sidebar");
  const { url } = host.dataset;
  const one = (selector, scope) => (scope || host).querySelector(selector);
  let external = host.dataset.external || "";
  let canSend = null; // promise

  // ---------------------------------------------------------------- who is it
  async function load() {
    await show(await yjbWecom.customer(show));
  }

  async function show(answer) {
    if (!answer.ok) { showOutside(answer); return; }
    external = answer.id;
    await fetchInto(`${url}?external_user_id=${encodeURIComponent(external)}`);
  }

  async function fetchInto(address, target, how) {
    let response;
    try {
      response = await fetch(address, { credentials: "same-origin", headers: { "HX-Request": "true", Accept: "text/html" } });
    } catch (lost) {
      if (!target) showOutside({ sentence: "没网", text: "连上以后再试一次" });
      return;
    }
    if (response.status === 401) { location.assign(`/login/?next=${encodeURIComponent(location.pathname)}`); return; }
    if (target && !response.ok) return;
    htmx.swap(target || "#sidebar", await response.text(), { swapStyle: how || "innerHTML", swapDelay: 0, settleDelay: 0 });
  }

  function showOutside({ reason, sentence, text }) {
    const page = document.querySelector("#tpl-outside").content.cloneNode(true);
    const isOutside = reason === "outside" || reason === "silent";
    page.querySelector("[data-title]").textContent = isOutside || !reason ? (sentence || "") : "没认出是哪位客户";
    page.querySelector("[data-text]").textContent = text || (reason === "silent" ? "接着等，一有回话就打开。不在聊天里？请在企业微信里打开一位客户的聊天，再点聊天旁的业绩宝。" : isOutside ? "请在企业微信里打开一位客户的聊天，再点聊天旁的业绩宝。" : "打开一位客户的聊天，再点聊天旁的业绩宝。群聊里看不到客户资料。");
    page.querySelector("[data-again]").addEventListener("click", () => location.reload());
    host.replaceChildren(page);
  }

  // A tool of the bar below that can begin with him who is at the other end does so, and does not ask for whom.
  document.addEventListener("click", (event) => {
    const tab = event.target.closest("nav a[href]");
    const his = tab && Array.from(host.querySelectorAll("form[data-instead]")).find((form) => form.dataset.instead === tab.getAttribute("href"));
    if (his) { event.preventDefault(); his.requestSubmit(); }
  });

  const refresh = (name) => fetchInto(`${url}panel/${name}/?external_user_id=${encodeURIComponent(external)}`, `#${name}-card`, "outerHTML");

  // ---------------------------------------------------------------- the words
  const cardOf = (node) => node.closest("[data-task]");
  const wordsOf = (card) => JSON.parse(card.dataset.offers);

  function marked(text) {
    const box = document.createDocumentFragment();
    text.split(/(⟦[^⟧]*⟧|\n)/).forEach((piece) => {
      if (piece === "\n") box.append(document.createElement("br"));
      else if (piece.startsWith("⟦")) { const mark = document.createElement("mark"); mark.textContent = piece.slice(1, -1); box.append(mark); }
      else if (piece) box.append(piece);
    });
    return box;
  }

  function nextWords(card) {
    const words = wordsOf(card);
    const place = (Number(card.dataset.place || 0) + 1) % words.length;
    card.dataset.place = place;
    const shown = one("[data-words]", card);
    shown.replaceChildren(marked(words[place].marked));
    shown.dataset.key = words[place].key;
    one("textarea", card).value = words[place].text;
  }

  function edit(card, button) {
    const box = one("[data-edit-box]", card);
    const isOpen = box.hidden;
    box.hidden = !isOpen;
    one(".side-chat", card).hidden = isOpen;
    button.setAttribute("aria-expanded", String(isOpen));
    button.textContent = isOpen ? "好了" : "改一改";
    if (isOpen) { one("textarea", card).focus(); return; }
    const said = current(card);
    const whole = wordsOf(card).find((row) => row.text === said.text);
    one("[data-words]", card).replaceChildren(marked(whole ? whole.marked : said.text));
  }

  function current(card) {
    const text = one("textarea", card).value.trim();
    const shown = one("[data-words]", card);
    const key = shown ? shown.dataset.key : "";
    const source = wordsOf(card).find((row) => row.key === key);
    return {
      text, script_key: key, was_edited: Boolean(source) && source.text !== text,
      also: Array.from(card.querySelectorAll('[name="also"]:checked'), (tick) => Number(tick.value)),
      care_mode: document.documentElement.dataset.weuiMode === "care",
    };
  }

  // ---------------------------------------------------------------- sending
  const act = (task, name) => `/api/v1/tasks/${task}/${name}/`;
  const said = (problem) => [problem.title, problem.detail].filter((part, at, all) => part && all.indexOf(part) === at).join("：");

  async function send(card, button) {
    const { task, called } = card.dataset;
    const words = current(card);
    if (!words.text) { yjb.alert("先写一句话再发"); return false; }
    yjb.busy(button);
    try {
      const ready = await yjb.post(act(task, "send"), { script_key: words.script_key, text: words.text });
      if (!ready.ok) { await refused(card, ready); return false; }
      const out = await yjbWecom.sendText(words.text);
      if (!out.ok) { failed(card, out); return false; }
      await record(task, { ...words, receipt: { errMsg: out.result.errMsg || "sendChatMessage:ok" } }, `发给${called}了`);
      return true;
    } finally {
      yjb.idle(button);
    }
  }

  // Words found by the search take the place of those on the card; then they go out as the card's own do.
  function take(card, key, text) {
    const words = wordsOf(card);
    let place = words.findIndex((row) => row.key === key);
    if (place < 0) { place = words.length; words.push({ key, text, marked: text }); card.dataset.offers = JSON.stringify(words); }
    card.dataset.place = place;
    const shown = one("[data-words]", card);
    if (shown) { shown.replaceChildren(marked(words[place].marked)); shown.dataset.key = key; }
    one("textarea", card).value = text;
  }

  async function refused(card, { status, data }) {
    if (status === 0 || status >= 500) { failed(card, { reason: "refused", sentence: said(data) }); return; }
    yjb.alert(said(data));
    if (status === 409 || status === 404) { await refresh("due"); await refresh("more"); }
  }

  function failed(card, { reason, sentence }) {
    one("[data-fail-title]", card).textContent = reason === "unknown" ? "不确定发出去没有" : "没发出去，话术还在";
    one("[data-fail-text]", card).textContent = reason === "unknown" ? "看一眼聊天：有了就点「我发了」，没有再发一次" : sentence;
    one("[data-fail]", card).hidden = false;
    byHand(card, { again: reason !== "outside", claim: reason === "unknown" });
  }

  function byHand(card, { again, claim }) {
    one("[data-acts]", card).hidden = true;
    one("[data-by-hand]", card).hidden = false;
    one("[data-again]", card).hidden = !again;
    one("[data-claim]", card).hidden = !claim;
  }

  // What left is written down before anything else can go wrong. Without a network it is told again until an answer comes,
  // and until then the words cannot go out a second time.
  const SHELF = "yjb.unrecorded";
  const AGAIN_MS = 8000;
  const kept = () => { try { return JSON.parse(localStorage.getItem(SHELF)) || {}; } catch (refusal) { return {}; } };
  const keep = (rows) => { try { localStorage.setItem(SHELF, JSON.stringify(rows)); } catch (refusal) { /* the page itself still tells it */ } };
  const forget = (task) => { const { [task]: told, ...rest } = kept(); keep(rest); };
  const isLost = (answer) => answer.status === 0 || answer.status >= 500;
  let waiting = 0;

  function lock(card) {
    one("[data-fail-title]", card).textContent = "已经发出，记录还没存上";
    one("[data-fail-text]", card).textContent = "连上后自动补，不用再发";
    one("[data-fail]", card).hidden = false;
    card.querySelectorAll("[data-acts],[data-by-hand]").forEach((row) => { row.hidden = true; });
  }

  async function record(task, payload, sentence) {
    keep({ ...kept(), [task]: payload });
    const answer = await yjb.post(act(task, "sent"), payload);
    if (isLost(answer)) {
      lock(one(`[data-task="${task}"]`));
      tellAgain();
      return;
    }
    forget(task);
    if (!answer.ok) { yjb.alert(said(answer.data)); await refresh("due"); return; }
    await Promise.all([refresh("due"), refresh("more")]);
    yjb.toast(sentence, answer.data.undo_until ? { undo: act(task, "undo") } : {});
  }

  function tellAgain() {
    clearTimeout(waiting);
    waiting = setTimeout(tellKept, AGAIN_MS);
  }

  async function tellKept() {
    for (const [task, payload] of Object.entries(kept())) {
      const answer = await yjb.post(act(task, "sent"), payload);
      if (isLost(answer)) { tellAgain(); return; }
      forget(task);
      if (one("#due-card")) await Promise.all([refresh("due"), refresh("more")]);
      if (answer.ok) yjb.toast("刚才发的，记录补上了");
    }
  }

  async function copyWords(card) {
    const words = current(card);
    if (!(await yjb.copy(words.text))) return;
    one("[data-claim]", card).hidden = false;
    const ready = await yjb.post(act(card.dataset.task, "send"), { script_key: words.script_key, text: words.text });
    if (ready.ok) yjb.toast("已复制，去聊天里粘贴");
    else await refused(card, ready);
  }

  async function claim(card, button) {
    const { task, called } = card.dataset;
    const { text, script_key, also, care_mode } = current(card);
    yjb.busy(button);
    const answer = await yjb.post(act(task, "claimed"), { text, script_key, also, care_mode });
    yjb.idle(button);
    if (!answer.ok) { await refused(card, answer); return; }
    await Promise.all([refresh("due"), refresh("more")]);
    yjb.toast(`${called} 标记为已发`, answer.data.undo_until ? { undo: act(task, "undo") } : {});
  }

  async function outcome(button) {
    const { sent } = button.closest("[data-sent]").dataset;
    yjb.busy(button);
    const answer = await yjb.post(act(sent, "outcome"), { outcome: button.dataset.outcome });
    yjb.idle(button);
    if (!answer.ok) { yjb.alert(said(answer.data)); return; }
    await refresh("due");
    yjb.toast(`记下了：${button.textContent.trim()}`);
  }

  // ---------------------------------------------------------------- words the search found
  async function say(row, button) {
    const { key, text, called } = row.dataset;
    const card = one("[data-task]");
    if (row.dataset.say === "task" && card) {
      take(card, key, text);
      if (await send(card, button)) sayDone(row);
      else card.scrollIntoView({ block: "start" });
      return;
    }
    const { ask, said: tell } = one("#scripts-card").dataset;
    const wanted = { external_user_id: external, script_key: key, text };
    yjb.busy(button);
    try {
      const ready = await yjb.post(ask, wanted);
      if (!ready.ok) { yjb.alert(said(ready.data)); return; }
      const out = await yjbWecom.sendText(text);
      if (!out.ok) { yjb.alert(out.sentence); return; }
      sayDone(row);
      yjb.toast(`发给${called}了`);
      await yjb.post(tell, wanted);
    } finally {
      yjb.idle(button);
    }
  }

  function sayDone(row) {
    const button = one("[data-say-send]", row);
    yjb.idle(button); // its own words stand on it again
    button.disabled = true;
    one("span", button).textContent = "已发送";
  }

  function sayEdit(row) {
    const card = one("[data-task]");
    const button = card && one("[data-edit]", card);
    if (!card || !button) return;
    take(card, row.dataset.key, row.dataset.text);
    if (one("[data-edit-box]", card).hidden) edit(card, button);
    card.scrollIntoView({ block: "start" });
  }

  // ---------------------------------------------------------------- coupons
  // The coupon is his before its card goes out: a card that did not go can be sent again, or said in words.
  async function giveCoupon(row, button) {
    yjb.busy(button);
    try {
      const given = row.given || await yjb.post(row.dataset.give, { external_user_id: external, batch: Number(row.dataset.coupon) });
      if (!given.ok) { yjb.alert(said(given.data)); return; }
      row.given = given;
      const out = await yjbWecom.sendLink(given.data.card);
      one("[data-after]", row).hidden = out.ok;
      if (!out.ok) { yjb.alert(out.sentence); return; }
      row.given = null;
      yjb.toast(`券发给${given.data.called}了`);
      await Promise.all([refresh("coupons"), refresh("assets")]);
    } finally {
      yjb.idle(button);
    }
  }

  async function copyCoupon(row) {
    if (row.given && await yjb.copy(row.given.data.text)) yjb.toast("已复制，去聊天里粘贴");
  }

  // ---------------------------------------------------------------- hands
  host.addEventListener("click", (event) => {
    const hit = (selector) => event.target.closest(selector);
    const card = cardOf(event.target);
    let at;
    if ((at = hit("[data-outcome]"))) outcome(at);
    else if ((at = hit("[data-say-send]"))) say(at.closest("[data-say]"), at);
    else if ((at = hit("[data-say-edit]"))) sayEdit(at.closest("[data-say]"));
    else if ((at = hit("[data-coupon-send]"))) giveCoupon(at.closest("[data-coupon]"), at);
    else if ((at = hit("[data-coupon-copy]"))) copyCoupon(at.closest("[data-coupon]"));
    else if (!card) return;
    else if (hit("[data-next-words]")) nextWords(card);
    else if ((at = hit("[data-edit]"))) edit(card, at);
    else if ((at = hit("[data-send]"))) send(card, at);
    else if (hit("[data-copy-words]")) copyWords(card);
    else if ((at = hit("[data-claim]"))) claim(card, at);
  });

  // Outside a chat the green button could only fail: offer the words to copy at once.
  async function settle() {
    if (one("[data-say-send]")) {
      canSend = canSend || yjbWecom.canSend();
      if (!(await canSend)) host.querySelectorAll("[data-say-send],[data-say-edit]").forEach((button) => { button.hidden = true; });
    }
    const card = one("[data-task]");
    if (card && kept()[card.dataset.task]) { lock(card); return; }
    if (!card || !one("[data-acts]", card) || one("[data-by-hand]", card).hidden === false) return;
    canSend = canSend || yjbWecom.canSend();
    if (await canSend) return;
    if (!document.contains(card)) return;
    byHand(card, { again: false, claim: false });
  }

  // A task opens some seconds after he was made known, or while she looked elsewhere: it comes to the page by itself.
  // What stands there to be sent is left alone.
  const LOOK_AFTER_MS = [1500, 4000, 8000, 15000, 30000, 45000];
  let looks = [];

  async function lookAgain() {
    if (document.hidden || !external || !one("#due-card") || one("[data-task]")) return;
    const of = external;
    let answer;
    try {
      answer = await fetch(`${url}panel/due/?external_user_id=${encodeURIComponent(of)}`, { credentials: "same-origin", headers: { "HX-Request": "true", Accept: "text/html" } });
    } catch (lost) { return; }
    if (!answer.ok) return;
    const html = await answer.text();
    if (of !== external || !html.includes("data-task=") || !one("#due-card") || one("[data-task]")) return;
    htmx.swap("#due-card", html, { swapStyle: "outerHTML", swapDelay: 0, settleDelay: 0 });
    await refresh("more");
  }

  function watch() {
    looks.forEach(clearTimeout);
    looks = LOOK_AFTER_MS.map((wait) => setTimeout(lookAgain, wait));
  }

  document.addEventListener("htmx:afterRequest", ({ detail }) => {
    const { path, verb } = detail.requestConfig;
    if (detail.successful && verb === "post" && /\/sidebar\/(link|register)\/$/.test(path)) watch();
  });
  document.addEventListener("visibilitychange", lookAgain);
  window.addEventListener("focus", lookAgain);
  window.addEventListener("pageshow", ({ persisted }) => { if (persisted) lookAgain(); });
  // The client hides and shows the page without telling it; it is seen again all the same.
  let wasHidden = false;
  new IntersectionObserver((seen) => {
    const isShown = seen[seen.length - 1].isIntersecting;
    if (isShown && wasHidden) lookAgain();
    wasHidden = !isShown;
  }).observe(host);

  // The tool 话术 under the page leads to the search on it.
  document.addEventListener("click", (event) => {
    const field = event.target.closest(".botbar a[href='/g/scripts/']") && one("#say-q");
    if (!field) return;
    event.preventDefault();
    field.scrollIntoView({ block: "center" });
    field.focus();
  });
  document.addEventListener("htmx:load", settle);
  // The client said late that this is a chat after all: what was offered to copy may be sent, unless she is at work on it.
  document.addEventListener("yjb:entry", async () => {
    canSend = yjbWecom.canSend();
    if (!(await canSend) || !external) return;
    host.querySelectorAll("[data-say-send],[data-say-edit]").forEach((button) => { button.hidden = false; });
    const byItsHand = one("[data-by-hand]");
    if (byItsHand && !byItsHand.hidden && one("[data-edit-box]").hidden) await refresh("due");
  });
  document.addEventListener("yjb:online", tellKept);
  if ("refused" in host.dataset) return;
  if (external) settle();
  else load();
  if (Object.keys(kept()).length) tellKept();
})();
