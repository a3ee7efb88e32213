"""The hourly look for friends no callback told of: everybody's list is asked for, only who is unknown here is read.

The platform says of nobody that his list has not changed: the list itself, one call and no pages, is the cheapest question.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from django.db import connection

from crm.friends.services.arriving import mark_stale
from crm.friends.services.syncing import current_run
from guides.org.models import Staff
from yejibao.core import clock
from yejibao.wecom import contacts
from yejibao.wecom.gateway import Gateway
from yejibao.wecom.syncing import runs
from yejibao.wecom.syncing.models import SyncPart, SyncRun
from yejibao.wecom.syncing.runs import Fetched

KIND = SyncRun.Kind.DELTA
KEPT = timedelta(days=7)  # of looks that are over: there are 24 a day
AT_ONCE = 4  # calls: it has an hour, and welcomes and pushes go out beside it

Pair = tuple[str, str]  # userid, external user id


def start_looking(*, door: Gateway, now: datetime) -> SyncRun | None:
    """Begin the look of this hour, or return the one that is not through; None while a full sweep reads everybody anyhow.

    Asks the platform whose lists there are; call with no transaction open. Raises GatewayError.
    """
    if current_run():
        return None
    people = contacts.list_followers(door)
    known = Staff.objects.filter(wecom_user_id__in=people).order_by("wecom_user_id")
    SyncRun.objects.filter(kind=KIND, finished_at__lt=now - KEPT).delete()
    return runs.begin(KIND, list(known.values_list("wecom_user_id", flat=True)), now=now)


def go_on_looking(*, door: Gateway, seconds: float = 200.0, now: datetime | None = None) -> dict[str, int]:
    """Go on with the look that runs, if the platform does not want us to wait. Returns this share's counts.

    Ends the look when a full sweep has begun. Call with no transaction open; any number of processes may do it at once.
    """
    run = SyncRun.objects.filter(kind=KIND, state=SyncRun.State.RUNNING).first()
    moment = now or clock.now()
    if run and current_run():
        runs.stop(run, now=moment)
        return {}
    if not runs.may_go_on(run, door, now=moment):
        return {}
    sweep = runs.Sweep(
        run,
        fetch=partial(_fetch, door),
        apply=partial(_apply, now=moment),
        finish=_finish,
        at_once=AT_ONCE,
    )
    return sweep.go(seconds=seconds, now=now)


def _fetch(door: Gateway, people: Sequence[str], cursor: str) -> Fetched:
    """Return the list of one of these people; the cursor counts them."""
    place = int(cursor or 0)
    following = str(place + 1) if place + 1 < len(people) else ""
    return Fetched([(people[place], one) for one in contacts.list_customers(door, people[place])], following)


def _apply(pairs: Sequence[Pair], *, now: datetime) -> dict[str, int]:
    """Have those read who stand on a list and not here, and who stand on it again after the guide had ended it.

    One who deleted the guide stays on her list: whether he is back only the nightly sweep can say.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT s.external FROM unnest(%s::text[], %s::text[]) AS s(userid, external)
            JOIN guides_staff g ON g.wecom_user_id = s.userid
            LEFT JOIN crm_friendlink f ON f.guide_id = g.id AND f.external_user_id = s.external
            WHERE f.id IS NULL OR f.state = 'deleted_by_guide' AND (f.seen_at IS NULL OR f.seen_at < f.ended_at)
            """,
            [[userid for userid, _ in pairs], [external for _, external in pairs]],
        )
        unheard = [row[0] for row in cursor.fetchall()]
    mark_stale(unheard, now=now)
    return {"new": len(unheard)} if unheard else {}


def _finish(part: SyncPart) -> dict[str, int]:
    return {}
