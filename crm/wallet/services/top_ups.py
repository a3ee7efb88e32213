"""Topping up: the guide asks, the member confirms on his own phone, the money arrives, the card is credited."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from crm.members.models import Member
from crm.wallet.errors import (
    CapPassed,
    CardFrozen,
    NotAnOption,
    NotTheMember,
    OldTerms,
    TopUpEnded,
    TopUpWaits,
)
from crm.wallet.models import Account, TopUp
from crm.wallet.queries import Balance, balance_of, has_real_name
from crm.wallet.rules import Rules, Terms, Tier, rules_on, terms_on
from guides.org.models import Staff, Store
from yejibao.core import audit
from yejibao.core.clock import local_day
from yejibao.core.errors import Invalid
from yejibao.core.scope import Actor
from yejibao.wechatpay import services as wechatpay
from yejibao.wechatpay.models import PayOrder

from .cards import open_wallet
from .holders import RealName, check_age, register
from .moving import credit
from .steps import move, note

State = TopUp.State
PURPOSE = "top_up"  # of the PayOrder; its subject is the top-up's id
COUNTER_WAYS = ("cash", "card")  # how a counter took it: the transfer's provider, which 收款汇总 reads
CASH = {TopUp.Method.WECHAT: Account.CASH_WECHAT, TopUp.Method.COUNTER: Account.CASH_COUNTER}


@transaction.atomic
def begin_top_up(
    member: Member, *, method: str, store: Store | None, guide: Staff | None, actor: Actor, now: datetime, tier: str = "",
    amount_fen: int = 0, is_distant: bool = False,
) -> TopUp:  # fmt: skip
    """Ask a member to top up; nothing happens until he confirms it himself.

    Either a tier by its key or a plain amount. Raises NotAnOption, CapPassed, CardFrozen, TooYoung, TopUpWaits.
    """
    rules = rules_on(local_day(now))
    wanted = _wanted(rules, tier=tier, amount_fen=amount_fen)
    if method not in TopUp.Method.values:
        raise NotAnOption(_("没有这种付款方式"))
    if is_distant and method != TopUp.Method.WECHAT:
        raise NotAnOption(_("会员不在店里，只能微信或转账付款，不收现金"))
    if member.status != Member.Status.ACTIVE:
        raise Invalid(_("这位会员已经注销"))
    check_age(member, rules=rules, day=local_day(now))
    _check_room(rules, balance_of(member), wanted)
    expire_top_ups(now=now, member=member)
    try:
        with transaction.atomic():
            top_up = TopUp.objects.create(
                member=member, store=store, guide=guide, principal_fen=wanted.principal_fen, gift_fen=wanted.gift_fen,
                method=method, is_distant=is_distant, asked_at=now, ends_at=now + timedelta(minutes=rules.confirm_minutes),
            )  # fmt: skip
    except IntegrityError:
        raise TopUpWaits() from None
    note(top_up, State.ASKED, actor=actor, now=now)
    audit.record(actor, "wallet.top_up_asked", top_up, after=_said(top_up))
    return top_up


@dataclass(frozen=True)
class ConfirmFacts:
    """What a member reads before he confirms, on his own phone."""

    top_up: TopUp
    balance: Balance
    terms: Terms
    needs_real_name: bool
    is_over: bool  # ended, or too late


def confirm_facts(top_up: TopUp, *, now: datetime) -> ConfirmFacts:
    """Return what the member's page shows of a top-up that asks for his word."""
    return ConfirmFacts(
        top_up=top_up, balance=balance_of(top_up.member_id), terms=terms_on(local_day(now)),
        needs_real_name=not has_real_name(top_up.member_id), is_over=top_up.state not in TopUp.OPEN or top_up.ends_at <= now,
    )  # fmt: skip


