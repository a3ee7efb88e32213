"""What the platform says of customers, written for hundreds at once: names, remarks, tags, who is whose friend."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Any

from django.db import close_old_connections, connection, transaction

from crm.events import FriendChanged
from crm.friends.models import Contact
from crm.friends.services.linking import link_contacts
from crm.members.models import FriendLink
from yejibao.core import clock, outbox
from yejibao.core.personal import blind_indexes, normal_phone
from yejibao.wecom import contacts
from yejibao.wecom.contacts import Customer, Follow
from yejibao.wecom.errors import GatewayError
from yejibao.wecom.gateway import Gateway

log = logging.getLogger("yejibao.friends")

AT_ONCE = 6  # calls of this process, whoever asks; the platform refuses more than some twenty of one kind side by side
_places = threading.BoundedSemaphore(AT_ONCE)
TRIES = 6
ALWAYS_ENDED = 3  # relations a sweep may end of anybody; of more, a fifth of what he has
GONE = (contacts.NOT_A_CONTACT, contacts.UNKNOWN_CONTACT)


Hook = Callable[[Sequence[str], datetime], object]  # the customers that were written, now; inside the transaction
_after: list[Hook] = []


def after_reading(hook: Hook) -> Hook:
    """Register who looks at what the platform said of customers, in the transaction that writes it."""
    if hook not in _after:
        _after.append(hook)
    return hook


def read_stale(
    *, door: Gateway, now: datetime | None = None, seconds: float = 20.0, batch: int = 200
) -> dict[str, int]:
    """Read the customers something happened to, the longest waiting first, and link them. Returns counts.

    Call with no transaction open. Reads what cannot be read again later, six times; then it waits for the nightly sweep.
    """
    tally: Counter[str] = Counter()
    deadline = clock.monotonic() + seconds
    while clock.monotonic() < deadline:
        moment = now or clock.now()
        ids = list(
            Contact.objects.filter(stale_at__lte=moment)
            .order_by("stale_at", "pk")
            .values_list("external_user_id", flat=True)[:batch]
        )
        if not ids:
            break
        counts = read_customers(ids, door=door, now=moment)
        tally.update(counts)
        if counts.get("put_off") or not counts.get("read"):
            break  # the platform is busy, or away: the next beat goes on
    return dict(tally)


def read_customers(
    external_user_ids: Sequence[str], *, door: Gateway, now: datetime, within: float | None = None
) -> dict[str, int]:
    """Read these customers now and write what was said. Returns counts: read, gone, put_off, linked, asked.

    `within`: seconds the caller can wait; what is not there by then is read later.
    """
    found: list[Customer] = []
    gone: list[str] = []
    later: list[str] = []
    try:
        door.credentials.get()  # here and not in each thread: they need no connection of their own then
    except GatewayError as error:
        log.warning("customers not read: %s", error)
        _put_off(external_user_ids, now=now)
        return {"put_off": len(external_user_ids)}
    deadline = None if within is None else clock.monotonic() + within
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="read-customers")
    calls: list[tuple[str, Future[Customer]]] = [(one, pool.submit(_read, door, one)) for one in external_user_ids]
    for external, call in calls:
        try:
            found.append(call.result(None if deadline is None else max(0.0, deadline - clock.monotonic())))
        except TimeoutError:
            later.append(external)
        except GatewayError as error:
            (gone if error.code in GONE else later).append(external)
            if error.code not in GONE:
                log.warning("customer not read: %s", error)
    pool.shutdown(wait=within is None, cancel_futures=True)
    tally = Counter(read=len(found), gone=len(gone), put_off=len(later))
    with transaction.atomic():
        tally.update(apply_customers(found, now=now))
        _end_gone(gone, now=now)
        _put_off(later, now=now)
        tally.update(link_contacts((one.external_userid for one in found), now=now))
    return {name: count for name, count in tally.items() if count}


def _read(door: Gateway, external_user_id: str) -> Customer:
    try:
        with _places:
            return contacts.read_customer(door, external_user_id)
    finally:
        close_old_connections()  # a thread asks the database only when Redis is gone or a token has ended


def _end_gone(external_user_ids: Sequence[str], *, now: datetime) -> None:
    """Nobody of ours follows these any more: the members of the corp ended it (a customer who did stays readable)."""
    if not external_user_ids:
        return
    Contact.objects.filter(external_user_id__in=external_user_ids).update(stale_at=None, read_at=now, attempts=0)
    links = FriendLink.objects.select_for_update().filter(
        external_user_id__in=external_user_ids, state=FriendLink.State.FRIEND
    )
    ended = list(links.order_by("pk").values_list("pk", "member_id", "guide_id"))
    state = FriendLink.State.DELETED_BY_GUIDE
    FriendLink.objects.filter(pk__in=[pk for pk, _, _ in ended]).update(state=state, ended_at=now)
    outbox.publish_many(FriendChanged(member, guide, state, now.isoformat()) for _, member, guide in ended if member)


def _put_off(external_user_ids: Sequence[str], *, now: datetime) -> None:
    if external_user_ids:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE crm_contact SET attempts = attempts + 1,
                    stale_at = CASE WHEN attempts + 1 < %(tries)s THEN %(now)s + interval '30 seconds' * 2 ^ attempts END
                WHERE external_user_id = ANY(%(ids)s)
                """,
                {"ids": list(external_user_ids), "now": now, "tries": TRIES},
            )


