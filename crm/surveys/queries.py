"""Reads: what members said by scope, the figures of a time, and what one member was asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, QuerySet, Sum
from django.db.models.functions import TruncWeek
from django.urls import reverse

from crm.members.models import Member
from yejibao.core.clock import local_day
from yejibao.core.paging import Pageful, pageful
from yejibao.core.scope import Actor

from .models import Survey, SurveyDay, SurveyReason, SurveyRefusal
from .rules import GOOD_STARS, rules
from .scoped import figure_filter, reply_filter

PAGE = 20
TABS = (("all", "全部"), ("low", "低分"), ("good", "好评"), ("unread", "没回复"))
REASONS_SHOWN = 6
DAYS = ((30, "近 30 天"), (90, "近 90 天"), (365, "近一年"))


def comments(
    actor: Actor, *, tab: str = "all", kind: str = "", store: int | None = None, guide: int | None = None, before: str = ""
) -> Pageful[Survey]:  # fmt: skip
    """Return what was said, the newest first. One statement."""
    rows = Survey.objects.visible_to(actor).answered()
    rows = rows.select_related("member", "guide", "store", "complaint", "replied_by")
    rows = rows.filter(guide=guide) if guide is not None else rows
    rows = rows.filter(kind=kind) if kind else rows
    rows = rows.filter(store=store) if store else rows
    match tab:
        case "low":
            rows = rows.filter(stars__lte=2)
        case "good":
            rows = rows.filter(stars__gte=GOOD_STARS)
        case "unread":
            rows = rows.filter(replied_at=None).exclude(words="")
    return pageful(rows, "answered_at", before, size=PAGE)


def may_reply(actor: Actor, rows: Sequence[Survey]) -> set[int]:
    """Return which of these answers the actor may say something to. One statement."""
    return set(
        Survey.objects.filter(reply_filter(actor), pk__in=[row.pk for row in rows], replied_at=None).values_list(
            "pk", flat=True
        )
    )


# ---------------------------------------------------------------- figures


@dataclass(frozen=True)
class Figures:
    """What a group of answers comes to."""

    asked: int = 0
    answered: int = 0
    stars: int = 0
    five: int = 0
    four: int = 0
    low: int = 0

    @property
    def mean(self) -> float | None:
        return self.stars / self.answered if self.answered else None

    @property
    def net(self) -> int | None:
        """Return five stars less one to three, in a hundred answers (surveys.yaml, figures)."""
        if not self.answered:
            return None
        return round(100 * (2 * self.five + self.four - self.answered) / self.answered)

    @property
    def response(self) -> float | None:
        """Return the share that answers; answers nobody asked for make it 1 at most."""
        return min(1.0, self.answered / self.asked) if self.asked else None


@dataclass(frozen=True)
class Group:
    """One line of a table: a store or a guide."""

    pk: int | None
    name: str
    figures: Figures


_SUMS = {name: Sum(name, default=0) for name in ("asked", "answered", "stars", "five", "four", "low")}


@dataclass(frozen=True)
class Span:
    """From which day to which, both included, and of which kind of survey; "" for all."""

    since: date
    until: date
    kind: str = ""


def days_back(now: datetime, days: int, kind: str = "") -> Span:
    """Return so many days up to today."""
    today = local_day(now)
    return Span(today - timedelta(days=days - 1), today, kind)


def days_of(text: str) -> int:
    """Return the period a page asks for, the shortest for none of them."""
    return next((number for number, _name in DAYS if str(number) == text), DAYS[0][0])


def _days(actor: Actor, span: Span) -> QuerySet[SurveyDay]:
    rows = SurveyDay.objects.filter(figure_filter(actor), day__gte=span.since, day__lte=span.until)
    return rows.filter(kind=span.kind) if span.kind else rows


def figures(actor: Actor, span: Span) -> Figures:
    """Return the sum of some days in one's scope. One statement."""
    return Figures(**_days(actor, span).aggregate(**_SUMS))


def by_store(actor: Actor, span: Span, *, most: int = 50) -> list[Group]:
    """Return the stores with answers, the worst first: those are looked at. One statement."""
    return _groups(_days(actor, span), "store_id", "store__short_name", most)


