"""One friend's tags on both sides: what a guide set in the chat comes in, what counts goes out.

Three states are compared: what was last agreed, what the platform has, and what counts here. Where the platform has moved
away from what was agreed, a person did that in the chat: it becomes the guide's word (source WECOM), and wins or loses
like any other. Then what counts is written there, if it differs. So our own call, coming back as an event, is no news.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import close_old_connections, connection, transaction

from crm.tags.services import write_tags
from yejibao.core import clock
from yejibao.core.scope import Actor
from yejibao.wecom import contacts
from yejibao.wecom import corptags as platform
from yejibao.wecom.errors import GatewayError, Kind
from yejibao.wecom.gateway import Gateway

from ..models import CorpTag, CorpTagGroup
from ..queries import Meaning, meanings, wanted_ids

log = logging.getLogger("yejibao.corptags")

SOURCE = "WECOM"
BATCH, AT_ONCE, LEASE_SECONDS = 50, 8, 120
PAUSES = (10, 30, 60, 300, 900)  # seconds between the tries of one friend
TRIES = 8
ADMIN_PAUSE = timedelta(minutes=30)
GONE = (contacts.NOT_A_CONTACT, contacts.UNKNOWN_CONTACT)
FRESH = timedelta(days=1)
# What a person sets in the chat again and again is put right so often an hour, and then left until the hour is over.
PUT_RIGHT_MOST, PUT_RIGHT_SPAN = 5, timedelta(hours=1)


@dataclass
class Friend:
    """One friend whose tags are looked at. `held` is what the platform has, as far as known."""

    link_id: int
    turn: int
    agreed: list[str]
    held: list[str]
    member_id: int | None
    guide_id: int
    userid: str
    external: str
    is_friend: bool
    is_owners: bool  # only her whose member he is gets what counts; others' own words come in all the same
    edited_at: datetime | None
    attempts: int
    put_right: int
    put_right_since: datetime | None
    said: dict[int, list[str]] = field(default_factory=dict)  # tag -> values; empty: taken back
    add: list[str] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)

    def lost(self, known: dict[str, Meaning]) -> set[str]:
        return {one for one in self.agreed if one in known} - set(self.held)

    def hear(self, known: dict[str, Meaning]) -> None:
        """Note what was said in the chat since both sides agreed, by tag."""
        before, now = _by_tag(self.agreed, known), _by_tag(self.held, known)
        for tag in before.keys() | now.keys():
            if before.get(tag, set()) == now.get(tag, set()):
                continue
            there = sorted(now.get(tag, ()), key=lambda one: known[one].position)
            if there and not known[there[0]].is_multi:
                fresh = [one for one in there if one not in before.get(tag, ())]
                there = (fresh or there)[:1]  # of a tag with one value the new one counts
            self.said[tag] = [known[one].value for one in there]

    def plan(self, wanted: set[str], known: dict[str, Meaning]) -> None:
        """Note what has to change on the platform so that it has what counts. What is not ours stays."""
        mine = {one for one in self.held if one in known}
        self.add, self.remove = sorted(wanted - mine), sorted(mine - wanted)

    @property
    def after(self) -> list[str]:
        return sorted({*self.held, *self.add} - {*self.remove})


def _by_tag(ids: Iterable[str], known: dict[str, Meaning]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    for one in ids:
        if one in known:
            found[known[one].tag_id].add(one)
    return found


def settle_friends(
    *, door: Gateway, now: datetime | None = None, seconds: float = 12.0, only: Sequence[str] = ()
) -> dict[str, int]:
    """Settle the tags of friends that are due, the urgent first; `only` these customers. Returns counts.

    Call with no transaction open. Two at once take different friends, so no friend is ever written twice at a time.
    """
    tally: Counter[str] = Counter()
    deadline = clock.monotonic() + seconds
    while clock.monotonic() < deadline:
        moment = now or clock.now()
        friends = _claim(moment, only=only)
        if not friends:
            break
        counts, goes_on = _settle(friends, door=door, now=moment)
        tally.update(counts)
        if not goes_on:
            break
    return {name: count for name, count in tally.items() if count}


def _claim(now: datetime, *, only: Sequence[str]) -> list[Friend]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH due AS (
                SELECT s.link_id FROM crm_friendtags s
                WHERE s.next_at <= %(now)s AND (s.lease_until IS NULL OR s.lease_until < clock_timestamp())
                  AND (%(only)s::text[] = '{}' OR s.link_id IN
                       (SELECT f.id FROM crm_friendlink f WHERE f.external_user_id = ANY(%(only)s)))
                ORDER BY s.priority, s.next_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
            ), held AS (
                UPDATE crm_friendtags s SET lease_until = clock_timestamp() + %(lease)s * interval '1 second'
                FROM due WHERE s.link_id = due.link_id RETURNING s.*
            )
            SELECT h.link_id, h.turn, h.agreed, f.corp_tag_ids, f.member_id, f.guide_id, g.wecom_user_id, f.external_user_id,
                   f.state = 'friend', m.owner_guide_id IS NOT DISTINCT FROM f.guide_id, h.edited_at, h.attempts,
                   h.put_right, h.put_right_since
            FROM held h JOIN crm_friendlink f ON f.id = h.link_id JOIN guides_staff g ON g.id = f.guide_id
            LEFT JOIN crm_member m ON m.id = f.member_id
            ORDER BY h.priority, h.next_at, h.link_id
            """,
            {"now": now, "only": list(only), "limit": BATCH, "lease": LEASE_SECONDS},
        )
        return [Friend(*row) for row in cursor.fetchall()]


