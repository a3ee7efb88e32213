"""Values of a row: from text of a file or JSON of a post to what is stored, and a sentence for each one that is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag

from yejibao.core import clock, reindexing
from yejibao.core.personal import blind_indexes, decrypt, encrypt, mask_name, mask_phone, normal_phone

from .kinds import Field, Kind, ReadRow, all_kinds, clean, key_of

DUPLICATE_KEY = "\x00duplicate"  # set by the JSON reader on an object that names a key twice
MONEY = re.compile(r"[+]?\d{1,3}(,\d{3})+(\.\d{1,2})?|[+]?\d{1,12}(\.\d{1,2})?")
WHOLE = re.compile(r"-?\d{1,15}")
DAY = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[T ]00:00(?::00)?)?")
MONTH_DAY = re.compile(r"(\d{1,2})[-/.月](\d{1,2})日?")
MOBILE = re.compile(r"1(?:[38]\d|4[57]|[59][0-35-9]|6[25-7]|7[0-35-8])\d{8}")  # those phonenumbers takes as they stand
FLAGS = {"是": True, "否": False, "1": True, "0": False, "true": True, "false": False, "y": True, "n": False}
MOMENTS = ("%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y年%m月%d日 %H:%M",
           "%Y.%m.%d %H:%M")  # fmt: skip
OLDEST = date(1990, 1, 1)
AHEAD = timedelta(minutes=10)
YEARS = (1900, 2100)


# Not text in JSON.
TYPED = {
    "whole": "只能是整数，不要加引号",
    "fen": "金额以分为单位，只能是整数，不能写 1.5 或 1e3",
    "flag": "只能是 true 或 false",
}


class Wrong(Exception):
    """A value that cannot be read: a stable code and a sentence."""

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message


def _text(one: Field, value: Any) -> str:
    if not isinstance(value, str):
        raise Wrong("input.malformed", "应该是文字（加引号）")
    if clean(value) != value:
        raise Wrong("input.malformed", "含有不能保存的字符")
    value = value.strip()
    if len(value) > one.most:
        raise Wrong("input.too_long", f"太长了，最多 {one.most} 个字")
    return value.lower() if one.is_lower else value


def _code(one: Field, value: Any) -> str:
    value = _text(one, value)
    if " " in value:
        raise Wrong("input.malformed", "编码里不能有空格")
    return value


def _whole(one: Field, value: Any) -> int:
    if isinstance(value, str):
        if not WHOLE.fullmatch(value.strip()):
            raise Wrong("input.malformed", "只能是整数")
        value = int(value)
    if type(value) is not int:
        raise Wrong("input.malformed", "只能是整数")
    if not one.low <= value <= one.high:
        raise Wrong("input.out_of_range", f"应在 {one.low} 到 {one.high} 之间")
    return value


def fen(text: str) -> Any:
    """Return yuan as fen: `1,234.5` is 123450; the text itself where it is no amount or finer than a fen."""
    text = text.removeprefix("¥").removeprefix("￥").strip()
    sign, bare = (-1, text[1:]) if text.startswith("-") else (1, text)
    if not MONEY.fullmatch(bare):
        return text
    yuan, _point, cents = bare.replace(",", "").removeprefix("+").partition(".")
    return sign * (int(yuan) * 100 + int(cents.ljust(2, "0")))


def moment(text: str) -> str:
    """Return a wall-clock time of a till or of Excel (`2025/3/1 15:00`) as ISO 8601; other texts stay as they are."""
    text = text.strip()
    for pattern in MOMENTS:
        try:
            return datetime.strptime(text, pattern).isoformat()  # noqa: DTZ007  a wall clock of Shanghai
        except ValueError:
            continue
    return text


def _fen(one: Field, value: Any) -> int:
    if isinstance(value, str):  # a file says yuan
        value = fen(value)
        if isinstance(value, str):
            raise Wrong("input.malformed", "金额读不懂，应像 1280 或 1,280.50")
    if type(value) is not int:
        raise Wrong("input.malformed", "金额以分为单位，只能是整数，不能写 1.5 或 1e3")
    if value < one.low:
        raise Wrong("input.out_of_range", "金额不能为负数")
    if value > one.high:
        raise Wrong("input.out_of_range", "金额大得不正常")
    return value


@lru_cache(maxsize=4096)
def _day_of(text: str) -> str:
    found = DAY.fullmatch(text)
    try:
        if found:
            return date(int(found[1]), int(found[2]), int(found[3])).isoformat()
    except ValueError:
        pass
    raise Wrong("input.malformed", "日期不对，应像 2026-03-01")


def _day(one: Field, value: Any) -> str:
    return _day_of(_text(one, value))


def _birthday(one: Field, value: Any) -> str:
    """Return `1988-05-20`, or `--05-20` where the year is not told."""
    text = _text(one, value)
    if found := MONTH_DAY.fullmatch(text.removeprefix("--")):
        try:
            return f"--{date(2000, int(found[1]), int(found[2])):%m-%d}"
        except ValueError:
            raise Wrong("input.malformed", "没有这一天，生日应像 1988-05-20 或 05-20") from None
    try:
        day = _day_of(text)
    except Wrong:
        raise Wrong("input.malformed", "生日不对，应像 1988-05-20 或 05-20") from None
    if not "1901-01-01" <= day <= clock.today().isoformat():
        raise Wrong("input.out_of_range", "出生年份不可能，应在 1901 年到今天之间")
    return day


def _moment(one: Field, value: Any) -> str:
    text = moment(_text(one, value))
    if one.by_day:
        with suppress(Wrong):
            text = f"{_day(one, text)}T00:00"
    try:
        if not any(mark in text for mark in "T "):
            raise ValueError
        at = clock.parse_iso(text)
    except (ValueError, OverflowError):
        like = "2026-03-01 或 2026-03-01 15:00" if one.by_day else "2026-03-01 15:00"
        raise Wrong("input.malformed", f"时间不对，应像 {like}") from None
    if at > clock.now() + AHEAD:
        raise Wrong("input.out_of_range", "时间比现在晚了 10 分钟以上")
    if at.date() < OLDEST:
        raise Wrong("input.out_of_range", "时间早于 1990 年")
    return at.astimezone(UTC).isoformat()


def _flag(one: Field, value: Any) -> bool:
    if isinstance(value, str):
        value = FLAGS.get(value.strip().lower(), value)
    if type(value) is not bool:
        raise Wrong("input.malformed", "只能填 是 或 否")
    return value


def _choice(one: Field, value: Any) -> str:
    text = _text(one, value)
    found = one.choices.get(text)
    if found is None and text not in one.choices.values():
        raise Wrong("input.choice", f"只能是 {'、'.join(one.choices)} 之一")
    return found or text


@lru_cache(maxsize=2048)
def _normal(text: str) -> str:
    return normal_phone(text)


def _phone(one: Field, value: Any) -> str:
    text = _text(one, value)
    phone = text if MOBILE.fullmatch(text) else _normal(text)
    if not phone:
        raise Wrong("input.phone", "手机号不对")
    return phone


READERS: dict[str, Callable[[Field, Any], Any]] = {
    "text": _text, "code": _code, "whole": _whole, "fen": _fen, "day": _day, "moment": _moment, "birthday": _birthday,
    "flag": _flag, "choice": _choice, "phone": _phone,
}  # fmt: skip


def complaint(name: str, code: str, message: str) -> dict[str, str]:
    return {"field": clean(name), "code": code, "message": clean(message)}


def read_row(kind: Kind, values: Any, *, is_text: bool = False) -> ReadRow:
    """Return the cells of a row and everything that is wrong with its shape, all at once.

    `is_text`: the values were typed by people (a file, a form), so "1,280.50" is an amount in yuan and 是 is true.
    """
    if kind.read:
        return kind.read(values)
    if not isinstance(values, Mapping):
        return ReadRow("", {}, [complaint("", "input.malformed", "这里应该是一个对象（键和值）")])
    cells: dict[str, Any] = {}
    errors: list[dict[str, str]] = []
    known = 0
    if DUPLICATE_KEY in values:
        errors.append(complaint(str(values[DUPLICATE_KEY])[:64], "input.malformed", "同一个字段写了两次"))
        known += 1
    for one in kind.fields:
        value = values.get(one.name)
        if value is None or value == "" or (type(value) is str and not value.strip()):
            known += one.name in values
            if one.required:
                errors.append(complaint(one.name, "input.required", "必填，不能为空"))
            continue
        known += 1
        try:
            if type(value) is str and one.form in TYPED and not is_text:
                raise Wrong("input.malformed", TYPED[one.form])
            value = READERS[one.form](one, value)
        except Wrong as wrong:
            errors.append(complaint(one.name, wrong.code, wrong.message))
            value = clean(str(value))[:200]
        else:
            if one.form == "phone":
                cells[f"{one.name}_index"], *former = blind_indexes(value, purpose="phone")
                if former:
                    cells[f"{one.name}_former"] = former
                cells[f"{one.name}_last4"] = value[-4:]
            elif one.form == "birthday":
                year = value[:-6]
                cells[f"{one.name}_year"] = encrypt(year, column=one.seal) if year.isdigit() else ""
                cells[f"{one.name}_month"], cells[f"{one.name}_day"] = int(value[-5:-3]), int(value[-2:])
        cells[one.name] = encrypt(str(value), column=one.seal) if one.seal else value
    if known < len(values):
        strange = sorted(set(map(str, values)) - {one.name for one in kind.fields})
        errors.append(complaint(strange[0][:64] if strange else "", "input.unknown", "没有这个字段"))
    return ReadRow(key_of(kind, cells), cells, errors)


def open_cells(kind: Kind, cells: Mapping[str, Any]) -> dict[str, Any]:
    """Return cells with their personal values in the clear, as `read_row` takes them: for another try."""
    opened: dict[str, Any] = {}
    for one in kind.fields:
        if one.name in cells:
            value = cells[one.name]
            opened[one.name] = decrypt(value, column=one.seal) if one.seal and value else value
    return opened


def shown_cells(kind: Kind, cells: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (label, value) for people, personal values masked."""
    if kind.shown:
        return kind.shown(cells)
    return [
        (one.label, shown_value(one, cells[one.name])) for one in kind.fields if cells.get(one.name) not in (None, "")
    ]


