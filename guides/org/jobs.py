"""What Celery runs for this room."""

from celery import shared_task

from yejibao.core import clock
from yejibao.core.scope import Actor
from yejibao.wecom import gateway

from .address_book import start_people_sync, sync_people
from .models import StaffSession
from .moving import apply_store_changes


@shared_task
def purge_sessions(**_: object) -> dict[str, int]:
    """Delete sessions that ended. Nightly."""
    deleted, _per_model = StaffSession.objects.filter(expire_date__lt=clock.system_now()).delete()
    return {"deleted": deleted}


@shared_task
def start_nightly_people_sync(**_: object) -> dict[str, int]:
    """Begin the nightly reading of the address book: what events told us wrongly or not at all comes right."""
    run = start_people_sync(door=gateway.default(), actor=Actor.system(), now=clock.now())
    return {"run": run.pk, "parts": run.parts_total}


@shared_task
def go_on_with_people_sync(**_: object) -> dict[str, int]:
    """Go on with the reading of the address book that runs; every minute, stops by itself after 50 seconds."""
    return sync_people(door=gateway.default(), seconds=50)


@shared_task
def move_staff(**_: object) -> dict[str, int]:
    """Let the store changes whose day has come take effect; every 10 minutes, so soon after midnight."""
    return apply_store_changes(now=clock.now())
