"""What Celery runs for this room."""

from celery import shared_task

from crm.corptags.queries import is_on
from crm.corptags.services import (
    compare,
    compare_after_making,
    settle_friends,
    start_comparison,
    start_if_wanted,
    start_tag_sync,
    sync_tags,
)
from yejibao.core import clock
from yejibao.core.scope import Actor
from yejibao.wecom import gateway


@shared_task
def settle_chat_tags(**_: object) -> dict[str, int]:
    """Bring friends' tags on both sides together, and a sweep over the groups on. Every 15 seconds; ends after 14."""
    door = gateway.default()
    return settle_friends(door=door, seconds=9) | sync_tags(door=door, seconds=5)


@shared_task
def bring_tag_groups(**_: object) -> dict[str, int]:
    """Make, rename, remove groups and tags that wait for it, and go on comparing friends; every minute."""
    door = gateway.default()
    start_if_wanted(door=door, now=clock.now())
    done = sync_tags(door=door, seconds=25)
    compare_after_making(now=clock.now())
    return done | {f"friends_{name}": count for name, count in compare(seconds=25).items()}


@shared_task
def start_nightly_tag_sync(**_: object) -> dict[str, int]:
    """Read the platform's whole list, put the groups right, and compare the friends: all, or a seventh of very many."""
    if not is_on():
        return {}
    now = clock.now()
    run = start_tag_sync(door=gateway.default(), actor=Actor.system(), now=now)
    compared = start_comparison(now=now, actor=Actor.system(), is_full=False)
    return {"groups": run.parts_total, "parts": compared.parts_total if compared else 0}
