"""A stocktake is asked for, begun with the book of that moment, called off, or comes to its end by itself."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, datetime, time, timedelta

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from guides.notices.pushing import tell_and_push
from guides.notices.services import Notice, settle
from guides.org.models import Store
from yejibao.core import audit, clock, desk, tunables
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.scope import Actor

from ..counts import freeze_book
from ..models import Stocktake, StocktakeCounter
from ..queries import categories_of, people_of
from ..scoped import CREATE, stores_of

LASTS = tunables.number(
    "stocktake-lasts", group="货品", name="盘点开多久自动作废", unit="天", default=3, least=1, most=14,
    why="从盘点那天算起；盘完等审批的另给 7 天",
)  # fmt: skip
AHEAD = timedelta(days=31)
TO_DECIDE = timedelta(days=7)


class AlreadyRuns(Conflict):
    code, title = "stocktake.runs", _("这家店已经有一场盘点在进行")


@transaction.atomic
def create_stocktake(
    *, store: Store, categories: Collection[str], day: date, counters: Collection[int], actor: Actor, now: datetime
) -> Stocktake:
    """Plan a count of a store's goods, whole or some categories, on a day, by some of its people; they are told.

    Raises Forbidden or Invalid.
    """
    if not Store.objects.filter(stores_of(actor, CREATE), pk=store.pk).exists():
        raise Forbidden(permission=CREATE)
    today = clock.local_day(now)
    errors = []
    people = list(people_of(store).filter(pk__in=counters))
    chosen = sorted(set(categories))
    if not people or len(people) < len(set(counters)):
        errors.append({"field": "counters", "code": "invalid", "message": str(_("选谁来盘，要是店里的同事"))})
    if not today <= day <= today + AHEAD:
        errors.append({"field": "day", "code": "invalid", "message": str(_("选今天起一个月内的日子"))})
    if set(chosen) - set(categories_of(store)):
        errors.append({"field": "categories", "code": "invalid", "message": str(_("店里没有这类货"))})
    if errors:
        raise Invalid(errors=errors)
    stocktake = Stocktake.objects.create(
        store=store, categories=chosen, day=day, created_by_id=actor.staff_id or 0, created_at=now,
        ends_at=clock.local_moment(day + timedelta(days=LASTS.at(now)), time(22)),
    )  # fmt: skip
    StocktakeCounter.objects.bulk_create(StocktakeCounter(stocktake=stocktake, staff=one) for one in people)
    facts = {"store": store.pk, "day": day.isoformat(), "categories": chosen, "counters": [one.pk for one in people]}
    audit.record(actor, "stocktake.created", stocktake, after=facts)
    told = [one.pk for one in people if one.pk != actor.staff_id]
    tell(stocktake, told, _("盘点：%(what)s") % {"what": stocktake.title}, words_of_day(day, today), now=now)
    return stocktake


@transaction.atomic
def start_stocktake(stocktake: Stocktake, *, actor: Actor, now: datetime) -> Stocktake:
    """Freeze the book and let the phones begin. Begun already is fine. Raises Conflict before its day, or AlreadyRuns."""
    held = Stocktake.objects.select_for_update().get(pk=stocktake.pk)
    if held.state == Stocktake.State.COUNTING:
        return held
    if clock.local_day(now) < held.day:
        raise Conflict(_("还没到盘点那天（%(day)s）") % {"day": held.day.strftime("%m-%d")})
    try:
        with transaction.atomic():
            held.move_to(Stocktake.State.COUNTING, started_at=now)
    except IntegrityError:
        raise AlreadyRuns(_("先把正在进行的那一场结束或取消。")) from None
    freeze_book(held, now=now)
    audit.record(actor, "stocktake.started", held)
    return held


@transaction.atomic
def cancel_stocktake(stocktake: Stocktake, *, reason: str, actor: Actor, now: datetime) -> Stocktake:
    """Call a stocktake off; nothing of it goes into the stock. Raises Forbidden, Invalid or Conflict."""
    if not Store.objects.filter(stores_of(actor, CREATE), pk=stocktake.store_id).exists():
        raise Forbidden(permission=CREATE)
    why = desk.needs_reason(reason)
    held = Stocktake.objects.select_for_update().get(pk=stocktake.pk)
    held.move_to(Stocktake.State.CANCELLED, ended_at=now, ended_by_id=actor.staff_id, reason=why)
    audit.record(actor, "stocktake.cancelled", held, reason=why)
    settle(key_of(held), now=now)
    counting = StocktakeCounter.objects.filter(stocktake=held).exclude(staff_id=actor.staff_id or 0)
    tell(
        held,
        counting.values_list("staff_id", flat=True),
        _("盘点取消了：%(what)s") % {"what": held.title},
        why,
        now=now,
    )
    return held


@transaction.atomic
def change_counters(stocktake: Stocktake, *, counters: Collection[int], actor: Actor, now: datetime) -> Stocktake:
    """Let other people of the store count, from now on; what was scanned stays. Raises Forbidden, Invalid or Conflict."""
    if not Store.objects.filter(stores_of(actor, CREATE), pk=stocktake.store_id).exists():
        raise Forbidden(permission=CREATE)
    held = Stocktake.objects.select_for_update(of=("self",)).select_related("store").get(pk=stocktake.pk)
    if not held.is_open:
        raise Conflict(_("这次盘点已经结束了"))
    chosen = set(people_of(held.store).filter(pk__in=counters).values_list("pk", flat=True))
    if not chosen or chosen != set(counters):
        raise Invalid(errors=[{"field": "counters", "code": "invalid", "message": str(_("选谁来盘，要是店里的同事"))}])
    before = set(StocktakeCounter.objects.filter(stocktake=held).values_list("staff_id", flat=True))
    StocktakeCounter.objects.filter(stocktake=held).exclude(staff_id__in=chosen).delete()
    StocktakeCounter.objects.bulk_create(StocktakeCounter(stocktake=held, staff_id=pk) for pk in chosen - before)
    audit.record(
        actor,
        "stocktake.counters_changed",
        held,
        before={"counters": sorted(before)},
        after={"counters": sorted(chosen)},
    )
    told = chosen - before - {actor.staff_id}
    tell(held, told, _("盘点：%(what)s") % {"what": held.title}, words_of_day(held.day, clock.local_day(now)), now=now)
    return held


def expire_stocktakes(*, now: datetime) -> dict[str, int]:
    """End what was not counted or decided in time; whoever asked for it is told. Returns how many."""
    with transaction.atomic():
        due = Stocktake.objects.filter(state__in=Stocktake.OPEN, ends_at__lte=now)
        held = list(due.select_for_update(skip_locked=True).order_by("pk")[:500])
        Stocktake.objects.filter(pk__in=[one.pk for one in held]).update(state=Stocktake.State.EXPIRED, ended_at=now)
        for one in held:
            audit.record(Actor.system("stocktake"), "stocktake.expired", one)
            settle(key_of(one), now=now)
            said = _("没在期限内盘完，库存没有改") if one.state != Stocktake.State.REVIEW else _("没人审批，库存没有改")
            tell(one, [one.created_by_id], _("盘点作废了：%(what)s") % {"what": one.title}, said, now=now, page="m")
    return {"expired": len(held)}


def key_of(stocktake: Stocktake) -> str:
    return f"stocktake:{stocktake.pk}"


def words_of_day(day: date, today: date) -> str:
    return str(_("今天盘，点开就能扫")) if day == today else str(_("%(day)s 盘") % {"day": day.strftime("%m-%d")})


def tell(
    stocktake: Stocktake, people: Iterable[int], title: object, text: object, *, now: datetime, page: str = "g"
) -> None:
    """Tell people in 消息 and by a push. `page`: g leads to where one scans, m to the overview, hq to HQ's."""
    url = f"/{page}/stocktakes/{stocktake.public_id}/"
    notice = Notice("goods", key_of(stocktake), str(title), url, str(text))
    tell_and_push([(pk, notice) for pk in people], now=now)
