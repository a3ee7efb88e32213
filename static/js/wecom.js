// Our way to the WeCom client: `yjbWecom`, over the JS-SDK (`ww`). The SDK never answers outside the client, so every call
// here ends by itself, and always with an answer: {ok: true, ...} or {ok: false, reason, said}.
//   reason: outside (nobody answered), silent (nobody yet: a late answer is told to who asked for it), no_permission, no_customer, cancelled, unknown (it may have happened), refused
(function () {
  "use strict";

  const { corp, agent, signature } = document.currentScript.dataset;
  const APIS = ["getContext", "getCurExternalContact", "sendChatMessage", "openEnterpriseChat", "openUserProfile", "getLocation", "startWifi", "getConnectedWifi", "scanQRCode"];
  // Entries whose pages may put a message into the chat. Source: WeCom JS-SDK 2.4.4, sendChatMessage.
  const CHAT_ENTRIES = ["single_chat_tools", "group_chat_tools", "chat_attachment", "single_kf_tools"];
  const ASK_MS = 4000; // questions are answered at once, or never; a phone that is slow or just woken answers later
  const FIND_MS = 12000; // a phone may look for satellites first
  const SCAN_MS = 60000;
  const ACT_MS = 20000; // the client may ask the guide whether she means it

  const SENTENCES = {
    outside: "这里不在企业微信的聊天里",
    silent: "企业微信还没有回话",
    no_permission: "企业微信没让发，可能是版本太低，或者应用还没开通聊天工具权限",
    no_customer: "没认出正在和哪位客户聊天",
    cancelled: "已取消，没有发出去",
    unknown: "不确定发出去没有，先看一眼聊天",
    refused: "企业微信没让发，过一会儿再试",
  };

  // A page may bring its first signatures along; each is used once, and only for the address it was made for.
  const brought = JSON.parse(document.getElementById("wecom-signed")?.textContent || "{}");

  async function sign(kind, url) {
    if (brought.url === url && brought[kind]) {
      const { [kind]: signed } = brought;
      delete brought[kind];
      return signed;
    }
    const response = await fetch(`${signature}?kind=${kind}&url=${encodeURIComponent(url)}`, {
      credentials: "same-origin", headers: { Accept: "application/json" },
    });
    if (!response.ok) throw new Error(`signature ${response.status}`);
    return response.json();
  }

  function register() {
    if (!window.ww || !corp) return false;
    window.ww.register({
      corpId: corp, agentId: agent, jsApiList: APIS,
      getConfigSignature: (url) => sign("corp", url),
      getAgentConfigSignature: (url) => sign("agent", url),
      onAgentConfigFail: (failure) => console.warn("agentConfig", failure && failure.errMsg),
    });
    return true;
  }

  function reasonOf(message) {
    const said = String(message || "");
    if (/:cancel\b/.test(said)) return "cancelled";
    if (/without context/.test(said)) return "no_customer";
    if (/no ?permission|nopermission|permission denied|offline verifying|not exist|invalid url domain|invalid signature/.test(said)) return "no_permission";
    return "refused";
  }

  const no = (reason, said) => ({ ok: false, reason, said: said || "", sentence: SENTENCES[reason] });

  // Ends when the client answers, or after `limit`, whichever comes first. `late` hears an answer that comes after that.
  function call(api, params, limit, whenSilent, late) {
    if (!isReady || typeof window.ww[api] !== "function") return Promise.resolve(no("outside"));
    return new Promise((settle) => {
      let isOver = false;
      const timer = setTimeout(() => { isOver = true; settle(no(whenSilent || "outside")); }, limit);
      const done = (answer) => {
        clearTimeout(timer);
        if (isOver && late) late(answer);
        settle(answer);
      };
      Promise.resolve().then(() => window.ww[api](params)).then(
        (result) => done({ ok: true, result: result || {} }),
        (failure) => { const said = (failure && (failure.errMsg || failure.message)) || ""; done(no(reasonOf(said), said)); },
      );
    });
  }

  const isReady = register();
  let asked = null;

  // What opened the page: single_chat_tools, normal …; "" outside the client.
  // Where the client says so late, the page hears `yjb:entry` and may ask again.
  function entry() {
    const placeOf = (answer) => (answer.ok ? answer.result.entry || "normal" : "");
    const correct = (answer) => { asked = Promise.resolve(placeOf(answer)); document.dispatchEvent(new CustomEvent("yjb:entry")); };
    asked = asked || call("getContext", {}, ASK_MS, "", correct).then(placeOf);
    return asked;
  }

  // Who is at the other end. Silent for now, the client may still say it: then `late` hears it.
  async function customer(late) {
    return customerIn(await call("getCurExternalContact", {}, ASK_MS, "silent", late && ((answer) => late(customerIn(answer)))));
  }

  function customerIn(answer) {
    if (!answer.ok) return answer;
    const id = answer.result.userId || answer.result.userid || "";
    return id ? { ok: true, id } : no("no_customer");
  }

  window.yjbWecom = {
    entry,
    customer,
    async canSend() { return CHAT_ENTRIES.includes(await entry()); },
    // Puts a text into the chat beside the page. `unknown` when the client said nothing: it may be out.
    async sendText(content) {
      const where = await entry();
      if (!where) return no("outside");
      if (!CHAT_ENTRIES.includes(where)) return no("no_permission", `entry ${where}`);
      return call("sendChatMessage", { msgtype: "text", text: { content } }, ACT_MS, "unknown");
    },
    // Brings words to a customer: into the chat beside the page, else copied and his chat opened to paste them.
    // {ok, said} when they are out or on their way; else `sentence` says what she can do.
    async share(text, externalUserId, called) {
      if (await this.canSend()) {
        const out = await this.sendText(text);
        return out.ok ? { ok: true, said: `发给${called}了` } : out;
      }
      const isCopied = await window.yjb.copy(text);
      const opened = externalUserId ? await this.openChat(externalUserId) : no("no_customer");
      if (opened.ok) return { ok: true, said: "已复制，去聊天里粘贴" };
      return { ...opened, sentence: isCopied ? "这里打不开聊天。话已复制，去他的聊天里粘贴" : "这里打不开聊天，回企业微信里再发" };
    },
    // Opened beside a chat, `link` leads to the customer she is talking with; elsewhere it stays hidden.
    async offerBeside(link) {
      const answer = (await this.canSend()) ? await customer() : no("outside");
      if (!answer.ok) return;
      link.href += `?external_user_id=${encodeURIComponent(answer.id)}`;
      link.hidden = false;
    },
    // Puts a card with a picture into the chat: {title, desc, link, imgUrl}.
    async sendLink(card) {
      const where = await entry();
      if (!where) return no("outside");
      if (!CHAT_ENTRIES.includes(where)) return no("no_permission", `entry ${where}`);
      return call("sendChatMessage", { msgtype: "news", news: card }, ACT_MS, "unknown");
    },
    // Opens the chat with one customer; the toolbar page then finds what was prepared.
    openChat: (externalUserId) => call("openEnterpriseChat", { userIds: [], externalUserIds: [externalUserId], groupName: "", chatId: "" }, ASK_MS * 2),
    // Where the phone is, in the datum asked for. Asked only at a tap; nothing is kept here.
    async place(datum) {
      const began = Date.now();
      const answer = await call("getLocation", { type: datum }, FIND_MS);
      if (!answer.ok) return answer;
      const [latitude, longitude, accuracy] = ["latitude", "longitude", "accuracy"].map((name) => Number(answer.result[name]));
      if (!Number.isFinite(latitude) || !Number.isFinite(longitude)) return no("refused", "no place");
      return { ok: true, fix: { latitude, longitude, datum, accuracy_m: Number.isFinite(accuracy) ? accuracy : 1000, age_s: (Date.now() - began) / 1000 } };
    },
    // The Wi-Fi station the phone is connected to: "" where there is none, or the client does not tell.
    async wifi() {
      await call("startWifi", {}, ASK_MS);
      const answer = await call("getConnectedWifi", {}, ASK_MS);
      const wifi = answer.ok ? answer.result.wifi || answer.result : {};
      return wifi.BSSID || wifi.bssid || "";
    },
    // Opens the phone's camera for a bar or QR code and brings its text back; a person may take a while.
    async scan() {
      const answer = await call("scanQRCode", { needResult: true, scanType: ["qrCode", "barCode"] }, SCAN_MS);
      if (!answer.ok) return answer;
      // A bar code comes as "EAN_13,6901234567892".
      const said = String(answer.result.resultStr || "");
      return { ok: true, text: said.includes(",") && !said.includes("://") ? said.split(",").pop() : said };
    },
    profile: (externalUserId) => call("openUserProfile", { type: 2, userid: externalUserId }, ASK_MS),
  };
})();
