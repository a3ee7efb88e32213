"""What becomes of a member's answers when he is forgotten or turns out to be another one: the stars stay, nobody's."""

from datetime import datetime, timedelta

from django.db import connection

from yejibao.core.erasing import forget
from yejibao.core.wearing import wear_out

SURVEYS, REFUSALS = "crm_survey", "crm_surveyrefusal"
# A row of a refusal is the member himself and cannot change hands: the kept one has refused as well from now on.
_REFUSED_TOO = f"""
    INSERT INTO {REFUSALS} (member_id, at) SELECT %(kept)s, at FROM {REFUSALS}
    WHERE member_id = %(gone)s AND NOT EXISTS (SELECT 1 FROM {REFUSALS} k WHERE k.member_id = %(kept)s)
"""


def carry_refusal(kept_id: int, gone_id: int, now: datetime) -> None:
    """Ask nobody who, under either of his cards, did not want to be asked."""
    with connection.cursor() as cursor:
        cursor.execute(_REFUSED_TOO, {"kept": kept_id, "gone": gone_id})


forget(
    SURVEYS,
    f"UPDATE {SURVEYS} SET words = '', reply = '', reasons = '{{}}', is_anonymous = true WHERE member_id = ANY(%(ids)s)",
)
forget(REFUSALS, f"DELETE FROM {REFUSALS} WHERE member_id = ANY(%(ids)s)")
wear_out(SURVEYS, "asked_at", timedelta(days=1096), "words = '', reply = ''")
