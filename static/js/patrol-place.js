// Where the phone is, asked only at the tap: `yjbPlace(form)` gives {fix, nonce, reason, photo} for the house, which measures.
(function () {
  "use strict";

  const one = (selector, scope) => (scope || document).querySelector(selector);
  const LONG_EDGE = 1280;

  function locate() {
    return new Promise((done) => {
      if (!navigator.geolocation) { done(null); return; }
      navigator.geolocation.getCurrentPosition(
        (found) => done({
          latitude: found.coords.latitude, longitude: found.coords.longitude, accuracy: found.coords.accuracy,
          age: Math.max(0, (Date.now() - found.timestamp) / 1000), datum: "wgs84",
        }),
        () => done(null),
        { enableHighAccuracy: true, timeout: 8000, maximumAge: 0 },
      );
    });
  }

  async function smaller(file) {
    try {
      const image = await createImageBitmap(file, { imageOrientation: "from-image" });
      const scale = Math.min(1, LONG_EDGE / Math.max(image.width, image.height));
      const canvas = document.createElement("canvas");
      canvas.width = Math.max(1, Math.round(image.width * scale));
      canvas.height = Math.max(1, Math.round(image.height * scale));
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      const blob = await new Promise((ready) => canvas.toBlob(ready, "image/jpeg", 0.8));
      return blob && blob.size < file.size ? blob : file;
    } catch (unreadable) {
      return file; // the house says what is wrong with it
    }
  }

  // Sends a photo ahead under its own name; again is the same. Answers {ok, status, why, wait}.
  async function send(id, blob) {
    const data = new FormData();
    data.append("room", "patrol");
    data.append("name", id);
    data.append("file", blob, "photo.jpg");
    try {
      const answer = await fetch("/files/", {
        method: "POST", body: data, credentials: "same-origin",
        headers: { "X-CSRFToken": window.yjb.token(), Accept: "application/json" },
      });
      const told = await answer.json().catch(() => ({}));
      return { ok: answer.ok, status: answer.status, why: told.detail || told.title || "", wait: Number(answer.headers.get("Retry-After") || 0) };
    } catch (lost) {
      return { ok: false, status: 0, why: "没网", wait: 0 };
    }
  }

  const photos = new WeakMap();
  document.addEventListener("change", async (event) => {
    const input = event.target;
    const box = input.closest("[data-place]");
    if (!box || input.type !== "file" || !input.files.length) return;
    const blob = await smaller(input.files[0]);
    const id = window.yjb.newKey();
    input.value = "";
    const answer = await send(id, blob);
    if (!answer.ok) { window.yjb.alert(answer.why || "照片没传上，再试一次"); return; }
    photos.set(box, id);
    box.querySelectorAll(".pho:not(.add)").forEach((old) => old.remove());
    const shown = document.createElement("span");
    shown.className = "pho";
    const picture = document.createElement("img");
    picture.alt = "现场照片";
    picture.src = URL.createObjectURL(blob);
    shown.append(picture);
    one(".phos", box).prepend(shown);
  });

  async function place(form, nonceUrl) {
    const box = one("[data-place]", form);
    const said = { reason: one("[name=reason]", box).value.trim(), photo: photos.get(box) || null, fix: await locate(), nonce: "" };
    if (said.fix) {
      const answer = await fetch(nonceUrl, { credentials: "same-origin", headers: { Accept: "application/json" } }).then((got) => got.json(), () => ({}));
      said.nonce = answer.nonce || "";
    }
    return said;
  }

  // The house could not tell: then a reason and a photo are asked for.
  function unclear(form, problem) {
    const box = one("[data-place]", form);
    box.hidden = false;
    one("[data-why]", box).textContent = [problem.detail, problem.distance_m ? `（离门店 ${problem.distance_m} 米）` : ""].join("");
    box.scrollIntoView({ block: "nearest" });
  }

  window.yjbPlace = { place, unclear, smaller, send };

  // ---------------------------------------------------------------- 开始巡店
  const form = one("#start-form");
  if (!form) return;
  form.addEventListener("click", (event) => {
    const kind = event.target.closest("[data-kind]");
    if (!kind) return;
    form.querySelectorAll("[data-kind]").forEach((other) => other.setAttribute("aria-pressed", String(other === kind)));
    one("[name=kind]", form).value = kind.dataset.kind;
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = one("button[type=submit]", form);
    window.yjb.busy(button);
    const said = await place(form, form.dataset.nonce);
    const full = one("[name=full]", form);
    const answer = await window.yjb.post(form.dataset.url, Object.assign(said, { kind: one("[name=kind]", form).value, full: Boolean(full && full.checked) }));
    if (answer.ok) { location.assign(answer.data.url); return; }
    window.yjb.idle(button);
    if (answer.status === 401) { location.assign(`/login/?next=${encodeURIComponent(location.pathname)}`); return; }
    if (answer.data.code === "patrol.place_unclear") { unclear(form, answer.data); return; }
    window.yjb.alert([answer.data.title, answer.data.detail].filter(Boolean).join("：") || "没开始成，再试一次");
  });
})();
