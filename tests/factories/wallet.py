"""Cards with money on them, for tests of whatever room: through the ledger's own services."""

from datetime import datetime
from itertools import count

from django.db import transaction

from crm.members.models import Member
from crm.wallet.models import CardHolder, TopUp, Wallet
from crm.wallet.queries import live_wallet
from crm.wallet.rules import rules_on
from crm.wallet.services import begin_top_up, confirm_top_up, open_wallet, settle_top_up
from crm.wallet.services.holders import RealName, register
from crm.wallet.services.moving import credit
from guides.org.models import Staff, Store
from yejibao.core.clock import local_day
from yejibao.core.scope import Actor

_serial = count(1)
SYSTEM = Actor.system("test")


def id_number(born: str = "19800101", serial: int = 123) -> str:
    """Return a citizen's number with the right check character."""
    body = f"110101{born}{serial:03}"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return body + "10X98765432"[sum(int(d) * w for d, w in zip(body, weights, strict=True)) % 11]


def real_name(name: str = "王建国", **facts: str) -> RealName:
    return RealName(name, facts.pop("id_number", "") or id_number(**facts), "13800132075")


def make_wallet(
    member: Member, *, now: datetime, principal_fen: int = 200000, gift_fen: int = 12000, store: Store | None = None
) -> Wallet:
    """Return a member's card with so much on it, booked as a top-up at the counter."""
    wallet = open_wallet(member, actor=SYSTEM, now=now)
    if principal_fen:
        credit(
            wallet, principal_fen=principal_fen, gift_fen=gift_fen, cash="cash_counter", key=f"made-{next(_serial)}", subject="test",
            store=store, actor=SYSTEM, now=now,
        )  # fmt: skip
    wallet.refresh_from_db()
    return wallet


def make_holder(member: Member, *, now: datetime, name: str = "王建国") -> CardHolder:
    """Return the register's row of a member."""
    with transaction.atomic():
        return register(member, real_name(name), actor=SYSTEM, rules=rules_on(local_day(now)), now=now)


def top_up(member: Member, *, now: datetime, guide: Staff, tier: str = "t1000") -> TopUp:
    """Return a top-up that went the whole way: asked, confirmed by the member, paid at the counter."""
    store = guide.store
    actor = Actor(kind="staff", staff_id=guide.pk, name=guide.name)
    asked = begin_top_up(member, tier=tier, method="counter", store=store, guide=guide, actor=actor, now=now)
    confirm_top_up(asked, member=member, now=now, terms_version=1, real_name=real_name())
    return settle_top_up(asked, key=f"counter:{asked.pk}", paid_by="counter", provider_ref="", now=now, actor=actor)


def fresh(member: Member) -> tuple[int, int]:
    """Return (principal, gift) of a member's card as another request would read it."""
    wallet = live_wallet(member)
    assert wallet is not None
    return wallet.principal_fen, wallet.gift_fen
