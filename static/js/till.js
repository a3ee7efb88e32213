// 收银: a basket that waits on the phone while there is no net; small conveniences. The camera is scan.js.
// What is in the basket and what it costs is the house's word (crm/orders/checkout/pages); only codes are kept here.
(function () {
  "use strict";

  const one = (selector) => document.querySelector(selector);

  // ---------------------------------------------------------------- scanned without the net: kept, and sent when it is back
  const kept = window.yjbKept;
  const basket = () => one("#basket");
  const own = (row) => row.till && basket() && row.till === basket().dataset.sale && String(row.staff) === basket().dataset.staff;
  let isSending = false;

  async function waiting() {
    if (!kept || !basket()) return [];
    try { return (await kept.all("changes")).filter(own).sort((a, b) => a.seq - b.seq); } catch (refused) { return []; }
  }

  async function show() {
    const box = one("[data-kept]");
    if (!box) return;
    const rows = await waiting();
    box.hidden = !rows.length;
    one("[data-kept-list]").textContent = rows.map((row) => row.code).join("，");
  }

  async function keep(code) {
    if (!kept) { window.yjb.alert("没网，这部手机记不住，请先连网"); return; }
    await kept.put("changes", { id: window.yjb.newKey(), till: basket().dataset.sale, staff: basket().dataset.staff, code, seq: Date.now() });
    window.yjb.toast("没网，先记下了");
    show();
  }

  async function bring() {
    if (isSending || window.yjb.offline || !basket()) return;
    isSending = true;
    try {
      for (const row of await waiting()) {
        const body = new URLSearchParams({ code: row.code });
        const answer = await fetch(basket().dataset.lines, { method: "POST", body, headers: { "X-CSRFToken": window.yjb.token(), "HX-Request": "true", "Idempotency-Key": row.id } });
        if (answer.status >= 500 || answer.status === 429) break;
        await kept.drop("changes", row.id);
        if (answer.ok) { basket().outerHTML = await answer.text(); window.htmx.process(basket()); }
      }
    } catch (failure) { /* the next time the net is there */ } finally { isSending = false; show(); }
  }

  // ---------------------------------------------------------------- what a finger does
  document.addEventListener("click", (event) => {
    const hit = (selector) => event.target.closest(selector);
    if (hit("[data-print]")) window.print();
    const step = hit("[data-more],[data-less]");
    if (step) {
      const field = one(`[name="${step.dataset.more || step.dataset.less}"]`);
      const next = Number(field.value) + (step.dataset.more ? 1 : -1);
      field.value = Math.max(0, Math.min(Number(field.dataset.most), next));
      step.parentNode.querySelector("b").textContent = field.value;
      field.dispatchEvent(new Event("change", { bubbles: true }));
    }
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.matches("[data-ask]") && !form.dataset.asked) {
      if (!window.confirm(form.dataset.ask)) { event.preventDefault(); event.stopImmediatePropagation(); }
    } else if (form.matches("[data-entry]") && window.yjb.offline) {
      event.preventDefault();
      event.stopImmediatePropagation();
      const code = form.elements.code.value.trim();
      if (code) keep(code);
      form.reset();
    }
  }, true);
  document.addEventListener("input", (event) => {
    if (!event.target.matches(".tl-pts")) return;
    const box = one("[data-points-yuan]");
    box.textContent = Number(event.target.value) ? `−¥${(Number(event.target.value) / 100).toFixed(2)}` : "不用";
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id !== "basket" && !(event.detail.target && event.detail.target.id === "basket")) return;
    if (document.querySelector(".sheet") && window.yjb.closeSheet) window.yjb.closeSheet();
    show();
  });
  document.addEventListener("yjb:online", bring);
  show().then(bring);
  if (kept && kept.warm && one("[data-keeps-open]")) kept.warm();
})();
