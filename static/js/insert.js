/* Buttons that put a word where the cursor stands: <button data-insert="〔称呼〕" data-into="#own-text">. */
"use strict";
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-insert]");
  const field = button && document.querySelector(button.dataset.into);
  if (!field) return;
  const word = button.dataset.insert;
  if (field.maxLength > 0 && field.value.length + word.length > field.maxLength) return;
  const at = field.selectionStart ?? field.value.length;
  field.setRangeText(word, at, field.selectionEnd ?? at, "end");
  field.focus();
  field.dispatchEvent(new Event("input", { bubbles: true }));
});
