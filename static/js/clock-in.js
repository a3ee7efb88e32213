// 打卡: takes place and Wi-Fi at the tap and never else, asks for a number for this one press, and shows what the house says.
// Also 打卡点: fills in where the phone is. Without it the page says what stands; the press itself needs the phone.
(function () {
  "use strict";

  const one = (selector, scope) => (scope || document).querySelector(selector);

  // One name a phone, of its own making: two people on one phone are seen, nobody is followed.
  function device() {
    try {
      const name = localStorage.getItem("yjb.device") || window.yjb.newKey();
      localStorage.setItem("yjb.device", name);
      return name;
    } catch (refused) { return ""; }
  }

  // ---------------------------------------------------------------- the button
  const clock = one("#clock");
  if (clock) {
    const button = one("[data-clock]", clock);
    const refused = one("[data-refused]", clock);
    const where = one("[data-where]", clock);
    const note = one("#clock-note");
    const live = one("[data-live]", clock);
    const stood = note.textContent;
    let isBusy = false;

    function say(text, stand) {
      one("[data-said]", refused).textContent = text;
      refused.hidden = !text;
      if (stand) live.href = `${live.href.split("&stood=")[0]}&stood=${encodeURIComponent(stand)}`;
    }

    async function press() {
      if (isBusy || button.disabled) return;
      if (window.yjb.offline || !navigator.onLine) { say("没网，打不了。有网再点一次；来不及就补卡，写上到店的时间。"); return; }
      isBusy = true;
      button.setAttribute("aria-busy", "true");
      say("");
      note.textContent = "认位置…";
      try { await tell(); } finally {
        isBusy = false;
        button.removeAttribute("aria-busy");
        note.textContent = stood;
      }
    }

    async function tell() {
      const given = await window.yjb.post(clock.dataset.nonce, {});
      if (!given.ok) { say(sentence(given.data)); return; }
      const [place, bssid] = await Promise.all([clock.dataset.consent ? window.yjbWecom.place("gcj02") : { ok: false }, window.yjbWecom.wifi()]);
      const body = { nonce: given.data.nonce, side: clock.dataset.side, fix: place.ok ? place.fix : null, bssid, device: device() };
      note.textContent = "打卡中…";
      let answer = await window.yjb.post(clock.dataset.press, body);
      if (!answer.status) answer = await window.yjb.post(clock.dataset.press, body); // the same press: the same answer
      if (answer.ok) { done(answer.data); return; }
      const outside = place.reason === "outside" && !bssid && answer.data.code === "clock.not_there";
      say(outside ? "这里取不到位置。请在手机企业微信里打开打卡。" : sentence(answer.data), answer.data.stood);
    }

    function done(told) {
      where.textContent = told.said;
      try { sessionStorage.setItem("yjb.clocked", told.said); } catch (full) { /* the page says it anyhow */ }
      location.reload();
    }

    const sentence = (problem) => [problem.title, problem.detail !== problem.title && problem.detail].filter(Boolean).join("。") || "没打上，再点一次";

    button.addEventListener("click", press);
    const again = one("[data-again]", clock);
    if (again) again.addEventListener("click", press);
    const tick = () => {
      const local = new Date(window.yjb.productNow()).toLocaleTimeString("zh-CN", { hour: "numeric", minute: "2-digit", hour12: false, timeZone: "Asia/Shanghai" });
      one("[data-time]", clock).textContent = local.replace(/^0(?=\d:)/, "");
    };
    setInterval(tick, 15000);
    try {
      const said = sessionStorage.getItem("yjb.clocked");
      if (said) { sessionStorage.removeItem("yjb.clocked"); window.yjb.toast(said); }
    } catch (full) { /* no toast */ }
  }

  // ---------------------------------------------------------------- a store's place
  const fill = one("[data-fill-place]");
  if (fill) {
    fill.addEventListener("click", async () => {
      window.yjb.busy(fill);
      const place = await window.yjbWecom.place("gcj02");
      window.yjb.idle(fill);
      if (!place.ok) { window.yjb.alert(place.reason === "outside" ? "请在手机企业微信里打开，站在店里点" : "没取到位置，打开手机定位再点"); return; }
      one("[name=latitude]").value = place.fix.latitude.toFixed(6);
      one("[name=longitude]").value = place.fix.longitude.toFixed(6);
      one("[name=datum]").value = "gcj02";
      window.yjb.toast(`填好了，准到 ${Math.round(place.fix.accuracy_m)} 米。再点保存`);
    });
  }
  const station = one("[data-fill-wifi]");
  if (station) {
    station.addEventListener("click", async () => {
      window.yjb.busy(station);
      const bssid = await window.yjbWecom.wifi();
      window.yjb.idle(station);
      if (!bssid) { window.yjb.alert("没认出 Wi-Fi。手机连上店里的 Wi-Fi，在企业微信里再点"); return; }
      one("[name=bssid]").value = bssid;
    });
  }
})();
