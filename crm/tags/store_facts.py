"""How full the required tags of stores' members are, for the reminders of patrols: models.yaml tag_completeness_rate."""

from collections.abc import Collection
from datetime import datetime

from django.db import connection

from guides.patrol.reminders.facts import supply

AT_ONCE = 100  # stores in one statement: some tens of thousands of members


@supply("member_tags")
def tags_of_stores(store_ids: Collection[int], *, now: datetime) -> dict[int, tuple[int, int]]:
    """Return (filled, wanted) by main store: required tags over members who have a guide and are linked to their WeCom friend."""
    found: dict[int, tuple[int, int]] = {}
    ids = sorted(store_ids)
    for first in range(0, len(ids), AT_ONCE):
        with connection.cursor() as cursor:
            cursor.execute(
                """
                WITH required AS MATERIALIZED (SELECT id FROM crm_tag WHERE is_required AND is_enabled)
                SELECT m.main_store_id, sum(t.filled)::bigint, count(*) * (SELECT count(*) FROM required)
                FROM crm_member m
                CROSS JOIN LATERAL (
                    SELECT count(DISTINCT mt.tag_id) AS filled FROM crm_membertag mt
                    WHERE mt.member_id = m.id AND mt.tag_id IN (SELECT id FROM required)
                ) t
                WHERE m.main_store_id = ANY(%s) AND m.status = 'active' AND m.owner_guide_id IS NOT NULL
                  AND EXISTS (SELECT 1 FROM crm_friendlink fl WHERE fl.member_id = m.id AND fl.state = 'friend')
                GROUP BY m.main_store_id
                """,
                [ids[first : first + AT_ONCE]],
            )
            found |= {store: (int(filled), int(wanted)) for store, filled, wanted in cursor.fetchall()}
    return found
