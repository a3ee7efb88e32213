"""What becomes of the words on the steps of sales and exchanges when a member is forgotten, or years have passed."""

from datetime import timedelta

from yejibao.core.erasing import forget
from yejibao.core.wearing import wear_out

MOVES, EXCHANGES = "crm_salemove", "crm_exchange"
_THREE_YEARS = timedelta(days=1096)

forget(
    MOVES,
    f"UPDATE {MOVES} SET why = '' WHERE why <> '' AND sale_id IN (SELECT id FROM crm_sale WHERE member_id = ANY(%(ids)s))",
)
forget(
    EXCHANGES,
    f"UPDATE {EXCHANGES} SET why = '' WHERE why <> '' AND order_id IN (SELECT id FROM crm_order WHERE member_id = ANY(%(ids)s))",
)
wear_out(MOVES, "at", _THREE_YEARS, "why = ''")
wear_out(EXCHANGES, "asked_at", _THREE_YEARS, "why = ''")