@transaction.atomic
def confirm_top_up(
    top_up: TopUp, *, member: Member, now: datetime, terms_version: int, real_name: RealName | None = None
) -> TopUp:
    """Take the member's word for amount and terms, and his real name with the first one; a second tap changes nothing.

    Raises NotTheMember, TopUpEnded, OldTerms, RealNameNeeded, TooYoung, CapPassed.
    """
    held = _lock(top_up)
    if held.member_id != member.pk:
        raise NotTheMember()
    if held.state == State.CONFIRMED and held.ends_at > now:
        return held
    if held.state != State.ASKED or held.ends_at <= now:
        raise TopUpEnded(_("这笔充值已经取消或过期，请导购重新发起"))
    rules = rules_on(local_day(now))
    if terms_version != terms_on(local_day(now)).version:
        raise OldTerms()
    actor = Actor(kind="member", member_id=member.pk, name="会员")
    register(member, real_name, actor=actor, rules=rules, now=now)
    check_age(member, rules=rules, day=local_day(now))
    wallet = open_wallet(member, actor=actor, now=now)
    _check_room(rules, balance_of(member), Tier("", held.principal_fen, held.gift_fen))
    move(
        held, State.CONFIRMED, actor=actor, now=now, confirmed_at=now, terms_version=terms_version, wallet_id=wallet.pk
    )  # fmt: skip
    audit.record(actor, "wallet.top_up_confirmed", held, after=_said(held) | {"terms": terms_version})
    return held


@transaction.atomic
def pay_order_of(top_up: TopUp, *, payer_openid: str, now: datetime, way: str = PayOrder.Way.JSAPI) -> PayOrder:
    """Return the order a confirmed top-up is paid with, the same one each time. Raises TopUpEnded."""
    held = _lock(top_up)
    if held.state != State.CONFIRMED or held.ends_at <= now:
        raise TopUpEnded()
    return wechatpay.begin(
        purpose=PURPOSE, subject=str(held.pk), amount_fen=held.principal_fen, description="储值卡充值", way=way, now=now,
        payer_openid=payer_openid, expires_at=held.ends_at,
    )  # fmt: skip


@transaction.atomic
def settle_top_up(
    top_up: TopUp, *, key: str, paid_by: str, provider_ref: str, counter_way: str = "", now: datetime, actor: Actor | None = None
) -> TopUp:  # fmt: skip
    """Credit principal and gift of a confirmed top-up, once, now that the money is there.

    `counter_way` says how a counter took it: "cash", "card", or "" where nobody was asked.
    Raises TopUpEnded for one that nobody confirmed, or that ended: its money goes back, it is never credited in silence.
    """
    actor = actor or Actor.system("wechatpay")
    held = _lock(top_up)
    if held.state == State.SETTLED:
        return held
    if held.state != State.CONFIRMED:
        raise TopUpEnded(_("会员还没有确认") if held.state == State.ASKED else "")
    if held.is_distant and paid_by != TopUp.Method.WECHAT:
        raise NotAnOption(_("会员不在店里，只能微信或转账付款，不收现金"))
    assert held.wallet is not None
    if counter_way and (counter_way not in COUNTER_WAYS or paid_by != TopUp.Method.COUNTER):
        raise NotAnOption(_("没有这种付款方式"))
    is_wechat = paid_by == TopUp.Method.WECHAT
    done = credit(
        held.wallet, principal_fen=held.principal_fen, gift_fen=held.gift_fen, cash=CASH[TopUp.Method(paid_by)], key=key,
        subject=f"top_up:{held.pk}", store=held.store_id, actor=actor, now=now,
        provider="wechatpay" if is_wechat else counter_way, provider_txn=provider_ref if is_wechat else "",
    )  # fmt: skip
    move(held, State.SETTLED, actor=actor, now=now, settled_at=now, transfer_id=done.transfer_id)
    audit.record(
        actor,
        "wallet.topped_up",
        held,
        after=_said(held) | {"paid_by": counter_way or paid_by, "transfer": done.transfer_id},
    )
    return held


