// Photos in forms: made small on the phone, sent ahead of the form, and kept here while there is no network. A form with
// data-draft keeps its words too, and goes out by itself when the network is back while the page is open; else the next time
// it is opened it stands as it was. Without this file the plain file field of the form does its work.
(function () {
  "use strict";

  const LONG_EDGE = 1600;
  const QUALITY = 0.82;
  const KEPT_DAYS = 7;
  const all = (selector, scope) => Array.from((scope || document).querySelectorAll(selector));

  // ---------------------------------------------------------------- what is kept on the phone
  let opened = null;
  function database() {
    // Private windows refuse it: then a photo lives as long as the page.
    opened = opened || new Promise((done) => {
      let asked;
      try { asked = indexedDB.open("yjb-kept", 1); } catch (refused) { done(null); return; }
      asked.onupgradeneeded = () => asked.result.createObjectStore("photos", { keyPath: "name" });
      asked.onsuccess = () => done(asked.result);
      asked.onerror = () => done(null);
    });
    return opened;
  }
  async function inStore(how, work) {
    const base = await database();
    if (!base) return null;
    return new Promise((done) => {
      const asked = work(base.transaction("photos", how).objectStore("photos"));
      asked.onsuccess = () => done(asked.result);
      asked.onerror = () => done(null);
    });
  }
  const keepPhoto = (row) => inStore("readwrite", (store) => store.put(row));
  const dropPhoto = (name) => inStore("readwrite", (store) => store.delete(name));
  const keptPhotos = async () => (await inStore("readonly", (store) => store.getAll())) || [];

  const words = {
    get(key) { try { return JSON.parse(localStorage.getItem(key) || "null"); } catch (refused) { return null; } },
    set(key, value) { try { localStorage.setItem(key, JSON.stringify(value)); } catch (refused) { /* lives with the page */ } },
    drop(key) { try { localStorage.removeItem(key); } catch (refused) { /* was not there */ } },
  };

  // ---------------------------------------------------------------- one photo
  async function smaller(file) {
    if (!file.type.startsWith("image/")) return file;
    try {
      const image = await createImageBitmap(file, { imageOrientation: "from-image" });
      const scale = Math.min(1, LONG_EDGE / Math.max(image.width, image.height));
      const canvas = document.createElement("canvas");
      canvas.width = Math.round(image.width * scale);
      canvas.height = Math.round(image.height * scale);
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", QUALITY));
      return blob && blob.size < file.size ? blob : file;
    } catch (unreadable) {
      return file; // the house says what is wrong with it
    }
  }

  function Field(box) {
    const input = box.querySelector("input[type=file]");
    const list = box.querySelector("[data-list]");
    const note = box.querySelector("[data-note]");
    const form = box.closest("form");
    const room = box.dataset.room;
    const most = Number(box.dataset.most || 9);
    const keepsPlace = "raw" in box.dataset; // made small here, a photo forgets where it was taken
    const field = box.dataset.field || "photos";
    const draft = form && form.dataset.draft ? `yjb.draft.${form.dataset.draft}` : "";
    const photos = [];

    function say(text) { note.textContent = text; }
    function show() {
      const waiting = photos.filter((one) => one.state === "waiting").length;
      const broken = photos.find((one) => one.state === "failed");
      say(broken ? broken.why : waiting ? `${waiting} 张等网络，有网会自己传` : "");
      box.classList.toggle("is-full", photos.length >= most);
      photos.forEach((one) => { one.tile.dataset.state = one.state; one.hidden.disabled = one.state !== "done"; });
      box.dispatchEvent(new CustomEvent("yjb:photos", { bubbles: true, detail: { open: photos.filter((one) => one.state !== "done").length, count: photos.length } }));
    }

    function tile(one) {
      one.tile = document.createElement("span");
      one.tile.className = "ph-one";
      const picture = document.createElement("img");
      picture.alt = one.title || "照片";
      picture.src = one.small || (one.blob ? URL.createObjectURL(one.blob) : "");
      const away = document.createElement("button");
      away.type = "button";
      away.className = "ph-x";
      away.setAttribute("aria-label", "去掉这张");
      away.textContent = "×";
      away.addEventListener("click", () => { photos.splice(photos.indexOf(one), 1); one.tile.remove(); dropPhoto(one.name); show(); });
      one.hidden = document.createElement("input");
      one.hidden.type = "hidden";
      one.hidden.name = field;
      one.hidden.value = one.name;
      one.tile.append(picture, away, one.hidden);
      list.append(one.tile);
    }

    async function send(one) {
      if (one.state === "sending" || one.state === "done") return;
      one.state = "sending";
      show();
      const data = new FormData();
      data.append("room", room);
      data.append("name", one.name);
      data.append("file", one.blob, one.title || "photo.jpg");
      try {
        const answer = await fetch(box.dataset.upload || "/files/", {
          method: "POST", body: data, credentials: "same-origin",
          headers: { "X-CSRFToken": window.yjb.token(), Accept: "application/json" },
        });
        const told = await answer.json().catch(() => ({}));
        if (answer.ok) one.state = "done";
        else if (answer.status === 401) { one.state = "waiting"; one.why = "登录过期了，重新登录后会接着传"; }
        else if (answer.status >= 500 || answer.status === 429) { one.state = "waiting"; setTimeout(retry, 1000 * Number(answer.headers.get("Retry-After") || 10)); }
        else { one.state = "failed"; one.why = told.detail || told.title || "这张没收下，请换一张"; }
      } catch (lost) {
        one.state = "waiting";
      }
      show();
    }
    function retry() { photos.filter((one) => one.state === "waiting").forEach(send); }

    async function add(file) {
      const one = { name: window.yjb.newKey(), state: "waiting", title: file.name || "" };
      one.blob = keepsPlace ? file : await smaller(file);
      photos.push(one);
      tile(one);
      await keepPhoto({ name: one.name, room, draft, field, title: one.title, blob: one.blob, at: Date.now() });
      await send(one);
    }

    input.addEventListener("change", () => {
      const chosen = Array.from(input.files || []);
      input.value = "";
      const room_left = most - photos.length;
      if (chosen.length > room_left) window.yjb.alert(`最多 ${most} 张，多的没加`);
      chosen.slice(0, Math.max(0, room_left)).forEach(add);
    });
    window.addEventListener("online", () => setTimeout(retry, 300));
    document.addEventListener("yjb:online", retry);

    this.open = () => photos.filter((one) => one.state !== "done" && one.state !== "failed").length;
    this.failed = () => photos.some((one) => one.state === "failed");
    this.forget = () => photos.forEach((one) => dropPhoto(one.name));
    this.restore = async (rows) => {
      rows.filter((row) => row.draft && row.draft === draft && row.field === field && row.room === room).forEach((row) => {
        const one = { name: row.name, state: "waiting", title: row.title, blob: row.blob };
        photos.push(one);
        tile(one);
        send(one);
      });
    };
    show();
  }

  // ---------------------------------------------------------------- a form that outlives the network
  function keepForm(form, fields) {
    const key = `yjb.draft.${form.dataset.draft}`;
    const named = () => all("input[name],textarea[name],select[name]", form)
      .filter((one) => one.name !== "csrfmiddlewaretoken" && one.type !== "file" && !one.closest(".ph-one") && !("noDraft" in one.dataset));
    const note = form.querySelector("[data-draft-note]");
    const tell = (text) => { if (note) { note.textContent = text; note.hidden = !text; } };

    function save(more) {
      const old = words.get(key) || {};
      const values = named().filter((one) => !/radio|checkbox/.test(one.type) || one.checked).map((one) => [one.name, one.value]);
      words.set(key, Object.assign(old, { values, at: Date.now() }, more));
    }
    function restore() {
      const old = words.get(key);
      if (!old || Date.now() - old.at > KEPT_DAYS * 864e5) { words.drop(key); return; }
      const has = old.values.some(([name, value]) => value && name !== "idempotency_key");
      if (!has) return;
      named().forEach((one) => {
        const mine = old.values.filter(([name]) => name === one.name).map(([, value]) => value);
        if (/radio|checkbox/.test(one.type)) one.checked = mine.includes(one.value);
        else if (mine.length && (one.name === "idempotency_key" || !one.value)) one.value = mine[0];
      });
      form.dispatchEvent(new CustomEvent("yjb:restored", { bubbles: true }));
      if (old.queued) tell("上次没发出去，内容还在。点一下就发。");
    }

    let queued = false;
    let by = null; // the button that was pressed: it says which act this is
    const button = () => by || form.querySelector("button:not([type=button])");
    function content() {
      const data = new FormData(form);
      if (by && by.name) data.set(by.name, by.value);
      return data;
    }
    async function send() {
      if (fields.some((field) => field.open())) {
        queued = true;
        save({ queued: true });
        tell(window.yjb.offline || !navigator.onLine ? "没有网络。文字和照片都留在这部手机上，有网会自己发出去。" : "照片还在传，传完自己发。");
        return;
      }
      window.yjb.busy(button());
      try {
        const answer = await fetch(form.action, {
          method: "POST", body: content(), credentials: "same-origin", headers: { Accept: "application/json" },
        });
        if (answer.ok) {
          queued = false;
          words.drop(key);
          fields.forEach((field) => field.forget());
          // The page that was sent back has said what was done, to nobody: it is said on the one that opens now.
          const said = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-toast] .grow");
          if (said) window.yjb.sayThen(said.textContent);
          location.assign(answer.redirected ? answer.url : location.href);
          return;
        }
        if (answer.status === 401) { save({ queued: true }); location.assign(`/login/?next=${encodeURIComponent(location.pathname)}`); return; }
        const told = await answer.json().catch(() => ({}));
        queued = false;
        const mark = form.elements.idempotency_key;
        if (mark && answer.status < 500 && !told.retryable) mark.value = window.yjb.newKey(); // put right, it is another request
        save({ queued: false });
        const wrong = (told.errors || []).map((one) => one.message);
        const title = wrong.length === 1 ? "" : told.title; // one thing needs no "several"
        window.yjb.alert([title, wrong.join("；") || told.detail].filter(Boolean).join("：") || "没发出去，内容还在");
      } catch (lost) {
        queued = true;
        save({ queued: true });
        tell("没有网络。文字和照片都留在这部手机上，有网会自己发出去。");
      }
      window.yjb.idle(button());
    }

    // In the capture phase: before app.js, which would only say that there is no network.
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      event.stopImmediatePropagation();
      if (fields.some((field) => field.failed())) { window.yjb.alert("有照片没收下，去掉它再发"); return; }
      by = event.submitter;
      send();
    }, true);
    form.addEventListener("input", () => save());
    form.addEventListener("yjb:photos", (event) => { if (queued && !event.detail.open) send(); });
    document.addEventListener("yjb:online", () => { if (queued) send(); });
    restore();
  }

  // A form that is no draft goes out as ever, but not before its files have arrived.
  function guardForm(form, mine) {
    form.addEventListener("submit", (event) => {
      const said = mine.some((field) => field.failed()) ? "有文件没收下，去掉它再发" : mine.some((field) => field.open()) ? "文件还在传，传完再点一次" : "";
      if (!said) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      window.yjb.alert(said);
    }, true);
  }

  async function tidy() {
    const old = Date.now() - KEPT_DAYS * 864e5;
    const rows = await keptPhotos();
    rows.filter((row) => row.at < old).forEach((row) => dropPhoto(row.name));
    return rows.filter((row) => row.at >= old);
  }

  const fields = new Map(all("[data-photos]").map((box) => [box, new Field(box)]));
  all("form[data-draft]").forEach((form) => {
    keepForm(form, all("[data-photos]", form).map((box) => fields.get(box)));
  });
  new Set(all("[data-photos]").map((box) => box.closest("form:not([data-draft])")).filter(Boolean)).forEach((form) => {
    guardForm(form, all("[data-photos]", form).map((box) => fields.get(box)));
  });
  tidy().then((rows) => fields.forEach((field) => field.restore(rows)));
})();
