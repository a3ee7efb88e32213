"""What becomes of measures and appointments when a member is forgotten, and what wears out."""

from datetime import timedelta

from yejibao.core.erasing import forget
from yejibao.core.wearing import wear_out

FITTINGS, MEASURES, STEPS = "crm_fitting", "crm_membermeasure", "crm_fittingstep"

_HIS = "member_id = ANY(%(ids)s)"
# What was paid stays with its amounts; the place in the store is free again.
forget(
    FITTINGS,
    f"""
    UPDATE {FITTINGS} SET wish = '', note = '', fabric = '', styles = '{{}}', works = '{{}}', deposit_slip = '', measure_id = NULL,
        closed_at = coalesce(closed_at, %(now)s),
        state = CASE WHEN state IN ('collected', 'cancelled', 'no_show') THEN state ELSE 'cancelled' END
    WHERE {_HIS}
    """,
    order=40,
)
forget(
    STEPS,
    f"UPDATE {STEPS} SET text = '' WHERE text <> '' AND fitting_id IN (SELECT id FROM {FITTINGS} WHERE {_HIS})",
)
forget(MEASURES, f"DELETE FROM {MEASURES} WHERE {_HIS}", order=50)

wear_out(
    FITTINGS, "booked_at", timedelta(days=1096), "wish = '', note = '', deposit_slip = ''", only="closed_at IS NOT NULL"
)
wear_out(STEPS, "at", timedelta(days=1096), "text = ''")
