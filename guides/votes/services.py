"""Asking, handing out ballots, voting, taking back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from guides.announcements.choosing import Chosen, ids_after
from guides.events import VoteCast, VoteOpened
from guides.notices.pushing import tell_and_push
from guides.notices.services import Notice, settle
from yejibao.core import audit, clock, hints, outbox
from yejibao.core.errors import Conflict, Forbidden, Invalid, NotFound
from yejibao.core.scope import Actor

from .models import Vote, VoteBallot, VoteChoice, VoteOption
from .scoped import CREATE, keeper_filter

JOB = "guides.votes.jobs.hand_out_ballots"
AT_ONCE = 1_000
OPTIONS = (2, 12)
LONGEST = timedelta(days=30)


class VotedAlready(Conflict):
    code, title = "vote.cast", _("你已经投过了")


class VoteOver(Conflict):
    code, title = "vote.over", _("投票已经结束")


@transaction.atomic
def open_vote(
    *, title: str, text: str, options: Sequence[str], most_choices: int, is_anonymous: bool, shows_at_once: bool,
    deadline_at: datetime, chosen: Chosen, actor: Actor, now: datetime,
) -> Vote:  # fmt: skip
    """Ask: everybody chosen gets a ballot and hears of it, a part at a time. Raises Forbidden or Invalid."""
    if not actor.may(CREATE) or actor.staff_id is None:
        raise Forbidden(permission=CREATE)
    kept = list(dict.fromkeys(one.strip()[:40] for one in options if one.strip()))
    wrong = []
    if len(title.strip()) < 2:
        wrong.append(_field("title", _("写一句要投什么")))
    if not OPTIONS[0] <= len(kept) <= OPTIONS[1]:
        wrong.append(
            _field("options", _("要 %(least)d 到 %(most)d 个不同的选项") % {"least": OPTIONS[0], "most": OPTIONS[1]})
        )
    if not 1 <= most_choices <= max(1, len(kept)):
        wrong.append(_field("most_choices", _("最多选几个，要在 1 和选项数之间")))
    if not now + timedelta(minutes=10) <= deadline_at <= now + LONGEST:
        wrong.append(_field("deadline_at", _("截止要在 10 分钟以后、30 天以内")))
    if wrong:
        raise Invalid(_("有几处要改一下"), errors=wrong)
    vote = Vote.objects.create(
        title=title.strip()[:60], text=text.strip()[:500], most_choices=most_choices, is_anonymous=is_anonymous,
        shows_at_once=shows_at_once and not is_anonymous, audience=chosen.audience.facts(), audience_words=chosen.words,
        unit=chosen.unit, author_id=actor.staff_id, opened_at=now, deadline_at=deadline_at,
    )  # fmt: skip
    VoteOption.objects.bulk_create([VoteOption(vote=vote, place=place, text=one) for place, one in enumerate(kept)])
    audit.record(
        actor, "vote.opened", vote, after={"options": len(kept), "anonymous": is_anonymous, "to": chosen.words}
    )
    transaction.on_commit(lambda: hints.wake(JOB))
    return vote


def hand_out(*, now: datetime, budget: timedelta) -> dict[str, int]:
    """Give ballots to whoever has none yet, a thousand at a time; each hears of it with his. Goes on where it was stopped."""
    ends, told = clock.monotonic() + budget.total_seconds(), 0
    while clock.monotonic() < ends:
        count = _hand_out_some(now)
        if count is None:
            break
        told += count
    return {"told": told}


@transaction.atomic
def _hand_out_some(now: datetime) -> int | None:
    rows = Vote.objects.filter(spread_at=None, withdrawn_at=None).order_by("pk")
    vote = rows.select_for_update(skip_locked=True, no_key=True).first()
    if vote is None:
        return None
    people = (
        ids_after(vote.audience, day=clock.local_day(now), after=vote.spread_to, most=AT_ONCE)
        if vote.is_open(now)
        else []
    )
    VoteBallot.objects.bulk_create([VoteBallot(vote=vote, staff_id=pk) for pk in people], ignore_conflicts=True)
    until = f"{vote.deadline_at.astimezone(clock.SHANGHAI):%m-%d %H:%M} 截止" + ("，匿名" if vote.is_anonymous else "")
    notice = Notice("vote", vote.key, f"投票：{vote.title}", f"/g/votes/{vote.pk}/", until)
    tell_and_push([(pk, notice) for pk in people], now=now, priority=6)
    if people:
        outbox.publish(VoteOpened(vote.pk, vote.title, vote.deadline_at.isoformat(), people))
        vote.spread_to, vote.ballot_count = people[-1], vote.ballot_count + len(people)
    if len(people) < AT_ONCE:
        vote.spread_at = now
    vote.save(update_fields=["spread_to", "ballot_count", "spread_at"])
    return len(people)


@transaction.atomic
def cast(vote: Vote, option_ids: Sequence[int], *, actor: Actor, now: datetime) -> None:
    """Vote, once. Of an anonymous vote nothing is kept that leads from the person to the choice.

    Raises NotFound, VotedAlready, VoteOver or Invalid.
    """
    held = Vote.objects.select_for_update(no_key=True).get(pk=vote.pk)  # votes come one after the other
    if not held.is_open(now):
        raise VoteOver()
    ballot = VoteBallot.objects.filter(vote=held, staff_id=actor.staff_id or 0).first()
    if ballot is None:
        raise NotFound()
    known = set(VoteOption.objects.filter(vote=held).values_list("pk", flat=True))
    wanted = set(option_ids)
    if not wanted or wanted - known:
        raise Invalid(errors=[_field("option", _("选一项再投"))])
    if len(wanted) > held.most_choices:
        raise Invalid(errors=[_field("option", _("最多选 %(most)d 项") % {"most": held.most_choices})])
    if not VoteBallot.objects.filter(pk=ballot.pk, is_cast=False).update(is_cast=True):
        raise VotedAlready()
    with connection.cursor() as cursor:  # all options, also those not chosen: see models.py
        cursor.execute(
            "UPDATE guides_voteoption SET count = count + (id = ANY (%s))::int WHERE vote_id = %s",
            [sorted(wanted), held.pk],
        )
    Vote.objects.filter(pk=held.pk).update(cast_count=F("cast_count") + 1)
    if not held.is_anonymous:
        VoteChoice.objects.bulk_create([VoteChoice(ballot=ballot, option_id=pk) for pk in sorted(wanted)])
    outbox.publish(VoteCast(held.pk, ballot.staff_id))


@transaction.atomic
def withdraw_vote(vote: Vote, *, actor: Actor, now: datetime) -> None:
    """Take a vote back: nobody sees it any more. Raises Forbidden or Conflict."""
    held = Vote.objects.filter(keeper_filter(actor), pk=vote.pk).select_for_update(no_key=True).first()
    if held is None or not actor.may(CREATE):
        raise Forbidden(permission=CREATE)
    if not held.is_open(now):
        raise VoteOver()
    held.withdrawn_at = now
    held.save(update_fields=["withdrawn_at"])
    settle(held.key, now=now)
    audit.record(actor, "vote.withdrawn", held)
    outbox.publish(VoteCast(held.pk, 0))


def _field(name: str, message: Any) -> dict[str, str]:
    return {"field": name, "code": "invalid", "message": str(message)}
