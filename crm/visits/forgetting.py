"""What becomes of a member's visits when he is forgotten, or turns out to be another one; the count of who came stays."""

from datetime import timedelta

from yejibao.core.erasing import forget
from yejibao.core.wearing import wear_out

VISITS = "crm_visit"
_HIS = f"SELECT id FROM {VISITS} WHERE member_id = ANY(%(ids)s)"
# Both are asked to come: the kept one's invitation stands.
BOTH_ASKED = (
    "t.state IN ('planned', 'asked', 'invited', 'accepted') AND EXISTS (SELECT 1 FROM crm_visit k WHERE k.member_id = %(kept)s "
    "AND k.state IN ('planned', 'asked', 'invited', 'accepted'))"
)

forget("crm_visitstep", f"UPDATE crm_visitstep SET words = '' WHERE visit_id IN ({_HIS}) AND words <> ''", order=40)
forget("crm_visitpiece", f"DELETE FROM crm_visitpiece WHERE visit_id IN ({_HIS})", order=40)
forget(VISITS, f"UPDATE {VISITS} SET words = '', reason = '' WHERE member_id = ANY(%(ids)s)")
wear_out(VISITS, "made_at", timedelta(days=731), "words = '', reason = ''")
wear_out("crm_visitstep", "at", timedelta(days=731), "words = ''")
