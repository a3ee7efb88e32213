"""A receipt as a picture, for a chat or an album. Same words as the page (till/part_slip.html)."""

from __future__ import annotations

import io
from typing import Any

from django.conf import settings
from PIL import Image, ImageDraw, ImageFont

from yejibao.core.clock import SHANGHAI
from yejibao.core.fonts import font_path
from yejibao.core.money import yuan

WIDTH, EDGE = 720, 48
INK, SOFT, LINE = "#1D2228", "#686E76", "#D9D4CA"


def draw_receipt(facts: dict[str, Any]) -> bytes:
    """Return the receipt as a PNG, as long as it needs to be."""
    sheet = _Sheet()
    sale = facts["sale"]
    sheet.middle(settings.BRAND_NAME, 40)
    sheet.middle(sale.store.name, 26, SOFT)
    sheet.rule()
    for line in facts["lines"]:
        sheet.pair(f"{line.sku.style.name}{'（赠）' if line.is_gift else ''}", yuan(line.tag_fen, cents=True), 28)
        sheet.left(f"{line.sku.style.color} · {line.sku.size} × {line.quantity}", 22, SOFT)
    sheet.rule()
    sheet.pair(f"商品 {facts['quantity']} 件", yuan(sale.tag_fen, cents=True), 26, SOFT)
    for name, fen in (("促销", sale.promotion_fen), ("券", sale.coupon_fen), (f"积分 {sale.points}", sale.points_fen)):
        if fen:
            sheet.pair(name, f"−{yuan(fen, cents=True)}", 26, SOFT)
    sheet.pair("实付", yuan(sale.paid_fen, cents=True), 36)
    for one in facts["payments"]:
        sheet.pair(one.get_way_display(), yuan(one.amount_fen, cents=True), 24, SOFT)
    if facts["earned"]:
        sheet.left(f"这单得积分 {facts['earned']}", 24, SOFT)
    sheet.rule()
    sheet.left(sale.order.number, 22, SOFT)
    sheet.left(f"{sale.paid_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}", 22, SOFT)
    sheet.left("7 天内凭小票或会员码退换，吊牌齐全、没穿过没洗过", 22, SOFT)
    return sheet.png()


class _Sheet:
    """Lines of text from the top down on paper that grows."""

    def __init__(self) -> None:
        self.top = EDGE
        self.todo: list[tuple[int, str, int, str, str]] = []  # top, text, size, colour, anchor
        self.rules: list[int] = []

    def _put(self, text: str, size: int, colour: str, anchor: str, *, stays: bool = False) -> None:
        self.todo.append((self.top, text, size, colour, anchor))
        self.top += 0 if stays else round(size * 1.6)

    def middle(self, text: str, size: int, colour: str = INK) -> None:
        self._put(text, size, colour, "ma")

    def left(self, text: str, size: int, colour: str = INK) -> None:
        self._put(text, size, colour, "la")

    def pair(self, name: str, amount: str, size: int, colour: str = INK) -> None:
        self._put(amount, size, colour, "ra", stays=True)
        self._put(name, size, colour, "la")

    def rule(self) -> None:
        self.rules.append(self.top + 12)
        self.top += 30

    def png(self) -> bytes:
        picture = Image.new("RGB", (WIDTH, self.top + EDGE), "white")
        pen = ImageDraw.Draw(picture)
        places = {"la": EDGE, "ma": WIDTH // 2, "ra": WIDTH - EDGE}
        for top, text, size, colour, anchor in self.todo:
            font = ImageFont.truetype(str(font_path()), size)
            room = WIDTH - 2 * EDGE - (190 if anchor == "la" else 0)
            while size > 14 and pen.textlength(text, font=font) > room:
                size -= 2
                font = ImageFont.truetype(str(font_path()), size)
            pen.text((places[anchor], top), text, font=font, fill=colour, anchor=anchor)
        for top in self.rules:
            pen.line((EDGE, top, WIDTH - EDGE, top), fill=LINE, width=2)
        out = io.BytesIO()
        picture.save(out, format="PNG", optimize=True)
        return out.getvalue()
