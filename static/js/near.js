// 离我多远: where the phone is, asked only at the tap, and used here alone: it is sent to nobody and kept nowhere. The page
// brings where each shop stands (data-spot, as a phone would tell it); what is near comes first, what has no place last.
(function () {
  "use strict";

  const EARTH = 6371000;
  const rad = (degrees) => degrees * Math.PI / 180;

  function metres(here, spot) {
    const [north, east] = spot.split(",").map(Number);
    const up = rad(north - here.latitude) / 2;
    const along = rad(east - here.longitude) / 2;
    const chord = Math.sin(up) ** 2 + Math.cos(rad(here.latitude)) * Math.cos(rad(north)) * Math.sin(along) ** 2;
    return 2 * EARTH * Math.asin(Math.min(1, Math.sqrt(chord)));
  }

  function said(far) {
    if (far < 1000) return `${Math.max(100, Math.round(far / 100) * 100)} 米`;
    return far < 10000 ? `${(far / 1000).toFixed(1)} 公里` : `${Math.round(far / 1000)} 公里`;
  }

  function order(list, here) {
    const rows = Array.from(list.children).map((row, place) => ({
      row, place, far: row.dataset.spot ? metres(here, row.dataset.spot) : Infinity,
    }));
    rows.sort((one, other) => (one.far === other.far ? one.place - other.place : one.far - other.far));
    const chosen = list.value;
    rows.forEach(({ row, far }) => {
      if (far !== Infinity) {
        const shown = row.querySelector("[data-far]");
        if (shown) { shown.textContent = said(far); shown.hidden = false; } else row.textContent = `${said(far)} · ${row.textContent}`;
      }
      list.append(row);
    });
    if (list.matches("select")) list.value = chosen;
  }

  document.querySelectorAll("[data-near]").forEach((box) => {
    const button = box.querySelector("button");
    const note = box.querySelector("[data-near-note]");
    const list = document.querySelector(box.dataset.near);
    if (!navigator.geolocation || !list) return;
    box.hidden = false;
    button.addEventListener("click", () => {
      window.yjb.busy(button);
      navigator.geolocation.getCurrentPosition(
        (found) => { order(list, found.coords); button.remove(); note.textContent = "近的排在前面。位置只在这台手机上用，没有上传。"; },
        () => { window.yjb.idle(button); note.textContent = "没拿到位置，可能没有授权。现在自己的门店在前，别的按城市排。"; },
        { timeout: 8000, maximumAge: 60000 },
      );
    });
  });
})();
