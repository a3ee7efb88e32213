"""Runs that can be stopped: one row per model and day, with a cursor that commits with each batch."""

from datetime import date, datetime

from crm.scoring.config import config
from crm.scoring.models import ScoringRun


def take_run(model: str, *, as_of: date, now: datetime) -> ScoringRun | None:
    """Return the locked run of a model for a day, or None when it is finished or another worker is at it."""
    ScoringRun.objects.bulk_create(
        [ScoringRun(model=model, as_of=as_of, started_at=now, config_version=config().version)], ignore_conflicts=True
    )
    return (
        ScoringRun.objects.filter(model=model, as_of=as_of, finished_at=None)
        .select_for_update(skip_locked=True)
        .first()
    )


def advance_run(run: ScoringRun, *, cursor: int, changed: int) -> None:
    """Note how far a run is; commits with the batch."""
    run.cursor = cursor
    run.counts = run.counts | {"changed": run.counts.get("changed", 0) + changed}
    run.save(update_fields=["cursor", "counts"])


def finish_run(run: ScoringRun, *, now: datetime) -> None:
    run.finished_at = now
    run.save(update_fields=["finished_at"])
