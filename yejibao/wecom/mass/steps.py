"""The steps a mass send takes by itself: create once, look up what nobody knows, wait for the platform's job, remind, read.

Each with no transaction open while the platform is called. Any number of workers may do it: a send is in one hand at a time.
"""

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, time, timedelta
from functools import partial
from typing import Any

from django.db import IntegrityError, transaction

from yejibao.core import clock
from yejibao.core.errors import DomainError

from .. import gateway, groupsends, moments
from ..errors import GatewayError, Kind
from ..gateway import Gateway
from ..groupsends import Listed
from .models import MassSend, MassTarget
from .results import read_results
from .services import claim, held_facts, pause_of, remind, settle

log = logging.getLogger(__name__)

State = MassSend.State
LOOK_FIRST = timedelta(seconds=20)  # a send nobody knows of is looked for so soon, then each minute
LOOK_AGAIN = timedelta(minutes=1)
SURE_AFTER = timedelta(minutes=10)  # not in the list so long after it was asked for: it was never made
CLOCKS_APART = timedelta(minutes=5)
ASK_MOST = 3  # creations that were surely never made, and then a person looks
SOON = timedelta(seconds=15)  # while the platform hands it out
USUAL = timedelta(minutes=1)
REMIND_FROM, REMIND_TILL = time(9, 30), time(22)


def go_on(*, now: datetime | None = None, seconds: float = 25.0, door: Gateway | None = None) -> dict[str, int]:
    """Do the steps that are due until none is or time is up. Returns counts by what came of them."""
    tally: Counter[str] = Counter()
    door = door or gateway.default()
    deadline = clock.monotonic() + seconds
    while clock.monotonic() < deadline:
        moment = now or clock.now()
        sends = claim(now=moment)
        if not sends:
            break
        for send in sends:
            tally[_step(door, send, now=moment, deadline=deadline)] += 1
    return dict(tally)


def _step(door: Gateway, send: MassSend, *, now: datetime, deadline: float) -> str:
    steps: dict[str, Callable[[], str]] = {
        State.ASKED: partial(_ask, door, send, now),
        State.UNKNOWN: partial(_look_up, door, send, now),
        State.MAKING: partial(_poll_making, door, send, now),
        State.CREATED: partial(_follow, door, send, now, deadline),
    }
    try:
        return steps[send.state]()
    except GatewayError as error:  # of a read: nothing has happened, so the same again later
        log.info("mass send %s: %s", send.pk, error)
        settle(send, send.state, next_at=now + pause_of(error, usual=USUAL), **held_facts(error))
        return "put_off"


# ---------------------------------------------------------------- creating


def _ask(door: Gateway, send: MassSend, now: datetime) -> str:
    if send.not_after and send.not_after < now:
        settle(send, State.CANCELLED, next_at=now, error="too late")
        return "expired"
    try:
        facts = _create(door, send)
    except GatewayError as error:
        return _not_created(send, error, now)
    if send.kind == MassSend.Kind.MOMENT:
        settle(send, State.MAKING, next_at=now + SOON, **facts)
        return "making"
    settle(send, State.CREATED, next_at=now + SOON, made_at=now, **facts)
    return "created"


def _create(door: Gateway, send: MassSend) -> dict[str, Any]:
    if send.kind == MassSend.Kind.MOMENT:
        people = list(send.senders.order_by("pk").values_list("userid", flat=True))
        job = moments.create(door, senders=people, tag_ids=send.tag_ids, text=send.text, attachments=send.attachments)
        return {"job_id": job, "errcode": 0, "error": ""}
    targets = list(send.targets.filter(state=MassTarget.State.WAITING).order_by("pk").values_list("target", flat=True))
    made = groupsends.create(
        door, targets=targets, sender=send.sender, is_group=send.kind == MassSend.Kind.GROUP, text=send.text,
        attachments=send.attachments,
    )  # fmt: skip
    return {"platform_id": made.msgid, "unusable": made.unusable, "errcode": 0, "error": ""}


def _not_created(send: MassSend, error: GatewayError, now: datetime) -> str:
    facts = held_facts(error)
    if error.may_have_happened:
        log.warning("mass send %s: nobody knows whether it was made: %s", send.pk, error)
        settle(send, State.UNKNOWN, next_at=now + LOOK_FIRST, **facts)
        return "unknown"
    if error.kind is not Kind.PERMANENT:
        settle(send, State.PLANNED, next_at=now + pause_of(error, usual=USUAL), **facts)
        return "put_off"
    log.warning("mass send %s: refused: %s", send.pk, error)
    targets = send.targets.filter(state=MassTarget.State.WAITING).values_list("target", flat=True)
    unusable = list(targets) if error.code == groupsends.NOBODY_REACHABLE else ()
    settle(send, State.FAILED, next_at=now, unusable=unusable, **facts)
    return "failed"


# ---------------------------------------------------------------- the answer never came: read back, then decide


