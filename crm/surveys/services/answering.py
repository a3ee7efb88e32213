"""He says how it was: once, by whichever door. Few stars are the store manager's complaint; what he said becomes his tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from crm.aftersale import services as aftersale
from crm.aftersale.models import Ticket
from crm.aftersale.rules import LOW_STARS
from yejibao.core import audit, clock
from yejibao.core.errors import Conflict, Invalid, NotFound
from yejibao.core.scope import Actor

from ..models import Survey, SurveyRefusal
from ..rules import rules
from ..tokens import hashed
from .asking import insert_surveys
from .tagging import write_tags_of

LONGEST = 300
HIMSELF = "会员"


class AnsweredAlready(Conflict):
    code, title = "survey.answered_already", _("这次已经评过了，谢谢您")


class SurveyOver(Conflict):
    code, title = "survey.over", _("评价的时间过了，谢谢您")


@dataclass(frozen=True)
class Given:
    """What he tapped and wrote."""

    stars: int
    reasons: Sequence[str] = ()
    words: str = ""
    is_anonymous: bool = False


def find_by_token(token: str) -> Survey:
    """Return the survey of a link. Raises NotFound."""
    found = Survey.objects.select_related("store", "guide", "member", "ticket").filter(token_hash=hashed(token)).first()
    if found is None:
        raise NotFound(_("这个评价链接不完整，或者已经失效。"))
    return found


def whose(survey: Survey) -> Actor:
    """Return who answers by a link: its member, by the secret he holds."""
    return Actor(kind="member", member_id=survey.member_id, name=HIMSELF)


@transaction.atomic
def answer(survey: Survey, given: Given, *, way: str, actor: Actor, now: datetime) -> Survey:
    """Take an answer down, once. Two stars and fewer become the store manager's complaint; of a ticket, it is its rating.

    Raises Invalid, AnsweredAlready, SurveyOver; Conflict for a ticket that is open again.
    """
    if survey.answered_at is None and survey.expires_at <= now:
        raise SurveyOver()
    return _take(survey, given, way=way, actor=actor, now=now)


@transaction.atomic
def rate_ticket(ticket: Ticket, given: Given, *, way: str = Survey.Way.PAGE, actor: Actor, now: datetime) -> Survey:
    """Rate a ticket that is over from its own page, whether its survey was asked yet or is late. Raises as `answer`."""
    cause, ended_at = f"ticket:{ticket.pk}", ticket.closed_at or now
    row = (cause, ticket.member_id, ticket.order_id, ticket.pk, ticket.store_id, ticket.guide_id, ended_at)
    insert_surveys(Survey.Kind.SERVICE, [row], now=now)
    return _take(Survey.objects.get(cause=cause), given, way=way, actor=actor, now=now)


def _take(survey: Survey, given: Given, *, way: str, actor: Actor, now: datetime) -> Survey:
    kind = rules().kinds[survey.kind]
    reasons, words = _checked(survey, given)
    stamps = {
        "answered_at": now, "stars": given.stars, "reasons": reasons, "words": words, "way": way,
        "is_anonymous": given.is_anonymous and kind.may_be_anonymous,
    }  # fmt: skip
    if not Survey.objects.filter(pk=survey.pk, answered_at=None).update(**stamps):
        raise AnsweredAlready()
    for name, value in stamps.items():
        setattr(survey, name, value)
    _follow(survey, topic=kind.topic_of(reasons), said=_said(kind.names_of(reasons), words), actor=actor, now=now)
    _count(survey, now=now)
    if not survey.is_anonymous:  # what his guide reads on his card would name him
        write_tags_of([survey.member_id], now=now)
    audit.record(actor, "survey.answered", survey, after={"stars": survey.stars, "way": way})
    return survey


def _checked(survey: Survey, given: Given) -> tuple[list[str], str]:
    """Return the reasons that go with the stars, and the words. Raises Invalid, naming each field."""
    kind, words, wrong = rules().kinds[survey.kind], given.words.strip(), []
    if not 1 <= given.stars <= 5:
        wrong.append({"field": "stars", "code": "range", "message": str(_("请选一到五颗星"))})
    if unknown := set(given.reasons) - {chip.key for chip in kind.chips}:
        wrong.append(
            {
                "field": "reasons",
                "code": "choice",
                "message": str(_("没有这个原因：%(keys)s")) % {"keys": "、".join(sorted(unknown))[:60]},
            }
        )
    if len(words) > LONGEST:
        wrong.append(
            {"field": "words", "code": "length", "message": str(_("最多 %(count)d 个字")) % {"count": LONGEST}}
        )
    if wrong:
        raise Invalid(_("还差一点，请按提示改一下"), errors=wrong)
    # A chip of the other side was tapped before he changed the stars.
    return [chip.key for chip in kind.chips_for(given.stars) if chip.key in given.reasons], words


def _said(chips: list[str], words: str) -> str:
    return "；".join(part for part in ("、".join(chips), words) if part)


def _follow(survey: Survey, *, topic: str, said: str, actor: Actor, now: datetime) -> None:
    """Rate the ticket it is about, or complain for him where he is unhappy: either way there is one complaint."""
    assert survey.stars is not None
    if survey.ticket_id:
        ticket = Ticket.objects.get(pk=survey.ticket_id)
        aftersale.rate(ticket, stars=survey.stars, words=said[:255], topic=topic, actor=actor, now=now)
        complaint = Ticket.objects.filter(from_rating_of=ticket).first()
    elif survey.stars <= LOW_STARS:
        complaint = aftersale.open_low_score(
            survey.member, stars=survey.stars, words=said, topic=topic, order=survey.order, store=survey.store, actor=actor, now=now,
        )  # fmt: skip
    else:
        return
    if complaint is not None:
        Survey.objects.filter(pk=survey.pk).update(complaint=complaint)
        survey.complaint = complaint


_COUNT = """
INSERT INTO crm_surveyday AS d (day, store_id, guide_id, kind, asked, answered, stars, five, four, low)
VALUES (%(day)s, %(store)s, %(guide)s, %(kind)s, 0, 1, %(stars)s, (%(stars)s = 5)::int, (%(stars)s = 4)::int, (%(stars)s <= %(low)s)::int)
ON CONFLICT (store_id, day, guide_id, kind) DO UPDATE SET answered = d.answered + 1, stars = d.stars + excluded.stars,
    five = d.five + excluded.five, four = d.four + excluded.four, low = d.low + excluded.low
