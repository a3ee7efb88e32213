"""What Celery runs for this room."""

from celery import shared_task

from yejibao.core import clock

from .models import StaffSession


@shared_task
def purge_sessions(**_: object) -> dict[str, int]:
    """Delete sessions that ended. Nightly."""
    deleted, _per_model = StaffSession.objects.filter(expire_date__lt=clock.system_now()).delete()
    return {"deleted": deleted}
