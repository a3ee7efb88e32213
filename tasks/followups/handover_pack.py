"""交接资料: what a new guide has to know of a member he took over, gathered with one statement and shown in the first weeks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest

from crm.aftersale.models import Ticket
from crm.members.customers import Customer
from crm.members.models import FriendTransfer, Member
from crm.members.queries import ONE, facts
from yejibao.core import clock, together
from yejibao.core.panels import Answer, panel
from yejibao.core.words import short_moment

from .labels import OUTCOMES
from .queries.day import label_of

OPEN_SHOWN = 5
SIZES = (("上衣", "size_top"), ("裤", "size_bottom"), ("衬衫", "size_shirt"), ("鞋", "size_shoe"))
TABOOS = ("color_taboo", "care_attention", "fit_preference", "contact_time_preference")
NOTHING = ("无", "都可以")

_MOVED = """crm_ownershiptransfer tr
    WHERE tr.member_id = m.id AND tr.handover_id IS NOT NULL AND tr.to_guide_id = m.owner_guide_id
      AND tr.from_guide_id <> tr.to_guide_id AND tr.at > %(now)s - interval '28 days'"""
# Whether he is new to his guide: few are, and to make ready for the whole pack costs every page more than looking.
MOVED = together.Read("moved", f"to_json(EXISTS (SELECT FROM {_MOVED}))", bool)
PACK = together.Read(
    "pack",
    f"""
(WITH moved AS (
    SELECT tr.at, tr.reason, tr.from_guide_id, tr.handover_id FROM {_MOVED} ORDER BY tr.id DESC LIMIT 1
)
SELECT json_build_array(%(now)s, moved.at, former.display_name, h.reason,
    (SELECT t.state FROM crm_friendtransfer t JOIN crm_friendlink l ON l.id = t.link_id
        WHERE t.handover_id = moved.handover_id AND l.member_id = m.id ORDER BY t.id DESC LIMIT 1),
    (SELECT t.asked_at FROM crm_friendtransfer t JOIN crm_friendlink l ON l.id = t.link_id
        WHERE t.handover_id = moved.handover_id AND l.member_id = m.id ORDER BY t.id DESC LIMIT 1),
    (SELECT json_object_agg(tag.key, mt.values) FROM crm_membertag mt JOIN crm_tag tag ON tag.id = mt.tag_id
        WHERE mt.member_id = m.id AND mt.is_effective AND tag.key = ANY(%(pack_tags)s)),
    (SELECT json_object_agg(s.family, s.size) FROM (
        SELECT DISTINCT ON (l.family) l.family, l.size FROM crm_order o JOIN crm_orderline l ON l.order_id = o.id
        WHERE o.member_id = m.id AND o.status = 'paid' AND l.size <> '' AND l.family <> ''
          AND l.quantity > l.returned_quantity AND l.replaced_by_id IS NULL ORDER BY l.family, o.paid_at DESC) s),
    (SELECT json_agg(json_build_array(p.kind, p.at, p.word)) FROM (   /* the newest promise of each sort */
        (SELECT 'visit' AS kind, e.payload->>'visit_at' AS at, '' AS word FROM tasks_taskevidence e
            JOIN tasks_task t ON t.id = e.task_id
            WHERE t.member_id = m.id AND e.kind = 'visit_booked' AND e.payload ? 'visit_at' ORDER BY e.at DESC LIMIT 1)
        UNION ALL
        (SELECT 'pickup', k.pickup_at::text, '' FROM crm_ticket k WHERE k.member_id = m.id AND k.pickup_at IS NOT NULL
            AND k.state NOT IN ('closed', 'rejected', 'cancelled') ORDER BY k.opened_at DESC LIMIT 1)
        UNION ALL
        (SELECT 'ticket', k.opened_at::text, k.kind FROM crm_ticket k WHERE k.member_id = m.id AND k.pickup_at IS NULL
            AND k.state NOT IN ('closed', 'rejected', 'cancelled') ORDER BY k.opened_at DESC LIMIT 1)
        UNION ALL
        (SELECT 'later', t.hidden_until::text, t.hidden_reason FROM tasks_task t WHERE t.member_id = m.id
            AND t.state = 'open' AND t.hidden_until > %(now)s AND t.hidden_reason <> '' ORDER BY t.hidden_until LIMIT 1)
    ) p),
    (SELECT json_build_object('at', r.at, 'channel', r.channel, 'who', g.display_name,
            'note', (SELECT e.payload->>'note' FROM tasks_taskevidence e WHERE e.task_id = r.task_id AND e.payload ? 'note'
                     ORDER BY e.id DESC LIMIT 1),
            'text', (SELECT coalesce(nullif(u.text, ''), '话术「' || nullif(s.title, '') || '」')   /* a script's text is not what he read */
                     FROM tasks_scriptuse u LEFT JOIN tasks_script s ON s.id = u.script_id
                     WHERE u.task_id = r.task_id ORDER BY u.id DESC LIMIT 1),
            'outcome', (SELECT t.outcome FROM tasks_task t WHERE t.id = r.task_id))
        FROM tasks_reach r JOIN guides_staff g ON g.id = r.guide_id WHERE r.member_id = m.id
        ORDER BY r.day DESC, r.id DESC LIMIT 1),
    (SELECT json_agg(json_build_array(t.id, t.task_type, t.node, t.why, t.due_at, t.held_reason)
        ORDER BY t.held_at IS NULL DESC, t.due_at, t.id) FROM tasks_task t
        WHERE t.member_id = m.id AND t.state = 'open' AND t.task_type <> 'handover_intro'
          AND t.assignee_id = m.owner_guide_id))
FROM moved JOIN guides_staff former ON former.id = moved.from_guide_id
JOIN crm_guidehandover h ON h.id = moved.handover_id)
""",
    lambda row: _pack(*row) if row else None,
    facts=lambda _actor: {"pack_tags": [key for _name, key in SIZES] + list(TABOOS)},
)

REASONS = {"resigned": "离职", "moved_store": "调店", "long_leave": "休长假", "given": "转给同事"}
FRIEND_WORDS = {  # what she has to do about it; else the state's own name, as on the manager's page
    FriendTransfer.State.REFUSED: "他没接受换导购，先打电话",
    FriendTransfer.State.TAKER_FULL: "你的微信好友满了，店长在安排",
    FriendTransfer.State.FAILED: "微信好友没转成，先打电话",
}


@dataclass(frozen=True)
class Pack:
    """What the former guide knew. Empty where nothing is on record."""

    former: str
    reason: str
    at: datetime
    friend_words: str
    sizes: list[tuple[str, str]]
    taboos: list[tuple[str, str]]
    promises: list[str]
    last_talk: dict[str, Any] | None
    open_tasks: list[dict[str, Any]]
    open_count: int


def pack_of(member: Member, *, now: datetime) -> Pack | None:
    """Return what the member's new guide has to know; None where he took nobody over in the last four weeks."""
    return PACK.about(ONE, facts(member, now=now))


