// 货品: the scanner of the WeCom client, and choosing for whom. Without the client the field takes the code by hand.
(function () {
  "use strict";

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-goods-scan]");
    if (!button) return;
    event.preventDefault();
    const answer = window.yjbWecom ? await window.yjbWecom.scan() : { ok: false, reason: "outside" };
    if (answer.ok && answer.text) {
      window.location.assign(`${button.dataset.goodsScan}?code=${encodeURIComponent(answer.text)}`);
    } else if (answer.reason !== "cancelled") {
      window.yjb.toast("打不开相机，把吊牌上的号输进来也一样");
      document.getElementById("q")?.focus();
    }
  });

  // A member taken from what was found goes into the form; the name stands in its place.
  document.addEventListener("click", (event) => {
    const picked = event.target.closest("[data-member]");
    if (!picked) return;
    const form = picked.closest("form") || document.querySelector("form[data-for-member]");
    form.querySelector("[name=member]").value = picked.dataset.member;
    form.querySelector("[data-member-name]").textContent = picked.dataset.name;
    form.querySelector("[data-member-found]").replaceChildren();
    form.querySelectorAll("[data-needs-member]").forEach((one) => { one.disabled = false; });
  });
})();
