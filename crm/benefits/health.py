"""Whether the ledger of points balances."""

from datetime import datetime, timedelta

from yejibao.core import health
from yejibao.core.backup.tallies import register_balance, register_tally

from .models import PointsProof
from .services.proof import RULES

LATE = timedelta(hours=36)

register_tally("points: entries", "SELECT coalesce(sum(points), 0) FROM crm_pointsentry")
register_tally("points: balances", "SELECT coalesce(sum(balance), 0) FROM crm_pointsaccount")
for _name, _statement in RULES.items():
    register_balance(f"points: {_name}", _statement)


@health.sign("points")
def points(now: datetime) -> health.Facts:
    """Last night's proof: anything that does not add up is an alarm, a proof that is missing is late."""
    last = PointsProof.objects.order_by("-day").first()
    if last is None:
        return {"state": "ok", "since": None, "faults": {}}
    wrong = {name: count for name, count in last.faults.items() if count}
    state = "down" if wrong else "slow" if now - last.proved_at > LATE else "ok"
    return {"state": state, "since": last.proved_at if state != "ok" else None, "faults": wrong}


@health.gauge("yejibao_points_faults", "Rules of the points ledger that were broken at the last proof.")
def faults(now: datetime) -> list[tuple[dict[str, str], float]]:
    last = PointsProof.objects.order_by("-day").first()
    return [({"rule": name}, float(count)) for name, count in sorted((last.faults if last else {}).items())]
