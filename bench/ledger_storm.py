"""100,000 money commands from 16 connections, 30 % of them sent twice or more at once, 15 % of the connections cut: no fen adrift.

Top-ups, spends and refunds go through the product's services, each as a command under its Idempotency-Key, which is how every
route that moves money calls them. A connection is cut before the commit, with the commit on its way, or after it when the answer
is not yet read; whoever waits then knows nothing and sends the same command again, as a till does. A refusal is an answer, too:
what was refused once never happens later. At the end every answer, the balances and the entries have to tell the same story, and
no reading meanwhile may have seen a card below 0.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from django.db import DatabaseError, InterfaceError, OperationalError, connection, connections

from bench.figures import Options, Report, at_most, progress
from crm.members.models import Member
from crm.wallet.models import Transfer, Wallet
from crm.wallet.services import prove_ledger, refund_spend, spend
from crm.wallet.services.cards import open_wallet
from crm.wallet.services.moving import credit
from yejibao.core import clock, idempotency
from yejibao.core.scope import Actor

COMMANDS, QUICK, CARDS, WORKERS = 100_000, 10_000, 400, 16
DOUBLED, CUT = 0.30, 0.15
TRIES = 500
ACTOR = Actor.system("storm")


@dataclass(frozen=True)
class Command:
    """One thing a till or the provider wants, under one key however often it is sent."""

    number: int
    kind: str  # top_up | spend | refund
    card: int  # place in the list of cards
    amount_fen: int
    gift_fen: int = 0
    of: int = -1  # of a refund: the spend's number
    cut: str = ""  # how the first try's connection is cut: "before", "under way", "after"

    @property
    def key(self) -> str:
        return f"storm:{self.number}"


@dataclass
class Outcome:
    """What came of a storm."""

    commands: int = 0
    sent: int = 0
    cuts: int = 0
    seconds: float = 0.0
    refused: Counter[str] = field(default_factory=Counter)
    answers: dict[int, set[tuple[int, int, int]]] = field(default_factory=dict)
    readings: int = 0
    negative: int = 0
    drift_fen: int = 0
    differing_answers: int = 0
    unanswered: int = 0
    done_twice: int = 0
    is_in_balance: bool = False


def main(options: Options) -> Report:
    commands = QUICK if options.quick else COMMANDS
    wider_pool(WORKERS + 4)
    outcome = storm(commands=commands, cards=make_cards(CARDS, now=clock.now()), workers=WORKERS, seed=7)
    progress(f"{outcome.sent:,} sent for {outcome.commands:,}, {outcome.cuts:,} cut; refused: {dict(outcome.refused)}")
    return Report(
        value=outcome.drift_fen, unit="fen of drift", limit=0.0, limit_is="none: what was answered is what is in the books", ratio=0.0,
        goals=[
            at_most("fen of drift", outcome.drift_fen, 0), at_most("readings below 0", outcome.negative, 0),
            at_most("commands done twice", outcome.done_twice, 0), at_most("answers that differ for one key", outcome.differing_answers, 0),
            at_most("commands without an answer", outcome.unanswered, 0), at_most("books out of balance", float(not outcome.is_in_balance), 0),
        ],
        more={
            "commands": outcome.commands, "sent": outcome.sent, "cut": outcome.cuts, "readings": outcome.readings,
            "seconds": round(outcome.seconds, 1), "sent_per_second": round(outcome.sent / outcome.seconds), "refused": dict(outcome.refused),
        },
    )  # fmt: skip


def wider_pool(size: int) -> None:
    """Let this process hold so many connections."""
    connection.close()
    connection.settings_dict["OPTIONS"]["pool"]["max_size"] = size
    connection.close_pool()  # type: ignore[attr-defined]


def make_cards(count: int, *, now: datetime) -> list[Wallet]:
    """Return cards of members who are made for it, with 2,000 and a gift of 120 on each."""
    Member.objects.bulk_create([Member(member_no=f"storm-{number}", name="王建国") for number in range(count)])
    cards = []
    for member in Member.objects.filter(member_no__startswith="storm-").order_by("pk"):
        card = open_wallet(member, actor=ACTOR, now=now)
        credit(
            card, principal_fen=200_000, gift_fen=12_000, cash="cash_counter", key=f"storm-card:{card.pk}", subject="storm", actor=ACTOR, now=now
        )  # fmt: skip
        cards.append(card)
    return cards


def storm(*, commands: int, cards: list[Wallet], workers: int, seed: int) -> Outcome:
    """Send so many commands, doubles among them; return what came of it once everything is counted."""
    outcome, sending = Outcome(), threading.Lock()
    orders = _orders(commands, len(cards), random.Random(seed))
    outcome.commands = len({order.number for order in orders})
    before = _total(cards)
    waiting = iter(orders)
    over = threading.Event()
    reader = threading.Thread(target=_read, args=(outcome, over))
    reader.start()
    started = time.perf_counter()

    def work() -> None:
        try:
            while True:
                with sending:
                    order = next(waiting, None)
                if order is None:
                    return
                _send(order, cards, outcome, sending)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(work) for _ in range(workers)]:
            done.result()
    outcome.seconds = time.perf_counter() - started
    over.set()
    reader.join()
    _count(outcome, orders, cards, before)
    return outcome


def _orders(commands: int, cards: int, dice: random.Random) -> list[Command]:
    """Return what is sent, in order: of all that is sent, DOUBLED repeat an earlier command's key a few places later."""
    made: list[Command] = []
    sent: list[Command] = []
    doubles: list[tuple[int, Command]] = []
    while len(sent) < commands:
        if doubles and doubles[0][0] <= len(sent):
            sent.append(doubles.pop(0)[1])
            continue
        order = _order(len(made), cards, dice, made)
        made.append(order)
        sent.append(order)
        if dice.random() < DOUBLED / (1 - DOUBLED):
            doubles.append((len(sent) + dice.randrange(12), order))
            doubles.sort(key=lambda pair: pair[0])
    return sent


