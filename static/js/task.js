// 今日 and the task page: choosing and changing the words, and the way into the member's chat. Without this file the same
// acts work as links and plain forms.
(function () {
  "use strict";

  const one = (selector, scope) => (scope || document).querySelector(selector);
  const all = (selector, scope) => Array.from((scope || document).querySelectorAll(selector));
  const root = document.documentElement;

  // ---------------------------------------------------------------- what she changed, kept on this phone only
  const drafts = {
    name: (task, key) => `yjb.draft.${task}.${key}`,
    get(task, key) { try { return localStorage.getItem(this.name(task, key)); } catch (refused) { return null; } },
    set(task, key, text) { try { localStorage.setItem(this.name(task, key), text); } catch (refused) { /* works without */ } },
    drop(task, key) { try { localStorage.removeItem(this.name(task, key)); } catch (refused) { /* works without */ } },
  };

  // ---------------------------------------------------------------- the words
  function marked(text, into) {
    into.replaceChildren();
    text.split(/⟦|⟧/).forEach((piece, at) => {
      const holder = at % 2 ? document.createElement("mark") : document.createDocumentFragment();
      piece.split("\n").forEach((line, number) => {
        if (number) holder.append(document.createElement("br"));
        holder.append(line);
      });
      into.append(holder);
    });
  }

  function words(page) {
    const form = one("#send", page);
    if (!form || form.yjbReady) return;
    form.yjbReady = true;
    const task = page.dataset.task;
    const field = form.elements.text;
    const key = form.elements.script_key;
    const bubble = one(".bub", form);
    const shown = one("#script-text", form);
    const edit = one("[data-edit]", form);
    const another = one("[data-another]", form);
    const edited = one("[data-edited]", form);
    const offers = JSON.parse(one("#offers", page)?.textContent || "[]");
    const current = () => offers.find((offer) => offer.key === key.value);

    function follow() {
      const offer = current();
      const isChanged = Boolean(offer) && field.value.trim() !== offer.text.trim();
      if (edited) edited.hidden = !isChanged;
      const claim = one("#claim", page);
      if (claim) { claim.elements.text.value = field.value; claim.elements.script_key.value = key.value; }
      const copy = one("[data-copy-script]", page);
      if (copy) copy.dataset.copyText = field.value;
      return isChanged;
    }

    function show(isEditing) {
      if (!bubble) return;
      const offer = current();
      if (!isEditing) {
        if (offer && field.value.trim() === offer.text.trim()) marked(offer.marked, shown);
        else marked(field.value, shown);
      }
      const height = bubble.offsetHeight;
      bubble.hidden = isEditing;
      field.hidden = !isEditing;
      if (isEditing) { field.style.height = `${Math.max(height + 24, 128)}px`; field.focus(); }
      one("span", edit).textContent = isEditing ? "改好了" : "改一改";
      follow();
    }

    function choose(offer) {
      key.value = offer.key;
      field.value = drafts.get(task, offer.key) || offer.text;
      all("[data-tone]", page).forEach((tab) => {
        if (tab.dataset.tone === offer.tone) tab.setAttribute("aria-current", "page");
        else tab.removeAttribute("aria-current");
      });
      const place = one("[data-place]", form);
      if (place) place.textContent = `${offers.indexOf(offer) + 1}/${offers.length}`;
      show(false);
    }

    const kept = current() && drafts.get(task, key.value);
    if (kept && field.hidden) { field.value = kept; show(false); }
    field.addEventListener("input", () => {
      if (follow()) drafts.set(task, key.value, field.value);
      else drafts.drop(task, key.value);
    });
    if (edit) edit.addEventListener("click", (event) => { event.preventDefault(); show(field.hidden); });
    if (another) another.addEventListener("click", (event) => {
      event.preventDefault();
      choose(offers[(offers.indexOf(current()) + 1) % offers.length]);
    });
    all("[data-tone]", page).forEach((tab) => tab.addEventListener("click", (event) => {
      const offer = offers.find((candidate) => candidate.tone === tab.dataset.tone);
      if (offer) { event.preventDefault(); choose(offer); }
    }));
    form.addEventListener("submit", (event) => { event.preventDefault(); event.stopPropagation(); send(page, form); });
    const claim = one("#claim", page);
    if (claim) {
      claim.elements.care.value = root.dataset.weuiMode === "care" ? "1" : "0";
      claim.addEventListener("submit", () => drafts.drop(task, key.value));
    }
    follow();
  }

  // ---------------------------------------------------------------- into the chat
  // Prepared on the server, copied to the clipboard, then the chat opens: there one tap sends it, or she pastes it.
  async function toChat(url, data) {
    const answer = await yjb.post(url, data);
    if (!answer.ok) return { said: [answer.data.title, answer.data.detail].filter(Boolean).join("："), code: answer.data.code };
    const { text, external_user_id: customer } = answer.data;
    const isCopied = !data.text || data.text !== text ? await yjb.copy(text) : true;
    if (!customer) return { ok: false, prepared: true, sentence: "他还不是你的客户，打不开聊天", isCopied };
    const opened = window.yjbWecom ? await window.yjbWecom.openChat(customer) : { ok: false, sentence: "这里不在企业微信里" };
    return { ok: opened.ok, prepared: true, sentence: opened.sentence || "没能打开聊天", isCopied };
  }

  async function send(page, form) {
    const button = one("#send-button", page);
    const text = form.elements.text.value.trim();
    if (!text) { yjb.alert("先写一句话再发"); return; }
    if (button.getAttribute("aria-busy") === "true" || yjb.offline) return;
    yjb.busy(button);
    await yjb.copy(text); // at once, while the tap still counts as the person's own
    const done = await toChat(form.dataset.api, { script_key: form.elements.script_key.value, text });
    yjb.idle(button);
    if (!done.prepared) {
      yjb.alert(done.said || "没做成，话术还在");
      if (done.code === "task.not_sendable" || done.code === "conflict") setTimeout(() => htmx.trigger(document.body, "tasks:changed"), 1600);
      return;
    }
    const panel = one("#by-hand", page);
    panel.hidden = false;
    const failed = one("[data-failed]", panel);
    failed.hidden = done.ok;
    one("[data-sentence]", failed).textContent = done.sentence;
    if (done.ok) yjb.toast("话术已复制，聊天里也备好了");
    else panel.scrollIntoView({ block: "center" });
  }

  // The green button on a card of 今日: the best script goes along; where the chat does not open, the task page helps.
  document.addEventListener("click", async (event) => {
    const link = event.target.closest("[data-chat]");
    if (!link || yjb.offline) return;
    event.preventDefault();
    if (link.getAttribute("aria-busy") === "true") return;
    yjb.busy(link);
    const done = await toChat(link.dataset.chat, {});
    yjb.idle(link);
    if (done.ok) { yjb.toast("话术已复制，聊天里也备好了"); return; }
    if (done.prepared) { location.assign(`${link.href.split("#")[0]}?by=hand#by-hand`); return; }
    yjb.alert(done.said || "没做成，再试一次");
    htmx.trigger(document.body, "tasks:changed");
  });

  // ---------------------------------------------------------------- pages that stay fresh
  const start = () => { const page = one("#task-page"); if (page) words(page); };
  document.addEventListener("htmx:afterSwap", start);

  // A refresh of the list leaves open what she opened.
  let open = [];
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    if (detail.target.id === "today-tasks") open = all("details[open]", detail.target).map((fold) => fold.id);
  });
  document.addEventListener("htmx:afterSettle", () => {
    open.forEach((id) => { const fold = document.getElementById(id); if (fold) fold.open = true; });
    open = [];
  });

  // She comes back from the chat: what was sent there shows here. Not while she is writing.
  document.addEventListener("visibilitychange", () => {
    const field = one("#send textarea");
    if (document.hidden || root.classList.contains("sheet-open") || (field && !field.hidden)) return;
    htmx.trigger(document.body, "tasks:changed");
  });

  start();
})();