# ---------------------------------------------------------------- writing

_CONTACTS = """
WITH said AS (
    SELECT DISTINCT ON (s.external) * FROM unnest(%(external)s::text[], %(unionid)s::text[], %(name)s::text[], %(wecom)s::bool[])
        AS s(external, unionid, name, wecom) ORDER BY s.external
)
INSERT INTO crm_contact AS c (external_user_id, unionid, name, is_wecom, read_at, attempts)
SELECT external, unionid, name, wecom, %(now)s, 0 FROM said
ON CONFLICT (external_user_id) DO UPDATE SET unionid = CASE WHEN excluded.unionid = '' THEN c.unionid ELSE excluded.unionid END,
    name = excluded.name, is_wecom = excluded.is_wecom, read_at = excluded.read_at, attempts = 0,
    stale_at = CASE WHEN c.stale_at > excluded.read_at THEN c.stale_at END
"""

# One who deleted the guide is still listed: only a date of adding after that says that he came back.
_LINKS = """
WITH said AS (
    SELECT s.*, g.id AS guide, w.id AS way, ext.member_id AS member
    FROM unnest(%(external)s::text[], %(userid)s::text[], %(remark)s::text[], %(added)s::timestamptz[], %(state)s::text[],
                %(add_way)s::int[], %(phones)s::text[], %(tags)s::text[])
         AS s(external, userid, remark, added, state, add_way, phones, tags)
    JOIN guides_staff g ON g.wecom_user_id = s.userid
    LEFT JOIN crm_contactway w ON w.token = s.state AND s.state <> ''
    LEFT JOIN crm_memberidentity ext ON ext.kind = 'external_user_id' AND ext.value = s.external
), before AS (
    SELECT f.guide_id, f.external_user_id, f.state FROM said s JOIN crm_friendlink f
        ON f.guide_id = s.guide AND f.external_user_id = s.external
), written AS (
    INSERT INTO crm_friendlink AS f (member_id, guide_id, external_user_id, state, remark, added_at, way_id, way_token, add_way,
                                     phone_indexes, corp_tag_ids, seen_at)
    SELECT member, guide, external, 'friend', remark, added, way, state, add_way,
           string_to_array(phones, ','), string_to_array(tags, ','), %(now)s
    FROM said ORDER BY guide, external
    ON CONFLICT (guide_id, external_user_id) DO UPDATE SET
        remark = excluded.remark, add_way = coalesce(excluded.add_way, f.add_way), phone_indexes = excluded.phone_indexes,
        corp_tag_ids = excluded.corp_tag_ids, seen_at = excluded.seen_at, member_id = coalesce(f.member_id, excluded.member_id),
        way_token = CASE WHEN excluded.way_token = '' THEN f.way_token ELSE excluded.way_token END,
        way_id = coalesce(excluded.way_id, f.way_id),
        state = CASE WHEN f.state IN ('deleted_by_member', 'deleted_by_guide', 'blocked') AND excluded.added_at > f.ended_at
                     THEN 'friend' ELSE f.state END,
        ended_at = CASE WHEN f.state IN ('deleted_by_member', 'deleted_by_guide', 'blocked')
                             AND excluded.added_at > f.ended_at THEN NULL ELSE f.ended_at END,
        added_at = CASE WHEN f.state = 'friend' AND excluded.added_at < f.added_at OR excluded.added_at > f.ended_at
                        THEN excluded.added_at ELSE f.added_at END
    RETURNING f.guide_id, f.external_user_id, f.member_id, f.state, f.added_at
)
SELECT w.member_id, w.guide_id, w.added_at, b.state IS NULL AS is_new FROM written w
LEFT JOIN before b ON b.guide_id = w.guide_id AND b.external_user_id = w.external_user_id
WHERE w.state = 'friend' AND b.state IS DISTINCT FROM 'friend'
"""


