// The scan button beside a field: <button data-scan-into="q" data-scan-send>. The camera of the WeCom client reads a code into
// that field of its form, and sends the form where it says so. Without the client a scanner's beam or fingers fill the field.
(function () {
  "use strict";

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-scan-into]");
    if (!button) return;
    const input = button.closest("form").elements[button.dataset.scanInto];
    const answer = window.yjbWecom ? await window.yjbWecom.scan() : { ok: false, reason: "outside" };
    if (answer.ok) {
      input.value = answer.text;
      input.dispatchEvent(new Event("input", { bubbles: true }));
      if (button.hasAttribute("data-scan-send")) input.form.requestSubmit();
      return;
    }
    if (answer.reason === "cancelled") return;
    window.yjb.toast(answer.reason === "outside" ? "这里没有相机扫码，用扫描枪或手输" : answer.sentence);
    input.focus();
  });
})();
