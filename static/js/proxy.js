// 代客下单: the tag under the camera, and the card that goes into the chat. Only what really went out is written down.
(function () {
  "use strict";

  const one = (selector) => document.querySelector(selector);

  async function scan() {
    const answer = await window.yjbWecom.scan();
    if (answer.ok) { location.assign(`?q=${encodeURIComponent(answer.text)}`); return; }
    if (answer.reason !== "cancelled") window.yjb.toast(answer.reason === "outside" ? "这里没有相机扫码，手输款号" : answer.sentence);
  }

  async function send(button) {
    const { card } = JSON.parse(one("#proxy-message").textContent);
    window.yjb.busy(button);
    try {
      const out = await window.yjbWecom.sendLink(card);
      if (!out.ok) {
        window.yjb.alert(out.reason === "unknown" ? "不确定发出去没有，看一眼聊天；没有就再发一次" : `${out.sentence}。点「复制」，粘到他的聊天里也行`);
        return;
      }
      await window.yjb.post(button.dataset.sendLink, {});
      window.yjb.toast("发给他了，他打开、付款这里会变");
      if (window.htmx && one("#standing")) window.htmx.ajax("GET", location.pathname, { target: "#standing", swap: "outerHTML" });
    } finally {
      window.yjb.idle(button);
    }
  }

  document.addEventListener("click", (event) => {
    const hit = (selector) => event.target.closest(selector);
    if (hit("[data-scan-goods]")) scan();
    else if (hit("[data-send-link]")) send(hit("[data-send-link]"));
  });
})();
