// The stranger's phone at /sandbox/scan/: adds the guide, then shows what he is told.
(function () {
  "use strict";

  const form = document.querySelector("#scan");
  const said = document.querySelector("#scan-said");
  const lines = document.querySelector("#scan-lines");
  let seen = 0;

  async function look(query) {
    try {
      const response = await fetch(`${form.dataset.told}?${query}`, { headers: { Accept: "application/json" } });
      if (!response.ok) return;
      for (const line of (await response.json()).lines) {
        if (line.seq <= seen) continue;
        seen = line.seq;
        const bubble = document.createElement("p");
        bubble.className = "inset";
        bubble.style.padding = "10px 12px";
        bubble.textContent = line.text;
        lines.append(bubble);
      }
    } catch (failure) { /* the next look tries again */ }
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector(".btn");
    yjb.busy(button);
    const answer = await yjb.post(form.dataset.url, { code: form.dataset.code, name: new FormData(form).get("name"), nonce: Date.now() });
    yjb.idle(button);
    said.textContent = answer.ok ? answer.data.said : answer.data.detail || answer.data.title;
    if (!answer.ok) return;
    form.hidden = true;
    const query = new URLSearchParams({ userid: answer.data.userid, external: answer.data.external });
    setInterval(() => look(query), 1000);
  });
})();
