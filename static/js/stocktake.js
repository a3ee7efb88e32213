// 盘点: every scan is kept on the phone first (kept.js), under a name of its own, then brought to the house; sent again it is the
// same. What became of it (an own code scanned by two, an unknown one, one too late) stands beside it. The house's side:
// crm/catalogue/stocktake/services/counting.py.
(function () {
  "use strict";

  const one = (selector, scope) => (scope || document).querySelector(selector);
  const all = (selector, scope) => Array.from((scope || document).querySelectorAll(selector));
  const page = JSON.parse(one("#stocktake-known").textContent);
  const kept = window.yjbKept;
  const MOST = 100; // scans of one batch
  const SHOWN = 30;
  const EVERY = 5000;
  const RETRY = [4, 8, 15, 30, 60];

  const goods = new Map(); // code or barcode → "name colour · size"
  page.goods.forEach(([code, barcode, name, color, size]) => {
    [code, barcode].forEach((key) => { if (key) goods.set(key, `${name} ${color} · ${size}`); });
  });
  const pending = new Map(); // name → {id, kind: scan | undo, of?, …} that the house has not taken
  const shown = []; // what was scanned on this page, newest first: {id, code, quantity, zone, state, said, name}
  const onTheWay = new Set();
  let progress = null, isRunning = false, isAgain = false, failures = 0, timer = 0, isClosed = false, canKeep = true;

  const shelf = {
    get(name) { try { return localStorage.getItem(name); } catch (refused) { return null; } },
    set(name, value) { try { localStorage.setItem(name, value); } catch (refused) { /* lives with the page */ } },
  };
  const device = shelf.get("yjb.device") || window.yjb.newKey();
  shelf.set("yjb.device", device);
  let zone = shelf.get(`yjb.zone.${page.id}`) || "";

  const node = (html) => { const holder = document.createElement("template"); holder.innerHTML = html; return holder.content.firstElementChild; };
  const text = (value) => { const span = document.createElement("span"); span.textContent = value === null || value === undefined ? "" : value; return span.innerHTML; };
  const clockTime = (at) => new Date(at).toLocaleTimeString("zh-CN", { hour: "numeric", minute: "2-digit", hour12: false, timeZone: "Asia/Shanghai" });
  const codeOf = (said) => (said.includes("/i/") ? said.replace(/\/+$/, "").split("/").pop() : said);

  // ---------------------------------------------------------------- a scan
  const rowId = (id) => `stocktake|${id}`;
  let lastSeq = 0; // a scan goes before what takes it back, also after the page was closed
  async function keep(row) {
    lastSeq = row.seq = Math.max(Date.now(), lastSeq + 1);
    pending.set(row.id, row);
    try { await kept.put("changes", Object.assign({}, row, { id: rowId(row.id), name: row.id, stocktake: page.id, staff: page.staff })); } catch (refused) { canKeep = false; }
  }
  async function drop(id) {
    pending.delete(id);
    await kept.drop("changes", rowId(id)).catch(() => {});
  }

  async function scan(said, quantity, isManual) {
    const code = codeOf(said.trim());
    if (!code || isClosed) return;
    if (!zone) { remind(); return; }
    const row = { id: window.yjb.newKey(), kind: "scan", code, zone, quantity: quantity || 1, manual: Boolean(isManual), round: page.round, at: new Date(window.yjb.productNow()).toISOString() };
    shown.unshift({ id: row.id, code, zone, quantity: row.quantity, state: "waiting", name: goods.get(code) || "" });
    shown.length = Math.min(shown.length, SHOWN);
    if (navigator.vibrate) navigator.vibrate(30);
    paint();
    await keep(row);
    soon(600);
  }

  async function undo() {
    const last = shown.find((row) => !["undone", "refused"].includes(row.state));
    if (!last) return;
    last.state = "undone";
    if (pending.has(last.id) && !onTheWay.has(last.id)) await drop(last.id);
    else await keep({ id: window.yjb.newKey(), kind: "undo", of: last.id });
    window.yjb.toast("撤销了上一次");
    paint();
    soon(300);
  }

  // ---------------------------------------------------------------- to the house and back
  function soon(wait) { clearTimeout(timer); timer = setTimeout(sync, wait); }

  async function sync() {
    if (isRunning) { isAgain = true; return; }
    if (window.yjb.offline || document.hidden) { paint(); return; }
    isRunning = true;
    isAgain = false;
    clearTimeout(timer);
    let wait = EVERY;
    try { wait = await exchange(); } finally {
      isRunning = false;
      onTheWay.clear();
      paint();
      if (wait) soon(isAgain ? 200 : wait);
    }
  }

  async function exchange() {
    const rows = Array.from(pending.values()).slice(0, MOST);
    rows.forEach((row) => onTheWay.add(row.id));
    const said = {
      device, zone, waiting: pending.size - rows.length,
      scans: rows.filter((row) => row.kind === "scan").map(({ id, code, zone: where, quantity, manual, round, at }) => ({ id, code, zone: where, quantity, manual, round, at })),
      undo: rows.filter((row) => row.kind === "undo").map(({ id, of }) => ({ id, of })),
    };
    const { ok, status, data } = await window.yjb.post(page.urls.sync, said);
    if (status === 409 && data.code === "stocktake.closed") { isClosed = true; sayClosed(); return 0; }
    if (status === 401) { location.assign(`/login/?next=${encodeURIComponent(location.pathname)}`); return 0; }
    if (!ok) {
      if (status === 404 || status === 403) { news("amber", "这次盘点不再由你盘了", "手机里没传上来的还留着。"); return 0; }
      if (status && status < 500 && status !== 429) { news("amber", data.title || "没传上去", data.detail || ""); }
      failures += 1;
      return 1000 * RETRY[Math.min(failures, RETRY.length) - 1];
    }
    failures = 0;
    await take(data);
    if (data.state !== page.state || data.round !== page.round) { if (!pending.size) { location.reload(); return 0; } }
    return pending.size ? 200 : EVERY;
  }

  async function take(data) {
    for (const id of data.taken) await drop(id);
    for (const { id, why } of data.refused) {
      const row = shown.find((other) => other.id === id);
      if (row) { row.state = "refused"; row.said = why; }
      await drop(id);
    }
    Object.entries(data.scans).forEach(([id, facts]) => {
      const row = shown.find((other) => other.id === id);
      if (!row || row.state === "undone") return;
      row.name = facts.name ? `${facts.name} ${facts.color} · ${facts.size}` : row.name;
      [row.state, row.said] = became(facts);
    });
    progress = data.progress;
  }

  function became(facts) {
    if (facts.voided) return ["undone", ""];
    if (facts.is_late) return ["late", "收盘后才到，等店长定算不算"];
    if (facts.by) return ["twice", `${facts.by === page.me ? "你" : text(facts.by)} ${clockTime(facts.scanned_at)} 在${text(facts.zone || "别处")}扫过，这件只算一次`];
    if (facts.outside) return ["outside", "不在这次盘的范围里，不算"];
    if (!facts.name) return ["unknown", "没有这个货号，留给店长看"];
    return ["taken", ""];
  }

  // ---------------------------------------------------------------- what stands on the page
  const TAGS = { waiting: ["", "等着上传"], twice: ["amber", "扫过了"], unknown: ["amber", "不认得"], outside: ["amber", "不在范围"], late: ["amber", "晚到"], refused: ["red", "没收下"], undone: ["", "已撤销"] };

  function paint() {
    const me = progress && progress.people.find((person) => person.staff === page.staff);
    const waiting = Array.from(pending.values()).filter((row) => row.kind === "scan").reduce((sum, row) => sum + row.quantity, 0);
    all("[data-mine]").forEach((place) => { place.textContent = (me ? me.pieces : 0) + waiting; });
    const queue = one("[data-queue]");
    if (queue) queue.textContent = !canKeep ? "这部手机存不下，别关页面" : pending.size ? `等着上传 ${pending.size}${window.yjb.offline ? "，有网自己传" : ""}` : window.yjb.offline ? "没网，扫了先存在手机里" : "都传上去了";
    const state = one("[data-state]");
    state.textContent = window.yjb.offline ? "· 没网" : "";
    all("[data-zone]").forEach((chip) => {
      const isOn = chip.dataset.zone === zone;
      chip.setAttribute("aria-pressed", String(isOn));
      chip.classList.toggle("on", isOn);
    });
    const undoButton = one("[data-undo]");
    if (undoButton) undoButton.disabled = !shown.some((row) => !["undone", "refused"].includes(row.state));
    paintLast();
    paintPeople();
    paintZone();
  }

  function paintLast() {
    one("[data-last-box]").hidden = !shown.length;
    one("[data-last]").replaceChildren(...shown.slice(0, 12).map((row) => {
      const [tone, label] = TAGS[row.state] || ["", ""];
      return node(`<div class="st-line${row.state === "undone" ? " is-off" : ""}" data-scan-row="${row.state}"><span class="grow"><span class="fs15">${text(row.name || row.code)}</span><span class="fs12 muted" style="display:block">${text(row.name ? `${row.code} · ${row.zone}` : row.zone)}${row.said ? ` · ${row.said}` : ""}</span></span>${label ? `<span class="tag ${tone}">${label}</span>` : ""}<b class="num q">${row.quantity}</b></div>`);
    }));
  }

  function paintPeople() {
    if (!progress) return;
    one("[data-total]").textContent = `一共 ${progress.pieces} 件 · ${progress.sizes} 个款码`;
    const rows = progress.people.map((person) => {
      const where = progress.zones.filter((row) => row.staff === person.staff).map((row) => `${row.zone} ${row.pieces}`).join("，");
      const quiet = window.yjb.productNow() - Date.parse(person.seen_at) > 120000 ? `，${clockTime(person.seen_at)} 后没联系上` : "";
      return node(`<div class="cell row"><span class="grow">${text(person.name)}${person.staff === page.staff ? "（我）" : ""}<span class="fs12 muted" style="display:block">${text(where || person.zone || "")}${person.waiting ? `，还有 ${person.waiting} 没传` : ""}${quiet}</span></span><b class="num">${person.pieces}</b></div>`);
    });
    if (rows.length) one("[data-people]").replaceChildren(...rows);
  }

  // Two in one place add up what has no code of its own: say so where it begins, not afterwards.
  function paintZone() {
    const note = one("[data-zone-note]");
    if (!note) return;
    const others = progress && zone ? progress.people.filter((person) => person.staff !== page.staff && person.zone === zone) : [];
    note.hidden = Boolean(zone) && !others.length;
    note.textContent = !zone ? "先点一下在哪个区盘" : others.length ? `${others.map((person) => person.name).join("、")}也在${zone}：没有一物一码的货会重复，换个区，或者分好谁数哪一排` : "";
  }

  function remind() {
    window.yjb.toast("先点一下在哪个区盘");
    one("[data-zone-note]").scrollIntoView({ block: "center" });
  }

  function news(tone, title, said) {
    one("[data-news]").replaceChildren(node(`<div class="banner ${tone} mt3" role="alert"><span class="grow"><b>${text(title)}</b><br>${text(said)}</span></div>`));
  }

  function sayClosed() {
    const scans = Array.from(pending.values()).filter((row) => row.kind === "scan");
    const count = scans.reduce((sum, row) => sum + row.quantity, 0);
    const box = node(`<div class="card mt3" role="alert" data-closed><b>盘点已经结束了</b><p class="fs14 sub mt1">这部手机还有 ${count} 件没算进去，先给店长看一眼：</p><div class="fs13 num mt2" style="overflow-wrap:anywhere">${scans.slice(0, 40).map((row) => `${text(row.code)}×${row.quantity}`).join("，")}</div><button type="button" class="btn btn-block mt3" data-drop-rest>看过了，不用留</button></div>`);
    one("[data-news]").replaceChildren(box);
    one("[data-drop-rest]", box).addEventListener("click", async () => {
      for (const id of Array.from(pending.keys())) await drop(id);
      location.assign(page.urls.list);
    });
  }

  // ---------------------------------------------------------------- what a finger does
  function setZone(name) {
    zone = name.trim().slice(0, 16);
    shelf.set(`yjb.zone.${page.id}`, zone);
    if (zone && !all("[data-zone]").some((chip) => chip.dataset.zone === zone)) {
      const chip = node('<button type="button" class="chip" aria-pressed="true"></button>');
      chip.dataset.zone = chip.textContent = zone;
      one("[data-zone-new]").before(chip);
    }
    paint();
    soon(100);
  }

  async function useCamera() {
    const answer = await window.yjbWecom.scan();
    if (answer.ok) { await scan(answer.text, 1, false); return; }
    if (answer.reason === "cancelled") return;
    window.yjb.toast(answer.reason === "outside" ? "这里没有相机扫码，用扫描枪或手输" : answer.sentence);
    one("[data-entry] input").focus();
  }

  const pad = { digits: "" };
  function paintPad() {
    const form = one("[data-pad-form]");
    const code = codeOf(form.elements.code.value.trim());
    one("[data-pad-number]").textContent = pad.digits || "0";
    one("[data-pad-name]").textContent = code ? goods.get(code) || "这个货号联网后再认" : "先扫或输货号";
  }

  document.addEventListener("click", (event) => {
    const hit = (selector) => event.target.closest(selector);
    let at = hit("[data-zone]");
    if (at) { setZone(at.dataset.zone); return; }
    if (hit("[data-scan]")) { useCamera(); return; }
    if (hit("[data-undo]")) { undo(); return; }
    if (hit("[data-zone-new]")) { window.yjb.openSheet("#zone-new"); return; }
    if (hit("[data-pad]")) {
      pad.digits = "";
      one("[data-pad-form]").elements.code.value = one("[data-entry] input").value || "";
      window.yjb.openSheet("#pad");
      paintPad();
      return;
    }
    at = hit("[data-key]");
    if (at) {
      const key = at.dataset.key;
      pad.digits = key === "clear" ? "" : key === "back" ? pad.digits.slice(0, -1) : (pad.digits + key).replace(/^0+/, "").slice(0, 3);
      paintPad();
    }
  });
  document.addEventListener("input", (event) => { if (event.target.closest("[data-pad-form]")) paintPad(); });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.matches("[data-entry]")) {
      event.preventDefault();
      scan(form.elements.code.value, 1, false);
      form.reset();
      form.elements.code.focus();
    } else if (form.matches("[data-pad-form]")) {
      event.preventDefault();
      const [code, quantity] = [form.elements.code.value.trim(), Number(pad.digits)];
      if (!code || !quantity) { window.yjb.toast(code ? "输一下几件" : "先扫或输货号"); return; }
      scan(code, quantity, true);
      form.reset();
      one("[data-entry]").reset();
      window.yjb.closeSheet();
    } else if (form.matches("[data-zone-form]")) {
      event.preventDefault();
      setZone(form.elements.zone.value);
      window.yjb.closeSheet();
    } else if (form.matches("[data-end-count]") && pending.size) {
      event.preventDefault();
      event.stopImmediatePropagation();
      window.yjb.alert(`这部手机还有 ${pending.size} 条没传上去，等它传完再收`);
      sync();
    } else if (form.matches("[data-end-count]") && !isSureForAll()) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  }, true);

  // It ends for all who count, not for this phone alone.
  function isSureForAll() {
    const names = (progress ? progress.people : []).filter((person) => person.staff !== page.staff).map((person) => person.name);
    return page.round > 1 || !names.length || window.confirm(`收盘后大家都不能再扫。${names.join("、")}也盘完了吗？`);
  }

  // ---------------------------------------------------------------- start
  async function start() {
    try {
      const rows = await kept.all("changes");
      rows.filter((row) => row.stocktake === page.id && row.staff === page.staff).sort((a, b) => a.seq - b.seq).forEach((row) => {
        pending.set(row.name, Object.assign({}, row, { id: row.name }));
        if (row.kind === "scan") shown.push({ id: row.name, code: row.code, zone: row.zone, quantity: row.quantity, state: "waiting", name: goods.get(row.code) || "" });
      });
      shown.reverse();
    } catch (refused) { canKeep = false; }
    if (zone && page.can_scan) setZone(zone); else paint();
    document.documentElement.dataset.ready = "1";
    if (page.can_scan || pending.size) sync();
    if (navigator.storage && navigator.storage.persist) navigator.storage.persist().catch(() => {});
    kept.warm();
  }
  document.addEventListener("yjb:online", () => { failures = 0; sync(); });
  document.addEventListener("yjb:offline", paint);
  window.addEventListener("online", () => soon(500));
  document.addEventListener("visibilitychange", () => { if (!document.hidden) sync(); });
  start();
})();
