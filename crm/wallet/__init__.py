"""手机储值: named cards, the ledger their money is kept in, top-up, spending, refunds (C-39; reliability-security §4, §5)."""
