"""Tables of stored value: the ledger (`ledger`), the cards and what is asked of them (`cards`)."""

from .cards import CardHolder, CardPayout, CardRefund, TopUp, Wallet, WalletStep
from .ledger import ACCOUNTS, CARD_ACCOUNTS, Account, LedgerDay, LedgerEntry, LedgerProof, Transfer

__all__ = [
    "ACCOUNTS",
    "Account",
    "CARD_ACCOUNTS",
    "CardHolder",
    "CardPayout",
    "CardRefund",
    "LedgerDay",
    "LedgerEntry",
    "LedgerProof",
    "TopUp",
    "Transfer",
    "Wallet",
    "WalletStep",
]
