"""How an amount is split between principal and gift, and what of a card is paid out. Pure arithmetic in fen."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Parts:
    principal_fen: int
    gift_fen: int

    @property
    def total_fen(self) -> int:
        return self.principal_fen + self.gift_fen


def split_spend(amount_fen: int, *, principal_fen: int, gift_fen: int) -> Parts:
    """Split what is paid in the proportion of the balances, rounding to principal.

    200000 and 12000, pay 53000 -> gift floor(53000 × 12000 / 212000) = 3000, principal 50000. The ledger's own statement
    does the same (services/moving.py); this one is for showing it before, and for proving that one.
    """
    total = principal_fen + gift_fen
    gift = amount_fen * gift_fen // total if total else 0
    return Parts(amount_fen - gift, gift)


def split_refund(amount_fen: int, *, spent: Parts, back: Parts) -> Parts:
    """Split what goes back of a spend in the proportion used; `back` went back before. The last one takes the rest.

    What has gone back in all is split as one amount, so that many small refunds and one large give the same.
    """
    gift = (back.total_fen + amount_fen) * spent.gift_fen // spent.total_fen - back.gift_fen
    return Parts(amount_fen - gift, gift)


@dataclass(frozen=True)
class Movement:
    """One movement of a card as the refund sum needs it: `of` names the spend that a return belongs to."""

    kind: str  # top_up | spend | spend_refund | reset
    principal_fen: int
    gift_fen: int
    pk: int = 0
    of: int = 0


@dataclass(frozen=True)
class Worth:
    """What the card's history is worth: its principal without any rounding, and what was paid and given since it was empty."""

    principal: Fraction
    balance_fen: int
    paid_fen: int
    given_fen: int

    def ratio_fen(self, *, principal_fen: int, gift_fen: int) -> int:
        """法释〔2025〕4号 art. 18: principal − value used × paid/(paid + gift), rounded in the member's favour.

        Pay 1,000 with gift 50, use 530: 1,000 − 530 × 1000/1050 = 495.24. Never less than the principal in the ledger, never
        more than the card holds.
        """
        exact = -(-self.principal.numerator // self.principal.denominator)
        return min(max(exact, principal_fen), principal_fen + gift_fen)

    def list_price_fen(self) -> int:
        """Art. 19: what was used counts at the price before the discount, the gift last: 1,000 − 530 = 470.00."""
        return max(0, self.balance_fen - self.given_fen)


def worth_of(movements: Iterable[Movement]) -> Worth:
    """Follow a card's movements, oldest first, with exact shares; an empty card begins anew."""
    share = Fraction(0)  # of a fen on the card, how much is principal
    balance = paid = given = filling = 0
    used: dict[int, tuple[Fraction, int]] = {}
    for one in movements:
        amount = one.principal_fen + one.gift_fen
        if one.kind == "reset":
            balance = 0
        elif one.kind == "spend":
            used[one.pk] = share, filling
            balance -= amount
        else:
            spent_at, spent_in = used.get(one.of, (share, filling))
            came = Fraction(one.principal_fen) if one.kind == "top_up" else spent_at * amount
            share = (share * balance + came) / (balance + amount) if balance + amount else Fraction(0)
            balance += amount
            if one.kind == "top_up":
                paid, given = paid + one.principal_fen, given + one.gift_fen
            elif spent_in != filling:  # what was used of an earlier filling: its gift counts again with it
                given += one.gift_fen
        if balance <= 0:
            paid = given = 0
            filling += 1
    return Worth(share * balance, balance, paid, given)
