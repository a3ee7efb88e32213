"""What becomes of coupons and benefits when two members turn out to be one person."""

from datetime import datetime

from django.db import connection

COUPONS, ENTRIES, LOTS = "crm_coupon", "crm_pointsentry", "crm_pointslot"
LEVELS, USES = "crm_levelchange", "crm_benefituse"
# Both had one of the same act (a birthday, an audience): one person has one.
SAME_ACT = (
    """EXISTS (SELECT 1 FROM crm_coupon o WHERE o.member_id = %(kept)s AND o.batch_id = t.batch_id AND o.key = t.key)"""
)

# The gone one's count on from the kept one's: (member, batch, nth) and (member, kind, year, nth) are unique.
_COUPONS = """
    UPDATE crm_coupon t SET nth = t.nth + o.last
    FROM (SELECT batch_id, max(nth) AS last FROM crm_coupon WHERE member_id = %(kept)s GROUP BY batch_id) o
    WHERE t.member_id = %(gone)s AND t.batch_id = o.batch_id
"""
_USES = """
    UPDATE crm_benefituse t SET nth = t.nth + o.last
    FROM (SELECT kind, year, max(nth) AS last FROM crm_benefituse WHERE member_id = %(kept)s GROUP BY kind, year) o
    WHERE t.member_id = %(gone)s AND t.kind = o.kind AND t.year = o.year
"""


def make_room(kept_id: int, gone_id: int, now: datetime) -> None:
    """Number the coupons and benefit uses of the one who goes behind those of the one who stays."""
    with connection.cursor() as cursor:
        for statement in (_COUPONS, _USES):
            cursor.execute(statement, {"kept": kept_id, "gone": gone_id})
