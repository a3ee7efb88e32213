"""Photos: what may come in, and how it is made safe. Nothing of the original bytes is kept (reliability-security §8)."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext_lazy as _
from PIL import Image, ImageOps

from ..clock import SHANGHAI
from ..errors import Invalid, TooLarge

MOST_BYTES = 10 * 1024 * 1024
MOST_PIXELS = 50_000_000  # also what bounds the time of decoding
LONG_EDGE, SMALL_EDGE = 2048, 480
QUALITY, SMALL_QUALITY = 82, 70
FORMATS = ("JPEG", "PNG", "WEBP")
HEIC = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
EXIF_IFD, GPS_IFD = 0x8769, 0x8825
TAKEN, TAKEN_OFFSET = 0x9003, 0x9011
BROKEN = (OSError, ValueError, SyntaxError, IndexError, KeyError, EOFError, struct.error, Image.DecompressionBombError)


class NotAPhoto(Invalid):
    code, title = "file.not_a_photo", _("这不是照片")


class PhotoTooLarge(TooLarge):
    code, title = "file.photo_too_large", _("照片太大")


@dataclass(frozen=True)
class Photo:
    """A photo made anew: JPEG, upright, without a word of where and by what it was taken; `small` for lists."""

    content: bytes
    small: bytes
    width: int
    height: int
    look: int  # 64 bits, signed
    taken_at: datetime | None
    place: tuple[float, float] | None  # latitude, longitude


def read_photo(raw: bytes) -> Photo:
    """Return a photo fit to be kept. Raises NotAPhoto or PhotoTooLarge."""
    if len(raw) > MOST_BYTES:
        raise PhotoTooLarge(_("一张照片最多 10 MB，请换小一点的。"))
    if raw[4:8] == b"ftyp" and raw[8:12] in HEIC:
        raise NotAPhoto(_("这张是 HEIC 格式。请在手机「设置 → 相机 → 格式」里选「兼容性最佳」，或者直接在这里拍。"))
    try:
        with Image.open(io.BytesIO(raw), formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise PhotoTooLarge(_("照片的像素太多，请换小一点的。"))
            exif = image.getexif()
            taken_at, place = _taken_at(exif), _place(exif)
            image.draft("RGB", (LONG_EDGE, LONG_EDGE))  # a JPEG is decoded no larger than needed
            flat = _flat(ImageOps.exif_transpose(image))
    except BROKEN:
        raise NotAPhoto(_("打不开这张照片，请重新拍或换一张（JPEG、PNG、WebP）。")) from None
    flat.thumbnail((LONG_EDGE, LONG_EDGE), Image.Resampling.LANCZOS)
    small = flat.copy()
    small.thumbnail((SMALL_EDGE, SMALL_EDGE), Image.Resampling.LANCZOS)
    return Photo(
        _jpeg(flat, QUALITY), _jpeg(small, SMALL_QUALITY), flat.width, flat.height, look_of(small), taken_at, place
    )


def look_of(image: Image.Image) -> int:
    """Return the difference hash: of 8 x 8 neighbours, which of two is brighter."""
    gray = image.convert("L").resize((9, 8), Image.Resampling.LANCZOS).tobytes()
    bits = 0
    for row in range(8):
        for column in range(8):
            bits = bits << 1 | (gray[row * 9 + column] > gray[row * 9 + column + 1])
    return bits - (1 << 64) if bits >= 1 << 63 else bits


def _flat(image: Image.Image) -> Image.Image:
    """Return the pixels alone, on white where they are transparent: no comment, profile or name comes along."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        with_alpha = image.convert("RGBA")
        flat = Image.new("RGB", image.size, "white")
        flat.paste(with_alpha, mask=with_alpha.getchannel("A"))
    else:
        flat = image.convert("RGB")
    flat.info = {}
    return flat


def _jpeg(image: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality, optimize=True, progressive=True)
    return out.getvalue()


def _taken_at(exif: Image.Exif) -> datetime | None:
    """Return when the camera says it was taken; without a zone it is Shanghai's."""
    details = exif.get_ifd(EXIF_IFD)
    try:
        moment = datetime.strptime(str(details.get(TAKEN, "")).strip("\x00 "), "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007
        offset = str(details.get(TAKEN_OFFSET, "")).strip("\x00 ")
        return datetime.fromisoformat(f"{moment.isoformat()}{offset}") if offset else moment.replace(tzinfo=SHANGHAI)
    except ValueError:
        return None


def _place(exif: Image.Exif) -> tuple[float, float] | None:
    gps = exif.get_ifd(GPS_IFD)
    try:
        latitude, longitude = _degrees(gps[2], gps[1], "S"), _degrees(gps[4], gps[3], "W")
    except (KeyError, TypeError, ValueError, ZeroDivisionError, IndexError):
        return None
    return (latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 180 else None


def _degrees(parts: object, side: object, negative: str) -> float:
    degrees, minutes, seconds = (float(part) for part in parts)  # type: ignore[attr-defined]
    value = degrees + minutes / 60 + seconds / 3600
    if value != value:
        raise ValueError("not a number")
    return -value if str(side).strip("\x00 ").upper() == negative else value
