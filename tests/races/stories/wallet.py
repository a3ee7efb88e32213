"""Money on cards: the last of a balance, a key sent twice, a refund beside a reversal, a card that changes under a payment."""

from datetime import timedelta
from typing import Any

from crm.members.models import Member
from crm.wallet.errors import (
    AlreadyReversed,
    BalanceChanged,
    BalanceShort,
    CannotReverse,
    NoCard,
    RefundTooMuch,
    TopUpEnded,
)
from crm.wallet.models import CardRefund, LedgerDay, TopUp, Transfer, Wallet
from crm.wallet.queries import live_wallet
from crm.wallet.services import (
    Leg,
    Spent,
    ask_refund,
    begin_top_up,
    book,
    cancel_top_up,
    close_days,
    confirm_top_up,
    expire_top_ups,
    freeze,
    pay_refund,
    refund_spend,
    refuse_refund,
    replace_card,
    reverse_transfer,
    settle_payout,
    spend,
    take_up_refund,
)
from crm.wallet.services.moving import credit
from tests.factories.guides import actor, holder_of
from tests.factories.wallet import SYSTEM, make_holder, make_wallet, real_name
from tests.races.at_once import in_peace, overtaken
from tests.races.world import NOON, World
from yejibao.core.clock import local_day
from yejibao.core.scope import Actor

BY: dict[str, Any] = {"actor": SYSTEM, "now": NOON}


def _member(world: World, **facts: Any) -> Member:
    member = world.member()
    make_wallet(member, now=NOON, **facts)
    return member


def _card(member: Member) -> Wallet:
    wallet = live_wallet(member)
    assert wallet is not None
    return wallet


def _spend(member: Member, amount: int, key: str) -> Spent:
    return spend(member, amount_fen=amount, key=key, subject="sale:1", **BY)


def the_last_of_a_balance(world: World) -> None:
    member = _member(world)
    both = overtaken(lambda: _spend(member, 212000, "a"), lambda: _spend(member, 1000, "b"))
    assert isinstance(both.second, BalanceShort) and _card(member).total_fen == 0


def a_spend_sent_twice(world: World) -> None:
    member = _member(world)
    both = overtaken(lambda: _spend(member, 53000, "a"), lambda: _spend(member, 53000, "a"))
    assert in_peace(both.second).transfer_id == both.first.transfer_id and _card(member).total_fen == 159000


def a_top_up_while_the_card_is_replaced(world: World) -> None:
    member = _member(world)
    old = _card(member)
    both = overtaken(
        lambda: replace_card(old, why="丢了", key="r", **BY),
        lambda: credit(old, principal_fen=100, gift_fen=0, cash="cash_counter", key="t", subject="t", **BY),
    )
    assert isinstance(both.second, NoCard) and _card(member).total_fen == 212000


def a_top_up_credited_twice(world: World) -> None:
    member = _member(world)

    def once() -> Spent:
        return credit(_card(member), principal_fen=100, gift_fen=5, cash="cash_counter", key="t", subject="t", **BY)

    both = overtaken(once, once)
    assert in_peace(both.second).transfer_id == both.first.transfer_id and _card(member).total_fen == 212105


def two_refunds_of_one_spend(world: World) -> None:
    member = _member(world)
    spent = _spend(member, 53000, "a").transfer_id
    both = overtaken(
        lambda: refund_spend(spent, amount_fen=53000, key="r1", subject="s", **BY),
        lambda: refund_spend(spent, amount_fen=1, key="r2", subject="s", **BY),
    )
    assert isinstance(both.second, RefundTooMuch) and _card(member).total_fen == 212000


def a_refund_sent_twice(world: World) -> None:
    member = _member(world)
    spent = _spend(member, 53000, "a").transfer_id

    def back() -> Spent:
        return refund_spend(spent, amount_fen=1000, key="r", subject="s", **BY)

    both = overtaken(back, back)
    assert in_peace(both.second).transfer_id == both.first.transfer_id and _card(member).total_fen == 160000


def a_booking_sent_twice(world: World) -> None:
    legs = [Leg("cash_counter", 1, 500), Leg("revenue_clearing", -1, 500)]

    def once() -> Spent:
        return book(kind="takings", key="b", legs=legs, subject="s", **BY)

    both = overtaken(once, once)
    assert in_peace(both.second).transfer_id == both.first.transfer_id and Transfer.objects.count() == 1


def a_spend_is_reversed_as_it_is_refunded(world: World) -> None:
    member = _member(world)
    spent = _spend(member, 53000, "a").transfer_id
    both = overtaken(
        lambda: refund_spend(spent, amount_fen=53000, key="r", subject="s", **BY),
        lambda: reverse_transfer(spent, key="undo", reason="mistake", **BY),
    )
    assert isinstance(both.second, CannotReverse) and _card(member).total_fen == 212000


def reversed_by_two(world: World) -> None:
    member = _member(world)
    spent = _spend(member, 53000, "a").transfer_id
    both = overtaken(
        lambda: reverse_transfer(spent, key="u1", reason="mistake", **BY),
        lambda: reverse_transfer(spent, key="u2", reason="mistake", **BY),
    )
    assert isinstance(both.second, AlreadyReversed) and _card(member).total_fen == 212000


