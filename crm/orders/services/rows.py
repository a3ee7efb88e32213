"""One row of the feed: its shape, and what is wrong with it. Nothing here asks the database.

A row is what a till sends: plain JSON values. `read_row` returns the order it describes, or all that is wrong with it
at once; every complaint names its field, a stable dotted code and a sentence for people.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from crm.orders.models import Order
from yejibao.core.clock import parse_iso
from yejibao.core.domain_files import read_yaml
from yejibao.core.personal import normal_phone
from yejibao.intake.reading import DUPLICATE_KEY

MAX_FEN = 10_000_000_000  # 1 亿元: beyond this it is a slip of the keyboard
MAX_QUANTITY = 9999
MAX_LINE_NO = 32767
MAX_LINES, MAX_CHANGES = 200, 50
AHEAD = timedelta(minutes=10)  # tolerated difference of a till's clock
OLDEST = datetime(1990, 1, 1, tzinfo=UTC)
STATUSES = ("paid", "void")
GENDERS = ("m", "f", "u")
KINDS = tuple(Order.Kind.values)
DOMAIN = Path(__file__).resolve().parents[2] / "data" / "aftersale.yaml"


_normal_phone = lru_cache(maxsize=2048)(normal_phone)  # one customer's orders stand together in a file


@dataclass(frozen=True, slots=True)
class LineIn:
    line_no: int
    sku_code: str
    item_name: str
    color: str
    size: str
    care_key: str
    family: str
    quantity: int
    paid_fen: int


@dataclass(frozen=True, slots=True)
class ReturnIn:
    """Goods that came back. `lines` is (line_no, quantity, refund_fen); empty means everything that is left."""

    number: str
    at: datetime
    lines: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class ExchangeIn:
    number: str
    at: datetime
    line_no: int
    line: LineIn


@dataclass(frozen=True, slots=True)
class MemberIn:
    """How a row names its member, and what to make of him when nobody knows him (needs a name)."""

    member_no: str = ""
    phone: str = ""
    text: str = ""  # a card number or a phone, as typed
    name: str = ""
    salutation: str = ""
    gender: str = "m"
    owner_guide: str = ""
    main_store: str = ""
    phone_consent: bool = False
    friend_external_id: str = ""


@dataclass(frozen=True, slots=True)
class OrderIn:
    number: str
    store: str
    guide: str
    member: MemberIn | None
    kind: str
    paid_at: datetime
    paid_fen: int
    lines: tuple[LineIn, ...]
    is_gift: bool
    is_delivery: bool
    received_at: datetime | None
    note: str
    returns: tuple[ReturnIn, ...]
    exchanges: tuple[ExchangeIn, ...]
    is_void: bool

    def facts(self) -> str:
        """Return what makes the sale itself, without whom and where (those are resolved) and without later changes."""
        lines = [
            [n.line_no, n.sku_code, n.item_name, n.color, n.size, n.care_key, n.family, n.quantity, n.paid_fen]
            for n in self.lines
        ]
        return json.dumps([self.kind, self.paid_fen, lines, self.is_gift, self.is_delivery, self.note])


@dataclass(slots=True)
class RowResult:
    """The answer to one row. `result` is created, same, changed or refused; the rest says why it was refused."""

    number: str
    result: str
    code: str = ""
    detail: str = ""
    errors: list[dict[str, str]] = field(default_factory=list)
    order_id: int | None = None


def refused(number: str, errors: list[dict[str, str]]) -> RowResult:
    """Return the answer for a row with something wrong; the first complaint speaks for it."""
    return RowResult(number, "refused", errors[0]["code"], errors[0]["message"], errors)


def complaint(name: str, code: str, message: str) -> dict[str, str]:
    return {"field": name, "code": code, "message": message}


@cache
def care_keys() -> frozenset[str]:
    """Return the product families that care tips and scripts know (aftersale.yaml care_tips)."""
    return frozenset(read_yaml(DOMAIN)["care_tips"])


class _Missing(Exception):
    """A value could not be read; the complaint is already noted."""


class _Reader:
    """Reads the values of one object and notes what is wrong; `prefix` is where the object stands in the row."""

    def __init__(self, source: Any, prefix: str, errors: list[dict[str, str]]) -> None:
        self.prefix, self.errors = prefix, errors
        self.source: dict[str, Any] = source if isinstance(source, dict) else {}
        if not isinstance(source, dict):
            self.note("", "input.malformed", "这里应该是一个对象（键和值）")
        elif DUPLICATE_KEY in source:
            self.note(str(source[DUPLICATE_KEY]), "input.malformed", "同一个字段写了两次")

    def note(self, name: str, code: str, message: str) -> None:
        self.errors.append(complaint(f"{self.prefix}{name}".rstrip("."), code, message))

    def text(self, name: str, most: int, *, required: bool = False) -> str:
        value = self.source.get(name)
        if value is None or value == "":
            if required:
                self.note(name, "input.required", "必填，不能为空")
            return ""
        if not isinstance(value, str):
            self.note(name, "input.malformed", "应该是文字（加引号）")
            return ""
        if "\x00" in value or not _is_clean(value):
            self.note(name, "input.malformed", "含有不能保存的字符")
            return ""
        value = value.strip()
        if len(value) > most:
            self.note(name, "input.too_long", f"太长了，最多 {most} 个字")
            return ""
        if required and not value:
            self.note(name, "input.required", "必填，不能为空")
        return value

    def whole(self, name: str, low: int, high: int, *, default: int | None = None, fen: bool = False) -> int:
        """Return a whole number. JSON's 1.5, 1e3, "100" and true are not whole numbers."""
        value = self.source.get(name)
        if value is None:
            if default is None:
                self.note(name, "input.required", "必填，不能为空")
            return default or 0
        if type(value) is not int:
            words = "金额以分为单位，只能是整数，不能写 1.5 或 1e3" if fen else "只能是整数"
            self.note(name, "input.malformed", words)
            return 0
        if not low <= value <= high:
            words = "金额不能为负数" if fen and value < 0 else f"应在 {low} 到 {high} 之间"
            self.note(name, "input.out_of_range", words)
            return 0
        return value

    def flag(self, name: str) -> bool:
        value = self.source.get(name)
        if value is None:
            return False
        if type(value) is not bool:
            self.note(name, "input.malformed", "只能是 true 或 false（文件里填 是 或 否）")
            return False
        return value

    def choice(self, name: str, allowed: tuple[str, ...], default: str, code: str = "input.choice") -> str:
        value = self.text(name, 32) or default
        if value and value not in allowed:
            self.note(name, code, f"只能是 {'、'.join(allowed)} 之一")
            return default
        return value

    def moment(self, name: str, now: datetime, *, required: bool = True) -> datetime | None:
        value = self.text(name, 40, required=required)
        if not value:
            return None
        try:
            if not any(mark in value for mark in "T "):
                raise ValueError
            moment = parse_iso(value)
        except (ValueError, OverflowError):
            self.note(name, "input.malformed", "时间格式不对，应像 2025-03-01T15:00:00+08:00")
            return None
        if moment > now + AHEAD:
            self.note(name, "order.time_in_future", "时间比现在晚了 10 分钟以上")
            return None
        if moment < OLDEST:
            self.note(name, "order.time_too_old", "时间早于 1990 年")
            return None
        return moment

    def each(self, name: str, most: int, read: Callable[["_Reader", int], Any]) -> tuple[Any, ...]:
        """Return what `read` makes of each object of a list."""
        value = self.source.get(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            self.note(name, "input.malformed", "应该是一个列表")
            return ()
        if len(value) > most:
            self.note(name, "input.too_long", f"最多 {most} 条")
            return ()
        found = []
        for place, item in enumerate(value):
            before = len(self.errors)
            inner = _Reader(item, f"{self.prefix}{name}.{place}.", self.errors)
            if len(self.errors) == before:
                found.append(read(inner, place))
        return tuple(found)


def _is_clean(text: str) -> bool:
    """Tell whether a text has no lone surrogates (JSON can spell them, UTF-8 and PostgreSQL cannot)."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _line(reader: _Reader, place: int) -> LineIn:
    care_key = reader.text("care_key", 16)
    if care_key and care_key not in care_keys():
        reader.note("care_key", "order.care_key_unknown", "没有这个洗护类别")
    return LineIn(
        line_no=reader.whole("line_no", 1, MAX_LINE_NO, default=place + 1),
        sku_code=reader.text("sku", 32),
        item_name=reader.text("item_name", 64),
        color=reader.text("color", 16),
        size=reader.text("size", 16),
        care_key=care_key,
        family=reader.text("family", 32),
        quantity=reader.whole("quantity", 1, MAX_QUANTITY, default=1),
        paid_fen=reader.whole("paid_fen", 0, MAX_FEN, fen=True),
    )


def _member(value: Any, errors: list[dict[str, str]]) -> MemberIn | None:
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return MemberIn(text=_Reader({"member": value}, "", errors).text("member", 32))
    reader = _Reader(value, "member.", errors)
    if not isinstance(value, dict):
        return None
    typed = reader.text("phone", 32)
    phone = _normal_phone(typed) if typed else ""
    if typed and not phone:
        reader.note("phone", "order.phone_invalid", "手机号不对")
    member_no = reader.text("member_no", 32)
    if not member_no and not typed:
        reader.note("member_no", "input.required", "会员号和手机号至少填一个")
    return MemberIn(
        member_no=member_no,
        phone=phone,
        name=reader.text("name", 32),
        salutation=reader.text("salutation", 16),
        gender=reader.choice("gender", GENDERS, "m"),
        owner_guide=reader.text("owner_guide", 64).lower(),
        main_store=reader.text("main_store", 32),
        phone_consent=reader.flag("phone_consent"),
        friend_external_id=reader.text("friend_external_id", 64),
    )


def named_member(value: Any) -> MemberIn | None:
    """Return whom a row names, whatever else is wrong with it."""
    return _member(value, [])


def read_row(row: Any, *, now: datetime) -> OrderIn | RowResult:
    """Return the order a row describes, or the refusal that names everything wrong with its shape."""
    errors: list[dict[str, str]] = []
    reader = _Reader(row, "", errors)
    if errors:
        return refused("", errors)
    number = reader.text("number", 64, required=True)
    store = reader.text("store", 32, required=True)
    guide = reader.text("guide", 64).lower()
    member = _member(reader.source.get("member"), errors)
    kind = reader.choice("kind", KINDS, "", "order.kind_unknown")
    if not kind and not reader.source.get("kind"):
        reader.note("kind", "input.required", "必填，不能为空")
    paid_at = reader.moment("paid_at", now)
    received_at = reader.moment("received_at", now, required=False)
    status = reader.choice("status", STATUSES, "paid")
    lines: tuple[LineIn, ...] = reader.each("lines", MAX_LINES, _line)

    def returned(inner: _Reader, _: int) -> ReturnIn:
        def part(deep: _Reader, _: int) -> tuple[int, int, int]:
            return (
                deep.whole("line_no", 1, MAX_LINE_NO),
                deep.whole("quantity", 1, MAX_QUANTITY),
                deep.whole("refund_fen", 0, MAX_FEN, fen=True),
            )

        return ReturnIn(
            inner.text("number", 64, required=True),
            inner.moment("at", now) or now,
            inner.each("lines", MAX_LINES, part),
        )

    def exchanged(inner: _Reader, _: int) -> ExchangeIn:
        new = _line(_Reader(inner.source.get("with"), f"{inner.prefix}with.", errors), -1)
        return ExchangeIn(
            inner.text("number", 64, required=True),
            inner.moment("at", now) or now,
            inner.whole("line_no", 1, MAX_LINE_NO),
            new,
        )

    returns: tuple[ReturnIn, ...] = reader.each("returns", MAX_CHANGES, returned)
    exchanges: tuple[ExchangeIn, ...] = reader.each("exchanges", MAX_CHANGES, exchanged)
    is_gift, is_delivery = reader.flag("is_gift"), reader.flag("is_delivery")
    note = reader.text("note", 255)
    total = sum(line.paid_fen for line in lines)
    paid_fen = reader.whole("paid_fen", 0, MAX_FEN, default=total, fen=True)
    if not errors:
        _look_across(reader, paid_at, received_at, lines, paid_fen, returns, exchanges)
    if errors or paid_at is None:
        return refused(number, errors)
    return OrderIn(
        number, store, guide, member, kind, paid_at, paid_fen, lines, is_gift, is_delivery, received_at, note, returns,
        exchanges, status == "void",
    )  # fmt: skip


def _look_across(
    reader: _Reader,
    paid_at: datetime | None,
    received_at: datetime | None,
    lines: tuple[LineIn, ...],
    paid_fen: int,
    returns: tuple[ReturnIn, ...],
    exchanges: tuple[ExchangeIn, ...],
) -> None:
    """Note what only shows when several values are seen together."""
    if not lines and reader.source.get("paid_fen") is None:
        reader.note("lines", "input.required", "至少要有一行商品；没有商品的单要写 paid_fen")
    if lines and paid_fen != sum(line.paid_fen for line in lines):
        reader.note("paid_fen", "order.amount_mismatch", "与各行实付金额之和不一致")
    if len({line.line_no for line in lines}) < len(lines):
        reader.note("lines", "order.line_twice", "行号重复")
    for name, changes in (("returns", returns), ("exchanges", exchanges)):
        if len({change.number for change in changes}) < len(changes):
            reader.note(name, "order.change_twice", "单号重复")
        if paid_at and any(change.at < paid_at for change in changes):
            reader.note(name, "order.change_before_payment", "时间早于付款时间")
    if paid_at and received_at and received_at < paid_at:
        reader.note("received_at", "order.change_before_payment", "签收时间早于付款时间")
