"""Rows that have waited long enough, each worked off in a transaction of its own: for a few a tick, where each means many writes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from django.db import transaction
from django.db.models import Model, QuerySet

log = logging.getLogger(__name__)
Row = TypeVar("Row", bound=Model)


def work_off(waiting: QuerySet[Row], act: Callable[[Row], object], *, most: int = 200) -> int:
    """Lock each row that waits and act on it; return how many were acted on, `most` at a time, the oldest first.

    A row is looked at again under its lock, so `waiting` must leave out what `act` has finished. Whoever else is at one is
    passed by. An `act` that fails is logged, and holds nobody up; the next tick comes back to that row.
    """
    done = 0
    for pk in list(waiting.order_by("pk").values_list("pk", flat=True)[:most]):
        try:
            with transaction.atomic():
                held = waiting.select_for_update(skip_locked=True, of=("self",)).filter(pk=pk).first()
                if held is not None:
                    act(held)
                    done += 1
        except Exception:  # whatever it is: the rows behind this one have waited as long
            log.exception("%s %s could not be worked off", waiting.model._meta.label, pk)
    return done
