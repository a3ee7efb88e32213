"""Tables of stored value: the ledger (`ledger`), the cards and what is asked of them (`cards`)."""

from .cards import CardHolder, CardRefund, TopUp, Wallet, WalletStep
from .ledger import ACCOUNTS, CARD_ACCOUNTS, Account, LedgerDay, LedgerEntry, LedgerProof, Transfer

__all__ = [
    "ACCOUNTS",
    "Account",
    "CARD_ACCOUNTS",
    "CardHolder",
    "CardRefund",
    "LedgerDay",
    "LedgerEntry",
    "LedgerProof",
    "TopUp",
    "Transfer",
    "Wallet",
    "WalletStep",
]