def _settle(friends: Sequence[Friend], *, door: Gateway, now: datetime) -> tuple[Counter[str], bool]:
    """Settle claimed friends; returns counts, and False where the platform wants us to wait."""
    tally: Counter[str] = Counter()
    known = meanings()
    alive = [one for one in friends if one.is_friend and one.member_id]
    _finish([one for one in friends if one not in alive], now=now)
    try:
        alive = _read_again(alive, known, door=door, now=now)
        known = _without_gone(alive, known, door=door, now=now)
    except GatewayError as error:
        _put_off(alive, error, now=now)
        return Counter(put_off=len(alive)), False
    for one in alive:
        one.hear(known)
    tally["heard"] = _take_in([one for one in alive if one.said], now=now)
    wanted = wanted_ids([one.member_id for one in alive if one.is_owners and one.member_id])
    for one in alive:
        if one.is_owners:
            one.plan(wanted.get(one.member_id or 0, set()), known)
    tally["same"] = len(alive)
    changed = [one for one in alive if one.add or one.remove]
    _finish([one for one in alive if one not in changed], now=now)
    tally["same"] -= len(changed)
    paused = [one for one in changed if _is_paused(one, now)]
    _wait(paused, now=now)
    tally["paused"] = len(paused)
    goes_on = _mark([one for one in changed if one not in paused], tally, door=door, now=now)
    return tally, goes_on


def _read_again(friends: list[Friend], known: dict[str, Meaning], *, door: Gateway, now: datetime) -> list[Friend]:
    """Ask the platform about those who seem to have lost a tag: what was read a moment before our own call says nothing."""
    doubtful = [one for one in friends if one.lost(known)]

    def read(one: Friend) -> tuple[str, ...] | None:
        follows = contacts.read_customer(door, one.external).follows
        return next((follow.tag_ids for follow in follows if follow.userid == one.userid), None)

    answers = _together(doubtful, read, door=door)
    ended: list[Friend] = []
    left_out: list[Friend] = []
    for one, answer in answers:
        if isinstance(answer, GatewayError):
            if answer.kind in (Kind.THROTTLE, Kind.ADMIN):
                raise answer
            _put_off([one], answer, now=now)
            left_out.append(one)
        if answer is None:
            ended.append(one)  # she follows him no longer; the news of that is on its way
        else:
            one.held = sorted(answer)
    _finish(ended, now=now)
    left_out += ended
    _write_held([one for one in doubtful if one not in left_out])
    return [one for one in friends if one not in left_out]


def _without_gone(
    friends: Sequence[Friend], known: dict[str, Meaning], *, door: Gateway, now: datetime
) -> dict[str, Meaning]:
    """Return what is known without the tags that are gone altogether: nobody has taken them from anybody."""
    lost = sorted({key for one in friends for key in one.lost(known)})
    if not lost:
        return known
    try:
        groups = platform.list_groups(door, tag_ids=lost)
    except GatewayError as error:
        if error.code != platform.BAD_ID:
            raise
        groups = ()
    gone = set(lost) - {tag.tag_id for group in groups for tag in group.tags}
    if not gone:
        return known
    CorpTag.objects.filter(tag_id__in=gone).update(gone_at=now)
    CorpTagGroup.objects.filter(tags__tag_id__in=gone, tag__isnull=False).update(state=CorpTagGroup.State.WANTED)
    return {key: meaning for key, meaning in known.items() if key not in gone}


