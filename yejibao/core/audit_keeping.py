"""How long the audit trail is kept: three years, reveals of personal data five (reliability-security §12).

A seal stands for all its rows, so rows go by seals: the seal is proven once more, what is past its term is deleted, and the
hash over what is left is written into the trail itself, where the next seal covers it. `verify` then compares with that.
A row that tells of a thinning is never deleted: it is what the rest is proven by.
"""

from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import QuerySet

from . import audit, clock, sealing
from .models import AuditEntry, AuditSeal
from .scope import Actor

YEARS, REVEAL_YEARS = timedelta(days=3 * 366), timedelta(days=5 * 366)
BUDGET = timedelta(minutes=10)


def thin_out(*, now: datetime, budget: timedelta = BUDGET) -> dict[str, int]:
    """Delete what is past its term, a seal a transaction; a seal that does not hold any more is left as it is, and counted."""
    ends = clock.monotonic() + budget.total_seconds()
    tally = {"deleted": 0, "seals": 0, "broken": 0}
    for one in _old_seals(now):
        if clock.monotonic() > ends:
            break
        with transaction.atomic():
            deleted = _thin(one, now=now)
        tally["broken"] += deleted is None
        tally["deleted"] += deleted or 0
        tally["seals"] += bool(deleted)
    return tally


def _old_seals(now: datetime) -> list[AuditSeal]:
    """Return the seals that hold something past its term: all their rows are at least as old as the seal."""
    return [
        one
        for one in AuditSeal.objects.filter(sealed_at__lt=now - YEARS).order_by("pk")
        if _past_term(one, now).exists()
    ]


def _past_term(one: AuditSeal, now: datetime) -> QuerySet[AuditEntry]:
    rows = AuditEntry.objects.filter(pk__gt=one.after_id, pk__lte=one.last_id).exclude(action=sealing.THINNED)
    old = rows.filter(at__lt=now - YEARS).exclude(action__in=audit.REVEALS)
    return old | rows.filter(at__lt=now - REVEAL_YEARS, action__in=audit.REVEALS)


def _thin(one: AuditSeal, *, now: datetime) -> int | None:
    AuditSeal.objects.select_for_update().get(pk=one.pk)  # two who thin at once
    if not _holds(one):
        return None
    rows = _past_term(one, now)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL yejibao.thinning = 'on'")
        deleted = rows._raw_delete(rows.db)
        cursor.execute("SET LOCAL yejibao.thinning = 'off'")
    if deleted:
        left, digest = sealing.digest_of(one.after_id, one.last_id, "", version=one.version)
        audit.record(
            Actor.system("thin_audit"), sealing.THINNED, one, after={"deleted": deleted, "left": left, "digest": digest}
        )
    return int(deleted)


def _holds(one: AuditSeal) -> bool:
    told = AuditEntry.objects.filter(action=sealing.THINNED, resource=AuditSeal._meta.label, resource_id=str(one.pk))
    if (last := told.order_by("-pk").first()) is not None and last.after is not None:
        found = sealing.digest_of(one.after_id, one.last_id, "", version=one.version)
        return found == (last.after["left"], last.after["digest"])
    before = AuditSeal.objects.filter(last_id=one.after_id).values_list("digest", flat=True).first() or ""
    return sealing.digest_of(one.after_id, one.last_id, before, version=one.version) == (one.rows, one.digest)
