// Paying on a member's phone. The server prepares the payment (POST data-pay), WeChat asks for the password, and whether the
// money came is never taken from here: the page asks the server until it knows (data-pay-state).
(function () {
  "use strict";

  const OK = "get_brand_wcpay_request:ok";
  const box = document.querySelector("[data-pay]");
  if (!box) return;
  const button = box.querySelector("[data-pay-go]");
  const dialog = document.querySelector("#pay-dialog");

  // Inside WeChat the bridge comes a moment after the page.
  function bridge() {
    return new Promise((done) => {
      if (window.WeixinJSBridge) { done(window.WeixinJSBridge); return; }
      if (!/MicroMessenger/i.test(navigator.userAgent)) { done(null); return; }
      document.addEventListener("WeixinJSBridgeReady", () => done(window.WeixinJSBridge), { once: true });
      setTimeout(() => done(window.WeixinJSBridge || null), 3000);
    });
  }

  async function byWeChat(params) {
    if (window.wx && window.wx.requestPayment) {
      return new Promise((done) => window.wx.requestPayment({ ...params, success: () => done("ok"), fail: (failure) => done(/cancel/.test(failure.errMsg || "") ? "cancel" : "fail") }));
    }
    const there = await bridge();
    if (!there) return dialog ? byStandIn(params) : "outside";
    return new Promise((done) => there.invoke("getBrandWCPayRequest", params, (answer) => done(answer.err_msg === OK ? "ok" : /cancel/.test(answer.err_msg) ? "cancel" : "fail")));
  }

  // The stand-in's WeChat: a dialog in the place of the password.
  function byStandIn(params) {
    return new Promise((done) => {
      dialog.querySelector("[data-pay-amount]").textContent = box.dataset.amount;
      dialog.onclose = async () => {
        if (dialog.returnValue !== "pay") { done("cancel"); return; }
        const answer = await yjb.post(dialog.dataset.url, params);
        if (!answer.ok) yjb.alert(answer.data.detail || answer.data.title);
        done(answer.ok ? "ok" : "fail");
      };
      dialog.showModal();
    });
  }

  const SAID = {
    cancel: "还没付款，想好了再付也行",
    fail: "微信没有付成，可以再试一次",
    outside: "请在微信里打开这一页再付款",
  };

  if (button) {
    button.addEventListener("click", async () => {
      yjb.busy(button);
      const answer = await yjb.post(box.dataset.pay, {});
      if (!answer.ok) {
        yjb.idle(button);
        yjb.alert(answer.data.detail || answer.data.title);
        return;
      }
      if (answer.data.is_over) { location.reload(); return; }
      const result = await byWeChat(answer.data.params);
      yjb.idle(button);
      if (SAID[result]) yjb.toast(SAID[result]);
      ask(result === "ok" ? 12 : 1);
    });
  }

  // ---------------------------------------------------------------- what became of it
  let waiting = 0;

  async function ask(times) {
    waiting = Math.max(waiting, times);
    if (!box.dataset.payState) return;
    try {
      const response = await fetch(box.dataset.payState, { credentials: "same-origin", headers: { Accept: "application/json" } });
      if (response.ok && (await response.json()).state !== box.dataset.seen) { location.reload(); return; }
    } catch (offline) { /* the banner says it */ }
    waiting -= 1;
    if (waiting > 0) setTimeout(() => ask(0), 1500);
  }

  if (box.dataset.payState) setInterval(() => { if (!document.hidden) ask(0); }, 5000);
})();
