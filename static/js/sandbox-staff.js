// 她离职 and 她调到…店 in the drawer of the pretended client: one tap, and a line of what happens next.
(function () {
  "use strict";

  const said = document.querySelector("#ctl-staff-said");
  if (!said) return;
  document.querySelectorAll("form[data-staff]").forEach((form) => form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector(".btn");
    yjb.busy(button);
    const answer = await yjb.post(form.dataset.staff, { ...Object.fromEntries(new FormData(form)), nonce: Date.now() });
    yjb.idle(button);
    said.textContent = answer.ok ? answer.data.said : answer.data.detail || answer.data.title;
    if (answer.ok && form.hasAttribute("data-once")) button.disabled = true;
  }));
})();
