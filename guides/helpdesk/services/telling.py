"""Who is rung, and what they read. In 消息 and by a push at once (guides/notices/pushing.py)."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db.models import Count, QuerySet

from guides.attendance.calendar import away_days
from guides.notices.pushing import tell_and_push
from guides.notices.services import Notice, settle
from guides.org.models import Staff
from guides.org.queries import managers_of_stores
from yejibao.core import clock, files
from yejibao.core.scope import Actor

from ..models import HelpCategory, HqCall, HqCallMessage

ROOM = "helpdesk"
EXCERPT = 60
Ring = HqCall.Ring


def answerers(category: HelpCategory, *, day: date) -> QuerySet[Staff]:
    """Return those of the role a category is for."""
    people: QuerySet[Staff] = Staff.objects.employed().holding(category.responder, day=day)
    return people


def duty_of(category: HelpCategory, *, day: date) -> list[int]:
    """Return who is rung first: the person on duty, else whoever of the role has the fewest open questions; nobody away."""
    of_role = answerers(category, day=day)
    held = dict(
        HqCall.objects.filter(state__in=HqCall.WAITING, assignee__in=of_role.values("pk")).order_by()
        .values_list("assignee_id").annotate(Count("pk"))
    )  # fmt: skip
    ids = list(of_role.order_by("pk").values_list("pk", flat=True))
    away = away_days(ids, day, day + timedelta(days=1))
    there = [pk for pk in ids if pk not in away] or ids
    if category.duty_id in there:
        return [category.duty_id]
    return [min(there, key=lambda pk: (held.get(pk, 0), pk))] if there else []


def ring(call: HqCall, level: int, *, now: datetime, why: str = "") -> int:
    """Ring those of a level: in 消息 and by push. Returns how many."""
    day, category = clock.local_day(now), call.category
    people: Iterable[int]
    match level:
        case Ring.DUTY:
            people = duty_of(category, day=day)
        case Ring.ALL:
            people = answerers(category, day=day).values_list("pk", flat=True)
        case _ if category.head_id:
            people = [category.head_id, *([call.assignee_id] if call.assignee_id else [])]
        case _:
            people = answerers(category, day=day).values_list("pk", flat=True)
    where = call.store.short_name if call.store else "经销商"
    head = {Ring.DUTY: "呼叫总部", Ring.ALL: "还没人接", Ring.HEAD: "超时没答复", Ring.LATE: "到期没解决"}[Ring(level)]
    urgent = "【急】" if call.is_urgent else ""
    notice = Notice(
        "help", call.key, f"{urgent}{why or head} · {category.name}", f"/hq/helpdesk/{call.pk}/",
        f"{where} {call.asker.name}：{excerpt(call.question)}",
    )  # fmt: skip
    told = [(pk, notice) for pk in dict.fromkeys(people) if pk != call.asker_id]
    return tell_and_push(told, now=now, priority=1 if call.is_urgent or level >= Ring.HEAD else 2)


def quiet(call: HqCall, *, now: datetime) -> None:
    """Let nobody who was rung be told any more of what waits for nobody."""
    settle(call.key, now=now)


def tell_assignee(call: HqCall, title: str, text: str, *, now: datetime) -> None:
    """Tell who has it; where nobody has, the duty person."""
    people = [call.assignee_id] if call.assignee_id else duty_of(call.category, day=clock.local_day(now))
    notice = Notice("help", call.key, title, f"/hq/helpdesk/{call.pk}/", excerpt(text))
    tell_and_push([(pk, notice) for pk in people if pk], now=now, priority=2)


def tell_asker(call: HqCall, title: str, text: str, *, now: datetime) -> None:
    """Tell who asked; has he left meanwhile, whoever heads the store."""
    person: int | None = call.asker_id
    if not call.asker.is_active:
        person = (
            managers_of_stores([call.store_id], day=clock.local_day(now)).get(call.store_id) if call.store_id else None
        )
    if person:
        notice = Notice("help", f"{call.key}:asker", title, f"/g/help/{call.pk}/", excerpt(text))
        tell_and_push([(person, notice)], now=now, priority=2)


def write_line(
    call: HqCall, event: str, text: str, photos: Sequence[UUID] = (), *, by_id: int | None, now: datetime
) -> HqCallMessage:
    """Write a line of the thread, with its photos."""
    line = HqCallMessage.objects.create(call=call, by_id=by_id, event=event, text=text, at=now)
    files.attach(photos, room=ROOM, owner_id=line.pk, by_id=by_id)
    HqCall.objects.filter(pk=call.pk).update(touched_at=now)
    return line


def excerpt(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= EXCERPT else f"{flat[: EXCERPT - 1]}…"


def may_attach(actor: Actor) -> bool:
    return actor.may("call_hq.ask") or actor.may("call_hq.answer")


files.room(ROOM, rows=lambda actor: HqCallMessage.objects.visible_to(actor), may_add=may_attach)
