"""A code as a poster for the counter: name, store, what scanning brings. A6 upright at 300 dpi."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

from django.conf import settings
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 1240, 1748
PAPER, INK, SOFT, NAVY, CAMEL = "#F4F2ED", "#1D2228", "#686E76", "#1F3350", "#B4854A"
CODE = 720
FONTS = (  # where systems keep a font with Chinese characters
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/opentype/noto/NotoSerifCJK-Bold.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/System/Library/Fonts/PingFang.ttc",
)


@cache
def font_file() -> str:
    """Return a font with Chinese characters, "" where there is none: then the browser prints the poster, nobody draws it."""
    return next((name for name in (settings.POSTER_FONT, *FONTS) if name and Path(name).exists()), "")


def draw_poster(*, picture: bytes, title: str, place: str, brand: str, promise: str) -> bytes:
    """Return the poster as a PNG. Needs a font (`font_file`). Long names shrink until they fit."""
    sheet = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.rectangle((0, 0, WIDTH, 24), fill=NAVY)
    _centred(pen, brand, 90, 46, SOFT)
    _centred(pen, title, 190, 110, INK)
    _centred(pen, place, 350, 54, SOFT)
    left, top = (WIDTH - CODE) // 2, 490
    pen.rounded_rectangle((left - 60, top - 60, left + CODE + 60, top + CODE + 60), 36, fill="white")
    with Image.open(io.BytesIO(picture)) as code:
        sheet.paste(code.convert("RGB").resize((CODE, CODE), Image.Resampling.NEAREST), (left, top))
    _centred(pen, "微信扫一扫，加我好友", 1340, 62, INK)
    for x in range(180, WIDTH - 180, 34):  # the stitch
        pen.line((x, 1480, x + 20, 1480), fill=CAMEL, width=4)
    _centred(pen, promise, 1540, 46, SOFT)
    out = io.BytesIO()
    sheet.save(out, format="PNG", optimize=True, dpi=(300, 300))
    return out.getvalue()


def _centred(pen: ImageDraw.ImageDraw, text: str, top: int, size: int, colour: str) -> None:
    font = ImageFont.truetype(font_file(), size)
    while size > 24 and pen.textlength(text, font=font) > WIDTH - 160:
        size -= 4
        font = ImageFont.truetype(font_file(), size)
    pen.text((WIDTH / 2, top), text, font=font, fill=colour, anchor="ma")
