"""She measures him: the numbers go into his size file, and what is to be made from them waits for his word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.members.models import Member
from crm.tags.models import Tag
from crm.tags.services import set_tag, write_tags
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.money import yuan
from yejibao.core.scope import Actor

from ..models import Fitting, MemberMeasure
from ..queries import newest_measure
from ..rules import MM, Garment, doubtful, read_cm, rules, wrong_measures
from .keeping import held_by, note_step, set_on, tell_store

State = Fitting.State
ON_FILE, HEIGHT = "measure_on_file", "body_height_cm"
MOST_FEN = 10_000_000  # a garment of a hundred thousand yuan is a slip of the finger
MOST_PIECES = 9


class Doubtful(Conflict):
    """Some measures lie far from those of last time; right if she says so (`is_sure`)."""

    code, title = "fitting.doubtful", _("有几处和上次差得多，再看一眼")


@dataclass(frozen=True)
class GarmentOrder:
    """What is to be made, and what it costs."""

    garment: str
    fabric: str
    styles: Sequence[str] = ()
    works: Sequence[str] = ()
    quantity: int = 1
    price_fen: int = 0
    deposit_fen: int = 0
    deposit_slip: str = ""
    note: str = ""


@dataclass(frozen=True)
class Taken:
    """What was measured, as it was typed: centimetres by key."""

    typed: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


@transaction.atomic
def measure_member(
    fitting: Fitting, taken: Taken, order: GarmentOrder, *, actor: Actor, now: datetime, is_sure: bool = False
) -> Fitting:  # fmt: skip
    """Keep what she measured in his size file and what is to be made; he confirms both on his phone.

    Measured anew before the making, it is a new row of the file, and he confirms anew. Raises Invalid with every field that
    is wrong, Doubtful unless she is sure, NoSuchStep.
    """
    held = held_by(fitting, actor)
    if actor.kind == "member":
        raise Conflict(_("量体要导购来量"))
    values, wrong = _read(taken.typed)
    garment = rules().garments.get(order.garment)
    wrong += _wrong_order(order, garment)
    if garment is not None:
        wrong += wrong_measures(values, needs=garment.needs)
    if wrong:
        raise Invalid(_("有几处要改一下"), errors=wrong)
    before = newest_measure(held.member_id, but=held.measure_id)
    far = doubtful(values, before.values) if before and not is_sure else []
    if far:
        raise Doubtful("；".join(one["message"] for one in far), errors=far)
    kept = MemberMeasure.objects.create(
        member_id=held.member_id, store_id=held.store_id, by_id=actor.staff_id, taken_at=now, values=values,
        note=taken.note.strip()[:255],
    )  # fmt: skip
    if held.guide_id is None and actor.staff_id:
        set_on(held, guide_id=actor.staff_id)
    held.move_to(
        State.MEASURED, now=now, measure=kept, garment=order.garment, quantity=order.quantity, fabric=order.fabric.strip(),
        styles=list(order.styles), works=list(order.works), note=order.note.strip()[:255], price_fen=order.price_fen,
        deposit_fen=order.deposit_fen, deposit_slip=order.deposit_slip.strip()[:64], confirmed_at=None, terms_version=None,
        promised_on=None, first_promised_on=None, making_at=None,
    )  # fmt: skip
    note_step(
        held, f"量好了 {len(values)} 处，{garment_words(held)}，请您看过再确认", actor=actor, now=now, audited="fitting.measured",
        count=len(values), price_fen=order.price_fen, deposit_fen=order.deposit_fen,
    )  # fmt: skip
    _tag(held.member, values, actor=actor, now=now)
    tell_store(held, f"{held.member.called}量好了，等他确认", now=now, but=actor.staff_id)
    return held


def garment_words(fitting: Fitting) -> str:
    """Return 藏青斜纹 西服套装 ×2，¥5,800."""
    garment = rules().garments.get(fitting.garment)
    pieces = f" ×{fitting.quantity}" if fitting.quantity > 1 else ""
    price = f"，{yuan(fitting.price_fen)}" if fitting.price_fen else ""
    return f"{fitting.fabric} {garment.name if garment else ''}{pieces}{price}".strip()


def _read(typed: Mapping[str, str]) -> tuple[dict[str, int], list[dict[str, str]]]:
    """Return the measures in millimetres, and what could not be read."""
    values: dict[str, int] = {}
    wrong = []
    for key, one in rules().measures.items():
        try:
            value = read_cm(typed.get(key, ""))
        except ValueError:
            wrong.append(_error(key, "number", f"{one.name}填厘米，比如 96.5"))
            continue
        if value is not None:
            values[key] = value
    return values, wrong


def _wrong_order(order: GarmentOrder, garment: Garment | None) -> list[dict[str, str]]:
    book = rules()
    checks: list[tuple[bool, str, str, Any]] = [
        (garment is not None, "garment", "choice", _("请选择做什么")),
        (0 < len(order.fabric.strip()) <= 64, "fabric", "required", _("写一下面料，比如「藏青斜纹 120 支」")),
        (set(order.styles) <= set(book.styles), "styles", "choice", _("没有这个款式")),
        (set(order.works) <= set(book.works), "works", "choice", _("没有这个工艺")),
        (1 <= order.quantity <= MOST_PIECES, "quantity", "range", _("件数在 1 到 9 之间")),
        (0 < order.price_fen <= MOST_FEN, "price", "range", _("价格填整件的总价，十万元以内")),
        (0 <= order.deposit_fen <= order.price_fen, "deposit", "range", _("定金不会比总价多")),
        (
            not order.deposit_fen or bool(order.deposit_slip.strip()),
            "deposit_slip",
            "required",
            _("写上收定金的小票号"),
        ),
    ]
    return [_error(name, code, str(message)) for is_right, name, code, message in checks if not is_right]


def _error(name: str, code: str, message: str) -> dict[str, str]:
    return {"field": name, "code": code, "message": message}


def _tag(member: Member, values: Mapping[str, int], *, actor: Actor, now: datetime) -> None:
    """Say in his tags that he was measured (tags.yaml, measure_on_file), and how tall he is."""
    tags = {tag.key: tag for tag in Tag.objects.filter(key__in=(ON_FILE, HEIGHT), is_enabled=True)}
    if ON_FILE in tags:
        set_tag(member, tags[ON_FILE], True, source="SERVICE", actor=Actor.system("tailoring"), at=now)
    if HEIGHT in tags and "height" in values:
        pair = (member.pk, tags[HEIGHT].pk)
        tall = str(round(values["height"] / MM))
        by = {pair: actor.staff_id} if actor.staff_id else {}
        write_tags({pair: [tall]}, source="GUIDE", actor=Actor.system("tailoring"), at=now, now=now, by=by)


__all__ = ["Doubtful", "GarmentOrder", "Taken", "garment_words", "measure_member"]
