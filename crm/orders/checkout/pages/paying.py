"""收款: what is due is taken; WeChat is waited for; the receipt. The platform is called with no transaction open."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import segno
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from yejibao.core import access, clock, desk, hx, idempotency, limits
from yejibao.core.errors import DomainError, NotFound
from yejibao.wechatpay import services as wechatpay
from yejibao.wechatpay.models import PayOrder

from .. import services
from ..models import Sale, SaleMoved, SalePayment
from ..picture import draw_receipt
from ..queries import receipt_of
from .parts import WAYS, basket_facts, shell, till_sale


@require_POST
@access.permission("order.cashier")
@limits.by("money")
def pay(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Take the sale as the page showed it. A second press, or a second phone, takes nothing twice."""
    held, actor = till_sale(request, public_id), access.actor_of(request)
    key = idempotency.must_have_key(request)
    way, due = request.POST.get("way", "")[:16], desk.number(request.POST.get("due"))

    def work() -> dict[str, Any]:
        ways = [services.Pay(way)] if way else []
        done = services.confirm(held, ways=ways, key=key, actor=actor, now=clock.now(), expected_due_fen=due)
        return {"state": done.state, "due_fen": done.due_fen}

    try:
        idempotency.once(request, {"sale": str(public_id), "way": way, "due": due}, work)
    except DomainError as refusal:
        if refusal.status not in (409, 422):
            raise
        fresh = till_sale(request, public_id)
        if fresh.state != Sale.State.DRAFT:
            return redirect("crm:till-sale", public_id=public_id)
        facts = basket_facts(request, fresh, now=clock.now()) | {"refusal": refusal, "way": way}
        return render(request, "till/sale.html", facts, status=refusal.status)
    return redirect("crm:till-sale", public_id=public_id)


# ---------------------------------------------------------------- waiting for WeChat


def _waiting(sale: Sale) -> SalePayment | None:
    return sale.payments.filter(state=SalePayment.State.WAITING, pay_order_id__isnull=False).first()


def _settled(request: HttpRequest, sale: Sale, order: PayOrder) -> bool:
    """Take WeChat's word for it now, where its event is still on its way. Return whether the sale is over."""
    if order.state == PayOrder.State.PAID:
        services.settle_payment(sale, pay_order_id=order.pk, transaction_id=order.transaction_id or "", now=clock.now())
    elif order.state == PayOrder.State.CLOSED:
        services.drop_payment(sale, pay_order_id=order.pk)
    sale.refresh_from_db(fields=["state"])
    return sale.state != Sale.State.AWAITING_PAYMENT


