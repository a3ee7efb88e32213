"""What HQ's forms send, read into what the services take. Yuan become fen here and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

from django.http import QueryDict

from crm.members.exporting import TIERS
from yejibao.core import clock
from yejibao.core.errors import DomainError, Invalid

from .models import CouponBatch, CouponTemplate
from .rules import levels
from .services import Conditions, Plan, Terms

MONEY = re.compile(r"\d{1,7}(\.\d{1,2})?")
STAGES = {"potential": "潜客", "new": "新客", "active": "活跃", "dormant": "沉睡", "churned": "流失"}
WAYS = [way for way in CouponBatch.Way if way != CouponBatch.Way.BIRTHDAY]


def facts() -> dict[str, Any]:
    """Return the choices of the forms."""
    return {
        "levels": levels(), "channels": CouponTemplate.Channel.choices, "ways": [(way.value, way.label) for way in WAYS],
        "bearers": CouponBatch.Bearer.choices, "tiers": TIERS.items(), "stages": STAGES.items(),
    }  # fmt: skip


def errors_of(refusal: DomainError | None) -> dict[str, str]:
    """Return the sentence under each field."""
    return {one["field"]: one["message"] for one in refusal.errors} if refusal else {}


def read_terms(post: QueryDict) -> Terms:
    """Return the terms of a template. Raises Invalid for what is no number and no day."""
    kind, is_fixed = post.get("kind", ""), post.get("validity") == "fixed"
    is_percent = kind == CouponTemplate.Kind.PERCENT
    fold = post.get("fold", "").strip()
    if is_percent and not re.fullmatch(r"[1-9](\.\d)?", fold):
        _refuse("percent_off", "折扣填 1 到 9.9，比如 8.5")
    return Terms(
        name=post.get("name", "")[:40],
        kind=kind,
        amount_fen=None if is_percent else money(post, "amount_fen"),
        percent_off=_percent_off(fold) if is_percent else None,
        cap_fen=money(post, "cap_fen") if is_percent else None,
        threshold_fen=money(post, "threshold_fen") or 0,
        categories=_words(post.get("categories", "")),
        style_codes=_words(post.get("style_codes", "")),
        member_levels=[one for one in post.getlist("member_levels") if one in {level.key for level in levels()}],
        channels=[one for one in post.getlist("channels") if one in CouponTemplate.Channel.values],
        excludes_promoted=post.get("excludes_promoted") == "1",
        starts_on=day(post, "starts_on") if is_fixed else None,
        ends_on=day(post, "ends_on") if is_fixed else None,
        valid_days=None if is_fixed else whole(post, "valid_days", least=1, said="填有效几天"),
        notes=post.get("notes", "")[:255],
    )


def _percent_off(fold: str) -> int:
    """Return what 8.5 折 takes off: 15."""
    whole_part, _, tenth = fold.partition(".")
    return 100 - int(whole_part) * 10 - int(tenth or 0)


def read_plan(post: QueryDict) -> Plan:
    """Return what a batch is to be; it runs from the morning of its first day to the end of its last."""
    return Plan(
        name=post.get("name", "")[:60],
        ways=[one for one in post.getlist("ways") if one in WAYS],
        stock_count=whole(post, "stock_count", least=1, said="填一共几张"),
        opens_at=_moment(post, "opens_on"),
        closes_at=_moment(post, "closes_on", days=1),
        per_member=whole(post, "per_member", least=1, said="填每人几张", empty=1) or 1,
        guide_limit=whole(post, "guide_limit", least=1, said="填每位导购几张", empty=None),
        points_price=whole(post, "points_price", least=1, said="填多少积分一张", empty=None),
        bearer=post.get("bearer", "") if post.get("bearer") in CouponBatch.Bearer.values else CouponBatch.Bearer.BRAND,
    )


def read_conditions(post: QueryDict) -> Conditions:
    """Return whom an audience means; what is unknown is left out."""
    return Conditions(
        levels=[one for one in post.getlist("levels") if one in {level.key for level in levels()}],
        tiers=[one for one in post.getlist("tiers") if one in TIERS],
        stages=[one for one in post.getlist("stages") if one in STAGES],
    )


def words_of(conditions: Conditions) -> str:
    """Return in words whom an audience means."""
    names = {level.key: level.name for level in levels()}
    parts = [
        "、".join(str(known[one]) for one in chosen)
        for known, chosen in ((names, conditions.levels), (TIERS, conditions.tiers), (STAGES, conditions.stages))
        if chosen
    ]
    return "，".join(parts) or "全部会员"


_NEEDED: Any = object()


def whole(post: Mapping[str, str], name: str, *, least: int, said: str, empty: Any = _NEEDED) -> Any:
    """Return a whole number of a field; `empty` where nothing is typed. Raises Invalid."""
    text = post.get(name, "").strip().replace(",", "")
    if not text and empty is not _NEEDED:
        return empty
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) >= least):
        _refuse(name, said)
    return int(text)


def money(post: Mapping[str, str], name: str) -> int | None:
    """Return fen for yuan with at most two places, None for nothing typed. Raises Invalid."""
    text = post.get(name, "").strip().replace(",", "")
    if not text:
        return None
    if not MONEY.fullmatch(text):
        _refuse(name, "填金额，最多两位小数")
    yuan, _, cents = text.partition(".")
    return int(yuan) * 100 + int(cents.ljust(2, "0") if cents else 0)


def day(post: Mapping[str, str], name: str) -> date:
    """Return a day as a date field sends it. Raises Invalid."""
    try:
        return date.fromisoformat(post.get(name, ""))
    except ValueError:
        _refuse(name, "选一个日期")
        raise


def _moment(post: Mapping[str, str], name: str, *, days: int = 0) -> datetime:
    return clock.local_moment(day(post, name) + timedelta(days=days), time())


def _words(text: str) -> list[str]:
    return [word[:32] for word in re.split(r"[\s,，、;；]+", text.strip()) if word][:50]


def _refuse(name: str, said: str) -> None:
    raise Invalid(errors=[{"field": name, "code": "invalid", "message": said}])
