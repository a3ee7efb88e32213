// 新好友: opens the chat with a friend nobody knows as a member yet; the toolbar beside it says who he is.
(function () {
  "use strict";

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-open-chat]");
    if (!button || yjb.offline || button.getAttribute("aria-busy") === "true") return;
    yjb.busy(button);
    const done = await window.yjbWecom.openChat(button.dataset.openChat);
    yjb.idle(button);
    if (!done.ok) yjb.alert("聊天没打开，回企业微信里找他");
  });
})();