def by_guide(actor: Actor, span: Span, *, most: int = 50) -> list[Group]:
    """Return the guides whose customers answered often enough to say anything, the best first. One statement."""
    rows = _days(actor, span).filter(guide__isnull=False)
    found = _groups(rows, "guide_id", "guide__display_name", most, least=rules().guide_from)
    return sorted(found, key=lambda one: -(one.figures.mean or 0))


def _groups(rows: QuerySet[SurveyDay], key: str, name: str, most: int, *, least: int = 1) -> list[Group]:
    found = rows.values(key, name).annotate(**_SUMS).filter(answered__gte=least)
    found = found.order_by((F("stars") * 1000 / F("answered")).asc(), key)[:most]
    return [Group(row.pop(key), row.pop(name), Figures(**row)) for row in found]


def by_week(actor: Actor, span: Span) -> list[tuple[date, Figures]]:
    """Return week by week, the oldest first, weeks without an answer too. One statement."""
    rows = _days(actor, span).annotate(week=TruncWeek("day")).values("week")
    found = {week: Figures(*sums) for week, *sums in rows.annotate(**_SUMS).values_list("week", *_SUMS)}
    first = span.since - timedelta(days=span.since.weekday())
    weeks = [first + timedelta(days=7 * n) for n in range((span.until - first).days // 7 + 1)]
    return [(week, found.get(week, Figures())) for week in weeks]


def reasons(actor: Actor, span: Span) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Return what was praised and what was not, with how often, the most frequent first. One statement."""
    rows = SurveyReason.objects.filter(figure_filter(actor), day__gte=span.since, day__lte=span.until)
    rows = rows.filter(kind=span.kind) if span.kind else rows
    counts: dict[tuple[str, bool], int] = {}
    for row in rows.values("kind", "reason").annotate(times=Sum("count")):
        about = rules().kinds[row["kind"]]
        chip = next((one for one in about.chips if one.key == row["reason"]), None)
        if chip is not None:
            place = (chip.name, chip in about.good)
            counts[place] = counts.get(place, 0) + row["times"]
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    good = [(name, times) for (name, is_good), times in ordered if is_good]
    bad = [(name, times) for (name, is_good), times in ordered if not is_good]
    return good[:REASONS_SHOWN], bad[:REASONS_SHOWN]


def praise_of(staff_id: int, *, since: datetime) -> dict[str, Any]:
    """Return how many good words a guide got since then, and for what: nothing else is counted for her. One statement."""
    rows = Survey.objects.filter(guide=staff_id, stars__gte=GOOD_STARS, answered_at__gte=since).values_list(
        "kind", "reasons"
    )
    chips: dict[str, int] = {}
    found = list(rows[:1000])
    for kind, keys in found:
        for name in rules().kinds[kind].names_of(keys):
            chips[name] = chips.get(name, 0) + 1
    return {"count": len(found), "chips": sorted(chips.items(), key=lambda one: (-one[1], one[0]))[:REASONS_SHOWN]}


# ---------------------------------------------------------------- one member


def waiting_of(member: Member, *, now: datetime) -> list[Survey]:
    """Return what a member may still answer, the newest first. One statement."""
    rows = Survey.objects.filter(member=member).waiting(now).select_related("store", "guide")
    return list(rows.order_by("-asked_at", "-pk")[:3])


def is_refused(member_id: int) -> bool:
    return SurveyRefusal.objects.filter(member_id=member_id).exists()


def link_of(survey: Survey) -> str:
    """Return the address of a survey's one screen; "" where its token cannot be made any more."""
    token = survey.token
    return f"{settings.PUBLIC_BASE_URL}{reverse('crm:survey', args=[token])}" if token else ""


def links_of(asked: Sequence[tuple[int, int]], *, now: datetime) -> dict[int, str]:
    """Return for each (key, member) the link of what he may still answer, where there is something. One statement."""
    rows = Survey.objects.waiting(now).filter(member_id__in={member for _key, member in asked})
    newest = {
        row.member_id: row for row in rows.only("public_id", "token_hash", "member_id").order_by("asked_at", "pk")
    }
    return {key: link for key, member in asked if member in newest and (link := link_of(newest[member]))}