def _take_in(friends: Sequence[Friend], *, now: datetime) -> int:
    """Write what was said in chats as their guides' words, and note that this much is agreed. Returns how many counted."""
    by_moment: dict[datetime, list[Friend]] = defaultdict(list)
    for one in friends:
        # The event says when; one that is older has been about a remark.
        at = one.edited_at if one.edited_at and now - FRESH < one.edited_at < now else now
        by_moment[at].append(one)
    counted = 0
    for at, group in sorted(by_moment.items()):
        words: dict[tuple[int, int], list[str]] = {}
        removed: set[tuple[int, int]] = set()
        by: dict[tuple[int, int], int] = {}
        for one in group:
            for tag, values in one.said.items():
                pair = (one.member_id or 0, tag)
                by[pair] = one.guide_id
                if values:
                    words[pair] = values
                    removed.discard(pair)
                elif pair not in words:
                    removed.add(pair)
        with transaction.atomic():
            counted += write_tags(words, removed=removed, source=SOURCE, actor=Actor.system(), at=at, now=now, by=by)
            _agree(group)
    return counted


def _is_paused(one: Friend, now: datetime) -> bool:
    """Count how often the chat is put right against somebody; True where it is enough for this hour."""
    if not one.said:
        return False
    if one.put_right_since is None or one.put_right_since <= now - PUT_RIGHT_SPAN:
        one.put_right, one.put_right_since = 0, now
    one.put_right += 1
    return one.put_right > PUT_RIGHT_MOST


def _mark(friends: Sequence[Friend], tally: Counter[str], *, door: Gateway, now: datetime) -> bool:
    if not friends:
        return True

    def mark(one: Friend) -> None:
        platform.mark(door, userid=one.userid, external_userid=one.external, add=one.add, remove=one.remove)

    answers = _together(friends, mark, door=door)
    done: list[Friend] = []
    goes_on = True
    for one, answer in answers:
        if not isinstance(answer, GatewayError):
            done.append(one)
            continue
        log.info("tags of friend %s not written: %s", one.link_id, answer)
        tally["refused" if answer.kind is Kind.PERMANENT else "put_off"] += 1
        goes_on = goes_on and answer.kind not in (Kind.THROTTLE, Kind.ADMIN)
        _put_off([one], answer, now=now)
    with transaction.atomic():
        _write_marks(done)
        _finish(done, now=now, is_marked=True)
    tally["marked"] += len(done)
    return goes_on


def _together(friends: Sequence[Friend], call: Callable[[Friend], Any], *, door: Gateway) -> list[tuple[Friend, Any]]:
    """Run a call for each friend, several at once, with no database in the threads; errors of the platform are answers."""
    if not friends:
        return []
    try:
        door.credentials.get()  # here and not in each thread: they need no connection of their own then
    except GatewayError as error:
        return [(one, error) for one in friends]

    def one_call(one: Friend) -> Any:
        try:
            return call(one)
        except GatewayError as error:
            return error
        finally:
            close_old_connections()

    with ThreadPoolExecutor(min(AT_ONCE, len(friends)), thread_name_prefix="corp-tags") as pool:
        return list(zip(friends, pool.map(one_call, friends), strict=True))


# ---------------------------------------------------------------- writing


def _agree(friends: Sequence[Friend]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE crm_friendtags s SET agreed = string_to_array(r.ids, ','), edited_at = NULL"
            " FROM unnest(%s::bigint[], %s::text[]) AS r(link, ids) WHERE s.link_id = r.link",
            [[one.link_id for one in friends], [",".join(one.held) for one in friends]],
        )


def _write_held(friends: Sequence[Friend]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE crm_friendlink f SET corp_tag_ids = string_to_array(r.ids, ',')"
            " FROM unnest(%s::bigint[], %s::text[]) AS r(link, ids) WHERE f.id = r.link",
            [[one.link_id for one in friends], [",".join(one.held) for one in friends]],
        )


