"""What becomes of a member's changed days and of what was sent to him when he is forgotten, or turns out to be another one."""

from datetime import timedelta

from yejibao.core.erasing import forget
from yejibao.core.wearing import wear_out

CHOICES, SHARES = "crm_lookchoice", "crm_lookshare"
# Both had changed the same day: the kept one's stands.
SAME_DAY = f'EXISTS (SELECT 1 FROM {CHOICES} k WHERE k.member_id = %(kept)s AND k."on" = t."on")'

for table in (CHOICES, SHARES):
    forget(table, f"DELETE FROM {table} WHERE member_id = ANY(%(ids)s)")
wear_out(CHOICES, "at", timedelta(days=190), None)
wear_out(SHARES, "made_at", timedelta(days=731), None)
