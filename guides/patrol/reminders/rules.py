"""The five smart reminders as patrol_checklist.yaml has them: when one is due, and its text with the numbers. No database."""

from __future__ import annotations

import calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from statistics import median
from typing import Any

from yejibao.core import tunables

from ..book import book
from ..scoring import words_of
from .facts import MemberWork, Performance

NEW_STORE_DAYS = 90
FIRST_DAY = 8  # of the month: before that a target says little
MORE_DAYS = 7  # "not patrolled in 7 more days -> region_manager"
RECENT_DAYS = 14
WEAK_INDEX = 0.90  # models.yaml store_diagnosis
PEERS = 5
FACTORS = {"footfall": "客流", "conversion": "进店转化率", "attach": "连带率", "price": "件单价"}

_RULES: dict[str, dict[str, Any]] = {row["key"]: row for row in book()["smart_reminders"]}
_GROUP = "巡店提醒"


def _number(key: str, name: str, unit: str, default: int, least: int, most: int, why: str) -> tunables.Tunable:
    return tunables.number(
        f"patrol-{key}", group=_GROUP, name=name, unit=unit, default=default, least=least, most=most, why=why
    )


DAYS = {
    grade: _number(
        f"days-{grade.lower()}", f"{grade} 级店多少天没巡就提醒", "天", default, 7, 180, "店铺等级的巡店标准改了再动"
    )
    for grade, default in {"A": 30, "B": 30, "C": 45, "D": 60}.items()
}
DAYS_NEW = _number("days-new", "新店（开业 90 天内）多少天没巡就提醒", "天", 15, 3, 60, "新店想盯得紧一点就调低")
GAP = _number("gap", "达成落后时间进度多少个百分点就提醒", "个百分点", 10, 3, 50, "月初月末波动大时调高")
DROP = _number("drop", "近 14 天比去年同期下降多少就提醒", "%", 20, 5, 80, "去年同期有大活动时调高")
LOW_SCORE = _number("low-score", "上次得分低于多少提醒复查（十分之一分）", "× 0.1 分", 35, 20, 45, "35 就是 3.5 分")
LOW_SCORE_DAYS = _number("low-score-days", "低分以后多少天没人再去就提醒", "天", 14, 3, 60, "复查想快一点就调低")
COMPLETION = _number("completion", "任务完成率连续两周低于多少提醒", "%", 60, 20, 90, "和复盘的红线一致")
TAGS = _number("tags", "标签完整率低于多少提醒", "%", 50, 10, 90, "补标签活动期间可以调高")


@dataclass(frozen=True)
class Limits:
    """The thresholds as they stand, read once a night."""

    days: Mapping[str, int]
    days_new: int = 15
    gap: int = 10
    drop: int = 20
    low_score: int = 35
    low_score_days: int = 14
    completion: int = 60
    tags: int = 50

    @classmethod
    def at(cls, now: datetime) -> Limits:
        return cls(
            days={grade: one.at(now) for grade, one in DAYS.items()}, days_new=DAYS_NEW.at(now), gap=GAP.at(now),
            drop=DROP.at(now), low_score=LOW_SCORE.at(now), low_score_days=LOW_SCORE_DAYS.at(now),
            completion=COMPLETION.at(now), tags=TAGS.at(now),
        )  # fmt: skip


@dataclass(frozen=True)
class StoreFacts:
    """What this room knows of a store: its last patrol that counts, and what is late to be mended."""

    store_id: int
    name: str
    grade: str
    kind: str
    region: str  # the path of the region it lies in, for its peers
    branch: str
    opened_on: date | None
    last_on: date | None
    last_tenths: int | None
    overdue: int = 0
    overdue_a_day: int = 0  # of these, late for more than 24 h


@dataclass(frozen=True)
class Due:
    """One reminder: to whom (roles over the store) and in which words."""

    key: str
    text: str
    to: tuple[str, ...]
    facts: dict[str, Any] = field(default_factory=dict)


def repeat_days(key: str) -> int:
    return int(_RULES[key]["repeat_days"])


def name_of(key: str) -> str:
    return str(_RULES[key]["name"])


def _text(key: str, **facts: Any) -> str:
    return str(_RULES[key]["text"]).format(**facts)


def low_frequency(store: StoreFacts, *, today: date, limits: Limits) -> Due | None:
    """Days since the last patrol over the limit of the grade; a new store's is shorter."""
    is_new = store.opened_on is not None and (today - store.opened_on).days < NEW_STORE_DAYS
    limit = limits.days_new if is_new else limits.days.get(store.grade, limits.days["D"])
    since = store.last_on or store.opened_on
    days = (today - since).days if since else None
    if days is not None and days <= limit:
        return None
    to = list(_RULES["low_frequency"]["to"])
    if days is None or days > limit + MORE_DAYS:
        to.append("region_manager")
    if store.last_on is None:
        kind = "新店" if is_new else f"{store.grade}级店"
        text = f"{store.name}还没有巡店记录（{kind}标准{limit}天），请安排。"
    elif is_new:
        text = f"{store.name}已{days}天未巡店（新店标准{limit}天），请安排。"
    else:
        text = _text("low_frequency", store_name=store.name, days=days, grade=store.grade, limit=limit)
    return Due("low_frequency", text, tuple(to), {"days": days, "limit": limit})