def _write_marks(friends: Sequence[Friend]) -> None:
    """Note on the relations what was added and taken away; what was read meanwhile stays."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE crm_friendlink f SET corp_tag_ids = ARRAY(
                SELECT DISTINCT id FROM unnest(f.corp_tag_ids || string_to_array(r.more, ',')) AS u(id)
                WHERE id <> ALL(string_to_array(r.less, ',')) ORDER BY id)
            FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS r(link, more, less) WHERE f.id = r.link
            """,
            [[one.link_id for one in friends], [",".join(one.add) for one in friends], [",".join(one.remove) for one in friends]],
        )  # fmt: skip


def _finish(friends: Sequence[Friend], *, now: datetime, is_marked: bool = False) -> None:
    """Nothing is left to do for these, unless somebody asked again meanwhile. Strangers and lost friends agree on nothing."""
    if not friends:
        return
    agreed = [",".join(one.after) if one.is_friend and one.member_id else None for one in friends]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE crm_friendtags s SET lease_until = NULL, attempts = 0, errcode = NULL,
                agreed = CASE WHEN r.ids IS NULL THEN s.agreed ELSE string_to_array(r.ids, ',') END,
                edited_at = CASE WHEN s.turn = r.turn THEN NULL ELSE s.edited_at END,
                next_at = CASE WHEN s.turn = r.turn THEN NULL ELSE s.next_at END,
                marked_at = CASE WHEN %s THEN %s ELSE s.marked_at END, put_right = r.times, put_right_since = r.since
            FROM unnest(%s::bigint[], %s::int[], %s::text[], %s::int[], %s::timestamptz[]) AS r(link, turn, ids, times, since)
            WHERE s.link_id = r.link
            """,
            [is_marked, now, [one.link_id for one in friends], [one.turn for one in friends], agreed,
             [one.put_right for one in friends], [one.put_right_since for one in friends]],
        )  # fmt: skip


def _wait(friends: Sequence[Friend], *, now: datetime) -> None:
    """Somebody sets in the chat what loses here, again and again: leave it until the hour is over."""
    for one in friends:
        log.warning("tags of friend %s were put right %s times this hour, waiting", one.link_id, PUT_RIGHT_MOST)
        since = one.put_right_since or now
        _later(one, now=now, next_at=since + PUT_RIGHT_SPAN, errcode=None, attempts=0)


def _put_off(friends: Sequence[Friend], error: GatewayError, *, now: datetime) -> None:
    """Try again what may heal; what the platform refuses for good stands on the page with its code."""
    for one in friends:
        attempts = one.attempts + 1
        if error.code in GONE:
            _later(one, now=now, next_at=None, errcode=None, attempts=0)
        elif error.kind is Kind.THROTTLE:
            pause = timedelta(seconds=error.retry_after or 60)
            _later(one, now=now, next_at=now + pause, errcode=error.code, attempts=one.attempts)
        elif error.kind is Kind.ADMIN:
            _later(one, now=now, next_at=now + ADMIN_PAUSE, errcode=error.code, attempts=one.attempts)
        elif error.code == platform.BAD_ID and attempts < TRIES:
            CorpTagGroup.objects.filter(tags__tag_id__in=one.add, tag__isnull=False).update(
                state=CorpTagGroup.State.WANTED
            )
            _later(one, now=now, next_at=now + timedelta(seconds=60), errcode=error.code, attempts=attempts)
        elif error.kind is Kind.PERMANENT or attempts >= TRIES:
            _later(one, now=now, next_at=None, errcode=error.code or -1, attempts=0)
        else:
            pause = timedelta(seconds=PAUSES[min(one.attempts, len(PAUSES) - 1)])
            _later(one, now=now, next_at=now + pause, errcode=error.code, attempts=attempts)


def _later(one: Friend, *, now: datetime, next_at: datetime | None, errcode: int | None, attempts: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE crm_friendtags SET lease_until = NULL, errcode = %s, attempts = %s, put_right = %s, put_right_since = %s,"
            " next_at = CASE WHEN turn = %s OR %s::timestamptz IS NOT NULL THEN %s ELSE next_at END WHERE link_id = %s",
            [errcode, attempts, one.put_right, one.put_right_since, one.turn, next_at, next_at, one.link_id],
        )
