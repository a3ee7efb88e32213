"""The seal on the audit trail: once a night the rows that came are hashed, each seal over the one before it.

Whoever changes, deletes or slips in a row behind the trigger's back breaks every seal from there on, and the newest digest
stands in the operations log, out of the database's reach (reliability-security §12).
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from .models import AuditEntry, AuditSeal

log = logging.getLogger("yejibao.audit")

# Each row by itself first, so that a day of a million rows is aggregated as digests. The columns are named: one added
# later does not change what was sealed before.
_DIGEST = """
SELECT count(*), encode(sha256(convert_to(%(previous)s || coalesce(string_agg(row.digest, '' ORDER BY row.id), ''), 'UTF8')), 'hex')
FROM (
    SELECT id, encode(sha256(convert_to(jsonb_build_array(
        id, extract(epoch FROM at)::text, actor_kind, actor_id, actor_name, working_role, on_behalf_of_id, action, resource,
        resource_id, scope, before, after, reason, host(ip), request_id)::text, 'UTF8')), 'hex') AS digest
    FROM core_auditentry WHERE id > %(after)s AND id <= %(last)s
) row
"""


@dataclass(frozen=True)
class Check:
    """What a look at the whole chain found: how many seals and rows hold, and the first seal that does not."""

    seals: int
    rows: int
    broken: AuditSeal | None = None


def seal(*, now: datetime) -> AuditSeal | None:
    """Seal what was written since the last seal; return the seal, or None where nothing was."""
    with transaction.atomic():
        previous = AuditSeal.objects.order_by("-pk").first()
        after, chain = (previous.last_id, previous.digest) if previous else (0, "")
        with connection.cursor() as cursor:
            # Waits for those who are writing, and lets nobody begin: up to here every number is written or will never be.
            cursor.execute("LOCK TABLE core_auditentry IN SHARE ROW EXCLUSIVE MODE")
        last = AuditEntry.objects.order_by("-pk").values_list("pk", flat=True).first()
    if last is None or last <= after:
        return None
    rows, digest = _digest(after, last, chain)
    # Two who seal at once both say the same first number; the second is refused.
    made, is_new = AuditSeal.objects.get_or_create(
        after_id=after, defaults={"last_id": last, "rows": rows, "digest": digest, "sealed_at": now}
    )
    if is_new:
        log.info("audit sealed", extra={"rows": rows, "last_id": last, "digest": digest})
    return made


def verify() -> Check:
    """Hash every sealed row again, oldest first, and stop at the first seal that does not fit."""
    seals = rows = after = 0
    chain = ""
    for one in AuditSeal.objects.order_by("pk").iterator():
        if one.after_id != after or (one.rows, one.digest) != _digest(after, one.last_id, chain):
            return Check(seals, rows, broken=one)
        seals, rows, after, chain = seals + 1, rows + one.rows, one.last_id, one.digest
    return Check(seals, rows)


def _digest(after: int, last: int, previous: str) -> tuple[int, str]:
    with connection.cursor() as cursor:
        cursor.execute(_DIGEST, {"after": after, "last": last, "previous": previous})
        rows, digest = cursor.fetchone()
    return int(rows), str(digest)
