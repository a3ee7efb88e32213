"""What becomes of addresses when a member is forgotten, or the parcel arrived long ago."""

from datetime import timedelta

from yejibao.core.erasing import forget
from yejibao.core.wearing import wear_out

ORDERS = "crm_proxyorder"

forget(ORDERS, f"UPDATE {ORDERS} SET address = '', reason = '' WHERE member_id = ANY(%(ids)s)")
wear_out(ORDERS, "sent_at", timedelta(days=183), "address = '', reason = ''", only="ended_at IS NOT NULL")
