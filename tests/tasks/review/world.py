"""A store's week for the boards: six guides, tasks in all states, what came of them. Fixed, no chance in it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from guides.org.models import Staff
from tasks.followups.models import SkipRequest, SpotCheck, Task, TaskEvidence
from tests.factories.crm import make_member, make_order
from tests.factories.guides import Org, make_org, make_staff
from yejibao.core import clock

NODES = ("m30", "d3", "d30", "d60", "d90")
NAMES = ("徐静", "马丽", "郭宇航", "唐莉", "沈佳")
ITEMS = (("西裤", 69900), ("大衣", 268000), ("衬衫", 45900), ("针织", 89900), ("夹克", 129900))
MEMBERS = ("刘伟民", "何建军", "曹磊", "许文杰", "孙志刚", "欧阳建国", "周海涛", "李志强")
TIERS = ("potential", "core", "common", "common", "lapsed", "core", "potential", "unconsumed")
# per guide and step: (done in time, done late, overdue, expired); None: none of them
WEEK = (
    ((12, 1, 0, 0), (11, 0, 0, 1), (9, 0, 0, 1), (7, 1, 0, 2), (6, 1, 0, 2)),
    ((10, 0, 0, 1), (8, 1, 1, 1), (7, 0, 1, 2), (5, 0, 0, 3), (5, 0, 0, 3)),
    ((6, 1, 1, 2), (4, 0, 4, 1), (3, 0, 1, 2), (3, 0, 0, 3), None),
    ((8, 0, 0, 1), (5, 0, 0, 2), (5, 0, 0, 2), (3, 0, 0, 2), (2, 0, 1, 1)),
    ((4, 0, 0, 1), (2, 0, 0, 1), None, None, None),
)


@dataclass(frozen=True)
class ReviewWorld:
    org: Org
    guides: list[Staff]  # 林晓雯 of the org first, then NAMES
    request: SkipRequest
    check: SpotCheck


def make_review_world(now: datetime, *, org: Org | None = None) -> ReviewWorld:
    """Return a store in the middle of its week: `now` is a day from Tuesday on, after noon."""
    org = org or make_org()
    guides = [org.guide, *(make_staff(store=org.store, name=name, display_name=name) for name in NAMES)]
    Staff.objects.filter(pk=guides[3].pk).update(backup_guide=guides[1])
    today = clock.local_day(now)
    days = [today - timedelta(days=step) for step in range(today.weekday() + 1)]
    members = {
        guide.pk: [
            make_member(owner=guide, name=name, tier_631=tier) for name, tier in zip(MEMBERS, TIERS, strict=True)
        ]
        for guide in guides
    }
    orders = {
        guide.pk: [
            make_order(member, paid_at=now - timedelta(days=5), guide=guide,
                       lines=[{"item_name": name, "paid_fen": fen}])
            for member, (name, fen) in zip(members[guide.pk], ITEMS * 2, strict=False)
        ]
        for guide in guides
    }  # fmt: skip
    rows: list[Task] = []
    for number, (guide, week) in enumerate(zip(guides, (WEEK[1], *WEEK), strict=True)):
        for node, counts in zip(NODES, week, strict=True):
            for kind, count in zip(("done", "late", "open", "expired"), counts or (), strict=False):
                for place in range(count):
                    rows.append(_task(guide, members, orders, node, kind, number + place + len(rows), days, now))
    past = [_task(guide, members, orders, node, kind, number, [today - timedelta(days=7 * weeks + number % 5)], now)
            for weeks in range(1, 6) for guide in guides for number, node in enumerate(NODES * 2)
            for kind in ("done", "expired" if (number + weeks) % (7 - weeks) == 0 else "done")]  # fmt: skip
    Task.objects.bulk_create(past + rows)
    rows = list(Task.objects.order_by("pk"))
    TaskEvidence.objects.bulk_create(
        [
            TaskEvidence(task=task, kind="order_linked", level=5, is_auto=True, at=task.done_at,
                         payload={"order": task.order_id, "fen": 89900})
            for task in [task for task in rows if task.state == "done" and task.evidence_level == 2][::9]
        ]
    )  # fmt: skip
    late = [task for task in rows if task.state == "open" and task.due_at <= now]
    done = next(task for task in rows if task.evidence_kind == "chat_claimed")
    TaskEvidence.objects.create(
        task=done, kind="chat_claimed", level=0, at=done.done_at, by=done.assignee, payload={"note": "贴过去了"}
    )
    return ReviewWorld(
        org, guides,
        request=SkipRequest.objects.create(task=late[0], asked_by=late[0].assignee, reason="他出差到月底，说回来再联系", asked_at=now),
        check=SpotCheck.objects.create(task=done, week=today - timedelta(days=today.weekday()), store=org.store),
    )  # fmt: skip


def _task(guide, members, orders, node, kind, number, days, now):  # type: ignore[no-untyped-def]
    member = members[guide.pk][number % len(MEMBERS)]
    order = orders[guide.pk][number % len(orders[guide.pk])]
    line = order.lines.get()
    due = clock.local_moment(days[number % len(days)], datetime.strptime("11:30", "%H:%M").time())
    if kind == "expired":
        due -= timedelta(hours=1)
    done_at = {"done": due - timedelta(minutes=40), "late": due + timedelta(minutes=20)}.get(kind)
    claimed = number % 17 == 3
    return Task(
        task_type=f"followup_{node}", node=node, member=member, assignee=guide, owner_guide=guide, store=guide.store, order=order,
        state={"late": "done"}.get(kind, kind), priority=2, open_at=due - timedelta(hours=3), due_at=due,
        expire_at=due + timedelta(days=3), why=f"{line.item_name}到手几天，问一句", created_at=due - timedelta(hours=3),
        context={"items": [{"name": line.item_name, "fen": line.paid_fen}]}, evidence_any_of=["chat_sent"],
        done_at=done_at, done_by=guide if done_at else None,
        evidence_kind=("chat_claimed" if claimed else "chat_sent") if done_at else "",
        evidence_level=(0 if claimed else 2) if done_at else None, evidence_at=done_at,
        outcome=("replied" if number % 5 < 2 else "visit_booked" if number % 11 == 7 else "") if done_at else "",
        outcome_at=done_at + timedelta(hours=2) if done_at else None,
        closed_at=due if kind == "expired" else None,
        hidden_reason=("guide_busy", "member_busy", "guide_busy", "looking_up", "waiting_goods")[number % 5]
        if kind in ("open", "expired") and number % 3 else "",
    )  # fmt: skip
