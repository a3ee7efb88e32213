// Stands in for the JS-SDK (`ww`) where the platform's stand-in is used: the same calls, answers and refusals, given by the
// client page at /sandbox/ around this frame. Opened anywhere else it does what the real one does outside the client: the
// calls neither succeed nor fail. The client page decides who may do what; this file only carries questions and answers.
(function () {
  "use strict";

  const waiting = new Map();
  let number = 0;
  let config = null;
  let verified = null;

  const isFramed = window.parent !== window;
  const never = () => new Promise(() => {});

  window.addEventListener("message", (event) => {
    if (event.source !== window.parent || event.origin !== location.origin) return;
    const { yjbClient, id, result } = event.data || {};
    if (yjbClient !== "answer" || !waiting.has(id)) return;
    waiting.get(id)(result);
    waiting.delete(id);
  });

  function ask(api, params) {
    return new Promise((answer) => {
      number += 1;
      waiting.set(number, answer);
      window.parent.postMessage({ yjbClient: "call", id: number, api, params: JSON.parse(JSON.stringify(params || {})) }, location.origin);
    });
  }

  // The real SDK fetches both signatures before the first call; a page we could not sign for gets nothing done.
  async function verify() {
    const url = location.href.split("#")[0];
    const isSigned = (signed) => signed && Number.isInteger(signed.timestamp) && signed.nonceStr && /^[0-9a-f]{40}$/.test(signed.signature);
    for (const [ask, ok, fail, name] of [
      [config.getConfigSignature, config.onConfigSuccess, config.onConfigFail, "config"],
      [config.getAgentConfigSignature, config.onAgentConfigSuccess, config.onAgentConfigFail, "agentConfig"],
    ]) {
      if (!ask) continue;
      let signed = null;
      try { signed = await ask(url); } catch (refused) { /* as a wrong signature */ }
      if (!isSigned(signed)) {
        if (fail) fail({ errMsg: `${name}:fail invalid signature`, errCode: 40093 });
        return false;
      }
      if (ok) ok({ errMsg: `${name}:ok` });
    }
    return true;
  }

  async function invoke(api, params = {}) {
    if (!isFramed) return never();
    let result = { errMsg: `${api}:fail_nopermission` };
    if (config && (api === "checkJsApi" || config.jsApiList.includes(api))) {
      verified = verified || verify();
      result = (await verified) ? await ask(api, params) : { errMsg: `${api}:fail the permission value is offline verifying` };
    }
    const isOk = result.errMsg === `${api}:ok`;
    const heard = isOk ? params.success : result.errMsg.startsWith(`${api}:cancel`) ? params.cancel : params.fail;
    if (heard) heard(result);
    if (params.complete) params.complete(result);
    if (isOk) return result;
    throw result;
  }

  const ww = {
    register(given) {
      if (!given.corpId) throw new Error("Missing corpId");
      config = { jsApiList: [], ...given };
      if (isFramed) verified = verify();
    },
    invoke,
    on() {},
    checkJsApi: (params) => invoke("checkJsApi", params),
  };
  ["getContext", "getCurExternalContact", "getCurExternalChat", "sendChatMessage", "openEnterpriseChat", "openUserProfile",
    "shareToExternalContact", "closeWindow", "getLocation", "startWifi", "getConnectedWifi", "scanQRCode"].forEach((api) => { ww[api] = (params) => invoke(api, params); });
  window.ww = ww;
})();