def performance_at_risk(
    store: StoreFacts, sold: Performance | None, *, today: date, limits: Limits, weak: str = ""
) -> Due | None:
    """Behind the time of the month against the target, or far below the same days of last year."""
    if sold is None:
        return None
    to = tuple(_RULES["performance_at_risk"]["to"])
    tail = f"弱项：{weak}，" if weak else ""
    if sold.target_fen and today.day >= FIRST_DAY:
        progress = (today.day - 1) / calendar.monthrange(today.year, today.month)[1]
        achievement = sold.month_fen / sold.target_fen
        gap = round((progress - achievement) * 100, 1)
        if gap >= limits.gap:
            text = _text(
                "performance_at_risk", store_name=store.name, achievement=f"{achievement * 100:.0f}%", gap=f"{gap:g}",
                weak_factor=weak or "暂无",
            )  # fmt: skip
            text = text if weak else text.replace("弱项：暂无，", "")
            return Due(
                "performance_at_risk", text, to, {"achievement": round(achievement, 4), "gap": gap, "weak": weak}
            )
    if sold.recent_last_year_fen > 0:
        # In whole fen: 20 % down is 20 % down, whatever a float makes of it.
        lost = sold.recent_last_year_fen - sold.recent_fen
        if lost * 100 >= limits.drop * sold.recent_last_year_fen:
            drop = round(lost * 100 / sold.recent_last_year_fen)
            text = f"{store.name}近{RECENT_DAYS}天净销售比去年同期下降{drop}%，{tail}建议本周巡店帮扶。"
            return Due("performance_at_risk", text, to, {"drop": drop, "weak": weak})
    return None


def low_score(store: StoreFacts, *, today: date, limits: Limits) -> Due | None:
    """The last score was low, and nobody went again for two weeks."""
    if store.last_on is None or store.last_tenths is None or store.last_tenths >= limits.low_score:
        return None
    if (today - store.last_on).days < limits.low_score_days:
        return None
    text = _text("low_score", store_name=store.name, score=words_of(store.last_tenths))
    return Due("low_score", text, tuple(_RULES["low_score"]["to"]), {"tenths": store.last_tenths})


def rectify_overdue(store: StoreFacts) -> Due | None:
    """Something is late to be mended: the manager hears at once, the supervisor after a day (rectification.overdue)."""
    if not store.overdue:
        return None
    to = tuple(_RULES["rectify_overdue"]["to"]) if store.overdue_a_day else ("store_manager",)
    return Due(
        "rectify_overdue", _text("rectify_overdue", store_name=store.name, n=store.overdue), to, {"n": store.overdue}
    )


def member_work_weak(store: StoreFacts, work: MemberWork | None, *, limits: Limits) -> Due | None:
    """Two weeks running too few tasks were done, or the tags are half empty."""
    if work is None:
        return None
    to = tuple(_RULES["member_work_weak"]["to"])
    if all(due > 0 and done * 100 < limits.completion * due for done, due in work.weeks):
        done, due = work.weeks[0]
        rate = f"{round(done * 100 / due)}%"
        return Due("member_work_weak", _text("member_work_weak", store_name=store.name, rate=rate), to, {"rate": rate})
    if work.tags_wanted and work.tags_filled * 100 < limits.tags * work.tags_wanted:
        rate = f"{round(work.tags_filled * 100 / work.tags_wanted)}%"
        return Due("member_work_weak", f"{store.name}标签完整率{rate}，建议CRM专项巡店。", to, {"tags": rate})
    return None


# ---------------------------------------------------------------- the weak factor (models.yaml store_diagnosis)


def factors_of(sold: Performance, *, month_fen: int | None = None) -> dict[str, float]:
    """Return 客流, 进店转化率, 连带率, 件单价 of a store's month, as far as they are known."""
    fen = sold.month_fen if month_fen is None else month_fen
    found: dict[str, float] = {}
    if sold.visitors:
        found["footfall"] = sold.visitors
        found["conversion"] = sold.orders / sold.visitors
    if sold.orders:
        found["attach"] = sold.items / sold.orders
    if sold.items:
        found["price"] = fen / sold.items
    return found


def weak_factor(own: Mapping[str, float], peers: Sequence[Mapping[str, float]]) -> tuple[str, float] | None:
    """Return the factor with the lowest index against the peers' median, if that is below 0.90; None where all are well."""
    found = []
    for key in FACTORS:
        known = [one[key] for one in peers if key in one]
        if key in own and known and (middle := median(known)):
            found.append((own[key] / middle, key))
    if not found or min(found)[0] >= WEAK_INDEX:
        return None
    index, key = min(found)
    return key, index


def peers_of(store: StoreFacts, stores: Sequence[StoreFacts]) -> list[StoreFacts]:
    """Return stores of the same kind and grade: of the region where there are five, else of the branch, else of all."""
    alike = [one for one in stores if one.kind == store.kind and one.grade == store.grade and one is not store]
    for near in ("region", "branch"):
        close = [one for one in alike if getattr(one, near) == getattr(store, near)]
        if len(close) >= PEERS:
            return close
    return alike
