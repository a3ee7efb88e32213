"""The seal on the audit trail: once a night the rows that came are hashed, each seal over the one before it.

Whoever changes, deletes or slips in a row behind the trigger's back breaks every seal from there on, and the newest digest
stands in the operations log, out of the database's reach (reliability-security §12).
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from .models import AuditEntry, AuditSeal

log = logging.getLogger("yejibao.audit")

THINNED = "audit.thinned"

# Each row by itself first, so that a day of a million rows is aggregated as digests. The columns are named, and a seal says
# which: one added later does not change what was sealed before.
_COLUMNS = {
    1: "id, extract(epoch FROM at)::text, actor_kind, actor_id, actor_name, working_role, on_behalf_of_id, action, resource,"
    " resource_id, scope, before, after, reason, host(ip), request_id",
}
_COLUMNS[2] = _COLUMNS[1] + ", extract(epoch FROM written_at)::text, device, result"
NEWEST = max(_COLUMNS)
_DIGEST = """
SELECT count(*), encode(sha256(convert_to(%(previous)s || coalesce(string_agg(row.digest, '' ORDER BY row.id), ''), 'UTF8')), 'hex')
FROM (
    SELECT id, encode(sha256(convert_to(jsonb_build_array({columns})::text, 'UTF8')), 'hex') AS digest
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
    rows, digest = digest_of(after, last, chain, version=NEWEST)
    # Two who seal at once both say the same first number; the second is refused.
    made, is_new = AuditSeal.objects.get_or_create(
        after_id=after, defaults={"last_id": last, "rows": rows, "digest": digest, "sealed_at": now, "version": NEWEST}
    )
    if is_new:
        log.info("audit sealed", extra={"rows": rows, "last_id": last, "digest": digest})
    return made


def verify(cursor: Any = None) -> Check:
    """Hash every sealed row again, oldest first, and stop at the first seal that does not fit.

    Where rows have gone because their term was over, what is left is compared with what was written down that day, in a
    row that is sealed itself (audit_keeping.py). A `cursor` of another database looks there: a restored one.
    """
    if cursor is None:
        with connection.cursor() as own:
            return verify(own)
    seals = rows = after = 0
    chain = ""
    left = _thinned(cursor)
    cursor.execute(f"SELECT {', '.join(_SEAL)} FROM core_auditseal ORDER BY id")
    for row in cursor.fetchall():
        one = AuditSeal(**dict(zip(_SEAL, row, strict=True)))
        if (facts := left.get(one.pk)) is not None:
            found = digest_of(after, one.last_id, "", version=one.version, cursor=cursor)
            is_whole = found == (facts["left"], facts["digest"])
        else:
            found = digest_of(after, one.last_id, chain, version=one.version, cursor=cursor)
            is_whole = found == (one.rows, one.digest)
        if one.after_id != after or not is_whole:
            return Check(seals, rows, broken=one)
        seals, rows, after, chain = seals + 1, rows + found[0], one.last_id, one.digest
    return Check(seals, rows)


_SEAL = ("id", "after_id", "last_id", "rows", "digest", "sealed_at", "version")


def _thinned(cursor: Any) -> dict[int, dict[str, Any]]:
    """Return, by seal, what the newest thinning of its rows left."""
    cursor.execute(
        "SELECT resource_id::bigint, after ->> 'left', after ->> 'digest' FROM core_auditentry"
        " WHERE action = %s AND resource = %s ORDER BY id",
        [THINNED, AuditSeal._meta.label],
    )
    return {pk: {"left": int(left), "digest": digest} for pk, left, digest in cursor.fetchall()}


def digest_of(after: int, last: int, previous: str, *, version: int, cursor: Any = None) -> tuple[int, str]:
    """Return how many rows stand there, and the hash over them and over the seal before."""
    if cursor is None:
        with connection.cursor() as own:
            return digest_of(after, last, previous, version=version, cursor=own)
    cursor.execute(_DIGEST.format(columns=_COLUMNS[version]), {"after": after, "last": last, "previous": previous})
    rows, digest = cursor.fetchone()
    return int(rows), str(digest)
