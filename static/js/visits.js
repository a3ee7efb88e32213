/* Invitations to the store: the link goes into the chat, pieces are picked, whom she chats with comes first. */
"use strict";
(() => {
  const one = (selector, within = document) => within.querySelector(selector);

  function fail(box, text) {
    const banner = one("[data-fail]", box);
    banner.hidden = !text;
    one("[data-fail-text]", banner).textContent = text || "";
  }

  async function send(box, button) {
    fail(box, "");
    yjb.busy(button);
    try {
      const ready = await yjb.post(box.dataset.visitShare, {});
      if (!ready.ok) { fail(box, ready.data?.detail || ready.data?.title || "没发出去，再试一次"); return; }
      const out = await yjbWecom.share(ready.data.text, ready.data.external_user_id, ready.data.called);
      if (!out.ok) { fail(box, out.sentence); return; }
      await yjb.post(ready.data.sent, {});
      yjb.toast(out.said);
    } finally {
      yjb.idle(button);
    }
  }

  function pick(chosen) {
    const box = chosen.closest("[data-pieces]"), picked = one("[data-picked]", box);
    const id = chosen.dataset.pick;
    if (one(`[data-piece="${id}"]`, picked)) return;
    if (picked.children.length >= 6) { yjb.alert("一次最多留 6 件"); return; }
    const chip = document.createElement("span");
    chip.dataset.piece = id;
    const field = Object.assign(document.createElement("input"), { type: "hidden", name: "sku", value: id });
    const drop = Object.assign(document.createElement("button"), { type: "button", className: "chip on", textContent: `${chosen.dataset.words} ×` });
    drop.dataset.drop = "";
    drop.setAttribute("aria-label", `不留${chosen.dataset.words}`);
    chip.append(field, drop);
    picked.append(chip);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-visit-send]");
    if (button && !yjb.offline) send(button.closest("[data-visit-share]"), button);
    const chosen = event.target.closest("[data-pick]");
    if (chosen) pick(chosen);
    event.target.closest("[data-drop]")?.closest("[data-piece]").remove();
  });

  // Opened beside a chat: the one she is talking with comes first.
  const beside = one("#beside");
  if (beside && window.yjbWecom) yjbWecom.offerBeside(beside);
})();
