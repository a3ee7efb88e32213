// The page of a visit: what stands on it and what a finger does. What is known and kept is patrol-draft.js.
(function () {
  "use strict";

  const one = (selector, scope) => (scope || document).querySelector(selector);
  const all = (selector, scope) => Array.from((scope || document).querySelectorAll(selector));
  const page = JSON.parse(one("#patrol-known").textContent);
  const place = window.yjbPlace;
  const draft = window.yjbDraft(page, { item: paint, taught: paintTaught, top: paintTop, say });
  const { keys, valueOf, isFilled, lacks, set } = draft;
  const wanted = {}; // which parts of an item somebody opened by hand
  let trouble = "";
  const clockTime = (at) => new Date(at).toLocaleTimeString("zh-CN", { hour: "numeric", minute: "2-digit", hour12: false, timeZone: "Asia/Shanghai" });
  const productClock = (at) => clockTime(at + window.yjb.productNow() - Date.now());

  // ---------------------------------------------------------------- what stands on the page
  const box = (key) => document.getElementById(`item-${key}`);
  const node = (html) => { const holder = document.createElement("template"); holder.innerHTML = html; return holder.content.firstElementChild; };
  const text = (value) => { const span = document.createElement("span"); span.textContent = value; return span.innerHTML; };

  function paint(key) {
    const here = box(key);
    const value = valueOf(key);
    const open = wanted[key] || {};
    const row = draft.change("items", key);
    const shown = draft.photosOf(key);
    here.classList.toggle("bad", value.score !== null && value.score <= 3);
    here.classList.toggle("is-na", value.is_na);
    all("[data-score-of]", here).forEach((button) => button.setAttribute("aria-pressed", String(Number(button.dataset.scoreOf) === value.score)));
    one('[data-act="na"]', here).setAttribute("aria-pressed", String(value.is_na));
    const needsPhoto = value.score !== null && (value.score <= 2 || page.rules[key].photo);
    const parts = {
      na: value.is_na, problem: value.score !== null && value.score <= 3, photos: needsPhoto || shown.length > 0 || Boolean(open.photo),
      note: Boolean(value.note || open.note), coach: Boolean(open.coach),
    };
    one("[data-box]", here).hidden = !Object.values(parts).some(Boolean);
    all("[data-for]", here).forEach((part) => { part.hidden = !parts[part.dataset.for]; });
    ["note", "coach"].forEach((name) => { const button = one(`[data-act="${name}"]`, here); if (button) button.setAttribute("aria-expanded", String(parts[name])); });
    all("[data-field]", here).forEach((field) => {
      const now = value[field.dataset.field];
      if (field.type === "checkbox") field.checked = Boolean(now);
      else if (document.activeElement !== field) field.value = now === null ? "" : now;
    });
    all("[data-hint]", here).forEach((chip) => chip.setAttribute("aria-pressed", String(value.problem.split("；").includes(chip.dataset.hint))));
    all("[data-owner]", here).forEach((part) => { part.hidden = value.is_solved; });
    paintPhotos(here, shown);
    paintClash(here, key, row);
  }

  const WORDS = { waiting: "等着上传", sent: "等着上传", refused: "没收下" };
  function paintPhotos(here, shown) {
    const list = one('.phos[data-for="photos"]', here);
    all("[data-photo]", list).forEach((old) => { if (!shown.some((photo) => photo.id === old.dataset.photo)) old.remove(); });
    shown.forEach((photo) => {
      let tile = one(`[data-photo="${photo.id}"]`, list);
      if (!tile) {
        tile = node(`<span class="pho" data-photo="${photo.id}"><img alt="${text(page.rules[photo.item].name)}的照片"><span class="at">${clockTime(photo.taken_at)}</span><button type="button" class="x" aria-label="去掉这张照片">×</button></span>`);
        one("img", tile).src = photo.blob ? URL.createObjectURL(photo.blob) : `/files/${photo.id}/?small=1`;
        list.insertBefore(tile, list.lastElementChild);
      }
      const words = WORDS[photo.state] || (draft.isOld(photo) ? "不是这次拍的" : (photo.flags || []).includes("seen") ? "以前用过" : "");
      let label = one(".st", tile);
      if (words && !label) { label = node('<span class="st"></span>'); tile.append(label); }
      if (label) { label.textContent = words; label.hidden = !words; label.title = photo.why || ""; }
    });
  }

  function saidOf(value) {
    if (!value) return "没有";
    const owner = page.people.find((person) => person.pk === value.owner);
    const lines = [value.is_na ? `不适用：${value.na_reason || "没写原因"}` : value.score === null ? "没打分" : `${value.score} 分`, value.problem, value.note && `备注：${value.note}`, value.is_solved && "现场已解决", owner && `交给${owner.name}`];
    return lines.filter(Boolean).map(text).join("<br>");
  }

  function paintClash(here, key, row) {
    const place_ = one("[data-clash]", here);
    const theirs = row && row.conflict;
    place_.hidden = !theirs && !(row && row.why);
    if (theirs) {
      const who = theirs.by_id === page.staff ? "你的另一台手机" : text(theirs.by);
      place_.innerHTML = `<div class="clash mt2" role="alert"><div class="fs13 b c-amber">这一项在另一处也改了，用哪个？</div><div class="two mt2">
<div class="one"><div class="fs12 muted">这里 ${productClock(row.at)}</div><div class="fs14">${saidOf(row.value)}</div><button type="button" class="btn btn-sm btn-block mt2" data-choose="mine">用这里的</button></div>
<div class="one"><div class="fs12 muted">${who} ${theirs.at ? clockTime(theirs.at) : ""}</div><div class="fs14">${saidOf(theirs.value)}</div><button type="button" class="btn btn-sm btn-block mt2" data-choose="theirs">用那边的</button></div></div></div>`;
    } else if (row && row.why) {
      place_.innerHTML = `<div class="banner amber mt2"><span class="grow">${text(row.why)}，改一下再传</span></div>`;
    }
  }

  function paintTaught() {
    const rows = draft.taught();
    keys.forEach((key) => {
      const here = box(key);
      const list = one("[data-taught]", here);
      if (!list) return;
      const mine = rows.filter(([, value]) => value.item === key);
      one("[data-coached]", here).textContent = mine.length ? ` ${mine.length}` : "";
      list.replaceChildren(...mine.map(([id, value]) => {
        const person = page.people.find((other) => other.pk === value.guide);
        return node(`<div class="row fs14 mt1"><span class="grow">${text(person ? person.name : "")} · ${text(page.topics[value.topic])} · ${value.minutes} 分钟${value.needs_course ? " · 要学课程" : ""}</span><button type="button" class="btn btn-ghost btn-sm" data-untaught="${id}">去掉</button></div>`);
      }));
    });
  }

  function paintTop() {
    const filled = keys.filter(isFilled).length;
    const left = keys.filter((key) => !isFilled(key) || lacks(key)).length;
    const { text: score, grade, isRed } = draft.result();
    all("[data-score]").forEach((place_) => { place_.textContent = score; });
    all("[data-grade]").forEach((place_) => { place_.textContent = grade ? `${grade} 级` : ""; });
    all("[data-red]").forEach((place_) => { place_.hidden = !isRed; });
    one("[data-filled]").textContent = filled;
    const tape = one(".tape");
    tape.setAttribute("aria-valuenow", String(filled));
    one("i", tape).style.width = `${(filled / keys.length) * 100}%`;
    all(".cat").forEach((tab) => {
      const mine = all("[data-item]", document.getElementById(tab.getAttribute("aria-controls"))).map((item) => item.dataset.item);
      const done = mine.filter(isFilled).length;
      const isWhole = done === mine.length && !mine.some(lacks);
      one("[data-count]", tab).textContent = isWhole ? "✓" : `${done}/${mine.length}`;
      one(".pb", tab).classList.toggle("green", isWhole);
      one(".pb i", tab).style.width = `${(done / mine.length) * 100}%`;
    });
    one("[data-next]").textContent = left ? `下一个没填的（${left}）` : "都填好了，提交";
    const waits = draft.waitingCount();
    const shown = one("[data-state]");
    const isOff = window.yjb.offline;
    let words = "打开就能用，没网也能填";
    if (!draft.state.canKeep) words = "这部手机不让存草稿，填完前别关页面";
    else if (waits && isOff) words = `没网，已存本机 ${productClock(draft.state.savedAt || Date.now())}`;
    else if (isOff) words = "没网，接着填，有网会自己传";
    else if (waits) words = `等着上传 ${waits}`;
    else if (draft.state.sentAt) words = `都传上去了 ${productClock(draft.state.sentAt)}`;
    one("span", shown).textContent = words;
    one("use", shown).setAttribute("href", `${document.body.dataset.sprite}#i-${isOff ? "cloud-off" : "cloud"}`);
    const minutes = Math.max(0, Math.floor((window.yjb.productNow() - Date.parse(page.started_at)) / 60000));
    one("[data-used]").textContent = minutes < 1 ? "刚开始" : minutes < 60 ? `已用 ${minutes} 分钟` : `已用 ${Math.floor(minutes / 60)} 小时 ${minutes % 60} 分`;
  }

  // One line above everything for what needs the person.
  function say(what) {
    if (trouble === what) return;
    trouble = what;
    const news = one("#patrol-news");
    news.replaceChildren();
    if (what === "login") {
      const banner = node('<div class="banner amber" role="alert"><span class="grow">登录过期了。重新登录后接着传，这里填的都还在。</span><a class="btn btn-sm">重新登录</a></div>');
      one("a", banner).href = `/login/?next=${encodeURIComponent(location.pathname)}`;
      news.append(banner);
    } else if (what === "reload") {
      news.append(node('<div class="banner amber" role="alert"><span class="grow">页面放久了，刷新一下接着传。填的都还在。</span><button type="button" class="btn btn-sm" data-reload>刷新</button></div>'));
    } else if (what === "closed") {
      const rows = draft.changes().filter((row) => row.kind === "items");
      const banner = node(`<div class="card mb2" role="alert" data-closed><b class="c-amber">这次巡店已经在另一处结束了</b><p class="fs13 sub mt1">这部手机上还有 ${draft.waitingCount()} 处没传的，没有写进去，先替你留着：</p><div class="fs14 mt1">${rows.map((row) => `<div class="mt1"><b>${text(page.rules[row.key].name)}</b> ${saidOf(row.value)}</div>`).join("")}</div><div class="row mt3"><button type="button" class="btn btn-sm" data-copy-draft>复制这些文字</button><button type="button" class="btn btn-sm btn-ghost" data-forget>不要了，看结果</button></div></div>`);
      news.append(banner);
    }
  }

  // ---------------------------------------------------------------- taps
  function show(part) {
    all(".cat").forEach((tab) => {
      const isOn = tab.dataset.part === part;
      tab.setAttribute("aria-selected", String(isOn));
      document.getElementById(tab.getAttribute("aria-controls")).hidden = !isOn;
      if (isOn) tab.scrollIntoView({ block: "nearest", inline: "center" });
    });
  }

  function go(key) {
    const here = box(key);
    show(here.closest("section").id.replace("part-", ""));
    all(".q.is-wanted").forEach((other) => other.classList.remove("is-wanted"));
    here.classList.add("is-wanted");
    here.scrollIntoView({ block: "center" });
  }

  function goNext() {
    const at = keys.findIndex((key) => box(key).classList.contains("is-wanted"));
    const order = [...keys.slice(at + 1), ...keys.slice(0, at + 1)];
    const next = order.find((key) => !isFilled(key) || lacks(key));
    if (next) go(next); else finish();
  }

  document.addEventListener("click", (event) => {
    const hit = (selector) => event.target.closest(selector);
    const item = hit("[data-item]");
    const key = item && item.dataset.item;
    let at = hit("[data-score-of]");
    if (at) { const score = Number(at.dataset.scoreOf); set(key, { score: valueOf(key).score === score ? null : score }); return; }
    at = hit("[data-act]");
    if (at) {
      const open = wanted[key] = wanted[key] || {};
      if (at.dataset.act === "na") set(key, { is_na: !valueOf(key).is_na, na_reason: "" });
      else if (at.dataset.act === "photo") { open.photo = true; paint(key); one('[data-for="photos"] input', item).click(); }
      else { open[at.dataset.act] = !open[at.dataset.act]; paint(key); }
      return;
    }
    at = hit("[data-hint]");
    if (at) {
      const words = valueOf(key).problem.split("；").filter(Boolean);
      set(key, { problem: (words.includes(at.dataset.hint) ? words.filter((word) => word !== at.dataset.hint) : [...words, at.dataset.hint]).join("；") });
      return;
    }
    at = hit("[data-choose]");
    if (at) { draft.choose(key, at.dataset.choose); return; }
    at = hit(".pho .x");
    if (at) { draft.removePhoto(at.closest("[data-photo]").dataset.photo); return; }
    at = hit("[data-coach-add]");
    if (at) {
      const field = (name) => one(`[data-coach="${name}"]`, item);
      draft.edit("coachings", window.yjb.newKey(), { item: key, guide: Number(field("guide").value), topic: field("topic").value, minutes: Number(field("minutes").value) || 10, needs_course: field("needs_course").checked, note: "" });
      field("needs_course").checked = false;
      return;
    }
    at = hit("[data-untaught]");
    if (at) { const [, value] = draft.taught().find(([id]) => id === at.dataset.untaught); draft.edit("coachings", at.dataset.untaught, Object.assign({}, value, { removed: true })); return; }
    at = hit(".cat");
    if (at) { show(at.dataset.part); return; }
    if (hit("[data-next]")) { goNext(); return; }
    if (hit("[data-finish]")) { finish(); return; }
    at = hit("[data-go]");
    if (at) { window.yjb.closeSheet(); go(at.dataset.go); return; }
    if (hit("[data-forget]")) { draft.forget().then(() => location.reload()); return; }
    if (hit("[data-copy-draft]")) window.yjb.copy(one("[data-closed] .fs14").innerText).then((done) => done && window.yjb.toast("已复制"));
  });

  document.addEventListener("input", (event) => { // at once: a phone may be put away in the middle of a word
    const field = event.target.closest("[data-field]");
    if (!field || field.type === "checkbox" || field.tagName === "SELECT") return;
    set(field.closest("[data-item]").dataset.item, { [field.dataset.field]: field.value });
  });
  document.addEventListener("change", (event) => {
    const field = event.target.closest("[data-field]");
    const item = event.target.closest("[data-item]");
    if (!item) return;
    const key = item.dataset.item;
    if (field) {
      const value = field.type === "checkbox" ? field.checked : field.tagName === "SELECT" ? Number(field.value) || null : field.value;
      set(key, { [field.dataset.field]: value });
    } else if (event.target.type === "file") {
      Array.from(event.target.files).forEach((file) => draft.addPhoto(key, file));
      event.target.value = "";
    }
  });

  // ---------------------------------------------------------------- handing in
  async function finish() {
    const wanting = keys.map((key) => [key, lacks(key)]).filter(([, why]) => why);
    const clash = draft.changes().find((row) => row.conflict);
    if (clash) { go(clash.key); window.yjb.alert("先选好用哪一个"); return; }
    if (!wanting.length && draft.waitingCount()) {
      if (window.yjb.offline) { window.yjb.alert("没网，都存在这部手机上了。有网再提交"); return; }
      await draft.sync();
      if (draft.waitingCount()) { window.yjb.alert("还有没传上去的，等一下再提交"); return; }
    }
    told(wanting.map(([key, why]) => ({ field: key, message: why })));
    window.yjb.openSheet("#finish");
  }

  function told(rows) {
    const list = one("[data-lacks]");
    list.replaceChildren();
    one("#finish-form").hidden = rows.length > 0;
    if (!rows.length) return;
    list.append(node(`<p class="fs14 sub">还有 ${rows.length} 项要补：</p>`));
    rows.forEach((row) => {
      const rule = page.rules[row.field];
      list.append(node(rule
        ? `<button type="button" class="cell" data-go="${row.field}"><span class="grow">${text(rule.name)}</span><span class="end muted">${text(row.message)}</span></button>`
        : `<p class="c-amber">${text(row.message)}</p>`));
    });
  }

  one("#finish-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = event.target;
    const button = one("button:not([type=button])", form);
    window.yjb.busy(button);
    const said = await place.place(form, page.urls.nonce);
    const answer = await window.yjb.post(page.urls.submit, Object.assign(said, { rev: draft.rev(), summary: form.elements.summary.value }));
    if (answer.ok) { await draft.forget(); location.assign(answer.data.url); return; }
    window.yjb.idle(button);
    const { code } = answer.data;
    if (answer.status === 401) { window.yjb.closeSheet(); say("login"); }
    else if (code === "patrol.place_unclear") place.unclear(form, answer.data);
    else if (code === "patrol.not_complete") told(answer.data.errors || []);
    else if (code === "patrol.closed") await draft.close();
    else {
      window.yjb.alert([answer.data.title, answer.data.detail].filter(Boolean).join("：") || "没提交成，再试一次");
      if (answer.status === 412) { window.yjb.closeSheet(); draft.sync(); }
    }
  });
  one("[data-drop]").addEventListener("submit", (event) => {
    if (!window.confirm("作废后这次填的都不算了，确定吗？")) { event.preventDefault(); event.stopImmediatePropagation(); return; }
    draft.forget();
  }, true);

  // ---------------------------------------------------------------- start
  (async () => {
    await draft.start();
    document.documentElement.dataset.ready = "1";
    if (navigator.storage && navigator.storage.persist) navigator.storage.persist().catch(() => {});
    draft.sync();
    window.yjbKept.warm();
  })();
})();
