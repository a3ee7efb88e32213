"""Friends as the platform's events tell of them. Quick: what has to be read from the platform is only marked here.

The customer is marked before his relations are written, as a reading writes him before them (reading.py): of an event and a
reading of one customer the second waits at his row, and neither locks the other nor tells twice that he came.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import connection, transaction

from crm.friends.services.ways import ways_by_token
from crm.members.models import FriendLink
from crm.members.services import end_friend, record_friend
from guides.org.models import Staff
from yejibao.core import clock
from yejibao.wecom.events import FriendAdded, FriendEdited, FriendLost

# Of our own hand-overs the link waits as `pending_transfer` and is left to them (crm.members.services.transfers); one made in
# the platform's console ends a friendship as any deletion by the guide does, and the customer is read again for his new one.
LOST_BY = {
    "member": FriendLink.State.DELETED_BY_MEMBER,
    "guide": FriendLink.State.DELETED_BY_GUIDE,
    "transfer": FriendLink.State.DELETED_BY_GUIDE,
}


@transaction.atomic
def follow_added(events: Sequence[FriendAdded]) -> int:
    """Note new friends with the code they came through; return how many belong to people we know."""
    staff = _staff(event.userid for event in events)
    ways = ways_by_token([event.state for event in events])
    known = [event.external_userid for event in events if event.userid in staff]
    mark_stale(known, now=clock.now())
    for event in events:
        if guide := staff.get(event.userid):
            record_friend(
                guide=guide,
                external_user_id=event.external_userid,
                at=clock.parse_iso(event.at),
                way_token=event.state,
                way_id=ways.get(event.state),
            )
    return len(known)


def follow_edited(events: Sequence[FriendEdited]) -> int:
    """Have customers read again whose remark, phones or tags a guide changed."""
    return mark_stale([event.external_userid for event in events], now=clock.now())


@transaction.atomic
def follow_lost(events: Sequence[FriendLost]) -> int:
    """Note relations that either side ended; return how many there were."""
    staff = _staff(event.userid for event in events)
    if passed_on := [event.external_userid for event in events if event.by == "transfer"]:
        mark_stale(passed_on, now=clock.now())
    ended = 0
    for event in events:
        if (guide := staff.get(event.userid)) and (state := LOST_BY.get(event.by)):
            at = clock.parse_iso(event.at)
            ended += bool(end_friend(guide=guide, external_user_id=event.external_userid, at=at, state=state))
    return ended


def mark_stale(external_user_ids: Iterable[str], *, now: datetime) -> int:
    """Have these customers read from the platform soon; those nobody has heard of get their row here."""
    ids = sorted(set(external_user_ids))
    if not ids:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO crm_contact (external_user_id, unionid, name, is_wecom, stale_at, attempts)
            SELECT id, '', '', false, %s, 0 FROM unnest(%s::text[]) AS e(id)
            ON CONFLICT (external_user_id) DO UPDATE SET stale_at = excluded.stale_at, attempts = 0
            """,
            [now, ids],
        )
        return cursor.rowcount


def _staff(userids: Iterable[str]) -> dict[str, Staff]:
    return {
        one.wecom_user_id: one for one in Staff.objects.filter(wecom_user_id__in={name.casefold() for name in userids})
    }
