"""What Celery runs for this room."""

from celery import shared_task

from crm.friends.services import (
    bring_ways,
    follow_people,
    go_on_looking,
    read_stale,
    start_looking,
    start_sync,
    sync_friends,
    want_everyones,
)
from yejibao.core import clock
from yejibao.core.scope import Actor
from yejibao.wecom import gateway
from yejibao.wecom.welcome.greeting import close_abandoned


@shared_task
def read_changed_friends(**_: object) -> dict[str, int]:
    """Read the customers something happened to, and link them. Every 30 seconds; stops by itself after 25."""
    return read_stale(door=gateway.default(), seconds=25) | {"abandoned": close_abandoned(now=clock.now())}


@shared_task
def make_codes(**_: object) -> dict[str, int]:
    """Make, change and end codes at the platform; every minute."""
    return bring_ways(door=gateway.default(), seconds=45)


@shared_task
def follow_codes(**_: object) -> dict[str, int]:
    """Want the codes that are missing, and let the right people stand behind all; every morning."""
    now = clock.now()
    return {"wanted": want_everyones(now=now), "changed": follow_people(now=now)}


@shared_task
def go_on_with_sync(**_: object) -> dict[str, int]:
    """Go on with what runs: the sweep over customers, else the hourly look. Every minute, stops by itself after 50 seconds."""
    door = gateway.default()
    return sync_friends(door=door, seconds=50) or go_on_looking(door=door, seconds=50)


@shared_task
def look_for_new_friends(**_: object) -> dict[str, int]:
    """Begin the look for friends no callback told of; every hour, unless a sweep reads everybody anyhow."""
    run = start_looking(door=gateway.default(), now=clock.now())
    return {"run": run.pk, "parts": run.parts_total} if run else {}


@shared_task
def start_nightly_sync(**_: object) -> dict[str, int]:
    """Begin the nightly sweep: what events told us wrongly or not at all comes right."""
    run = start_sync(door=gateway.default(), actor=Actor.system(), now=clock.now())
    return {"run": run.pk, "parts": run.parts_total}