@transaction.atomic
def apply_customers(customers: Sequence[Customer], *, now: datetime) -> dict[str, int]:
    """Write customers and their relations with a few statements, however many; return counts of new and returned friends.

    Relations of people we do not know are left out. Who is told: those that listen to new friends (`FriendChanged`).
    """
    if not customers:
        return {}
    known = {one.external_userid: one for one in customers}
    with connection.cursor() as cursor:
        cursor.execute(
            _CONTACTS,
            {
                "external": list(known),
                "unionid": [one.unionid for one in known.values()],
                "name": [one.name[:64] for one in known.values()],
                "wecom": [one.is_wecom for one in known.values()],
                "now": now,
            },
        )
        pairs = {(one.external_userid, follow.userid): follow for one in customers for follow in one.follows}
        cursor.execute(_LINKS, _columns(pairs) | {"now": now})
        came = cursor.fetchall()
    for hook in _after:
        hook(list(known), now)
    friend = FriendLink.State.FRIEND
    outbox.publish_many(
        FriendChanged(member, guide, friend, at.isoformat()) for member, guide, at, _is_new in came if member
    )
    fresh = sum(1 for *_, is_new in came if is_new)
    return {name: count for name, count in (("new", fresh), ("back", len(came) - fresh)) if count}


def _columns(pairs: dict[tuple[str, str], Follow]) -> dict[str, list[Any]]:
    follows = list(pairs.values())
    return {
        "external": [external for external, _ in pairs],
        "userid": [follow.userid for follow in follows],
        "remark": [follow.remark[:64] for follow in follows],
        "added": [follow.added_at for follow in follows],
        "state": [follow.state[:64] for follow in follows],
        "add_way": [follow.add_way for follow in follows],
        "phones": [",".join(phone_indexes(follow.phones)) for follow in follows],
        "tags": [",".join(sorted(follow.tag_ids)) for follow in follows],
    }


def phone_indexes(phones: Iterable[str]) -> list[str]:
    """Return the look-up values of the phones a guide typed into a remark; what is none is left out.

    Under every key there is: the phones themselves are not kept, so nobody could make the index of one anew.
    """
    found = {normal_phone(text) for text in phones} - {""}
    return sorted({index for phone in found for index in blind_indexes(phone, purpose="phone")})


def end_unseen(userids: Sequence[str], *, since: datetime, now: datetime) -> int:
    """End relations the platform did not list in a whole sweep of these people: the guide deleted him and we missed it.

    `since`: when the sweep began; who was added after that may have been missed by it. Nothing ends where more than a fifth
    of somebody's friends would: then it is the list that is wrong (a right taken away, say), and a person has to look.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH judged AS (
                SELECT f.id, f.guide_id, f.added_at < %(since)s - interval '1 minute'
                    AND (f.seen_at IS NULL OR f.seen_at < %(since)s) AS is_gone
                FROM crm_friendlink f JOIN guides_staff g ON g.id = f.guide_id
                WHERE g.wecom_user_id = ANY(%(users)s) AND f.state = 'friend' ORDER BY f.id FOR UPDATE OF f
            ), gone AS (
                SELECT id FROM (SELECT id, is_gone, count(*) FILTER (WHERE is_gone) OVER (PARTITION BY guide_id) AS lost,
                                       count(*) OVER (PARTITION BY guide_id) AS had FROM judged) j
                WHERE is_gone AND (lost <= %(few)s OR lost * 5 <= had)
            )
            UPDATE crm_friendlink f SET state = 'deleted_by_guide', ended_at = %(now)s FROM gone WHERE f.id = gone.id
            RETURNING f.member_id, f.guide_id
            """,
            {"users": list(userids), "since": since, "now": now, "few": ALWAYS_ENDED},
        )
        ended = cursor.fetchall()
    state = FriendLink.State.DELETED_BY_GUIDE
    outbox.publish_many(FriendChanged(member, guide, state, now.isoformat()) for member, guide in ended if member)
    return len(ended)


__all__ = ["after_reading", "apply_customers", "end_unseen", "phone_indexes", "read_customers", "read_stale"]
