"""Who has to be looked at: friends whose tags were read anew, members whose tags counted anew, new friends and owners."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import F

from crm.events import FriendChanged, MemberTagged
from yejibao.core import audit, clock
from yejibao.core.scope import Actor
from yejibao.wecom.events import FriendEdited

from ..models import FriendTags
from ..queries import is_on, mapped_tags, said_sources

NOW, SOON, SOME_TIME = 1, 5, 9  # a person waits for it; a sweep found it; the nightly comparison did

AGAIN = """
ON CONFLICT (link_id) DO UPDATE SET next_at = least(crm_friendtags.next_at, excluded.next_at), turn = crm_friendtags.turn + 1,
    priority = CASE WHEN crm_friendtags.next_at IS NULL THEN excluded.priority
                    ELSE least(crm_friendtags.priority, excluded.priority) END,
    edited_at = greatest(crm_friendtags.edited_at, excluded.edited_at)
"""
COLUMNS = "INSERT INTO crm_friendtags (link_id, agreed, turn, priority, next_at, attempts, put_right, edited_at)"

# The platform has something else than was agreed, of tags that are ours.
READ = f"""
{COLUMNS}
SELECT f.id, '{{{{}}}}', 0, %(priority)s, %(now)s, 0, 0, NULL
FROM crm_friendlink f LEFT JOIN crm_friendtags s ON s.link_id = f.id
WHERE {{which}} AND f.member_id IS NOT NULL AND f.state = 'friend' AND f.corp_tag_ids <> coalesce(s.agreed, '{{{{}}}}')
  AND EXISTS (
    SELECT 1 FROM unnest(f.corp_tag_ids || coalesce(s.agreed, '{{{{}}}}')) AS u(id)
    JOIN crm_corptag c ON c.tag_id = u.id AND c.value_id IS NOT NULL AND c.gone_at IS NULL
    WHERE NOT (u.id = ANY(f.corp_tag_ids) AND u.id = ANY(coalesce(s.agreed, '{{{{}}}}'))))
ORDER BY f.id
{AGAIN}
"""


def note_read(external_user_ids: Sequence[str], now: datetime) -> int:
    """Customers were read: those whose tags are not what was agreed are due. One statement; returns how many."""
    return _run(
        READ.format(which="f.external_user_id = ANY(%(ids)s)"), ids=list(external_user_ids), now=now, priority=SOON
    )


def note_edits(events: Sequence[FriendEdited]) -> int:
    """Keep when something was changed in the chat: news may come late, and of two words the newer counts."""
    if not events or not is_on():
        return 0
    return _run(
        f"""
        {COLUMNS}
        SELECT f.id, '{{}}', 0, %(priority)s, NULL, 0, 0, e.at
        FROM (SELECT userid, external, max(at) AS at FROM unnest(%(users)s::text[], %(externals)s::text[], %(ats)s::timestamptz[])
              AS u(userid, external, at) GROUP BY userid, external) e
        JOIN guides_staff g ON g.wecom_user_id = e.userid
        JOIN crm_friendlink f ON f.guide_id = g.id AND f.external_user_id = e.external
        WHERE f.corp_tag_ids <> '{{}}' OR EXISTS (SELECT 1 FROM crm_friendtags s WHERE s.link_id = f.id)
        ORDER BY f.id
        ON CONFLICT (link_id) DO UPDATE SET edited_at = greatest(crm_friendtags.edited_at, excluded.edited_at)
        """,
        users=[event.userid for event in events],
        externals=[event.external_userid for event in events],
        ats=[clock.parse_iso(event.at) for event in events],
        priority=NOW,
    )


def follow_tags(events: Sequence[MemberTagged], *, now: datetime) -> int:
    """What counts of members' tags changed: their guides' friends are due. Returns how many."""
    tags = {event.tag for event in events}
    ours = set(mapped_tags().filter(key__in=tags).values_list("key", flat=True)) if is_on() else set()
    return follow_members((event.member_id for event in events if event.tag in ours), now=now)


def follow_members(member_ids: Iterable[int], *, now: datetime, priority: int = NOW) -> int:
    """These members' tags, guides or selves have changed: their friends are due. Returns how many."""
    ids = sorted(set(member_ids))
    if not ids or not is_on():
        return 0
    return _run(
        f"""
        {COLUMNS}
        SELECT f.id, '{{}}', 0, %(priority)s, %(now)s, 0, 0, NULL FROM crm_friendlink f
        WHERE f.member_id = ANY(%(ids)s) AND f.state = 'friend' AND (
            f.corp_tag_ids <> '{{}}' OR EXISTS (SELECT 1 FROM crm_friendtags s WHERE s.link_id = f.id)
            OR EXISTS (SELECT 1 FROM crm_membertag t
                       WHERE t.member_id = f.member_id AND t.is_effective AND t.source = ANY(%(said)s)))
        ORDER BY f.id
        {AGAIN}
        """,
        ids=ids, now=now, priority=priority, said=said_sources(),
    )  # fmt: skip


def follow_friends(events: Sequence[FriendChanged], *, now: datetime) -> int:
    """Friends came, or were found to be members: what is known of them goes to the chat, and the other way round."""
    return follow_members((event.member_id for event in events if event.state == "friend"), now=now)


@transaction.atomic
def retry_refused(*, actor: Actor, now: datetime) -> int:
    """Write again what the platform refused for good: somebody has mended the cause. Returns how many friends."""
    waiting = FriendTags.objects.filter(errcode__isnull=False, next_at=None)
    count = waiting.update(next_at=now, attempts=0, turn=F("turn") + 1, priority=SOON)
    if count:
        audit.record(actor, "corptags.retried", FriendTags._meta.label, after={"count": count})
    return count


def _run(sql: str, **params: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return int(cursor.rowcount)
