"""What the pages of 数据接入 share: who sees which kinds, the tabs, the call that wakes the worker."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction
from django.http import HttpRequest

from yejibao.core import access, hints

from . import kinds
from .kinds import Kind
from .models import RefusedRow

WHO = (*kinds.roles_of_all(), *kinds.KEEPERS)
CARERS = kinds.roles_of_all()
COUNTED = 9999
JOB = "yejibao.intake.jobs.go_on_with_batches"


def kinds_of(request: HttpRequest) -> list[Kind]:
    """Return the kinds whose rows this person takes care of."""
    return kinds.kinds_of(access.actor_of(request))


def keys_of(request: HttpRequest) -> list[str]:
    """Return the kinds whose sums he sees: the keeper those of all."""
    actor = access.actor_of(request)
    everything = actor.has_role(*kinds.KEEPERS)
    return [kind.key for kind in (kinds.all_kinds() if everything else kinds.kinds_of(actor))]


def labels() -> dict[str, str]:
    """Return what people call each kind."""
    return {kind.key: kind.label for kind in kinds.all_kinds()}


def wake() -> None:
    """Let the worker look now."""
    transaction.on_commit(partial(hints.wake, JOB), robust=True)


def tabs(request: HttpRequest, here: str) -> dict[str, Any]:
    """Return what the frame of these pages needs."""
    actor = access.actor_of(request)
    keeper = actor.has_role(*kinds.KEEPERS)
    carer = actor.has_role(*CARERS)
    return {"here": here, "is_keeper": keeper, "is_carer": carer, "open_count": badge(request)}


def badge(request: HttpRequest) -> int | None:
    """Return how many refused rows wait, None for none."""
    rows = RefusedRow.objects.visible_to(access.actor_of(request)).filter(state=RefusedRow.State.OPEN)
    return rows.order_by()[:COUNTED].count() or None
