// The customer's company tags in the pretended client: chips in a sheet, one tap puts a tag on or takes it off.
(function () {
  "use strict";

  const box = document.querySelector("#chat-tags-list");
  const wx = document.querySelector("#wx");
  if (!box || !wx) return;
  const url = box.dataset.url;

  const external = () => wx.dataset.external || "";

  function draw(groups) {
    box.replaceChildren();
    groups.forEach((group) => {
      const part = document.createElement("section");
      const head = document.createElement("h3");
      head.textContent = group.name;
      const chips = document.createElement("div");
      chips.className = "chips mt2";
      group.tags.forEach((tag) => {
        const chip = document.createElement("button");
        chip.type = "button";
        chip.className = tag.on ? "chip on" : "chip";
        chip.setAttribute("aria-pressed", String(tag.on));
        chip.textContent = tag.name;
        chip.addEventListener("click", () => mark(tag));
        chips.append(chip);
      });
      part.className = "ctl";
      part.append(head, chips);
      box.append(part);
    });
    if (!groups.length) say("企业还没有标签。总部在「企微标签」里点「立即同步」，就有了。");
  }

  function say(text) {
    const line = document.createElement("p");
    line.className = "fs14 muted";
    line.textContent = text;
    box.replaceChildren(line);
  }

  async function mark(tag) {
    const change = tag.on ? { remove: [tag.id] } : { add: [tag.id] };
    const answer = await yjb.post(url, { external: external(), ...change, nonce: Date.now() });
    if (answer.ok) draw(answer.data.groups);
    else yjb.alert(answer.data.detail || answer.data.title);
  }

  document.addEventListener("yjb:sheet-open", async ({ detail }) => {
    if (detail.sheet.id !== "chat-tags") return;
    say("正在取标签…");
    try {
      const answer = await fetch(`${url}?external=${encodeURIComponent(external())}`, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(String(answer.status));
      draw((await answer.json()).groups);
    } catch (failure) {
      say("没有取到，关上再开一次。");
    }
  });
})();
