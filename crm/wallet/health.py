"""Whether the ledger balances: counted each night, and told until it does. Its sums must come out to the fen after a restore."""

from datetime import datetime

from yejibao.core import health
from yejibao.core.backup.tallies import register_balance, register_tally

from .queries import newest_proof
from .services.proving import OFF_TRANSFERS, OFF_WALLETS

register_tally("ledger: amount_fen", "SELECT coalesce(sum(amount_fen), 0) FROM crm_ledgerentry")
register_tally("cards: balance", "SELECT coalesce(sum(principal_fen + gift_fen), 0) FROM crm_wallet")
register_balance("ledger: trial balance", "SELECT coalesce(sum(side * amount_fen), 0) FROM crm_ledgerentry")
register_balance("ledger: cards off their entries", f"SELECT count(*) FROM ({OFF_WALLETS}) off")
register_balance("ledger: transfers off balance", f"SELECT count(*) FROM ({OFF_TRANSFERS}) off")


@health.sign("ledger")
def ledger(now: datetime) -> health.Facts:
    """The newest counting of the whole ledger."""
    proof = newest_proof()
    if proof is None:
        return {"state": "ok", "proved_at": None, "difference_fen": 0, "wallets": 0, "transfers": 0, "days": 0}
    return {
        "state": "ok" if proof.is_in_balance else "down", "proved_at": proof.at, "since": None if proof.is_in_balance else proof.at,
        "difference_fen": proof.difference_fen, "wallets": proof.wallets_off_count, "transfers": proof.transfers_off_count,
        "days": proof.days_off_count,
    }  # fmt: skip


@health.gauge(
    "yejibao_ledger_off", "What the newest proof of the ledger found: fen too many or too few, and rows that are off."
)
def ledger_off(now: datetime) -> list[tuple[dict[str, str], float]]:
    proof = newest_proof()
    if proof is None:
        return []
    return [
        ({"what": "difference_fen"}, float(proof.difference_fen)), ({"what": "wallets"}, float(proof.wallets_off_count)),
        ({"what": "transfers"}, float(proof.transfers_off_count)), ({"what": "days"}, float(proof.days_off_count)),
    ]  # fmt: skip