@never_cache
@require_GET
@access.permission("order.cashier")
def wait(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """等他付款: the code to scan, or the camera for his; and other ways where that one came to nothing."""
    sale = till_sale(request, public_id)
    if sale.state != Sale.State.AWAITING_PAYMENT:
        return redirect("crm:till-sale", public_id=public_id)
    taken = sum(one.amount_fen for one in sale.payments.filter(state=SalePayment.State.SETTLED))
    context = {"sale": sale, "payment": _waiting(sale), "due_fen": sale.paid_fen - taken, "ways": WAYS}
    return render(request, "till/wait.html", shell(request) | context)


@require_POST
@access.permission("order.cashier")
@limits.by("money")
def qr(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Ask WeChat for the code he scans; the same one each time."""
    sale = till_sale(request, public_id)
    payment = _waiting(sale)
    if payment is None or payment.way != SalePayment.Way.WECHAT_NATIVE:
        raise NotFound()
    told = wechatpay.prepay(services.pay_order_of(payment), now=clock.now())
    picture = segno.make(told["code_url"], micro=False).svg_data_uri(scale=6, border=2)
    return render(request, "till/part_qr.html", {"picture": picture, "code_url": told["code_url"]})


@require_POST
@access.permission("order.cashier")
@limits.by("money")
def code(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Charge the payment code on his phone. He may have to type his password: then the page waits."""
    sale = till_sale(request, public_id)
    payment = _waiting(sale)
    if payment is None or payment.way != SalePayment.Way.WECHAT_CODE:
        return redirect("crm:till-wait", public_id=public_id)
    try:
        typed = wechatpay.read_code(request.POST.get("auth_code", ""))
    except wechatpay.CodeRefused as refusal:
        hx.flash(request, str(refusal.detail))
        return redirect("crm:till-wait", public_id=public_id)
    order = services.pay_order_of(payment)
    try:
        order = wechatpay.take_code(order, typed, now=clock.now())
    except DomainError as refusal:
        order.refresh_from_db()
        _settled(request, sale, order)
        hx.flash(request, str(refusal.title))
        return redirect("crm:till-sale", public_id=public_id)
    _settled(request, sale, order)
    return redirect("crm:till-sale", public_id=public_id)


@never_cache
@require_GET
@access.permission("order.cashier")
def state(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """How it stands; the waiting page asks every three seconds. Nothing new: 204."""
    sale = till_sale(request, public_id)
    payment = _waiting(sale)
    if sale.state == Sale.State.AWAITING_PAYMENT and payment is not None:
        order = wechatpay.look(services.pay_order_of(payment), now=clock.now())
        if order.is_open:
            return HttpResponse(status=204)
        _settled(request, sale, order)
    elif sale.state == Sale.State.AWAITING_PAYMENT and not request.GET.get("code"):
        return HttpResponse(status=204)
    return hx.redirect(reverse("crm:till-sale", args=[public_id]))


@require_POST
@access.permission("order.cashier")
@limits.by("money")
def again(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Another way for what is still due."""
    sale, actor = till_sale(request, public_id), access.actor_of(request)
    idempotency.must_have_key(request)
    way = request.POST.get("way", "")[:16]

    def work() -> dict[str, Any]:
        return {"state": services.pay_rest(sale, services.Pay(way), actor=actor, now=clock.now()).state}

    try:
        idempotency.once(request, {"sale": str(public_id), "way": way}, work)
    except DomainError as refusal:
        if refusal.status not in (409, 422):
            raise
        hx.flash(request, str(refusal.detail or refusal.title))  # he paid just now, or a colleague took it
    return redirect("crm:till-sale", public_id=public_id)


@require_POST
@access.permission("order.cashier")
@limits.by("money")
def give_up(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """不收了: what was taken goes back. What he paid meanwhile counts."""
    sale, actor, now = till_sale(request, public_id), access.actor_of(request), clock.now()
    try:
        services.close_sale(sale, reason="取消收款", actor=actor, now=now)
    except (wechatpay.PaidAlready, SaleMoved):
        if (payment := _waiting(sale)) is not None:
            _settled(request, sale, services.pay_order_of(payment))
        hx.flash(request, "他刚付好了")
        return redirect("crm:till-sale", public_id=public_id)
    hx.flash(request, "没有收款，券、积分、储值都退回去了")
    return redirect("crm:till")


# ---------------------------------------------------------------- the receipt


@never_cache
@require_GET
@access.permission("order.cashier")
def receipt(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """小票: for the counter, with its link for the member and to print."""
    sale = till_sale(request, public_id)
    if sale.state not in Sale.SOLD:
        return redirect("crm:till-sale", public_id=public_id)
    link = settings.PUBLIC_BASE_URL + reverse("crm:receipt", args=[public_id])
    picture = segno.make(link, micro=False).svg_data_uri(scale=4, border=2)
    return render(request, "till/receipt.html", shell(request) | receipt_of(sale) | {"link": link, "picture": picture})


WHY_OPEN = (
    "A receipt under a number nobody guesses: goods and amounts, no names; the member opens it from a chat or a code."
)


def _sold(public_id: UUID) -> Sale:
    rows = Sale.objects.select_related("store", "guide", "order").filter(state__in=Sale.SOLD)
    sale = rows.filter(public_id=public_id).first()
    if sale is None:
        raise NotFound()
    return sale


@require_GET
@access.anonymous(WHY_OPEN)
def public_receipt(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """电子小票: what a paper receipt says."""
    return render(request, "till/public_receipt.html", receipt_of(_sold(public_id)) | {"now": clock.now()})


@require_GET
@access.anonymous(WHY_OPEN)
def receipt_picture(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The same as a picture."""
    sale = _sold(public_id)
    response = HttpResponse(draw_receipt(receipt_of(sale)), content_type="image/png")
    response["Content-Disposition"] = f'inline; filename="receipt-{sale.number}.png"'
    return response
