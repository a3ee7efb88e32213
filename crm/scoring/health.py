"""Whether the nightly runs of the models got through."""

from datetime import datetime, timedelta

from yejibao.core import health

from .models import ScoringRun

STUCK = timedelta(hours=4)
RECENT = 20  # runs looked at: three models, a row a day or month


@health.sign("scoring")
def scoring(now: datetime) -> health.Facts:
    """The newest run of each model; one that was begun hours ago and not finished is late."""
    newest: dict[str, ScoringRun] = {}
    for run in ScoringRun.objects.order_by("-pk")[:RECENT]:
        newest.setdefault(run.model, run)
    begun = [run.started_at for run in newest.values() if run.finished_at is None]
    since = min(begun, default=None)
    is_late = since is not None and now - since > STUCK
    return {
        "state": "slow" if is_late else "ok",
        "since": since,
        "runs": {
            model: {"as_of": run.as_of, "is_finished": run.finished_at is not None, "members": run.cursor}
            for model, run in sorted(newest.items())
        },
    }


@health.gauge("yejibao_scoring_unfinished_seconds", "For how long the newest run of a model has been going on.")
def unfinished(now: datetime) -> list[tuple[dict[str, str], float]]:
    newest: dict[str, ScoringRun] = {}
    for run in ScoringRun.objects.order_by("-pk")[:RECENT]:
        newest.setdefault(run.model, run)
    return [
        ({"model": model}, 0.0 if run.finished_at else max(0.0, (now - run.started_at).total_seconds()))
        for model, run in sorted(newest.items())
    ]
