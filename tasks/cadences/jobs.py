"""Celery entry points of cadences."""

import logging
from typing import Any

from celery import shared_task

from yejibao.core import clock

from . import trial
from .changes import complete_walked
from .conservation import prove
from .models import Cadence, CadenceVersion
from .recompute import recompute_hands

log = logging.getLogger("yejibao.engine")


@shared_task(name="tasks.cadences.jobs.recompute_hands")
def recompute_after_publishing(**_: Any) -> dict[str, int]:
    """Go on with the recompute of a newly published version. Every half minute; nothing to do most of the time."""
    return recompute_hands(now=clock.now())


@shared_task(name="tasks.cadences.jobs.count_trial")
def count_trial(*, versions: list[int], **_: Any) -> dict[str, int]:
    """Make the dry run of the rules page where it takes too long for a page."""
    found = CadenceVersion.objects.in_bulk(versions)
    if len(found) < len(versions):
        return {}  # the draft was dropped meanwhile
    return {"planned": trial.count([found[pk] for pk in versions], now=clock.now()).online.planned}  # type: ignore[union-attr]


@shared_task(name="tasks.cadences.jobs.prove_conservation")
def prove_nightly(**_: Any) -> dict[str, int]:
    """Prove each cadence and keep the result for the health page; anything missing is an alarm."""
    from yejibao.core.heart import beat

    complete_walked(now=clock.now())
    missing = {}
    for cadence in Cadence.objects.all():
        proof = prove(cadence_id=cadence.pk)
        missing[cadence.key] = proof.missing
        beat(f"conservation:{cadence.key}", **proof.as_json())
        if proof.missing:
            log.error("conservation of %s: %s missing", cadence.key, proof.missing)
    return missing
