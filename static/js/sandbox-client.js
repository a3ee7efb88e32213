// The WeCom-like client at /sandbox/: conversations, chats, frames with our pages, and the client's half of the JS-SDK
// (the frames' half is sandbox-ww.js). It shows what the stand-in of the platform knows and asks it every two seconds.
(function () {
  "use strict";

  const one = (selector) => document.querySelector(selector);
  const all = (selector) => Array.from(document.querySelectorAll(selector));
  const facts = JSON.parse(one("#wx-facts").textContent);
  const { me, urls } = facts;
  const wx = one("#wx");
  const isNarrow = () => window.matchMedia("(max-width: 899px)").matches;
  const POLL_MS = 2000;

  function el(tag, className, text) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  }

  const shelf = {
    get(name, other) { try { return JSON.parse(localStorage.getItem(`sbx.${name}`)) ?? other; } catch (refused) { return other; } },
    set(name, value) { try { localStorage.setItem(`sbx.${name}`, JSON.stringify(value)); } catch (refused) { /* works without */ } },
  };

  const state = {
    view: "list", external: "", side: "guide", pagePath: "", cameFrom: "", fault: "",
    messages: [], lines: [], last: new Map(), after: 0, line: 0, loaded: false, query: "",
    seen: shelf.get(`seen.${me.userid}`, {}),
  };
  const friends = new Map(facts.friends.map((friend) => [friend.id, friend]));
  const nameOf = (external) => friends.get(external)?.name || "客户";

  function markSeen(key, seq) {
    if ((state.seen[key] || 0) >= seq) return;
    state.seen[key] = seq;
    shelf.set(`seen.${me.userid}`, state.seen);
  }

  // ---------------------------------------------------------------- frames, and signing in
  // The first page signs in by the OAuth round, as any page opened in the real client; the others wait for it.
  let entering = facts.signedIn ? Promise.resolve() : null;

  function openFrame(host, path, entry, external) {
    const frame = el("iframe");
    frame.title = entry === "normal" ? "业绩宝" : "业绩宝侧边栏";
    frame.dataset.entry = entry;
    frame.dataset.external = external || "";
    frame.dataset.path = path;
    const show = () => { if (!frame.dataset.gone) host.replaceChildren(frame); };
    const old = host.querySelector("iframe");
    if (old) old.dataset.gone = "1";
    if (!entering) {
      frame.src = `${urls.login}?next=${encodeURIComponent(path)}`;
      entering = new Promise((done) => frame.addEventListener("load", done, { once: true }));
      show();
    } else {
      host.replaceChildren();
      entering.then(() => { frame.src = path; show(); });
    }
    return frame;
  }

  const frameOf = (source) => all(".wx-frame iframe").find((frame) => frame.contentWindow === source);

  // ---------------------------------------------------------------- the client's half of the JS-SDK
  const list = (value) => (Array.isArray(value) ? value : String(value || "").split(";").filter(Boolean));
  const TOOLBAR = ["single_chat_tools"];
  const spotNow = () => (facts.spots || []).find((spot) => spot.key === shelf.get(`spot.${me.userid}`, "shop")) || (facts.spots || [])[0];
  all("[data-spot]").forEach((button) => {
    const mark = () => all("[data-spot]").forEach((other) => other.setAttribute("aria-pressed", String(other.dataset.spot === (spotNow() || {}).key)));
    button.addEventListener("click", () => { shelf.set(`spot.${me.userid}`, button.dataset.spot); mark(); });
    mark();
  });

  const calls = {
    getContext: (frame) => ({ entry: frame.dataset.entry }),
    checkJsApi: (frame, { jsApiList }) => ({ checkResult: Object.fromEntries(list(jsApiList).map((api) => [api, api in calls])) }),
    getCurExternalContact(frame) {
      return TOOLBAR.includes(frame.dataset.entry) ? { userId: frame.dataset.external } : "fail without context of external contact";
    },
    async sendChatMessage(frame, params) {
      if (!TOOLBAR.includes(frame.dataset.entry)) return "fail no permission";
      if (state.fault === "silent") return new Promise(() => {});
      if (state.fault === "refuse") return "fail no permission";
      const { msgtype } = params;
      if (!msgtype || !params[msgtype]) return "fail invalid msgtype";
      const line = msgtype === "text" ? { text: params.text.content } : { text: "", attachments: [{ msgtype, ...params[msgtype] }] };
      const answer = await yjb.post(urls.chat, { external: frame.dataset.external, from: "guide", nonce: Date.now(), ...line });
      if (!answer.ok) return "fail no permission";
      poll();
      return {};
    },
    openEnterpriseChat(frame, { externalUserIds }) {
      const [external] = list(externalUserIds);
      if (!external) return { chatId: "" };
      if (!friends.has(external)) return "fail no permission";
      one("#wx-tool").replaceChildren();
      openChat(external);
      return { chatId: `wr${external}` };
    },
    openUserProfile: () => ({}),
    closeWindow() { go("app"); return {}; },
    // A real phone's place moves by metres even at rest.
    getLocation(frame, { type }) {
      const spot = spotNow();
      const place = spot && spot[type === "gcj02" ? "gcj02" : "wgs84"];
      if (!place) return "fail location permission denied";
      const [latitude, longitude] = place.map((degrees) => degrees + (Math.random() - 0.5) * 6e-5);
      return { latitude, longitude, speed: 0, accuracy: spot.accuracy + Math.round(Math.random() * 90) / 10 };
    },
    startWifi: () => ({}),
    // The camera of this phone sees what one types.
    scanQRCode() {
      const seen = window.prompt("相机扫到的条码或二维码");
      return seen ? { resultStr: seen } : "cancel";
    },
    getConnectedWifi() {
      const spot = spotNow();
      return spot && spot.wifi ? { wifi: { SSID: "Store", BSSID: spot.wifi, secure: true, signalStrength: 80 } } : "fail not connected";
    },
  };

  window.addEventListener("message", async (event) => {
    const { yjbClient, id, api, params } = event.data || {};
    if (event.origin !== location.origin || yjbClient !== "call") return;
    const frame = frameOf(event.source);
    if (!frame) return;
    const answer = calls[api] ? await calls[api](frame, params || {}) : "fail function not exist";
    const result = typeof answer === "string" ? { errMsg: `${api}:${answer}`, errCode: 1 } : { ...answer, errMsg: `${api}:ok`, errCode: 0 };
    event.source.postMessage({ yjbClient: "answer", id, result }, location.origin);
  });

  // ---------------------------------------------------------------- where one is
  function go(view, detail) {
    const hash = view === "list" ? "" : `#${view}${detail ? `/${encodeURIComponent(detail)}` : ""}`;
    if (location.hash === hash || (!hash && !location.hash)) arrive();
    else if (hash) location.hash = hash;
    else { history.pushState(null, "", location.pathname); arrive(); }
  }

  function arrive() {
    const [view, detail] = location.hash.slice(1).split("/");
    const target = detail ? decodeURIComponent(detail) : "";
    if (view === "chat" && friends.has(target)) showChat(target);
    else if (view === "page" && target.startsWith("/")) showPage(target);
    else if (view === "work") showPage(facts.home, "work");
    else show(["app", "start"].includes(view) ? view : "list");
    if (state.view === "app") { drawCards(); scrollDown(one("#wx-cards")); }
    drawList();
  }

  function show(view) {
    state.view = view;
    wx.dataset.view = view;
    const pane = view === "list" ? "start" : view === "work" ? "page" : view;
    all("[data-pane]").forEach((part) => { part.hidden = part.dataset.pane !== pane; });
    all(".wx-rail [data-go]").forEach((button) => button.setAttribute("aria-pressed", String((button.dataset.go === "work") === (view === "work"))));
    one("#wx-side").hidden = view !== "chat" || !state.toolbar;
  }

  function showPage(path, as) {
    show(as || "page");
    const host = one("#wx-page");
    host.classList.toggle("phone", /^\/(g|m)\//.test(path));
    one("#wx-page-out").href = path;
    one("#wx-page-title").textContent = "业绩宝";
    if (host.querySelector("iframe")?.dataset.path === path) return;
    const frame = openFrame(host, path, "normal");
    frame.addEventListener("load", () => {
      try { one("#wx-page-title").textContent = (frame.contentDocument.title || "业绩宝").replace(/ · 业绩宝$/, ""); } catch (foreign) { /* keeps the plain title */ }
    });
  }

  function openPage(path, from) {
    state.cameFrom = from;
    one("#wx-page").replaceChildren();
    go("page", path);
  }

  function openChat(external) {
    if (state.external === external && state.view === "chat") showChat(external);
    else go("chat", external);
  }

  // ---------------------------------------------------------------- a chat
  function showChat(external) {
    const isOther = state.external !== external;
    state.external = wx.dataset.external = external;
    if (isOther) { state.lines = []; state.line = 0; state.side = "guide"; }
    state.toolbar = isNarrow() ? false : shelf.get("toolbar", true);
    show("chat");
    one("#wx-chat-name").textContent = nameOf(external);
    drawSide();
    drawLines();
    drawToolbar();
    if (isOther) poll();
  }

  function drawToolbar() {
    one("#wx-toolbar").setAttribute("aria-pressed", String(Boolean(state.toolbar)));
    one("#wx-side").hidden = !state.toolbar || state.view !== "chat";
    const host = one("#wx-tool");
    if (!state.toolbar) return;
    if (host.querySelector("iframe")?.dataset.external !== state.external) openFrame(host, urls.sidebar, "single_chat_tools", state.external);
  }

  function toggleToolbar(isOpen) {
    state.toolbar = isOpen;
    if (!isNarrow()) shelf.set("toolbar", isOpen);
    if (isOpen) one("#wx-tool").replaceChildren(); // opened anew, it starts at its first page, as in the real client
    drawToolbar();
  }

  function drawSide() {
    const isMember = state.side === "member";
    all("[data-side]").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.side === state.side)));
    one('[data-pane="chat"]').classList.toggle("member", isMember);
    one("#wx-chat-name").textContent = isMember ? me.name : nameOf(state.external);
    one("#wx-chat-at").textContent = isMember ? `@${facts.brand}` : "@微信";
    one("#wx-as").textContent = isMember ? `${nameOf(state.external)}在回` : "";
    one("#wx-text").placeholder = isMember ? "替会员回一句" : "";
  }

  function avatar(name, pk, size) {
    const face = el("span", `av a${(pk || 0) % 6 + 1} ${size || "av-36"}`, (name || "客").slice(0, 1));
    face.setAttribute("aria-hidden", "true");
    return face;
  }

  const clockOf = (at) => new Date(at * 1000).toLocaleTimeString("zh-CN", { hour: "numeric", minute: "2-digit", hour12: false, timeZone: "Asia/Shanghai" });
  const dayOf = (at) => new Date(at * 1000).toLocaleDateString("en-CA", { timeZone: "Asia/Shanghai" });

  function whenOf(at) {
    const today = dayOf(Date.parse(state.now || new Date()) / 1000);
    return dayOf(at) === today ? clockOf(at) : `${Number(dayOf(at).slice(5, 7))}-${dayOf(at).slice(8)} ${clockOf(at)}`;
  }

  function drawLines() {
    const host = one("#wx-lines");
    const friend = friends.get(state.external) || { name: "客户", pk: 0 };
    const nodes = [];
    if (!state.lines.length) nodes.push(el("div", "note", state.side === "member" ? "还没收到消息" : "还没聊过。点开业绩宝，备好的话术一点就发到这里"));
    let before = 0;
    for (const line of state.lines) {
      if (line.at - before > 300) nodes.push(el("div", "when", whenOf(line.at)));
      before = line.at;
      const isMine = line.from === state.side;
      const row = el("div", `bub${isMine ? "" : " in"}`);
      row.dataset.from = line.from;
      const face = line.from === "guide" ? avatar(me.face, me.pk) : avatar(friend.name, friend.pk);
      const text = el("p");
      if (line.text) text.append(...withLinks(line.text));
      else (line.attachments || []).forEach((part) => text.append(...attached(part)));
      row.append(...(isMine ? [text, face] : [face, text]));
      nodes.push(row);
    }
    host.replaceChildren(...nodes);
    scrollDown(host);
    const last = state.lines[state.lines.length - 1];
    if (last && state.view === "chat") markSeen(state.external, last.seq);
  }

  // A link to members' pages opens on the member's phone (sandbox-phone.js); others stay words.
  function phoneLink(path, words) {
    const link = el("button", "wx-link", words);
    link.type = "button";
    link.dataset.phone = path;
    return link;
  }

  const forMembers = (url) => { const path = pathOf(url); return /^\/(my|i)\//.test(path) ? path : ""; };

  function withLinks(text) {
    return text.split(/(https?:\/\/[^\s，。；、]+)/).map((part) => (/^https?:/.test(part) && forMembers(part) ? phoneLink(forMembers(part), part) : part));
  }

  function attached(part) {
    const url = part.link || part.url || (part.news && part.news.link) || "";
    const path = url && forMembers(url);
    return [path ? phoneLink(path, part.title || "打开") : `[${part.msgtype || "附件"}] `];
  }

  function scrollDown(host) { host.scrollTop = host.scrollHeight; }

  // ---------------------------------------------------------------- messages of the app
  // The platform knows div (gray, normal, highlight) and br in a card's text; anything else stays text.
  function rich(text) {
    const source = new DOMParser().parseFromString(text, "text/html").body;
    const copy = (from, to) => from.childNodes.forEach((node) => {
      if (node.nodeType === Node.TEXT_NODE) to.append(node.textContent);
      else if (node.nodeName === "BR") to.append(el("br"));
      else if (node.nodeName === "DIV") { const part = el("div", ["gray", "normal", "highlight"].find((name) => node.classList.contains(name)) || ""); copy(node, part); to.append(part); }
      else if (node.nodeType === Node.ELEMENT_NODE) copy(node, to);
    });
    const box = el("span", "text");
    box.style.display = "block";
    copy(source, box);
    return box;
  }

  // Our own address may be known by another name here (localhost, a test's port); the path is what counts.
  function pathOf(url) {
    try {
      const at = new URL(url, location.href);
      return [location.origin, new URL(facts.origin).origin].includes(at.origin) ? at.pathname + at.search : "";
    } catch (notUrl) { return ""; }
  }

  function drawCards() {
    const host = one("#wx-cards");
    const nodes = [];
    if (!state.messages.length) nodes.push(el("div", "note", state.loaded ? "还没有消息。到控制台造一单，一分钟内就来" : "正在取消息…"));
    let before = 0;
    for (const message of state.messages) {
      if (message.at - before > 300) nodes.push(el("div", "when", whenOf(message.at)));
      before = message.at;
      if (message.recalled) { nodes.push(el("div", "note", "业绩宝撤回了一条消息")); continue; }
      const path = message.url && pathOf(message.url);
      if (message.buttons.length) { nodes.push(buttonCard(message, path)); continue; }
      const card = el(path ? "button" : "div", "wx-card");
      card.dataset.seq = message.seq;
      if (message.title) card.append(el("b", "", message.title));
      card.append(rich(message.text));
      if (path) {
        const line = el("span", "go", message.button);
        line.append(el("span", "", "›"));
        card.append(line);
        card.type = "button";
        card.addEventListener("click", () => openPage(path, "app"));
      }
      nodes.push(card);
    }
    host.replaceChildren(...nodes);
    const last = state.messages[state.messages.length - 1];
    if (last && state.view === "app") markSeen("app", last.seq);
  }

  // A card with buttons: its body leads to the page, a button calls the app back. The client itself changes nothing: the
  // card stays as it is until the app gives another, so an impatient thumb presses twice.
  function buttonCard(message, path) {
    const card = el("div", "wx-card");
    card.dataset.seq = message.seq;
    const body = el("button", "wx-card-body");
    body.type = "button";
    body.append(el("b", "", message.title), rich(message.text));
    body.addEventListener("click", () => openPage(path, "app"));
    const acts = el("div", "wx-acts");
    if (message.grey) acts.append(el("span", "wx-grey", message.grey));
    else for (const one of message.buttons) {
      const button = el("button", one.style === 1 ? "wx-act first" : "wx-act", one.text);
      button.type = "button";
      button.addEventListener("click", async () => {
        if (!one.key) { openPage(pathOf(one.url), "app"); return; }
        const answer = await yjb.post(urls.press, { seq: message.seq, key: one.key, nonce: Date.now() });
        if (!answer.ok) yjb.alert(answer.data.detail || answer.data.title);
        poll();
      });
      acts.append(button);
    }
    card.append(body, acts);
    return card;
  }

  // ---------------------------------------------------------------- the list
  const unreadCards = () => state.messages.filter((message) => message.seq > (state.seen.app || 0)).length;
  const hasUnread = (external) => { const last = state.last.get(external); return last && last.from === "member" && last.seq > (state.seen[external] || 0); };

  function row(face, name, mark, last, when, count, isCurrent, act) {
    const line = el("button", "wx-row");
    line.type = "button";
    line.setAttribute("role", "listitem");
    if (isCurrent) line.setAttribute("aria-current", "true");
    if (count) face.append(el("i", "cnt", count));
    const words = el("span", "grow");
    words.style.minWidth = "0";
    const top = el("span", "nm");
    const title = el("b", "", name);
    if (mark) title.append(el("span", "wx-at", mark));
    top.append(title, el("span", "nowrap", when));
    const under = el("span", "last", last);
    under.style.display = "block";
    words.append(top);
    if (last) words.append(under);
    line.append(face, words);
    line.addEventListener("click", act);
    return line;
  }

  function drawList() {
    const host = one("#wx-rows");
    const rows = [];
    const fresh = unreadCards();
    if (!state.query) {
      const last = state.messages[state.messages.length - 1];
      const face = el("span", "av av-36 wx-app", "业");
      rows.push(row(face, "业绩宝", "", last ? last.title || last.text.replace(/<[^>]+>/g, " ") : "还没有消息", last ? whenOf(last.at) : "", fresh, state.view === "app", () => go("app")));
    }
    const order = [...friends.values()].sort((a, b) => (state.last.get(b.id)?.seq || 0) - (state.last.get(a.id)?.seq || 0));
    for (const friend of order) {
      if (state.query && !friend.name.includes(state.query)) continue;
      const last = state.last.get(friend.id);
      rows.push(row(avatar(friend.name, friend.pk), friend.name, "@微信", last ? last.text || "[附件]" : "", last ? whenOf(last.at) : "", hasUnread(friend.id) ? "1" : "", state.view === "chat" && state.external === friend.id, () => openChat(friend.id)));
      rows[rows.length - 1].dataset.external = friend.id;
    }
    if (!state.query) rows.push(row(el("span", "av av-36", "?"), "怎么玩", "", "三步看懂业绩宝", "", "", state.view === "start", () => go("start")));
    const top = host.scrollTop;
    host.replaceChildren(...rows);
    host.scrollTop = top;
    const badge = one("[data-unread]");
    const count = fresh + order.filter((friend) => hasUnread(friend.id)).length;
    badge.hidden = !count;
    badge.textContent = count > 99 ? "99+" : count;
    document.title = `${count ? `(${count}) ` : ""}${me.name} · 企业微信沙箱`;
  }

  // ---------------------------------------------------------------- asking the stand-in
  let polling = null;
  let isDown = false;

  function poll() {
    polling = polling || ask().finally(() => { polling = null; });
    return polling;
  }

  async function ask() {
    const external = state.external;
    const query = new URLSearchParams({ after: state.after, chat: external, line: state.line });
    let answer;
    try {
      const response = await fetch(`${urls.poll}?${query}`, { credentials: "same-origin", headers: { Accept: "application/json" } });
      if (response.status === 401) { location.assign(urls.people); return; }
      if (!response.ok) throw new Error(response.status);
      answer = await response.json();
    } catch (failure) {
      if (!isDown) yjb.alert("企业微信沙箱没有回音，等它一下");
      isDown = true;
      return;
    }
    isDown = false;
    const isFirst = !state.loaded;
    state.loaded = true;
    state.now = answer.now;
    all("[data-clock]").forEach((box) => { box.textContent = answer.clock; });
    const known = new Map(state.messages.map((message, place) => [message.seq, place]));
    const fresh = answer.messages.filter((message) => !known.has(message.seq));
    const changed = answer.messages.filter((message) => known.has(message.seq));
    changed.forEach((message) => { state.messages[known.get(message.seq)] = message; });
    state.messages.push(...fresh);
    state.after = Math.max(state.after, ...answer.messages.map((message) => Math.max(message.seq, message.changed)));
    if (changed.length && !fresh.length) drawCards();
    state.last = new Map(answer.chats.map((line) => [line.external_userid, line]));
    if (external === state.external) {
      const added = answer.lines.filter((line) => line.seq > state.line);
      if (added.length) { state.lines.push(...added); state.line = added[added.length - 1].seq; drawLines(); }
    }
    if (fresh.length || isFirst) {
      drawCards();
      if (state.view === "app") scrollDown(one("#wx-cards"));
      else if (!isFirst) yjb.toast(`业绩宝：${fresh[fresh.length - 1].title || "来了一条消息"}`);
    }
    const mark = JSON.stringify([state.messages.length, answer.chats, state.seen, state.view, state.external]);
    if (mark !== state.mark) { state.mark = mark; drawList(); }
  }

  // ---------------------------------------------------------------- hands
  document.addEventListener("click", (event) => {
    const hit = (selector) => event.target.closest(selector);
    let at = hit("[data-go]");
    if (at) { state.cameFrom = ""; go(at.dataset.go); return; }
    if (hit("[data-page-back]")) { go(state.view === "page" ? state.cameFrom || "app" : "list"); return; }
    if (hit("#wx-toolbar")) { toggleToolbar(!state.toolbar); return; }
    if (hit("[data-side-close]")) { toggleToolbar(false); return; }
    at = hit("[data-side]");
    if (at) { state.side = at.dataset.side; drawSide(); drawLines(); return; }
    at = hit("[data-turn]");
    if (at) { turn(at); return; }
    at = hit("[data-fault]");
    if (at) { breakIt(at.dataset.fault, at); return; }
    at = hit("[data-local]");
    if (at) { state.fault = at.getAttribute("aria-pressed") === "true" ? "" : at.dataset.local; drawLocal(); }
  });

  one("#wx-q").addEventListener("input", (event) => { state.query = event.target.value.trim(); drawList(); });

  one("#wx-say").addEventListener("submit", async (event) => {
    event.preventDefault();
    const box = one("#wx-text");
    const text = box.value.trim();
    if (!text) return;
    const answer = await yjb.post(urls.chat, { external: state.external, from: state.side, text, nonce: Date.now() });
    if (!answer.ok) { yjb.alert(answer.data.detail || answer.data.title); return; }
    box.value = "";
    poll();
  });

  one("#wx-text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); one("#wx-say").requestSubmit(); }
  });

  async function turn(button) {
    yjb.busy(button);
    const answer = await yjb.post(urls.clock, { ...JSON.parse(button.dataset.turn), nonce: Date.now() });
    yjb.idle(button);
    if (!answer.ok) { yjb.alert(answer.data.detail || answer.data.title); return; }
    yjb.toast(`现在是${answer.data.clock}`);
    poll();
  }

  const drawFaults = (on) => all("[data-fault]").forEach((button) => { if (button.dataset.fault) button.setAttribute("aria-pressed", String(on.includes(button.dataset.fault))); });
  const drawLocal = () => all("[data-local]").forEach((button) => button.setAttribute("aria-pressed", String(state.fault === button.dataset.local)));

  async function breakIt(key, button) {
    const isOn = button.getAttribute("aria-pressed") === "true";
    if (!key) { state.fault = ""; drawLocal(); }
    const answer = await yjb.post(urls.faults, { key: isOn ? "" : key, nonce: Date.now() });
    if (answer.ok) drawFaults(answer.data.on);
    else yjb.alert(answer.data.detail || answer.data.title);
  }

  document.addEventListener("yjb:sheet-open", async ({ detail }) => {
    if (detail.sheet.id !== "control") return;
    const select = one('#ctl-order [name="external"]');
    if (select && state.external) select.value = state.external;
    const remark = one("#ctl-remark");
    if (remark) {
      remark.hidden = !state.external;
      one("[data-with]").textContent = nameOf(state.external);
    }
    try { drawFaults((await (await fetch(urls.faults, { headers: { Accept: "application/json" } })).json()).on || []); } catch (failure) { /* the poll says it */ }
  });

  const till = one("#ctl-order");
  if (till) {
    till.addEventListener("submit", async (event) => {
      event.preventDefault();
      const button = till.querySelector(".btn");
      yjb.busy(button);
      const { external, sku } = Object.fromEntries(new FormData(till));
      const answer = await yjb.post(urls.order, { external, sku, nonce: Date.now() });
      yjb.idle(button);
      one("#ctl-order-said").textContent = answer.ok ? answer.data.said : answer.data.detail || answer.data.title;
    });
  }

  // ---------------------------------------------------------------- strangers, and friends no more
  const scan = one("#ctl-scan");
  if (scan) {
    scan.addEventListener("submit", async (event) => {
      event.preventDefault();
      const button = scan.querySelector(".btn");
      yjb.busy(button);
      const answer = await yjb.post(urls.scan, { name: new FormData(scan).get("name"), nonce: Date.now() });
      yjb.idle(button);
      one("#ctl-scan-said").textContent = answer.ok ? answer.data.said : answer.data.detail || answer.data.title;
      if (!answer.ok || answer.data.userid !== me.userid.toLowerCase()) return;
      friends.set(answer.data.external, { id: answer.data.external, name: answer.data.name, pk: 0 });
      state.mark = "";
      yjb.closeSheet?.();
      openChat(answer.data.external);
    });
    const remark = one("#ctl-remark");
    remark.addEventListener("submit", async (event) => {
      event.preventDefault();
      const { remark: name, phone } = Object.fromEntries(new FormData(remark));
      const answer = await yjb.post(urls.remark, { external: state.external, remark: name, phone, nonce: Date.now() });
      if (answer.ok) yjb.toast(answer.data.said);
      else yjb.alert(answer.data.detail || answer.data.title);
    });
    all("[data-part]").forEach((button) => button.addEventListener("click", async () => {
      const answer = await yjb.post(urls.unfriend, { external: state.external, by: button.dataset.part, nonce: Date.now() });
      if (answer.ok) yjb.toast(answer.data.said);
      else yjb.alert(answer.data.detail || answer.data.title);
    }));
  }

  // ---------------------------------------------------------------- start
  window.addEventListener("hashchange", arrive);
  window.addEventListener("resize", () => { if (state.view === "chat" && !isNarrow() && !state.toolbar && shelf.get("toolbar", true)) toggleToolbar(true); });
  if (!location.hash && isNarrow() && !shelf.get("met", false)) { shelf.set("met", true); history.replaceState(null, "", "#start"); }
  arrive();
  poll();
  setInterval(() => { if (!document.hidden) poll(); }, POLL_MS);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) poll(); });
})();
