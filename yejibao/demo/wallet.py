"""Two months of stored value: top-ups of every tier, spending, goods that came back, a lost card, refunds to decide, one who thinks."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from crm.members.models import Member
from crm.wallet import services
from crm.wallet.models import TopUp
from crm.wallet.queries import live_wallet
from crm.wallet.services import RealName
from guides.org.actors import actor_for
from guides.org.models import Staff, Store
from yejibao.core import clock
from yejibao.core.scope import Actor

SEED = 39
STORES, OF_A_GUIDE = 4, 5
DAYS = 60
TIERS = ("t1000", "t2000", "t1000", "t3000", "t2000", "t4500")
CARD = "622202"


@dataclass(frozen=True)
class Act:
    """One thing that happened to a card, at its moment."""

    at: datetime
    what: str
    member: Member
    guide: Staff
    tier: str = ""
    share: float = 0.0


def build(*, now: datetime) -> None:
    """Play it in the order of time, close the days that are over and prove the ledger."""
    dice, serial = random.Random(SEED), count(1)
    acts: list[Act] = []
    last: list[Act] = []
    for guide in _guides():
        for place, member in enumerate(_members(guide)):
            begins = now - timedelta(days=dice.randrange(3, DAYS), minutes=dice.randrange(300))
            acts.append(Act(begins, "top_up", member, guide, tier=TIERS[next(serial) % len(TIERS)]))
            for number in range(dice.randrange(3)):
                at = begins + (now - begins) * (number + 1) / 4
                acts.append(
                    Act(at, "return" if dice.random() < 0.2 else "spend", member, guide, share=dice.uniform(0.1, 0.4))
                )
            if place == OF_A_GUIDE - 1:
                last.append(Act(now, "", member, guide))
    for number, act in enumerate(sorted(acts, key=lambda one: one.at)):
        with clock.travelled(act.at):
            _top_up(act, number) if act.what == "top_up" else _spend(act, number)
    _today(last, now)
    services.close_days(until=clock.local_day(now) - timedelta(days=1), now=now)
    services.prove_ledger(now=now)


def _guides() -> list[Staff]:
    stores = list(Store.objects.filter(closed_on=None).order_by("code")[:STORES])
    people = Staff.objects.employed().filter(store__in=stores, role_assignments__role="guide")
    return list(people.select_related("store").order_by("store__code", "pk").distinct()[: STORES * 3])


def _members(guide: Staff) -> list[Member]:
    mine = Member.objects.filter(owner_guide=guide, status=Member.Status.ACTIVE, is_employee=False, is_test=False)
    return list(mine.exclude(last_purchase_on=None).order_by("-spend_365_fen", "pk")[:OF_A_GUIDE])


def _top_up(act: Act, number: int) -> None:
    asked = services.begin_top_up(
        act.member, tier=act.tier, method=TopUp.Method.COUNTER, store=act.guide.store, guide=act.guide, actor=actor_for(act.guide), now=act.at
    )  # fmt: skip
    services.confirm_top_up(
        asked, member=act.member, now=act.at, terms_version=1, real_name=_real_name(act.member, number)
    )
    services.settle_top_up(
        asked, key=f"demo:top-up:{asked.pk}", paid_by="counter", provider_ref="", counter_way="card" if number % 3 else "cash", now=act.at,
        actor=actor_for(act.guide),
    )  # fmt: skip


def _spend(act: Act, number: int) -> None:
    wallet = live_wallet(act.member)
    if wallet is None:
        return
    amount = int(wallet.total_fen * act.share) // 100 * 100
    facts: dict[str, Any] = {
        "subject": f"demo:{number}",
        "store": act.guide.store,
        "actor": actor_for(act.guide),
        "now": act.at,
    }
    if amount <= 0:
        return
    done = services.spend(act.member, amount_fen=amount, key=f"demo:spend:{number}", **facts)
    if act.what == "return":
        services.refund_spend(done.transfer_id, amount_fen=max(1, amount // 3), key=f"demo:back:{number}", **facts)


def _today(last: list[Act], now: datetime) -> None:
    """Of four members: one thinks about a top-up, one lost his card, two want their money back."""
    for place, act in enumerate(last[:4]):
        wallet = live_wallet(act.member)
        actor, store = actor_for(act.guide), act.guide.store
        if wallet is None:
            continue
        if place == 0:
            at = now - timedelta(minutes=4)
            services.begin_top_up(
                act.member, amount_fen=50000, method="wechat", store=store, guide=act.guide, actor=actor, now=at
            )
        elif place == 1:
            services.freeze(wallet, why="会员打电话说卡丢了，先冻结", actor=actor, now=now)
        else:
            services.ask_refund(
                wallet, way="account", payee_name=act.member.name, payee_account=f"{CARD}{act.member.pk:010}", store=store,
                reason="搬去外地，用不上了" if place == 2 else "想把余额退出来", actor=actor if place == 2 else _himself(act.member),
                now=now - timedelta(hours=place),
            )  # fmt: skip


def _himself(member: Member) -> Actor:
    return Actor(kind="member", member_id=member.pk, name="会员")


def _real_name(member: Member, number: int) -> RealName:
    """Return what he says of himself: his name, and a number with the right check character that is nobody's."""
    body = f"32010219{70 + number % 25:02}0{1 + number % 9}1{number % 9}{number % 1000:03}"
    told = sum(int(digit) * 2 ** (17 - place) for place, digit in enumerate(body)) % 11
    return RealName(member.name, f"{body}{'10X98765432'[told]}", member.phone or "13800132075")
