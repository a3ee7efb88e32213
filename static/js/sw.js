// Offline reading, no more: the last copy of pages that ask for it (data-offline-copy), and the files they need.
// Nothing is ever sent from here: a send that waited would be a send nobody saw.
"use strict";

const PAGES = "yjb-pages";
const FILES = "yjb-files";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

async function page(request) {
  const cache = await caches.open(PAGES);
  const name = new URL(request.url).pathname;
  try {
    const fresh = await fetch(request);
    const type = fresh.headers.get("Content-Type") || "";
    if (fresh.status === 200 && !fresh.redirected && type.includes("text/html")) {
      const text = await fresh.clone().text();
      if (text.includes("data-offline-copy")) {
        await cache.put(name, new Response(text, { headers: { "Content-Type": "text/html; charset=utf-8" } }));
      } else if (text.includes("data-purge-offline")) {
        await caches.delete(PAGES); // somebody signs in or out: the copies were the other person's
      }
    }
    return fresh;
  } catch (offline) {
    const copy = await cache.match(name);
    if (!copy) throw offline;
    const text = (await copy.text()).replace("<html ", "<html data-cached ");
    return new Response(text, { headers: { "Content-Type": "text/html; charset=utf-8" } });
  }
}

async function file(request) {
  const cache = await caches.open(FILES);
  const isHashed = /\.[0-9a-f]{12}\.\w+$/.test(new URL(request.url).pathname);
  const held = await cache.match(request, { ignoreSearch: false });
  if (held && isHashed) return held;
  try {
    const fresh = await fetch(request);
    if (fresh.ok) await cache.put(request, fresh.clone());
    return fresh;
  } catch (offline) {
    if (held) return held;
    throw offline;
  }
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  if (request.mode === "navigate" && /^\/(g|m\/patrol\/visits)\//.test(url.pathname)) event.respondWith(page(request));
  else if (request.mode === "navigate" && url.pathname.startsWith("/login")) event.respondWith(page(request));
  else if (url.pathname.startsWith("/static/")) event.respondWith(file(request));
});