"""
_COUNT_REASONS = """
INSERT INTO crm_surveyreason AS r (day, store_id, kind, reason, count)
SELECT %(day)s, %(store)s, %(kind)s, one, 1 FROM unnest(%(reasons)s::text[]) one ORDER BY one
ON CONFLICT (store_id, day, kind, reason) DO UPDATE SET count = r.count + 1
"""


def _count(survey: Survey, *, now: datetime) -> None:
    """Let the figures of the day count an answer."""
    facts: dict[str, Any] = {
        "day": clock.local_day(now), "store": survey.store_id, "guide": survey.guide_id, "kind": survey.kind, "stars": survey.stars,
        "low": LOW_STARS, "reasons": survey.reasons,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, facts)
        if survey.reasons:
            cursor.execute(_COUNT_REASONS, facts)


@transaction.atomic
def want_surveys(member_id: int, *, is_wanted: bool, actor: Actor, now: datetime) -> None:
    """以后不用问我, or ask again. Twice is like once."""
    held = SurveyRefusal.objects.filter(member_id=member_id)
    if is_wanted:
        changed = held.delete()[0]
    else:
        changed = SurveyRefusal.objects.get_or_create(member_id=member_id, defaults={"at": now})[1]
    if changed:
        audit.record(
            actor, "survey.wanted" if is_wanted else "survey.refused", "crm.Member", resource_id=str(member_id)
        )
