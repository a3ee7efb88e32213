"""What Celery runs for this room."""

from datetime import timedelta

from celery import shared_task

from yejibao.core import clock

from .models import CodeVisit, MemberSession

STRANGERS_KEPT = timedelta(days=180)


@shared_task
def purge_member_sessions(**_: object) -> dict[str, int]:
    """Delete members' sessions that ended, and what a scan left of accounts that never gave a phone. Nightly."""
    now = clock.system_now()
    deleted, _per_model = MemberSession.objects.filter(ends_at__lt=now).delete()
    strangers, _per_model = CodeVisit.objects.filter(member=None, opened_at__lt=now - STRANGERS_KEPT).delete()
    return {"deleted": deleted, "strangers": strangers}
