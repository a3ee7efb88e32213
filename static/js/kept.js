// What is kept on the phone until the house has it: `yjbKept`, over IndexedDB. Rows know whose they are; nobody else's are read.
// Signing out asks first while something has not arrived, and then takes everything away. A session that ended takes nothing.
(function () {
  "use strict";

  const NAME = "yjb-drafts";
  const STORES = { drafts: "id", changes: "id", photos: "id" };
  let opened = null;

  function open() {
    opened = opened || new Promise((done, failed) => {
      const asked = indexedDB.open(NAME, 1);
      asked.onupgradeneeded = () => Object.entries(STORES).forEach(([store, keyPath]) => asked.result.createObjectStore(store, { keyPath }));
      asked.onsuccess = () => {
        asked.result.onversionchange = () => { asked.result.close(); opened = null; };
        done(asked.result);
      };
      asked.onerror = () => { opened = null; failed(asked.error); };
    });
    return opened;
  }

  async function work(store, mode, act) {
    const base = await open();
    return new Promise((done, failed) => {
      const transaction = base.transaction(store, mode);
      const asked = act(transaction.objectStore(store));
      transaction.oncomplete = () => done(asked.result);
      transaction.onerror = transaction.onabort = () => failed(transaction.error);
    });
  }

  const kept = {
    get: (store, id) => work(store, "readonly", (rows) => rows.get(id)),
    put: (store, row) => work(store, "readwrite", (rows) => rows.put(row)),
    drop: (store, id) => work(store, "readwrite", (rows) => rows.delete(id)),
    all: (store) => work(store, "readonly", (rows) => rows.getAll()),
    // How much has not arrived yet: changes, and photos that are not with their item.
    async waiting() {
      const [changes, photos] = await Promise.all([kept.all("changes"), kept.all("photos")]);
      return changes.length + photos.filter((photo) => photo.state !== "done").length;
    },
    async clear() {
      (await open()).close();
      opened = null;
      return new Promise((done) => {
        const asked = indexedDB.deleteDatabase(NAME);
        asked.onsuccess = asked.onerror = asked.onblocked = () => done();
      });
    },
  };
  // What a page needs to open without the net: itself, and the files it is made of. Then html[data-warm].
  async function warm() {
    if (!("serviceWorker" in navigator) || !window.caches || "cached" in document.documentElement.dataset || window.yjb.offline) return;
    await navigator.serviceWorker.ready;
    const pages = await caches.open("yjb-pages");
    if (!(await pages.match(location.pathname))) {
      const fresh = await fetch(location.pathname, { headers: { Accept: "text/html" } });
      const html = await fresh.text();
      if (fresh.ok && html.includes("data-keeps-open")) await pages.put(location.pathname, new Response(html, { headers: { "Content-Type": "text/html; charset=utf-8" } }));
    }
    const files = Array.from(document.querySelectorAll("script[src],link[rel=stylesheet]"));
    await Promise.all(files.map((file) => fetch(file.src || file.href).catch(() => {})).concat(fetch(document.body.dataset.sprite).catch(() => {})));
    document.documentElement.dataset.warm = "1";
  }
  kept.warm = () => warm().catch(() => {});
  window.yjbKept = kept;

  // ---------------------------------------------------------------- signing out
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.action || !new URL(form.action, location).pathname.startsWith("/logout/") || form.dataset.asked) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const go = async () => { await kept.clear().catch(() => {}); form.dataset.asked = "1"; form.requestSubmit(); };
    kept.waiting().catch(() => 0).then((count) => {
      if (!count || window.confirm(`有 ${count} 处巡店或盘点的记录还没传上去。现在退出，这部手机上的就没了。\n\n先连上网打开那一页，传完再退；确定要现在退出吗？`)) go();
    });
  }, true);
})();