def _pack(
    now: str, at: str, former: str, reason: str, friend: str | None, asked_at: str | None, tags: Any, sizes: Any,
    promises: Any, talk: Any, tasks: Any,
) -> Pack:  # fmt: skip
    moment = clock.parse_iso(now)
    return Pack(
        former=former,
        reason=REASONS[reason],
        at=clock.parse_iso(at),
        friend_words=_friend_words(friend, clock.parse_iso(asked_at) if asked_at else None, moment),
        sizes=_sizes(tags or {}, sizes or {}),
        taboos=_taboos(tags or {}),
        promises=[said for one in promises or () if (said := _promise(*one, now=moment))],
        last_talk=_talk(talk, moment) if talk else None,
        open_tasks=[_task(*one) for one in (tasks or ())[:OPEN_SHOWN]],
        open_count=len(tasks or ()),
    )


def _friend_words(state: str | None, asked_at: datetime | None, now: datetime) -> str:
    if state is None:
        return ""
    if state == FriendTransfer.State.WAITING and asked_at:
        until = short_moment(asked_at + timedelta(hours=24), now)
        return f"微信好友{FriendTransfer.State.WAITING.label}，{until} 转过来，先别急着发"
    found = FriendTransfer.State(state)
    return FRIEND_WORDS.get(found) or f"微信好友{found.label}"


def _sizes(tags: dict[str, list[str]], bought: dict[str, str]) -> list[tuple[str, str]]:
    """What he said of himself counts more than what he bought; one for another is no size of his."""
    known = [(name, "、".join(tags[key])) for name, key in SIZES if key in tags]
    named = {name for name, _ in known}
    families = {"西服": "上衣", "大衣": "上衣", "夹克": "上衣", "羽绒": "上衣", "裤装": "裤"}
    for family, size in bought.items():
        name = families.get(family, family)
        if name not in named:
            named.add(name)
            known.append((name, size))
    return known[:4]


def _taboos(tags: dict[str, list[str]]) -> list[tuple[str, str]]:
    names = {
        "color_taboo": "忌讳颜色",
        "care_attention": "洗护在意",
        "fit_preference": "版型",
        "contact_time_preference": "方便联系",
    }
    said = [(names[key], [one for one in tags.get(key, ()) if one not in NOTHING]) for key in TABOOS]
    return [(name, "、".join(values)) for name, values in said if values]


def _promise(kind: str, at: str, word: str, *, now: datetime) -> str:
    moment = clock.parse_iso(at)
    when = short_moment(moment, now)
    if kind == "visit":
        return f"约了 {when} 到店" if moment > now - timedelta(days=1) else f"{when} 约过到店"
    if kind == "pickup":
        return f"说好 {when} 取改好的衣服"
    if kind == "ticket":
        return f"{Ticket.Kind(word).label if word in Ticket.Kind.values else '售后'}还没办完（{when} 提的）"
    return f"说好 {when} 再联系"


def _talk(talk: dict[str, Any], now: datetime) -> dict[str, Any]:
    how = "打了电话" if talk["channel"] == "manual_call" else "发了消息"
    return {
        "said": f"{short_moment(clock.parse_iso(talk['at']), now)} {talk['who']}{how}",
        "words": talk["note"] or talk["text"] or "",
        "outcome": str(OUTCOMES.get(talk["outcome"] or "", "")),
    }


def _task(pk: int, task_type: str, node: str, why: str, due_at: str, held: str | None) -> dict[str, Any]:
    return {
        "pk": pk, "label": label_of(task_type, node), "why": why, "due_at": clock.parse_iso(due_at),
        "is_held": held == "handover",
    }  # fmt: skip


@panel("member", order=15, name="handover", reads=(MOVED,))
@panel("sidebar", order=15, name="handover", reads=(MOVED,))
def pack_panel(request: HttpRequest, *, customer: Customer, **_: Any) -> Answer:
    """交接资料, for those who may see the card, while the handover is young."""
    member = customer.member
    if member is None or not customer.may_see_card or member.owner_guide_id is None:
        return None
    pack = PACK.of(request) if MOVED.of(request) else None
    return ("tasks/handover_pack.html", {"pack": pack}) if pack else None
