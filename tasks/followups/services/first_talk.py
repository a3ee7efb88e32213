"""新好友破冰: the guide's own word after the automatic welcome (task_types.yaml: welcome_new_friend). Set-based."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection

from crm.events import FriendChanged, MemberTagged
from crm.tags.rules import book
from tasks.cadences import moments
from yejibao.core import clock

from ..models import Task
from ..people import friends, staffed
from .creating import task_type
from .finishing import finish

KIND = "welcome_new_friend"
DUE_IN_MINUTES = 120  # task_types.yaml: event + 2 h (quiet hours: next 10:30), until 22:00 of the day after
FRESH = timedelta(hours=24)  # a relation noted later than that is no news to talk about
TAGGED = 1  # a tag proves work on the task, not that he was reached: it counts as done, and in no rate of reach
CHATS = ("GUIDE", "WECOM")

_OPEN = f"""
INSERT INTO tasks_task (task_type, node, dedupe_key, member_id, assignee_id, owner_guide_id, store_id, order_id, state, nature,
    channel, priority, tier_rank, open_at, due_at, expire_at, why, context, evidence_any_of, hidden_until, hidden_reason,
    evidence_kind, outcome, closed_reason, tell_at, created_at)
SELECT DISTINCT ON (m.id, who.id) '{KIND}', '', '{KIND}:' || m.id || ':' || who.id || ':' || extract(epoch FROM e.at)::bigint,
    m.id, who.id, m.owner_guide_id, hours.id, NULL, 'open', 'service', 'wecom_message', %(priority)s,
    CASE m.tier_631 WHEN 'core' THEN 1 WHEN 'potential' THEN 2 WHEN 'common' THEN 3 WHEN 'lapsed' THEN 4 ELSE 5 END,
    %(now)s, dues.at, greatest(dues.at, {moments.at(moments.local_date("e.at") + " + 1", "hours.closes_at")}),
    CASE WHEN way.id IS NULL THEN '刚加上好友，自己先聊一句，认识一下'
         ELSE '刚从' || CASE way.kind WHEN 'guide' THEN '你的码' WHEN 'store' THEN '门店码' WHEN 'live' THEN '直播码'
              WHEN 'parcel' THEN '包裹码' ELSE '活动码' END || '加上好友，自己先聊一句，认识一下' END,
    jsonb_build_object('scene', CASE WHEN m.purchase_count > 0 THEN 'old_member' ELSE 'first_chat' END),
    %(evidence)s, NULL, '', '', '', '', CASE WHEN dues.is_now THEN %(now)s ELSE dues.opening END, %(now)s
FROM unnest(%(members)s::bigint[], %(guides)s::bigint[], %(ats)s::timestamptz[]) AS e(member, guide, at)
JOIN crm_member m ON m.id = e.member
CROSS JOIN LATERAL (SELECT coalesce(   -- the own guide if he can chat with him, else the one he added
    (SELECT o.id FROM guides_staff o WHERE o.id = m.owner_guide_id AND {staffed("o")} AND {friends("m.id", "o.id")}),
    (SELECT g.id FROM guides_staff g WHERE g.id = e.guide AND {staffed("g")})) AS id) who
JOIN guides_staff person ON person.id = who.id
JOIN guides_store hours ON hours.id = coalesce(person.store_id, m.main_store_id)
LEFT JOIN crm_friendlink link ON link.member_id = m.id AND link.guide_id = e.guide AND link.state = 'friend'
LEFT JOIN crm_contactway way ON way.id = link.way_id
CROSS JOIN LATERAL (SELECT e.at + %(due_in)s * interval '1 minute' AS at) wish
CROSS JOIN LATERAL (SELECT {moments.local_time("wish.at")} >= hours.opens_at AND {moments.local_time("wish.at")} < hours.closes_at
    AS is_open, {moments.local_date("wish.at")} + ({moments.local_time("wish.at")} >= hours.closes_at)::int AS day) d
CROSS JOIN LATERAL (SELECT
    CASE WHEN d.is_open THEN wish.at ELSE {moments.at("d.day", "hours.opens_at")} + interval '60 minutes' END AS at,
    {moments.at("d.day", "hours.opens_at")} AS opening,
    {moments.local_time("%(now)s::timestamptz")} >= hours.opens_at AND {moments.local_time("%(now)s::timestamptz")} < hours.closes_at
        AS is_now) dues
WHERE m.status = 'active' AND NOT m.do_not_contact AND NOT m.is_employee
  AND NOT EXISTS (   -- he bought today: the thank-you covers it
      SELECT 1 FROM crm_order o WHERE o.member_id = m.id AND o.paid_on = {moments.local_date("e.at")}
        AND o.status = 'paid' AND o.kind = 'retail' AND o.net_amount_fen > 0 AND o.known_at IS NOT NULL)
  AND NOT EXISTS (   -- passed on by a colleague, he has been introduced to him
      SELECT 1 FROM tasks_task t WHERE t.member_id = m.id AND t.assignee_id = who.id
        AND (t.task_type = '{KIND}' AND t.state = 'open'
             OR t.task_type = 'handover_intro' AND t.created_at > %(now)s::timestamptz - interval '7 days'))
ORDER BY m.id, who.id, e.at
ON CONFLICT DO NOTHING
"""


def open_first_talks(events: Sequence[FriendChanged], *, now: datetime) -> int:
    """Open the first talk with members who became friends just now; none after a purchase of that day. Safe to run twice."""
    fresh = [
        (event.member_id, event.guide_id, clock.parse_iso(event.at))
        for event in events
        if event.state == "friend" and clock.parse_iso(event.at) > now - FRESH
    ]
    if not fresh:
        return 0
    kind = task_type(KIND)
    members, guides, ats = (list(column) for column in zip(*fresh, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            _OPEN,
            {"members": members, "guides": guides, "ats": ats, "now": now, "due_in": DUE_IN_MINUTES, "priority": kind["priority"],
             "evidence": kind["evidence_any_of"]},
        )  # fmt: skip
        return cursor.rowcount


def follow_tags(events: Sequence[MemberTagged], *, now: datetime) -> int:
    """Close the first talks in which a guide learned something: one of the ten required tags, set by him (friend_tagged)."""
    required = set(book()["required_tags"])
    pairs = {
        (event.member_id, event.staff_id)
        for event in events
        if event.source in CHATS and event.staff_id and event.tag in required
    }
    closed = 0
    for member, guide in sorted(pairs):
        talks = Task.objects.filter(
            member_id=member, assignee_id=guide, state=Task.State.OPEN, held_at=None, task_type=KIND
        )
        ids = list(talks.values_list("pk", flat=True))
        finish(ids, kind="friend_tagged", level=TAGGED, now=now, is_auto=True, reached=False)
        closed += len(ids)
    return closed
