"""Counting ends, what differs is looked at and counted again by somebody else, and a second person lets it into the stock."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from guides.notices.services import settle
from guides.org.models import Store
from yejibao.core import audit
from yejibao.core.errors import Conflict, DomainError, Forbidden, Invalid
from yejibao.core.scope import Actor

from ...services import move
from ..counts import count_lines
from ..models import Stocktake, StocktakeCounter, StocktakeLine, StocktakeScan
from ..queries import clashes, counted_by, late_scans, people_of, silent_phones, sums_of
from ..scoped import APPROVE, CREATE, approvable, stores_of
from .planning import TO_DECIDE, key_of, tell


class PhonesWait(Conflict):
    """Some phones still hold scans, or were not heard of; whoever ends the count says that he knows."""

    code, title = "stocktake.phones_wait", _("还有手机没传完")


class Unsettled(Conflict):
    code, title = "stocktake.unsettled", _("还有几处要先定")


class CountedAlone(Forbidden):
    """Four eyes: who counted everything himself is not the one to say that it is right."""

    code, title = "perm.stocktake.counted_alone", _("全是你自己盘的，要另一个人来批")


def _leads(actor: Actor, stocktake: Stocktake) -> bool:
    return Store.objects.filter(stores_of(actor, CREATE), pk=stocktake.store_id).exists()


def _locked(stocktake: Stocktake) -> Stocktake:
    # Waits for batches that are on their way in, and holds back the next ones.
    return Stocktake.objects.select_for_update(of=("self",)).select_related("store").get(pk=stocktake.pk)


# ---------------------------------------------------------------- counting ends


@transaction.atomic
def close_round(stocktake: Stocktake, *, actor: Actor, anyway: bool = False, now: datetime) -> Stocktake:
    """End counting, or a recount, and hold it against the book. `anyway`: whoever ends it knows of phones that wait.

    Raises PhonesWait, Forbidden or Conflict.
    """
    held = _locked(stocktake)
    counts = StocktakeCounter.objects.filter(stocktake=held, staff_id=actor.staff_id or 0).exists()
    if not counts and not _leads(actor, held):
        raise Forbidden(permission=CREATE)
    if held.state not in Stocktake.SCANNED:
        raise Conflict(_("这次盘点现在是「%(state)s」") % {"state": held.get_state_display()})
    silent = silent_phones(held, now=now)
    if silent and not anyway:
        names = "、".join(dict.fromkeys(one.name for one in silent))
        raise PhonesWait(
            _("%(names)s 的手机还有没传上来的，或者一会儿没联系上了。") % {"names": names}, phones=len(silent)
        )
    # It ends at least so much later that there is time to decide.
    held.move_to(
        Stocktake.State.REVIEW, closed_at=now, closed_by_id=actor.staff_id, ends_at=max(held.ends_at, now + TO_DECIDE)
    )
    count_lines(held, until=now, now=now)
    audit.record(actor, "stocktake.closed", held, after={"round": held.round} | sums_of(held))
    if held.created_by_id != actor.staff_id:
        said = _("复盘完了：%(what)s") if held.round > 1 else _("盘完了：%(what)s")
        tell(
            held,
            [held.created_by_id],
            said % {"what": held.title},
            _("看看差异，要复盘的点出来，没问题就批"),
            now=now,
            page="m",
        )
    return held


@transaction.atomic
def go_on_counting(stocktake: Stocktake, *, actor: Actor, now: datetime) -> Stocktake:
    """Open the first round again: something was not counted yet. Raises Forbidden or Conflict."""
    held = _must_lead(stocktake, actor)
    if held.round > 1:
        raise Conflict(_("已经复盘过了，要再数就选出来复盘"))
    held.move_to(Stocktake.State.COUNTING)
    StocktakeScan.objects.filter(stocktake=held, is_late=True, voided_at=None).update(is_late=False)
    audit.record(actor, "stocktake.reopened", held)
    return held


def _must_lead(stocktake: Stocktake, actor: Actor) -> Stocktake:
    """Return the stocktake, locked and under review. Raises Forbidden or Conflict."""
    if not _leads(actor, stocktake):
        raise Forbidden(permission=CREATE)
    held = _locked(stocktake)
    if held.state != Stocktake.State.REVIEW:
        raise Conflict(_("这次盘点现在是「%(state)s」") % {"state": held.get_state_display()})
    return held


# ---------------------------------------------------------------- what differs


@transaction.atomic
def ask_recount(
    stocktake: Stocktake, *, sku_ids: Collection[int], recounter_id: int, actor: Actor, now: datetime
) -> Stocktake:
    """Let somebody who did not count them count some sizes again. Raises Forbidden, Invalid or Conflict."""
    held = _must_lead(stocktake, actor)
    lines = StocktakeLine.objects.filter(stocktake=held, sku_id__in=set(sku_ids))
    person = people_of(held.store).filter(pk=recounter_id).first()
    errors = []
    if not sku_ids or lines.count() < len(set(sku_ids)):
        errors.append({"field": "sku", "code": "invalid", "message": str(_("选出要复盘的货"))})
    if person is None:
        errors.append({"field": "recounter", "code": "invalid", "message": str(_("选谁来复盘，要是店里的同事"))})
    elif person.pk in counted_by(held, sku_ids=list(sku_ids)):
        said = _("%(name)s 数过里面的货，复盘要换一个人") % {"name": person.name}
        errors.append({"field": "recounter", "code": "invalid", "message": str(said)})
    if errors or person is None:
        raise Invalid(errors=errors)
    held.move_to(Stocktake.State.RECOUNT, round=held.round + 1, recounter_id=person.pk)
    lines.update(wants_recount=True)
    StocktakeCounter.objects.get_or_create(stocktake=held, staff=person)
    facts = {"round": held.round, "recounter": person.pk, "sizes": len(set(sku_ids))}
    audit.record(actor, "stocktake.recount_asked", held, after=facts)
    said = _("%(count)d 个款码要再数一遍") % {"count": len(set(sku_ids))}
    tell(held, [person.pk], _("复盘：%(what)s") % {"what": held.title}, said, now=now)
    return held


@transaction.atomic
def settle_clash(
    stocktake: Stocktake, *, line_id: int, zone: str, keep: int | None, actor: Actor, now: datetime
) -> Stocktake:
    """Say of what two people counted in one place whose number holds, or (`keep` None) that they were different pieces."""
    held = _must_lead(stocktake, actor)
    line = StocktakeLine.objects.select_for_update().filter(stocktake=held, pk=line_id).first()
    if line is None:
        raise Invalid(_("没找到这一行"))
    there = StocktakeScan.objects.filter(
        stocktake=held, sku_id=line.sku_id, round=line.round, zone=zone, piece="", voided_at=None, is_late=False
    )
    if keep is not None:
        if not there.filter(staff_id=keep).exists():
            raise Invalid(_("他没有数过这里"))
        there.exclude(staff_id=keep).update(voided_at=now, voided_by_id=actor.staff_id)
        count_lines(held, until=held.closed_at or now, now=now)
    else:
        StocktakeLine.objects.filter(pk=line.pk).update(is_settled=True)
    audit.record(actor, "stocktake.clash_settled", held, after={"sku": line.sku_id, "zone": zone, "kept": keep})
    return held


@transaction.atomic
def settle_late(stocktake: Stocktake, *, take: bool, actor: Actor, now: datetime) -> Stocktake:
    """Count what phones brought after counting had ended, or leave it out for good."""
    held = _must_lead(stocktake, actor)
    late = StocktakeScan.objects.filter(stocktake=held, is_late=True, voided_at=None)
    if take:
        count = late.update(is_late=False)
        count_lines(held, until=now, now=now)
    else:
        count = late.update(voided_at=now, voided_by_id=actor.staff_id)
    audit.record(actor, "stocktake.late_settled", held, after={"taken": take, "scans": count})
    return held


# ---------------------------------------------------------------- the second person


def may_approve(stocktake: Stocktake, actor: Actor) -> DomainError | None:
    """Return why this person may not let the count into the stock, None if he may. Who counted alone may not."""
    if not Stocktake.objects.filter(approvable(actor), pk=stocktake.pk).exists():
        return Forbidden(permission=APPROVE)
    people = counted_by(stocktake)
    if not people:
        return Unsettled(_("一件都没扫，不能入账；没盘的话请取消。"))
    if people == {actor.staff_id}:
        return CountedAlone(_("请别的店员复盘一部分，或者请商品部批。"))
    return None


@transaction.atomic
def approve_stocktake(stocktake: Stocktake, *, note: str = "", actor: Actor, now: datetime) -> Stocktake:
    """Let the stock be what was counted: movements, and the figures kept as they were approved.

    Raises Forbidden, CountedAlone, Unsettled or Conflict.
    """
    held = _locked(stocktake)
    if (refusal := may_approve(held, actor)) is not None:
        raise refusal
    if held.state != Stocktake.State.REVIEW:
        raise Conflict(_("这次盘点现在是「%(state)s」") % {"state": held.get_state_display()})
    if late_scans(held)["pieces"] or clashes(held):
        raise Unsettled(_("收盘后才到的、两个人都数过的，先定一下算不算。"))
    sums = sums_of(held)
    kept = {
        name: sums[name]
        for name in ("book_pieces", "counted_pieces", "gain_pieces", "loss_pieces", "gain_fen", "loss_fen")
    }
    held.move_to(Stocktake.State.APPROVED, ended_at=now, ended_by_id=actor.staff_id, reason=note.strip()[:255], **kept)
    lines = StocktakeLine.objects.filter(stocktake=held).exclude(difference=0).values_list("sku_id", "difference")
    differing = [(sku_id, change or 0) for sku_id, change in lines]
    moved = move(held.store, differing, kind="counted", subject=key_of(held), key=key_of(held), actor=actor, now=now)
    audit.record(actor, "stocktake.approved", held, after=kept | {"movements": moved}, reason=note)
    settle(key_of(held), now=now)
    told = {pk for pk in (held.created_by_id, held.closed_by_id) if pk and pk != actor.staff_id}
    said = _("盘盈 %(gain)d 件，盘亏 %(loss)d 件，库存已经改了") % {
        "gain": sums["gain_pieces"],
        "loss": sums["loss_pieces"],
    }
    tell(held, sorted(told), _("盘点批了：%(what)s") % {"what": held.title}, said, now=now, page="m")
    return held
