// The member's phone beside a chat: his mini-program in a frame. Links in the chat that lead to members' pages open in it.
(function () {
  "use strict";

  const wx = document.querySelector("#wx");
  const phone = document.querySelector("#wx-phone");
  if (!wx || !phone) return;
  const host = phone.querySelector(".wx-frame");
  const open = document.querySelector("#wx-mini");
  let holder = "";

  function close() {
    phone.hidden = true;
    open.setAttribute("aria-pressed", "false");
  }

  async function show(path) {
    const external = wx.dataset.external || "";
    if (holder !== external) {
      const answer = await yjb.post(phone.dataset.url, { external, nonce: Date.now() });
      if (!answer.ok) { yjb.alert(answer.data.detail || answer.data.title); return; }
      holder = external;
      phone.querySelector("b").textContent = `${answer.data.name}的小程序`;
    }
    const frame = document.createElement("iframe");
    frame.title = "会员的小程序";
    frame.src = path;
    host.replaceChildren(frame);
    phone.hidden = false;
    open.setAttribute("aria-pressed", "true");
  }

  document.addEventListener("click", (event) => {
    if (event.target.closest("#wx-mini")) { if (phone.hidden) show("/my/"); else close(); return; }
    if (event.target.closest("[data-phone-close]")) { close(); return; }
    const link = event.target.closest("[data-phone]");
    if (link) show(link.dataset.phone);
  });

  // Another chat is another phone.
  new MutationObserver(() => { if ((wx.dataset.external || "") !== holder || wx.dataset.view !== "chat") close(); }).observe(wx, { attributes: true, attributeFilter: ["data-external", "data-view"] });
})();
