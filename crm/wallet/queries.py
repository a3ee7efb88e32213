"""What pages and other rooms ask of stored value."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from crm.members.customers import find_members
from crm.members.models import Member
from guides.org.models import Store
from yejibao.core import reading, together
from yejibao.core.clock import local_day
from yejibao.core.scope import Actor

from .models import CardHolder, LedgerDay, LedgerProof, TopUp, Transfer, Wallet
from .rules import Rules, Tier, rules_on
from .scoped import store_total_filter


@dataclass(frozen=True)
class Balance:
    """What a member has on his card; nothing where he has none."""

    principal_fen: int = 0
    gift_fen: int = 0
    is_frozen: bool = False
    card_id: int | None = None

    @property
    def total_fen(self) -> int:
        return self.principal_fen + self.gift_fen

    @property
    def usable_fen(self) -> int:
        return 0 if self.is_frozen else self.total_fen


def live_wallet(member: Member | int) -> Wallet | None:
    """Return a member's card: at most one is alive."""
    return Wallet.objects.live().filter(member_id=getattr(member, "pk", member)).first()


def balance_of(member: Member | int) -> Balance:
    """Return what a member has on his card now."""
    return balance_on(live_wallet(member))


def balance_on(wallet: Wallet | None) -> Balance:
    """Return what is on a live card, or nothing where there is none."""
    return Balance(wallet.principal_fen, wallet.gift_fen, wallet.is_frozen, wallet.pk) if wallet else Balance()


# His live card, for the panels of a member's page.
LIVE = together.Read(
    "wallet",
    together.first("crm_wallet x WHERE x.member_id = m.id AND x.state IN ('active', 'frozen')"),
    lambda row: reading.row_of(Wallet, row) if row else None,
)


@dataclass(frozen=True)
class Offer:
    """A tier as one member may take it now; `why_not` says in Chinese why it is grey."""

    tier: Tier
    why_not: str = ""


def offers_for(member: Member, *, now: datetime) -> list[Offer]:
    """Return the tiers of today, those beyond the cap with the reason."""
    rules = rules_on(local_day(now))
    balance = balance_of(member)
    return [Offer(tier, _why_not(rules, balance, tier)) for tier in rules.tiers]


def _why_not(rules: Rules, balance: Balance, tier: Tier) -> str:
    if balance.is_frozen:
        return "卡已冻结"
    over = balance.total_fen + tier.total_fen - rules.cap_fen
    return f"会超过 {rules.cap_fen // 100:,} 元限额 {-(-over // 100):,} 元" if over > 0 else ""


def has_real_name(member: Member | int) -> bool:
    return CardHolder.objects.filter(member_id=getattr(member, "pk", member)).exists()


def open_top_up(member: Member | int, *, now: datetime) -> TopUp | None:
    """Return the top-up that waits for a member or his money."""
    waiting = TopUp.objects.filter(state__in=TopUp.OPEN, ends_at__gt=now, member_id=getattr(member, "pk", member))
    return waiting.select_related("store", "guide").first()


def waiting_top_ups(actor: Actor, *, now: datetime) -> list[TopUp]:
    """Return what is on its way of what an actor may see, the newest first."""
    seen = TopUp.objects.visible_to(actor).filter(state__in=TopUp.OPEN, ends_at__gt=now)
    return list(seen.select_related("member", "guide").order_by("-pk")[:10])


def cards_found(actor: Actor, words: str) -> QuerySet[Wallet]:
    """Return the cards with this number, or of the members a phone or name finds, as far as the actor may read them."""
    seen = Wallet.objects.visible_to(actor).select_related("member").order_by("-pk")
    number = "".join(words.split())
    if number.isascii() and number.isdecimal() and len(number) == 16:
        return seen.filter(card_no=number)
    people = find_members(Actor.system(), words).values("pk")  # which of them may be seen, the cards decide
    return seen.filter(member_id__in=people)


def card_lines(actor: Actor, wallet: Wallet) -> QuerySet[Transfer]:
    """Return a card's movements an actor may read. Whoever reads the card reads all of it: a balance needs its history."""
    return Transfer.objects.filter(wallet=wallet).select_related("store", "by")


def newest_days(most: int) -> list[tuple[LedgerDay, LedgerDay]]:
    """Return the last closed days, each as (principal, gift)."""
    rows: dict[date, dict[str, LedgerDay]] = {}
    for row in LedgerDay.objects.order_by("-day", "part")[: most * 2]:
        rows.setdefault(row.day, {})[row.part] = row
    return [(parts["principal"], parts["gift"]) for parts in rows.values() if len(parts) == 2]


_STORE_TOTALS = """
SELECT s.id, s.short_name,
    count(t.id) FILTER (WHERE t.kind = 'top_up') AS top_ups,
    coalesce(sum(t.principal_fen) FILTER (WHERE t.kind = 'top_up'), 0) AS topped_up,
    coalesce(sum(t.gift_fen) FILTER (WHERE t.kind = 'top_up'), 0) AS given,
    coalesce(sum(t.principal_fen + t.gift_fen) FILTER (WHERE t.kind = 'spend'), 0)
        - coalesce(sum(t.principal_fen + t.gift_fen) FILTER (WHERE t.kind = 'spend_refund'), 0) AS spent
FROM guides_store s LEFT JOIN crm_transfer t ON t.store_id = s.id AND t.booked_on >= %(first)s AND t.booked_on < %(end)s
WHERE s.id = ANY(%(stores)s) GROUP BY s.id ORDER BY topped_up DESC, s.id
"""


@dataclass(frozen=True)
class StoreTotal:
    store_id: int
    name: str
    top_ups: int
    topped_up_fen: int
    given_fen: int
    spent_fen: int


def store_totals(actor: Actor, month: date) -> list[StoreTotal]:
    """Return a month's sums of the stores in an actor's reach."""
    stores = list(Store.objects.filter(store_total_filter(actor)).values_list("pk", flat=True))
    end = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    with connection.cursor() as cursor:
        cursor.execute(_STORE_TOTALS, {"stores": stores, "first": month, "end": end})
        return [StoreTotal(pk, name, *map(int, sums)) for pk, name, *sums in cursor.fetchall()]


def newest_proof() -> LedgerProof | None:
    return LedgerProof.objects.order_by("-at", "-pk").first()


def books_balance() -> bool:
    """Tell whether the newest proof of the ledger says that it balances; one that nobody has proved yet does."""
    proof = newest_proof()
    return proof is None or proof.is_in_balance


def years_at(born: date, day: date) -> int:
    """Return somebody's age in whole years on a day."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def facts_for_audit(wallet: Wallet) -> dict[str, Any]:
    """Return a card as the audit trail names it: by the last four of its number."""
    return {"card": f"尾号 {wallet.card_no[-4:]}", "member": wallet.member_id}
