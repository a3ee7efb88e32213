"""调货: a store asks another store, or a warehouse, for a piece; that side answers, sends, and the asker receives."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.members.models import Member
from guides.notices.pushing import tell_and_push
from guides.notices.services import Notice, settle, tell_each
from guides.org.models import Staff, Store
from guides.org.queries import guides_of_stores, managers_of_stores
from yejibao.core import audit, clock
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.scope import Actor

from ..models import Sku
from ..scoped import TRANSFER, must_answer_for
from ..stock_models import StockMovement, TransferRequest, Warehouse
from .holding import lock_level, must_have, reserve, usual_until
from .moving import move

State = TransferRequest.State
SEND_WITHIN = timedelta(days=3)
NOTE_MOST = 60
EXPIRE_ROWS = 1_000
PAGE = "/g/goods/transfers/"


def source_of(request: TransferRequest) -> Store | Warehouse:
    found = request.from_store or request.from_warehouse
    assert found is not None  # the table's check
    return found


@transaction.atomic
def ask_transfer(
    sku: Sku,
    *,
    source: Store | Warehouse,
    to_store: Store,
    quantity: int = 1,
    member: Member | None = None,
    note: str = "",
    key: str,
    actor: Actor,
    now: datetime,
) -> TransferRequest:
    """Ask a place for pieces, and tell its people. The same key again is the same request.

    Raises Forbidden for another store's sake, OutOfStock where that place has none free, Conflict where it was asked
    already and has not answered.
    """
    must_answer_for(actor, TRANSFER, to_store)
    if isinstance(source, Store) and source.pk == to_store.pk:
        raise Invalid(_("这件就在你们店里。"))
    if not 1 <= quantity <= 9:
        raise Invalid(_("一次调 1 到 9 件。"))
    lock_level(sku, source)  # two who ask for one member at once: the second sees the first
    if done := TransferRequest.objects.filter(key=key).first():
        return done
    must_have(sku, source, quantity, now=now)
    place = {"from_store": source} if isinstance(source, Store) else {"from_warehouse": source}
    same = TransferRequest.objects.filter(sku=sku, to_store=to_store, member=member, state=State.ASKED, **place)
    if same.exists():
        raise Conflict(_("已经问过%(place)s了，还没回。") % {"place": source})
    asked = TransferRequest.objects.create(
        sku=sku, quantity=quantity, to_store=to_store, member=member, note=note.strip()[:NOTE_MOST], asked_by_id=actor.staff_id,
        asked_at=now, due_at=usual_until(now), key=key, **place,
    )  # fmt: skip
    audit.record(
        actor, "transfer.asked", asked,
        after={"sku": sku.code, "from": str(source), "to": to_store.pk, "quantity": quantity, "member": member.pk if member else None},
    )  # fmt: skip
    _tell_source(asked, source, now=now)
    return asked


@transaction.atomic
def answer_transfer(
    request: TransferRequest, *, agrees: bool, note: str = "", actor: Actor, now: datetime
) -> TransferRequest:
    """同意 or 没有了. What is agreed is held there until it goes. Raises Forbidden, Conflict, OutOfStock."""
    source = source_of(request)
    must_answer_for(actor, TRANSFER, request.from_store)
    if agrees:
        lock_level(request.sku, source)
        must_have(request.sku, source, request.quantity, now=now)
    request.move_to(
        State.AGREED if agrees else State.REFUSED, answered_by_id=actor.staff_id, answered_at=now,
        due_at=now + SEND_WITHIN if agrees else request.due_at, ended_at=None if agrees else now,
        note=note.strip()[:NOTE_MOST] or request.note,
    )  # fmt: skip
    audit.record(actor, "transfer.agreed" if agrees else "transfer.refused", request, after={"from": str(source)})
    settle(f"transfer:{request.pk}", now=now)
    word = _("同意调货") if agrees else _("没有了")
    _tell_asker(request, f"{source}：{word}", _("发出时会再告诉你。") if agrees else _("换一家问问。"), now=now)
    return request


@transaction.atomic
def send_transfer(request: TransferRequest, *, actor: Actor, now: datetime) -> TransferRequest:
    """The pieces are on their way: they leave the books of that place."""
    source = source_of(request)
    must_answer_for(actor, TRANSFER, request.from_store)
    request.move_to(State.SENT, sent_at=now)
    move(
        source, [(request.sku_id, -request.quantity)], kind=StockMovement.Kind.SENT, subject=f"transfer:{request.pk}",
        key=f"transfer:{request.pk}", now=now, actor=actor,
    )  # fmt: skip
    audit.record(actor, "transfer.sent", request, after={"from": str(source)})
    _tell_asker(request, f"{source}：{_('已经发出')}", _("收到以后点一下「收到」。"), now=now)
    return request


@transaction.atomic
def receive_transfer(request: TransferRequest, *, actor: Actor, now: datetime) -> TransferRequest:
    """The pieces came: they are on the books here, and kept for the member they were asked for."""
    must_answer_for(actor, TRANSFER, request.to_store)
    request.move_to(State.RECEIVED, ended_at=now)
    move(
        request.to_store, [(request.sku_id, request.quantity)], kind=StockMovement.Kind.RECEIVED,
        subject=f"transfer:{request.pk}", key=f"transfer:{request.pk}", now=now, actor=actor,
    )  # fmt: skip
    audit.record(actor, "transfer.received", request, after={"to": request.to_store_id})
    if request.member is not None and not actor.has_role("hq_merch"):
        reserve(
            request.sku, request.to_store, request.quantity, member=request.member, key=f"transfer:{request.pk}",
            actor=actor, now=now,
        )  # fmt: skip
    return request


@transaction.atomic
def cancel_transfer(request: TransferRequest, *, actor: Actor, now: datetime) -> TransferRequest:
    """The asking side needs it no more. What is on its way already has to be received."""
    must_answer_for(actor, TRANSFER, request.to_store)
    request.move_to(State.CANCELLED, ended_at=now)
    audit.record(actor, "transfer.cancelled", request)
    settle(f"transfer:{request.pk}", now=now)
    if request.answered_by_id:
        notice = _notice(request, str(_("不用发了：对方撤回了调货")), str(_("货放回架上就行。")))
        tell_each([(request.answered_by_id, notice)], now=now)
    return request


@transaction.atomic
def expire_transfers(*, now: datetime) -> int:
    """End what nobody answered, or nobody sent, in time; tell both sides."""
    due = TransferRequest.objects.filter(due_at__lte=now, state__in=(State.ASKED, State.AGREED)).order_by(
        "due_at", "pk"
    )
    rows = list(
        due.select_for_update(skip_locked=True, of=("self",))
        .select_related("sku__style", "from_store", "from_warehouse")[:EXPIRE_ROWS]
    )  # fmt: skip
    TransferRequest.objects.filter(pk__in=[one.pk for one in rows]).update(state=State.EXPIRED, ended_at=now)
    told = []
    for one in rows:
        what = _("一直没回") if one.state == State.ASKED else _("同意了但一直没发")
        settle(f"transfer:{one.pk}", now=now)
        told += [
            (pk, _notice(one, f"{source_of(one)}：{what}", str(_("这条调货已失效，要的话再问一次。"))))
            for pk in (one.asked_by_id, one.answered_by_id)
            if pk
        ]
    tell_each(told, now=now)
    return len(rows)


# ---------------------------------------------------------------- telling


def _notice(request: TransferRequest, title: str, text: str) -> Notice:
    piece = f"{request.sku.style.name} {request.sku.style.color} {request.sku.size} × {request.quantity}"
    return Notice(kind="goods", key=f"transfer:{request.pk}", title=title, text=f"{piece}。{text}", url=PAGE)


def _tell_source(request: TransferRequest, source: Store | Warehouse, *, now: datetime) -> None:
    """The manager and who is in charge get a push, the others of the store see it in 消息; a warehouse's are 商品部's."""
    notice = _notice(request, f"{request.to_store} 想调一件", str(_("有就点「同意」，没有点「没有了」。")))
    day = clock.local_day(now)
    if isinstance(source, Warehouse):
        tell_each([(pk, notice) for pk in _ids(Staff.objects.employed().holding("hq_merch", day=day))], now=now)
        return
    managers = managers_of_stores([source.pk], day=day)
    pushed = {pk for pk in (managers.get(source.pk), source.duty_guide_id) if pk}
    others = set(guides_of_stores([source.pk], day=day).get(source.pk, [])) - pushed
    tell_and_push([(pk, notice) for pk in sorted(pushed)], now=now)
    tell_each([(pk, notice) for pk in sorted(others)], now=now)


def _tell_asker(request: TransferRequest, title: str, text: object, *, now: datetime) -> None:
    if request.asked_by_id:
        tell_and_push([(request.asked_by_id, _notice(request, title, str(text)))], now=now)


def _ids(people: Iterable[Staff]) -> list[int]:
    return sorted(one.pk for one in people)