def _of_wall_clock(text: str) -> str:
    try:
        return clock.parse_iso(text).astimezone(clock.SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return text


def shown_value(one: Field, value: Any) -> str:
    """Return a value as a list of errors shows it."""
    if value in (None, ""):
        return ""
    if one.seal:
        value = decrypt(value, column=one.seal)
    text = str(value)
    match one.mask or ("phone" if one.form == "phone" else "all" if one.seal else ""):
        case "phone":
            return mask_phone(text)
        case "name":
            return mask_name(text)
        case "all":
            return "****"
    if one.form == "fen" and isinstance(value, int):
        return f"{value / 100:,.2f}"
    if one.form == "moment" and len(text) > 10 and text[4] == "-":
        return _of_wall_clock(text)
    if one.form == "flag" and isinstance(value, bool):
        return "是" if value else "否"
    if one.form == "choice":
        return next((word for word, stored in one.choices.items() if stored == text), text)
    return text


def index_anew(cells: dict[str, Any]) -> None:
    """Put the look-up values in a row's cells under the key of now (core/reindexing.py)."""
    seals = {one.seal for kind in all_kinds() for one in kind.fields if one.form == "phone" and one.seal}
    for name in [name for name in cells if name.endswith("_index")]:
        value = cells.get(name.removesuffix("_index"))
        for seal in seals if isinstance(value, str) and "$" in value else ():
            try:
                cells[name], *former = blind_indexes(decrypt(value, column=seal), purpose="phone")
            except (InvalidTag, KeyError, ValueError):
                continue
            cells.pop(f"{name.removesuffix('_index')}_former", None)
            if former:
                cells[f"{name.removesuffix('_index')}_former"] = former


for _table, _keys in (("intake_refusedrow", ("id",)), ("intake_stagedrow", ("batch", "place"))):
    reindexing.inside(_table, "cells", index_anew, keys=_keys)