def settle_paid(*, pay_order_id: int, subject: str, transaction_id: str, amount_fen: int, now: datetime) -> bool:
    """Credit the top-up an order of WeChat Pay was for; money that fits none goes back to the payer. Tell whether it fits."""
    top_up = TopUp.objects.filter(pk=int(subject)).first() if subject.isdigit() else None
    try:
        if top_up is None or top_up.principal_fen != amount_fen:
            raise TopUpEnded()
        settle_top_up(top_up, key=f"wechatpay:{transaction_id}", paid_by="wechat", provider_ref=transaction_id, now=now)
    except TopUpEnded:
        order = PayOrder.objects.get(pk=pay_order_id)
        wechatpay.refund(order, amount_fen=amount_fen, key=f"top-up-ended:{pay_order_id}", reason="充值已取消", now=now)
        return False
    return True


@transaction.atomic
def cancel_top_up(top_up: TopUp, *, why: str, actor: Actor, now: datetime) -> TopUp:
    """Give up a top-up whose money is not there yet. What is paid after that goes back to the payer. Raises TopUpEnded."""
    held = _lock(top_up)
    if held.state == State.CANCELLED:
        return held
    if held.state not in TopUp.OPEN:
        raise TopUpEnded()
    _end(held, State.CANCELLED, why=why, actor=actor, now=now)
    audit.record(actor, "wallet.top_up_cancelled", held, after=_said(held), reason=why)
    return held


def expire_top_ups(*, now: datetime, member: Member | None = None) -> int:
    """End what nobody confirmed or paid in time. Return how many."""
    late = TopUp.objects.filter(state__in=TopUp.OPEN, ends_at__lte=now)
    if member is not None:
        late = late.filter(member=member)
    ended = 0
    for pk in late.order_by("pk").values_list("pk", flat=True)[:500]:
        with suppress(wechatpay.PaidAlready), transaction.atomic():  # paid: it is settled any moment
            held = TopUp.objects.select_for_update().filter(pk=pk, state__in=TopUp.OPEN).first()
            if held is not None:
                _end(held, State.EXPIRED, why="过期", actor=Actor.system(), now=now)
                ended += 1
    return ended


def _end(held: TopUp, state: str, *, why: str, actor: Actor, now: datetime) -> None:
    """Move on, and let the platform close the order: what is paid all the same is sent back there."""
    move(held, state, actor=actor, now=now, why=why)
    for order in PayOrder.objects.filter(purpose=PURPOSE, subject=str(held.pk), state__in=PayOrder.OPEN):
        wechatpay.close(order, now=now)


def _lock(top_up: TopUp) -> TopUp:
    return TopUp.objects.select_for_update().get(pk=top_up.pk)


def _wanted(rules: Rules, *, tier: str, amount_fen: int) -> Tier:
    if tier:
        found = rules.tier(tier)
        if found is None:
            raise NotAnOption()
        return found
    if amount_fen < rules.least_fen or amount_fen % rules.step_fen:
        raise NotAnOption(_("金额要是 %(step)d 元的整数倍") % {"step": rules.step_fen // 100})
    return Tier("", amount_fen, rules.gift_of(amount_fen))


def _check_room(rules: Rules, balance: Balance, wanted: Tier) -> None:
    """Raise CardFrozen, or CapPassed where principal and gift together would be more than a named card may hold."""
    if balance.is_frozen:
        raise CardFrozen()
    over = balance.total_fen + wanted.total_fen - rules.cap_fen
    if over > 0:
        raise CapPassed(
            _("卡里有 %(now)s 元，再充会超过 %(cap)d 元限额")
            % {"now": f"{balance.total_fen / 100:,.2f}", "cap": rules.cap_fen // 100},
            cap_fen=rules.cap_fen, balance_fen=balance.total_fen, over_fen=over,
        )  # fmt: skip


def _said(top_up: TopUp) -> dict[str, object]:
    return {"member": top_up.member_id, "principal_fen": top_up.principal_fen, "gift_fen": top_up.gift_fen}