def a_card_replaced_by_two(world: World) -> None:
    old = _card(_member(world))
    both = overtaken(*[lambda: replace_card(old, why="丢了", key="r", **BY)] * 2)
    assert in_peace(both.second).pk == both.first.pk and Wallet.objects.count() == 2


def a_card_frozen_by_two(world: World) -> None:
    card = _card(_member(world))
    both = overtaken(*[lambda: freeze(card, why="丢了", **BY)] * 2)
    assert in_peace(both.second).state == "frozen" and card.steps.filter(to_state="frozen").count() == 1


# ---------------------------------------------------------------- top-ups and refunds


def _asked(world: World) -> TopUp:
    member = world.member()
    return begin_top_up(
        member, tier="t1000", method="counter", store=world.org.store, guide=world.org.guide, actor=world.guide, now=NOON
    )  # fmt: skip


def _confirm(asked: TopUp) -> TopUp:
    return confirm_top_up(asked, member=asked.member, now=NOON, terms_version=1, real_name=real_name())


def a_top_up_is_cancelled_as_he_confirms(world: World) -> None:
    asked = _asked(world)
    both = overtaken(lambda: cancel_top_up(asked, why="算了", actor=world.guide, now=NOON), lambda: _confirm(asked))
    asked.refresh_from_db()
    assert isinstance(both.second, TopUpEnded) and asked.state == "cancelled"


def a_top_up_is_settled_as_it_expires(world: World) -> None:
    from crm.wallet.services import settle_top_up

    asked = _asked(world)
    _confirm(asked)
    both = overtaken(
        lambda: settle_top_up(asked, key="k", paid_by="counter", provider_ref="", now=NOON, actor=world.guide),
        lambda: expire_top_ups(now=NOON + timedelta(hours=1)),
    )
    asked.refresh_from_db()
    assert (both.second, asked.state) == (0, "settled")


def _approved(world: World, member: Member) -> tuple[CardRefund, Actor]:
    """Return a refund a member asked for himself, small enough for one of finance."""
    make_holder(member, now=NOON)
    facts = {"payee_name": "王建国", "payee_account": "62220212345678", "reason": "搬走了"}
    refund = ask_refund(_card(member), way="account", actor=Actor(kind="member"), now=NOON, **facts)
    finance = actor(holder_of("finance", world.org))
    return take_up_refund(refund, actor=finance, now=NOON), finance


def a_refund_paid_twice(world: World) -> None:
    refund, finance = _approved(world, _member(world, principal_fen=20000, gift_fen=0))
    both = overtaken(*[lambda: pay_refund(refund, key="pay", actor=finance, now=NOON)] * 2)
    assert in_peace(both.second).transfer_id == both.first.transfer_id


def a_transfer_is_written_down_by_two(world: World) -> None:
    refund, finance = _approved(world, _member(world, principal_fen=20000, gift_fen=0))
    paid = pay_refund(refund, key="pay", actor=finance, now=NOON)
    both = overtaken(*[lambda: settle_payout(paid, bank_ref="B2026112001", actor=finance, now=NOON)] * 2)
    assert in_peace(both.second).pk == both.first.pk


def a_card_is_used_as_it_is_paid_out(world: World) -> None:
    member = _member(world, principal_fen=20000, gift_fen=0)
    refund, finance = _approved(world, member)
    both = overtaken(
        lambda: _spend(member, 5000, "a"),
        lambda: pay_refund(refund, key="pay", actor=finance, now=NOON),
    )
    assert isinstance(both.second, BalanceChanged) and _card(member).total_fen == 15000


def a_card_is_used_as_its_refund_is_asked(world: World) -> None:
    member = _member(world, principal_fen=20000, gift_fen=0)
    make_holder(member, now=NOON)
    facts = {"payee_name": "王建国", "payee_account": "62220212345678", "reason": "搬走了"}
    both = overtaken(
        lambda: _spend(member, 5000, "a"),
        lambda: ask_refund(_card(member), way="account", actor=Actor(kind="member"), now=NOON, **facts),
    )
    assert in_peace(both.second).principal_fen == 15000


def a_refund_is_refused_as_it_is_withdrawn(world: World) -> None:
    from guides.approvals.services import withdraw

    member = _member(world, principal_fen=20000, gift_fen=0)
    make_holder(member, now=NOON)
    facts = {"payee_name": "王建国", "payee_account": "62220212345678", "reason": "搬走了"}
    refund = ask_refund(_card(member), way="account", actor=world.guide, now=NOON, **facts)
    finance = actor(holder_of("finance", world.org))
    both = overtaken(
        lambda: withdraw(refund.approval, actor=world.guide, now=NOON),  # type: ignore[arg-type]
        lambda: refuse_refund(refund, answer="户名不符", actor=finance, now=NOON),
    )
    refund.refresh_from_db()
    assert isinstance(both.second, Exception) and refund.state == "withdrawn"


def a_day_closed_by_two(world: World) -> None:
    _member(world)
    day = local_day(NOON)
    both = overtaken(*[lambda: close_days(until=day, now=NOON)] * 2)
    in_peace(both.second)
    assert LedgerDay.objects.filter(day=day).count() == 2