def _look_up(door: Gateway, send: MassSend, now: datetime) -> str:
    """Find it in the platform's list by time, content and who was asked; only its absence, late enough, plans it anew."""
    asked_at = send.asked_at or send.due_at
    found = [one for one in _listed(door, send, asked_at) if one.is_corp and _same(send, one)]
    taken = set(
        MassSend.objects.filter(platform_id__in=[one.msgid for one in found]).values_list("platform_id", flat=True)
    )
    found = [one for one in found if one.msgid not in taken and _is_for(door, send, one.msgid)]
    if len(found) > 1 and send.kind != MassSend.Kind.MOMENT:
        found = [one for one in found if _goes_to(door, send, one.msgid)]
    if len(found) > 1:
        settle(send, State.HELD, next_at=now, error=f"{len(found)} alike in the platform's list")
        return "held"
    if found:
        return _adopt(send, found[0], now)
    if now < asked_at + SURE_AFTER:
        settle(send, State.UNKNOWN, next_at=min(now + LOOK_AGAIN, asked_at + SURE_AFTER))
        return "looking"
    if send.asked_count >= ASK_MOST:
        settle(send, State.FAILED, next_at=now, error=f"asked {send.asked_count} times, never made")
        return "failed"
    settle(send, State.PLANNED, next_at=now)
    return "never_made"


def _adopt(send: MassSend, one: Listed, now: datetime) -> str:
    facts: dict[str, Any] = {"platform_id": one.msgid, "made_at": one.created_at, "errcode": 0, "error": ""}
    try:
        with transaction.atomic():
            settle(send, State.CREATED, next_at=now, **facts)
    except IntegrityError:  # another of ours, with the same content, has just taken it
        settle(send, State.UNKNOWN, next_at=now + SOON)
        return "looking"
    return "found"


def _listed(door: Gateway, send: MassSend, asked_at: datetime) -> Iterable[Listed]:
    since, until = asked_at - CLOCKS_APART, asked_at + SURE_AFTER + CLOCKS_APART
    cursor = ""
    while True:
        if send.kind == MassSend.Kind.MOMENT:
            rows, cursor = moments.list_page(door, since=since, until=until, cursor=cursor)
        else:
            is_group = send.kind == MassSend.Kind.GROUP
            rows, cursor = groupsends.list_page(door, since=since, until=until, is_group=is_group, cursor=cursor)
        yield from rows
        if not cursor:
            return


def _same(send: MassSend, one: Listed) -> bool:
    return one.text == send.text and _plain(one.attachments) == _plain(send.attachments)


def _plain(attachments: Iterable[Any]) -> str:
    return json.dumps(list(attachments), sort_keys=True)


def _is_for(door: Gateway, send: MassSend, platform_id: str) -> bool:
    """Tell whether it asks the same people; whoever the platform chose by itself cannot be compared."""
    if send.kind == MassSend.Kind.MOMENT:
        wanted = set(send.senders.filter(is_unusable=False).values_list("userid", flat=True))
        page = partial(moments.sender_page, door, platform_id)
    else:
        wanted = {send.sender} if send.sender else set()
        page = partial(groupsends.sender_page, door, platform_id)
    if not wanted:
        return True
    asked: set[str] = set()
    cursor = ""
    while True:
        rows, cursor = page(cursor=cursor)
        asked |= {row.userid for row in rows}
        if not cursor:
            return bool(asked) and asked <= wanted


def _goes_to(door: Gateway, send: MassSend, msgid: str) -> bool:
    """Tell whether it goes to the same customers, by the first page of them."""
    rows, _ = groupsends.target_page(door, msgid, userid=send.sender)
    return bool(rows) and send.targets.filter(target__in=[row.target for row in rows]).count() == len(rows)


# ---------------------------------------------------------------- a moment's job


def _poll_making(door: Gateway, send: MassSend, now: datetime) -> str:
    made = moments.read_making(door, send.job_id)
    if not made.is_done:
        settle(send, State.MAKING, next_at=now + SOON)
        return "making"
    if made.unusable_senders:
        send.senders.filter(userid__in=made.unusable_senders).update(is_unusable=True)
    if made.errcode or not made.moment_id:
        settle(send, State.FAILED, next_at=now, errcode=made.errcode, error="the platform's job failed")
        return "failed"
    settle(send, State.CREATED, next_at=now + SOON, platform_id=made.moment_id, made_at=now)
    return "created"


# ---------------------------------------------------------------- reminding and reading


def _follow(door: Gateway, send: MassSend, now: datetime, deadline: float) -> str:
    due = [at for at in send.remind_at if at <= now]
    if due and REMIND_FROM <= now.astimezone(clock.SHANGHAI).time() < REMIND_TILL and send.kind != MassSend.Kind.MOMENT:
        try:
            remind(send, door=door, now=now)
        except DomainError:
            pass  # everybody has confirmed, or has been reminded often enough
        except GatewayError as error:
            log.info("mass send %s: not reminded: %s", send.pk, error)
        left = [at for at in send.remind_at if at > now]  # those missed by night are one
        MassSend.objects.filter(pk=send.pk, claim_token=send.claim_token).update(remind_at=left)
        send.remind_at = left
    return read_results(door, send, now=now, deadline=deadline)