def _order(number: int, cards: int, dice: random.Random, made: list[Command]) -> Command:
    cut = dice.choice(("before", "under way", "after")) if dice.random() < CUT else ""
    chance = dice.random()
    if chance < 0.25:
        principal = dice.randrange(100, 50_000)
        return Command(number, "top_up", dice.randrange(cards), principal, gift_fen=dice.randrange(3_000), cut=cut)
    spends = [one for one in made[-400:-40] if one.kind == "spend"]
    if chance < 0.45 and spends:
        of = dice.choice(spends)
        return Command(number, "refund", of.card, dice.randrange(1, of.amount_fen + 1), of=of.number, cut=cut)
    return Command(number, "spend", dice.randrange(cards), dice.randrange(1, 60_000), cut=cut)


# ---------------------------------------------------------------- one command, however often it takes


def _send(order: Command, cards: list[Wallet], outcome: Outcome, lock: threading.Lock) -> None:
    """Send a command until there is an answer or a refusal; the first try may lose its connection."""
    cut = order.cut
    for _ in range(TRIES):
        with lock:
            outcome.sent += 1
        try:
            with _cut(cut) if cut else nullcontext():
                done = _do(order, cards, outcome)
            if cut == "after":
                raise OperationalError("the answer was not read")
        except idempotency.InProgress:
            time.sleep(0.002)  # the one that was cut off is not over yet
            continue
        except (OperationalError, InterfaceError):
            cut = ""
            with lock:
                outcome.cuts += 1
            connection.close()
            continue
        if done is not None:
            status, body, _ = done
            with lock:
                if status >= 400:
                    outcome.refused[body["code"]] += 1
                else:
                    outcome.answers.setdefault(order.number, set()).add(tuple(body))
        return
    raise RuntimeError(f"no answer to {order.key} in {TRIES} tries")


def _do(order: Command, cards: list[Wallet], outcome: Outcome) -> tuple[int, Any, bool] | None:
    card, now = cards[order.card], clock.now()
    facts: dict[str, Any] = {"key": order.key, "subject": f"storm:{order.number}", "actor": ACTOR, "now": now}
    told = outcome.answers.get(order.of)
    if order.kind == "refund" and not told:  # the spend was refused, or nobody has heard of it yet
        return None

    def work() -> tuple[int, Any]:
        if order.kind == "top_up":
            done = credit(card, principal_fen=order.amount_fen, gift_fen=order.gift_fen, cash="cash_wechat", **facts)
        elif order.kind == "spend":
            done = spend(card.member_id, amount_fen=order.amount_fen, **facts)
        else:
            done = refund_spend(min(told or ())[0], amount_fen=order.amount_fen, **facts)
        return 200, [done.transfer_id, done.principal_fen, done.gift_fen]

    return idempotency.run(actor=ACTOR.key or ACTOR.kind, key=order.key, request_sha=order.key, work=work)


@contextmanager
def _cut(how: str) -> Iterator[None]:
    """Cut this thread's connection at the commit of what moved money: instead of it, or while it is on its way."""
    if how == "after":
        yield
        return

    def cut() -> None:
        link: psycopg.Connection[Any] = connection.connection
        if how == "under way":  # the server reads it, does it and finds nobody to tell
            link.pgconn.send_query(b"COMMIT")
            link.pgconn.flush()
        link.pgconn.finish()
        raise OperationalError("cut")

    connection.commit = cut  # type: ignore[method-assign]
    try:
        yield
    finally:
        del connection.commit


# ---------------------------------------------------------------- what is counted


def _read(outcome: Outcome, over: threading.Event) -> None:
    """Read all balances again and again, as pages and boards do."""
    try:
        while not over.is_set():
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FILTER (WHERE principal_fen < 0 OR gift_fen < 0) FROM crm_wallet")
                outcome.negative += cursor.fetchone()[0]
            outcome.readings += 1
            time.sleep(0.02)
    except DatabaseError as error:
        progress(f"the reader stopped: {error}")
    finally:
        connection.close()


def _total(cards: list[Wallet]) -> int:
    ids = [card.pk for card in cards]
    return sum(
        principal + gift
        for principal, gift in Wallet.objects.filter(pk__in=ids).values_list("principal_fen", "gift_fen")
    )


def _count(outcome: Outcome, orders: list[Command], cards: list[Wallet], before: int) -> None:
    """Compare what was answered with the balances, with the transfers and with the entries."""
    booked = {row.key: row for row in Transfer.objects.filter(key__startswith="storm:", actor_kind=ACTOR.kind)}
    numbered = {order.number: order for order in orders}
    signs = {"top_up": 1, "spend": -1, "refund": 1}
    answered = 0
    for number, told in outcome.answers.items():
        outcome.differing_answers += len(told) > 1
        transfer, principal, gift = min(told)
        row = booked.get(numbered[number].key)
        if row is None or (row.pk, row.principal_fen, row.gift_fen) != (transfer, principal, gift):
            outcome.unanswered += 1
        answered += signs[numbered[number].kind] * (principal + gift)
    silent = [key for key in booked if int(key.partition(":")[2]) not in outcome.answers]
    outcome.unanswered += len(silent)
    outcome.done_twice = Transfer.objects.filter(key__startswith="storm:", actor_kind=ACTOR.kind).count() - len(booked)
    outcome.drift_fen = abs(_total(cards) - before - answered)
    outcome.is_in_balance = prove_ledger(now=clock.now()).is_in_balance
