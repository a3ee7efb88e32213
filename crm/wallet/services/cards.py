"""Opening, freezing and replacing cards."""

import secrets
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from crm.members.models import Member
from crm.wallet.errors import NoCard
from crm.wallet.models import Account, Transfer, Wallet
from crm.wallet.queries import facts_for_audit, live_wallet
from yejibao.core import audit
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.scope import Actor

from .moving import CREDIT, DEBIT, Leg, book
from .steps import move, note

State = Wallet.State


def open_wallet(member: Member, *, actor: Actor, now: datetime) -> Wallet:
    """Return a member's card, a new one where he has none."""
    wallet = live_wallet(member)
    if wallet is not None:
        return wallet
    try:
        with transaction.atomic():
            wallet = Wallet.objects.create(member=member, card_no=new_number(), opened_at=now)
    except IntegrityError:  # two at once: the other one's card is his
        if (wallet := live_wallet(member)) is None:
            raise
        return wallet
    note(wallet, State.ACTIVE, actor=actor, now=now, why="开卡")
    audit.record(actor, "wallet.opened", wallet, after=facts_for_audit(wallet))
    return wallet


@transaction.atomic
def freeze(wallet: Wallet, *, why: str, actor: Actor, now: datetime) -> Wallet:
    """Let nothing be spent from a card: lost, or asked by the member. Money may still come in."""
    return _turn(wallet, State.ACTIVE, State.FROZEN, "wallet.frozen", why=why, actor=actor, now=now)


@transaction.atomic
def unfreeze(wallet: Wallet, *, why: str, actor: Actor, now: datetime) -> Wallet:
    """Let a card be used again."""
    return _turn(wallet, State.FROZEN, State.ACTIVE, "wallet.unfrozen", why=why, actor=actor, now=now)


@transaction.atomic
def replace_card(wallet: Wallet, *, why: str, key: str, actor: Actor, now: datetime) -> Wallet:
    """Give a member a new card for a lost one: the balance moves to the new number, the old number is dead.

    A new card is in use at once, also where the old one was frozen. Once for each card; the same again answers the new one.
    """
    _must_say(why)
    old = Wallet.objects.select_for_update().get(pk=wallet.pk)
    if old.state == State.REPLACED:
        return Wallet.objects.get(replaces=old)
    new = Wallet.objects.create(
        member_id=old.member_id, card_no=new_number(), state=State.PENDING, opened_at=now, replaces=old
    )
    legs = [
        leg
        for account, amount in ((Account.PRINCIPAL, old.principal_fen), (Account.GIFT, old.gift_fen))
        if amount
        for leg in (Leg(account, DEBIT, amount, old.pk), Leg(account, CREDIT, amount, new.pk))
    ]
    if legs:
        book(
            kind=Transfer.Kind.REPLACEMENT, key=key, legs=legs, subject=f"card:{new.pk}", wallet=old, actor=actor, now=now
        )  # fmt: skip
    move(old, State.REPLACED, actor=actor, now=now, why=why)
    move(new, State.ACTIVE, actor=actor, now=now, why=why)
    audit.record(actor, "wallet.replaced", new, before=facts_for_audit(old), after=facts_for_audit(new), reason=why)
    return Wallet.objects.get(pk=new.pk)


def new_number() -> str:
    """Return a card number: 16 digits that say nothing of their member, the last one checks the others (Luhn)."""
    body = f"68{secrets.randbelow(10**13):013}"
    total = 0
    for place, digit in enumerate(map(int, reversed(body))):
        doubled = digit * 2 if place % 2 == 0 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return f"{body}{-total % 10}"


def _turn(
    wallet: Wallet, before: str, after: str, action: str, *, why: str, actor: Actor, now: datetime
) -> Wallet:  # fmt: skip
    _must_say(why)
    held = Wallet.objects.select_for_update().get(pk=wallet.pk)
    if held.state == after:
        return held
    if held.state == State.REPLACED:
        raise NoCard(_("这张卡已经换过新卡"))
    if held.state != before:
        raise Conflict()
    move(held, after, actor=actor, now=now, why=why)
    audit.record(actor, action, held, after=facts_for_audit(held), reason=why)
    return held


def _must_say(why: str) -> None:
    if len(why.strip()) < 2:
        raise Invalid(_("请写明原因"), errors=[{"field": "why", "code": "required", "message": str(_("请写明原因"))}])
