// A visit as the phone knows it: `yjbDraft(page, on)`. Every change is kept here at once (kept.js) and brought to the house when
// it can be reached; it names the revision it was made on, and what somebody else changed meanwhile stands beside it until the
// person chooses. The house's side of it: guides/patrol/services/syncing.py. What stands on the page is patrol.js: `on` says
// what changed (item, taught, top) and what needs the person (say).
window.yjbDraft = function (page, on) {
  "use strict";

  const { kept, place } = { kept: window.yjbKept, place: window.yjbPlace };
  const keys = Object.keys(page.rules);
  const EMPTY = { score: null, is_na: false, na_reason: "", problem: "", note: "", is_solved: false, owner: null };
  const RETRY = [4, 8, 15, 30, 60];

  let server = { id: page.id, staff: page.staff, rev: page.rev, items: page.items, coachings: page.coachings };
  const pending = new Map(); // "items|display_color" → {id, visit, staff, kind, key, value, base, seq, at, conflict?, why?}
  const photos = new Map(); // id → {id, visit, staff, item, taken_at, blob?, state: waiting | sent | done | gone | refused, flags}
  const stash = {}; // the words of a problem whose score was raised, should it fall again
  const state = { closed: page.state !== "draft", canKeep: true, savedAt: 0, sentAt: 0 };
  let isRunning = false, isAgain = false, failures = 0, timer = 0;

  const shelf = {
    get(name) { try { return localStorage.getItem(name); } catch (refused) { return null; } },
    set(name, value) { try { localStorage.setItem(name, value); } catch (refused) { /* lives with the page */ } },
  };
  const device = shelf.get("yjb.device") || window.yjb.newKey();
  shelf.set("yjb.device", device);
  let lastSeq = 0;
  function nextSeq() { // grows with every change of this browser, whichever page makes it
    lastSeq = Math.max(Date.now(), Number(shelf.get("yjb.seq") || 0) + 1, lastSeq + 1);
    shelf.set("yjb.seq", String(lastSeq));
    return lastSeq;
  }
  const others = "BroadcastChannel" in window ? new BroadcastChannel("yjb-patrol") : null;
  async function keep(store, row) {
    try { await kept.put(store, row); state.savedAt = Date.now(); } catch (refused) { state.canKeep = false; }
  }
  const drop = (store, id) => kept.drop(store, id).catch(() => {});

  // ---------------------------------------------------------------- what is known of an item
  const change = (kind, key) => pending.get(`${kind}|${key}`);
  const valueOf = (key) => (change("items", key) || server.items[key] || {}).value || EMPTY;
  const photosOf = (key) => Array.from(photos.values()).filter((photo) => photo.item === key && photo.state !== "gone");
  const isFilled = (key) => { const value = valueOf(key); return value.is_na || value.score !== null; };
  const isOld = (photo) => (photo.flags || []).includes("old");

  function lacks(key) {
    const value = valueOf(key);
    const rule = page.rules[key];
    if (!isFilled(key)) return page.kind === "self" ? "" : "还没打分";
    if (value.is_na) return value.na_reason ? "" : "不适用要写原因";
    if (value.score <= 3 && !value.problem.trim()) return "写一下哪里不好";
    if ((value.score <= 2 || rule.photo) && !photosOf(key).some((photo) => photo.state !== "refused" && !isOld(photo))) return "要拍一张现场照片";
    return "";
  }

  // The same sum as scoring.py: whole numbers, half up, and a red line's cap.
  function result() {
    let total = 0, weight = 0, isRed = false;
    keys.forEach((key) => {
      const { score } = valueOf(key);
      if (score === null) return;
      total += page.rules[key].weight * score;
      weight += page.rules[key].weight;
      isRed = isRed || (page.rules[key].red && score === 1);
    });
    if (!weight) return { text: "—", grade: "", isRed };
    const free = Math.floor((20 * total + weight) / (2 * weight));
    const tenths = isRed ? Math.min(free, page.cap) : free;
    const grade = tenths >= 45 ? "A" : tenths >= 40 ? "B" : tenths >= 35 ? "C" : "D";
    return { text: `${Math.floor(tenths / 10)}.${tenths % 10}`, grade, isRed };
  }

  // ---------------------------------------------------------------- a change
  async function edit(kind, key, value) {
    if (state.closed) return;
    const id = `${page.id}|${kind}|${key}`;
    const old = change(kind, key);
    const base = old ? old.base : ((kind === "items" ? server.items : server.coachings)[key] || { rev: 0 }).rev;
    const row = { id, visit: page.id, staff: page.staff, kind, key, value, base, seq: nextSeq(), at: Date.now(), conflict: old && old.conflict };
    pending.set(`${kind}|${key}`, row);
    if (kind === "items") on.item(key); else on.taught();
    on.top();
    await keep("changes", row);
    if (others) others.postMessage(page.id);
    soon(1200);
  }

  function set(key, patch) {
    const before = valueOf(key);
    const value = Object.assign({}, EMPTY, before, patch);
    if ("score" in patch) {
      value.is_na = false;
      value.na_reason = "";
      if (value.score > 3) { if (value.problem) stash[key] = value.problem; value.problem = ""; value.is_solved = false; value.owner = null; }
      else if (!value.problem && stash[key]) value.problem = stash[key];
    }
    if (patch.is_na) { value.score = null; if (value.problem) stash[key] = value.problem; value.problem = ""; value.is_solved = false; }
    return edit("items", key, value);
  }

  async function addPhoto(key, file) {
    const blob = await place.smaller(file);
    const takenAt = Math.min(file.lastModified || Date.now(), Date.now()) + window.yjb.productNow() - Date.now();
    const photo = { id: window.yjb.newKey(), visit: page.id, staff: page.staff, item: key, taken_at: new Date(takenAt).toISOString(), blob, state: "waiting", flags: [] };
    photos.set(photo.id, photo);
    on.item(key);
    on.top();
    await keep("photos", photo);
    soon(300);
  }

  async function removePhoto(id) {
    const photo = photos.get(id);
    if (photo.state === "waiting" || photo.state === "refused") { photos.delete(id); await drop("photos", id); }
    else { photo.state = "gone"; await keep("photos", photo); soon(300); }
    on.item(photo.item);
    on.top();
  }

  // ---------------------------------------------------------------- to the house and back
  function soon(wait) { clearTimeout(timer); timer = setTimeout(sync, wait); }

  const ready = () => Array.from(pending.values()).filter((row) => !row.conflict && !row.why);
  const inState = (state) => Array.from(photos.values()).filter((photo) => photo.state === state);
  const waitingCount = () => pending.size + photos.size - inState("done").length;

  async function sync() {
    if (isRunning) { isAgain = true; return; }
    if (state.closed || window.yjb.offline) { on.top(); return; }
    isRunning = true;
    isAgain = false;
    clearTimeout(timer);
    try {
      if (await sendPhotos()) await exchange();
    } finally {
      isRunning = false;
      on.top();
      if (isAgain) soon(200);
    }
  }

  function later(wait) {
    failures += 1;
    soon(1000 * (wait || RETRY[Math.min(failures, RETRY.length) - 1]));
    return false;
  }

  // Returns whether the rest may go on.
  function heard(status, wait) {
    if (status === 401) { on.say("login"); return false; }
    if (status === 403) { on.say("reload"); return false; }
    if (!status || status >= 500 || status === 429) return later(wait);
    return true;
  }

  async function sendPhotos() {
    for (const photo of inState("waiting")) {
      const answer = await place.send(photo.id, photo.blob);
      if (photo.state !== "waiting") continue; // taken away meanwhile
      if (answer.ok) photo.state = "sent";
      else if (!heard(answer.status, answer.wait)) return false;
      else { photo.state = "refused"; photo.why = answer.why; }
      await keep("photos", photo);
      on.item(photo.item);
    }
    return true;
  }

  async function exchange() {
    const plain = (row) => ({ key: row.key, seq: row.seq, base: row.base, value: row.value });
    const rows = ready();
    const said = {
      device, known: server.rev,
      items: rows.filter((row) => row.kind === "items").map(plain),
      coachings: rows.filter((row) => row.kind === "coachings").map(plain),
      photos: inState("sent").map((photo) => ({ key: photo.id, item: photo.item, taken_at: photo.taken_at })),
      gone: inState("gone").map((photo) => ({ key: photo.id })),
    };
    const { ok, status, data } = await window.yjb.post(page.urls.sync, said);
    if (status === 409 && data.code === "patrol.closed") { await close(); return; }
    if (!ok) {
      if (heard(status)) window.yjb.alert([data.title, data.detail].filter(Boolean).join("："));
      return;
    }
    failures = 0;
    on.say("");
    await take(data);
    state.sentAt = Date.now();
  }

  async function take(data) {
    const seen = new Set();
    for (const [kind, key, seq] of data.taken) {
      if (kind === "photos") { const photo = photos.get(key); if (photo && photo.state === "sent") { photo.state = "done"; await keep("photos", photo); seen.add(photo.item); } }
      else if (kind === "gone") { const photo = photos.get(key); photos.delete(key); await drop("photos", key); if (photo) seen.add(photo.item); }
      else {
        const row = change(kind, key);
        if (row && row.seq === seq) { pending.delete(`${kind}|${key}`); await drop("changes", row.id); }
      }
    }
    for (const clash of data.conflicts) {
      const row = change(clash.kind, clash.key);
      if (!row) continue;
      if (clash.kind === "coachings") { row.base = clash.theirs.rev; isAgain = true; }
      else row.conflict = clash.theirs;
      await keep("changes", row);
      seen.add(clash.key);
    }
    for (const refusal of data.refused) {
      const photo = photos.get(refusal.key);
      const row = change(refusal.kind, refusal.key);
      if (photo) { photo.state = photo.blob && refusal.kind === "photos" && !photo.again ? "waiting" : "refused"; photo.again = true; photo.why = refusal.why; await keep("photos", photo); seen.add(photo.item); }
      else if (row && row.seq === refusal.seq) { row.why = refusal.why; await keep("changes", row); seen.add(refusal.key); }
    }
    Object.entries(data.items).forEach(([key, row]) => { server.items[key] = row; seen.add(key); });
    Object.assign(server.coachings, data.coachings);
    for (const told of data.photos) seen.add(await know(told));
    server.rev = data.rev;
    await keep("drafts", server);
    if (data.state !== "draft") { await close(); return; }
    seen.forEach((key) => { if (page.rules[key]) on.item(key); });
    on.taught();
    if (others) others.postMessage(page.id);
  }

  // Takes a photo as the house has it; the picture itself stays here while the visit is open.
  async function know(told) {
    const mine = photos.get(told.id);
    if (told.removed) { photos.delete(told.id); await drop("photos", told.id); return told.item; }
    if (mine && mine.state === "gone") return told.item;
    const photo = Object.assign(mine || { id: told.id, visit: page.id, staff: page.staff }, { item: told.item, taken_at: told.taken_at, flags: told.flags, state: "done" });
    photos.set(told.id, photo);
    if (mine) await keep("photos", photo);
    return told.item;
  }

  async function close() {
    state.closed = true;
    if (!waitingCount()) { await forget(); location.reload(); return; }
    on.say("closed");
  }

  async function forget() {
    for (const row of pending.values()) await drop("changes", row.id);
    for (const photo of photos.values()) await drop("photos", photo.id);
    await drop("drafts", page.id);
    if (window.caches) await caches.open("yjb-pages").then((pages) => pages.delete(location.pathname)).catch(() => {});
  }

  async function choose(key, which) {
    const row = change("items", key);
    server.items[key] = row.conflict;
    if (which === "mine") {
      Object.assign(row, { base: row.conflict.rev, conflict: undefined, seq: nextSeq() });
      await keep("changes", row);
    } else {
      pending.delete(`items|${key}`);
      await drop("changes", row.id);
    }
    on.item(key);
    on.top();
    soon(100);
  }

  function taught() {
    const rows = Object.assign({}, Object.fromEntries(Object.entries(server.coachings).map(([id, row]) => [id, row.value])));
    pending.forEach((row) => { if (row.kind === "coachings") rows[row.key] = row.value; });
    return Object.entries(rows).filter(([, value]) => !value.removed);
  }

  async function restore() {
    try {
      const [draft, changes, pictures] = await Promise.all([kept.get("drafts", page.id), kept.all("changes"), kept.all("photos")]);
      if (draft && draft.staff === page.staff && draft.rev > server.rev) server = draft;
      pending.clear();
      changes.filter((row) => row.visit === page.id && row.staff === page.staff).forEach((row) => pending.set(`${row.kind}|${row.key}`, row));
      pictures.filter((photo) => photo.visit === page.id && photo.staff === page.staff).forEach((photo) => { if (!photos.has(photo.id) || !photos.get(photo.id).blob) photos.set(photo.id, photo); });
    } catch (refused) { state.canKeep = false; }
    keys.forEach((key) => on.item(key));
    on.taught();
    on.top();
  }

  // ---------------------------------------------------------------- start
  for (const told of page.photos) if (!told.removed) photos.set(told.id, Object.assign(told, { visit: page.id, staff: page.staff, state: "done" }));
  if (others) others.addEventListener("message", ({ data }) => { if (data === page.id && !isRunning) restore(); });
  document.addEventListener("yjb:online", () => { on.top(); sync(); });
  document.addEventListener("yjb:offline", () => on.top());
  window.addEventListener("online", () => soon(500));
  document.addEventListener("visibilitychange", () => { if (!document.hidden) sync(); });
  setInterval(() => { on.top(); if (waitingCount()) sync(); }, 20000);

  return {
    keys, state, valueOf, change, photosOf, photo: (id) => photos.get(id), isFilled, isOld, lacks, result, set, edit, addPhoto, removePhoto,
    sync, choose, taught, waitingCount, forget, close,
    rev: () => server.rev,
    changes: () => Array.from(pending.values()),
    async start() { await restore(); await keep("drafts", server); },
  };
};
