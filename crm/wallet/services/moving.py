"""The ledger's writer: money moves here and nowhere else, each movement in one statement.

Every statement locks the one row that decides (the card, or the spend that is refunded), looks, writes the transfer under its
key, the balance and the legs, and answers with what it did. A key that was there writes nothing: then the first answer is read.
Planned once a connection, one statement is worth a multiple of the same work in steps (`bin/bench ledger_spread`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _
from psycopg.types.numeric import Int8

from crm.members.models import Member
from crm.wallet.errors import (
    AlreadyReversed,
    BalanceShort,
    CannotReverse,
    CardFrozen,
    NoCard,
    RefundTooMuch,
    SameMoneyTwice,
    Unbalanced,
)
from crm.wallet.models import CARD_ACCOUNTS, LedgerEntry, Transfer, Wallet
from guides.org.models import Store
from yejibao.core.clock import local_day
from yejibao.core.errors import Invalid
from yejibao.core.idempotency import KeyMismatch
from yejibao.core.scope import Actor
from yejibao.core.sql import first_row

DEBIT, CREDIT = LedgerEntry.Side.DEBIT, LedgerEntry.Side.CREDIT


@dataclass(frozen=True)
class Spent:
    """What a movement did to a card. `is_replay`: it was done before, this is the answer of then."""

    transfer_id: int
    principal_fen: int
    gift_fen: int
    is_replay: bool = False

    @property
    def total_fen(self) -> int:
        return self.principal_fen + self.gift_fen


@dataclass(frozen=True)
class Leg:
    """One leg of a booking. Money that comes into an account of ours is a debit of it."""

    account: str
    side: int
    amount_fen: int
    wallet_id: int | None = None


_NOTED = "(kind, actor_kind, key, wallet_id, principal_fen, gift_fen, subject, store_id, by_id, at, booked_on"
_NOTE = "%(actor_kind)s, %(key)s, held.id, part.principal, part.gift, %(subject)s, %(store)s::bigint, %(by)s::bigint, %(at)s, %(day)s"
_LEGS = """
legs AS (
    INSERT INTO crm_ledgerentry (transfer_id, account, wallet_id, side, amount_fen, booked_on)
    SELECT noted.id, leg.account, leg.wallet, leg.side, leg.amount, %(day)s
    FROM noted, LATERAL (VALUES {legs}) AS leg (account, wallet, side, amount)
    WHERE leg.amount > 0
)
"""

# The shares are those of the row as it is under its lock; a balance that is short, or a card that is frozen, notes nothing.
SPEND = f"""
WITH held AS MATERIALIZED (
    SELECT id, principal_fen, gift_fen FROM crm_wallet WHERE member_id = %(member)s AND state = 'active' FOR NO KEY UPDATE
), part AS (
    SELECT %(amount)s - gift AS principal, gift
    FROM (SELECT %(amount)s * gift_fen / (principal_fen + gift_fen) AS gift FROM held WHERE principal_fen + gift_fen >= %(amount)s) AS g
), noted AS (
    INSERT INTO crm_transfer {_NOTED}) SELECT 'spend', {_NOTE} FROM held, part
    ON CONFLICT DO NOTHING RETURNING id, wallet_id, principal_fen, gift_fen
), paid AS (
    UPDATE crm_wallet w SET principal_fen = w.principal_fen - noted.principal_fen, gift_fen = w.gift_fen - noted.gift_fen
    FROM noted WHERE w.id = noted.wallet_id
), {
    _LEGS.format(
        legs="('principal', noted.wallet_id, 1, noted.principal_fen), ('gift', noted.wallet_id, 1, noted.gift_fen), "
        "('revenue_clearing', NULL, -1, %(amount)s)"
    )
} SELECT id, principal_fen, gift_fen FROM noted
"""

# A card that is frozen takes money, it only gives none.
TOP_UP = f"""
WITH held AS MATERIALIZED (
    SELECT id FROM crm_wallet WHERE id = %(wallet)s AND state IN ('active', 'frozen') FOR NO KEY UPDATE
), part AS (SELECT %(principal)s::bigint AS principal, %(gift)s::bigint AS gift
), noted AS (
    INSERT INTO crm_transfer {_NOTED}, provider, provider_txn)
    SELECT 'top_up', {_NOTE}, %(provider)s, %(provider_txn)s FROM held, part
    ON CONFLICT DO NOTHING RETURNING id, wallet_id, principal_fen, gift_fen
), paid AS (
    UPDATE crm_wallet w SET principal_fen = w.principal_fen + noted.principal_fen, gift_fen = w.gift_fen + noted.gift_fen
    FROM noted WHERE w.id = noted.wallet_id
), {
    _LEGS.format(
        legs="(%(cash)s, NULL::bigint, 1, noted.principal_fen), ('gift_cost', NULL, 1, noted.gift_fen), "
        "('principal', noted.wallet_id, -1, noted.principal_fen), ('gift', noted.wallet_id, -1, noted.gift_fen)"
    )
} SELECT id, principal_fen, gift_fen FROM noted
"""

# The spend is locked, not the card: what came back of it so far decides. The money goes to the member's card of today.
REFUND = f"""
WITH spend AS MATERIALIZED (
    SELECT id, wallet_id, principal_fen, gift_fen, back_principal_fen, back_gift_fen
    FROM crm_transfer WHERE id = %(spend)s AND kind = 'spend' FOR NO KEY UPDATE
), held AS (
    SELECT card.id FROM spend JOIN crm_wallet was ON was.id = spend.wallet_id
    JOIN crm_wallet card ON card.member_id = was.member_id AND card.state IN ('active', 'frozen') FOR NO KEY UPDATE OF card
), part AS (
    SELECT %(amount)s - gift AS principal, gift FROM (
        SELECT (back_principal_fen + back_gift_fen + %(amount)s) * gift_fen / (principal_fen + gift_fen) - back_gift_fen AS gift
        FROM spend WHERE back_principal_fen + back_gift_fen + %(amount)s <= principal_fen + gift_fen
    ) AS g
), noted AS (
    INSERT INTO crm_transfer {_NOTED}, refunds_id) SELECT 'spend_refund', {_NOTE}, %(spend)s FROM held, part
    ON CONFLICT DO NOTHING RETURNING id, wallet_id, principal_fen, gift_fen
), counted AS (
    UPDATE crm_transfer t SET
        back_principal_fen = t.back_principal_fen + noted.principal_fen, back_gift_fen = t.back_gift_fen + noted.gift_fen
    FROM noted WHERE t.id = %(spend)s
), paid AS (
    UPDATE crm_wallet w SET principal_fen = w.principal_fen + noted.principal_fen, gift_fen = w.gift_fen + noted.gift_fen
    FROM noted WHERE w.id = noted.wallet_id
), {
    _LEGS.format(
        legs="('revenue_clearing', NULL::bigint, 1, %(amount)s), ('principal', noted.wallet_id, -1, noted.principal_fen), "
        "('gift', noted.wallet_id, -1, noted.gift_fen)"
    )
} SELECT id, principal_fen, gift_fen FROM noted
"""

# Any other booking, legs as arrays; the balances of the cards among them follow, in the order of their numbers.
BOOK = """
WITH leg AS MATERIALIZED (
    SELECT * FROM unnest(%(accounts)s::text[], %(wallets)s::bigint[], %(sides)s::smallint[], %(amounts)s::bigint[])
        AS l (account, wallet, side, amount)
), held AS MATERIALIZED (
    SELECT id FROM crm_wallet WHERE id IN (SELECT wallet FROM leg) ORDER BY id FOR NO KEY UPDATE
), noted AS (
    INSERT INTO crm_transfer (kind, actor_kind, key, wallet_id, principal_fen, gift_fen, subject, store_id, by_id, at, booked_on,
        provider, provider_txn, reverses_id, reason)
    SELECT %(kind)s, %(actor_kind)s, %(key)s, %(wallet)s::bigint, %(principal)s, %(gift)s, %(subject)s, %(store)s::bigint, %(by)s::bigint, %(at)s, %(day)s,
        %(provider)s, %(provider_txn)s, %(reverses)s::bigint, %(reason)s
    FROM (SELECT count(*) FROM held) AS all_of_them
    ON CONFLICT DO NOTHING RETURNING id, principal_fen, gift_fen
), paid AS (
    UPDATE crm_wallet w SET principal_fen = w.principal_fen + more.principal, gift_fen = w.gift_fen + more.gift
    FROM (
        SELECT wallet, coalesce(-sum(side * amount) FILTER (WHERE account = 'principal'), 0) AS principal,
            coalesce(-sum(side * amount) FILTER (WHERE account = 'gift'), 0) AS gift
        FROM leg, noted WHERE wallet IS NOT NULL GROUP BY wallet
    ) AS more WHERE w.id = more.wallet
), legs AS (
    INSERT INTO crm_ledgerentry (transfer_id, account, wallet_id, side, amount_fen, booked_on)
    SELECT noted.id, account, wallet, side, amount, %(day)s FROM leg, noted
)
SELECT id, principal_fen, gift_fen FROM noted
"""


def spend(
    member: Member | int, *, amount_fen: int, key: str, subject: str, actor: Actor, now: datetime, store: Store | int | None = None
) -> Spent:  # fmt: skip
    """Take an amount off a member's card, principal and gift in the proportion of its balances.

    Raises BalanceShort, CardFrozen, NoCard, KeyMismatch. The same key again gets the first answer.
    """
    member_id = _id(member)
    facts = _facts(key=key, subject=subject, actor=actor, now=now, store=store, amount=_amount(amount_fen))
    row = _run(SPEND, facts | {"member": member_id})
    if row is not None:
        return Spent(*row)
    if done := _done_before(facts, kind="spend", amount_fen=amount_fen):
        return done
    raise _why_not(member_id, amount_fen)


def credit(
    wallet: Wallet, *, principal_fen: int, gift_fen: int, cash: str, key: str, subject: str, actor: Actor, now: datetime,
    store: Store | int | None = None, provider: str = "", provider_txn: str = "",
) -> Spent:  # fmt: skip
    """Put a top-up on a card; `cash` is the account the money came into. Raises SameMoneyTwice for money that is booked already."""
    facts = _facts(key=key, subject=subject, actor=actor, now=now, store=store, amount=_amount(principal_fen))
    more = {
        "wallet": wallet.pk,
        "principal": principal_fen,
        "gift": gift_fen,
        "cash": cash,
        "provider": provider,
        "provider_txn": provider_txn,
    }
    row = _run(TOP_UP, facts | more)
    if row is not None:
        return Spent(*row)
    if done := _done_before(facts, kind="top_up", amount_fen=principal_fen + gift_fen):
        return done
    if provider_txn and Transfer.objects.filter(provider=provider, provider_txn=provider_txn).exists():
        raise SameMoneyTwice()
    raise NoCard()


def refund_spend(
    spent_transfer_id: int, *, amount_fen: int, key: str, subject: str, actor: Actor, now: datetime, store: Store | int | None = None
) -> Spent:  # fmt: skip
    """Give an amount of a spend back to the member's card, in the proportion it was taken; the last refund takes the rest.

    A card that was lost meanwhile: to the one in its place. Raises RefundTooMuch, NoCard, KeyMismatch.
    """
    facts = _facts(key=key, subject=subject, actor=actor, now=now, store=store, amount=_amount(amount_fen))
    row = _run(REFUND, facts | {"spend": spent_transfer_id})
    if row is not None:
        return Spent(*row)
    if done := _done_before(facts, kind="spend_refund", amount_fen=amount_fen, refunds=spent_transfer_id):
        return done
    spent = Transfer.objects.filter(pk=spent_transfer_id, kind=Transfer.Kind.SPEND).first()
    if spent is None:
        raise RefundTooMuch(_("没有这笔消费"))
    left = spent.total_fen - spent.back_principal_fen - spent.back_gift_fen
    if amount_fen > left:
        raise RefundTooMuch(left_fen=left)
    raise NoCard()


def book(
    *, kind: str, key: str, legs: Sequence[Leg], subject: str, actor: Actor, now: datetime, store: Store | int | None = None,
    provider: str = "", provider_txn: str = "", wallet: Wallet | int | None = None, reverses: int | None = None, reason: str = "",
) -> Spent:  # fmt: skip
    """Book any balanced legs: money of other ways of payment, what clears them, cards paid out or replaced, reversals.

    Raises Unbalanced, BalanceShort where a card would go below 0, SameMoneyTwice, KeyMismatch.
    """
    if len(legs) < 2 or sum(leg.side * leg.amount_fen for leg in legs) != 0 or any(leg.amount_fen <= 0 for leg in legs):
        raise Unbalanced()
    moved = {
        str(part): sum(leg.amount_fen for leg in legs if leg.account == part and leg.wallet_id == _id(wallet))
        for part in CARD_ACCOUNTS
    }
    amount = sum(leg.amount_fen for leg in legs if leg.side == DEBIT)
    facts = _facts(key=key, subject=subject, actor=actor, now=now, store=store, amount=amount)
    more = {
        "kind": kind, "wallet": _id(wallet), "principal": moved["principal"], "gift": moved["gift"], "provider": provider,
        "provider_txn": provider_txn, "reverses": reverses, "reason": reason, "accounts": [str(leg.account) for leg in legs],
        "wallets": [leg.wallet_id for leg in legs], "sides": [int(leg.side) for leg in legs], "amounts": [leg.amount_fen for leg in legs],
    }  # fmt: skip
    try:
        with transaction.atomic():
            row = _run(BOOK, facts | more)
    except IntegrityError as error:
        if "wallet_not_negative" in str(error):
            raise BalanceShort() from error
        raise
    if row is not None:
        return Spent(*row)
    if done := _done_before(facts, kind=kind, debits_fen=amount):
        return done
    if reverses is not None:
        raise AlreadyReversed()
    raise SameMoneyTwice()


REVERSIBLE = (
    Transfer.Kind.TOP_UP,
    Transfer.Kind.SPEND,
    Transfer.Kind.TAKINGS,
    Transfer.Kind.PAYBACK,
    Transfer.Kind.CLEARING,
    Transfer.Kind.PAYOUT,
)


@transaction.atomic
def reverse_transfer(
    transfer_id: int, *, key: str, reason: str, actor: Actor, now: datetime, subject: str = ""
) -> Spent:
    """Book the opposite of a whole transfer. `reason` is a code. Raises CannotReverse, AlreadyReversed, BalanceShort.

    A spend of which something went back is refunded on, not reversed: the whole is no longer there.
    """
    if not reason:
        raise Invalid(_("写明冲正的原因"))
    old = Transfer.objects.select_for_update().get(pk=transfer_id)
    if done := Transfer.objects.filter(actor_kind=actor.kind, key=key, reverses_id=old.pk).first():
        return Spent(done.pk, done.principal_fen, done.gift_fen, is_replay=True)
    if Transfer.objects.filter(reverses_id=old.pk).exists():
        raise AlreadyReversed()
    if old.kind not in REVERSIBLE or old.back_principal_fen or old.back_gift_fen:
        raise CannotReverse()
    wallet_id = _card_of_today(old.wallet_id)
    legs = [
        Leg(one.account, -one.side, one.amount_fen, wallet_id if one.wallet_id == old.wallet_id and one.wallet_id else one.wallet_id)
        for one in old.entries.order_by("pk")
    ]  # fmt: skip
    reversal = book(
        kind=Transfer.Kind.REVERSAL, key=key, legs=legs, subject=subject or old.subject, store=old.store_id, actor=actor,
        now=now, wallet=wallet_id, reverses=old.pk, reason=reason,
    )  # fmt: skip
    if old.kind == Transfer.Kind.SPEND:
        Transfer.objects.filter(pk=old.pk).update(back_principal_fen=old.principal_fen, back_gift_fen=old.gift_fen)
    return reversal


def _card_of_today(wallet_id: int | None) -> int | None:
    if wallet_id is None:
        return None
    member = Wallet.objects.filter(pk=wallet_id).values("member_id")
    return Wallet.objects.live().filter(member_id__in=member).values_list("pk", flat=True).first() or wallet_id


# ---------------------------------------------------------------- the statement and its answer


def _facts(
    *, key: str, subject: str, actor: Actor, now: datetime, store: Store | int | None, amount: int
) -> dict[str, Any]:
    if not key or len(key) > 64:
        raise Invalid(_("钱的请求要带编号，最多 64 个字符"))
    return {
        "key": key, "actor_kind": actor.kind[:8], "subject": subject[:64], "store": _id(store), "by": actor.staff_id, "at": now,
        "day": local_day(now), "amount": amount,
    }  # fmt: skip


def _amount(fen: int) -> int:
    if not isinstance(fen, int) or isinstance(fen, bool) or fen <= 0:
        raise Invalid(_("金额要大于 0"))
    return fen


def _id(thing: Any) -> Any:
    return getattr(thing, "pk", thing)


def _run(statement: str, params: dict[str, Any]) -> tuple[int, int, int] | None:
    return first_row(statement, {name: Int8(value) if type(value) is int else value for name, value in params.items()})


def _done_before(
    facts: dict[str, Any], *, kind: str, amount_fen: int | None = None, debits_fen: int | None = None, refunds: int | None = None
) -> Spent | None:  # fmt: skip
    """Return the first answer to this key, None where there is none. Raises KeyMismatch where it was another command."""
    done = Transfer.objects.filter(actor_kind=facts["actor_kind"], key=facts["key"]).first()
    if done is None:
        return None
    is_same = done.kind == kind and done.subject == facts["subject"]
    if amount_fen is not None:
        is_same &= done.total_fen == amount_fen
    if refunds is not None:
        is_same &= done.refunds_id == refunds
    if debits_fen is not None:
        debits = done.entries.filter(side=DEBIT).values_list("amount_fen", flat=True)
        is_same &= sum(debits) == debits_fen
    if not is_same:
        raise KeyMismatch(_("同一个请求编号不能用于不同的内容"))
    return Spent(done.pk, done.principal_fen, done.gift_fen, is_replay=True)


def _why_not(member_id: int, amount_fen: int) -> Exception:
    wallet = Wallet.objects.live().filter(member_id=member_id).first()
    if wallet is None:
        return NoCard(_("这位会员还没有储值卡"))
    if wallet.is_frozen:
        return CardFrozen(_("储值卡已冻结，先解冻或换新卡"))
    return BalanceShort(
        _("卡里的余额不够这笔金额"), balance_fen=wallet.total_fen, short_fen=max(0, amount_fen - wallet.total_fen)
    )
