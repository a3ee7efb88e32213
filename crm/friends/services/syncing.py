"""The sweep over everybody's customers: started by a person or the night, goes on by itself, can be stopped and resumed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from functools import partial

from django.utils.translation import gettext_lazy as _

from crm.friends.services.linking import link_contacts
from crm.friends.services.reading import apply_customers, end_unseen
from guides.org.models import Staff
from yejibao.core import audit, clock
from yejibao.core.errors import Conflict, Forbidden
from yejibao.core.scope import Actor
from yejibao.wecom import contacts
from yejibao.wecom.contacts import Customer
from yejibao.wecom.gateway import Gateway
from yejibao.wecom.syncing import runs
from yejibao.wecom.syncing.models import SyncPart, SyncRun
from yejibao.wecom.syncing.runs import Fetched

KIND = SyncRun.Kind.FRIENDS
MAY = ("hq_operator", "hq_crm", "sys_admin")
PARTS_WANTED = 50  # of a small company too: parts are read side by side, and they are what is seen of the progress


class MayNotSync(Forbidden):
    code, title = "perm.friends.sync", _("同步由总部来做")


class NothingToStop(Conflict):
    code, title = "sync.none", _("现在没有在同步")


def start_sync(*, door: Gateway, actor: Actor, now: datetime, only: Sequence[str] = ()) -> SyncRun:
    """Begin a sweep over the customers of all who may have some (`only`: of these people), or return the one that runs.

    Asks the platform whose lists there are; call with no transaction open. Raises MayNotSync or GatewayError.
    """
    _check(actor)
    running = current_run()
    if running:
        return running
    people = [name.casefold() for name in only] or contacts.list_followers(door)
    known = set(Staff.objects.filter(wecom_user_id__in=people).values_list("wecom_user_id", flat=True))
    size = min(runs.PEOPLE_A_PART, max(1, len(known) // PARTS_WANTED))
    run = runs.begin(KIND, sorted(known), now=now, actor_id=actor.staff_id, size=size)
    audit.record(actor, "friends.sync_started", run, after={"people": len(known)})
    return run


def stop_sync(*, actor: Actor, now: datetime) -> SyncRun:
    """Stop the sweep that runs. Raises NothingToStop or MayNotSync."""
    _check(actor)
    run = current_run()
    if run is None or not runs.stop(run, now=now):
        raise NothingToStop()
    audit.record(actor, "friends.sync_stopped", run)
    return run


def _check(actor: Actor) -> None:
    if not actor.has_role(*MAY):
        raise MayNotSync()


def current_run() -> SyncRun | None:
    """Return the sweep that runs."""
    return SyncRun.objects.filter(kind=KIND, state=SyncRun.State.RUNNING).first()


def sync_friends(
    *, door: Gateway, seconds: float = 200.0, now: datetime | None = None, at_once: int = 8
) -> dict[str, int]:
    """Go on with the sweep that runs, if there is one and the platform does not want us to wait. Returns this share's counts.

    Call with no transaction open. Any number of processes may do it at once: they take different parts.
    """
    run = current_run()
    moment = now or clock.now()
    if not runs.may_go_on(run, door, now=moment):
        return {}
    sweep = runs.Sweep(
        run,
        fetch=partial(_fetch, door),
        apply=partial(_apply, now=moment),
        finish=partial(_finish, since=run.started_at, now=moment),
        at_once=at_once,
    )
    return sweep.go(seconds=seconds, now=now)


def _fetch(door: Gateway, people: Sequence[str], cursor: str) -> Fetched:
    page = contacts.read_page(door, people, cursor)
    return Fetched(page.customers, page.cursor)


def _apply(customers: Sequence[Customer], *, now: datetime) -> dict[str, int]:
    """Write a few pages: relations of one customer that came on different pages become one."""
    tally = Counter(apply_customers(customers, now=now))
    tally.update(link_contacts((one.external_userid for one in customers), now=now))
    return dict(tally)


def _finish(part: SyncPart, *, since: datetime, now: datetime) -> dict[str, int]:
    # A part that began again from a dead cursor has still seen everybody once in this run.
    return {"lost": end_unseen(part.keys, since=since, now=now)}
