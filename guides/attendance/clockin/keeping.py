"""What is kept of where somebody stood: sealed while it is whole, after half a year only the 100 m grid it lies in."""

from datetime import datetime, timedelta

from django.db import transaction

from yejibao.core import clock
from yejibao.core.personal import blind_index

from .geo import Point, on_grid
from .models import ClockPunch

WHOLE_FOR = timedelta(days=180)  # reliability-security §9
AT_ONCE = 2_000


def sealed(point: Point, *, raw: Point, datum: str) -> str:
    """Return a place as it is kept: in GCJ-02, and as the phone gave it."""
    return f"{_pair(point)};{_pair(raw)};{datum}"


def opened(place: str | None) -> Point | None:
    """Return where it was, in GCJ-02; None where nothing is kept."""
    if not place:
        return None
    latitude, _, longitude = place.partition(";")[0].partition(",")
    return Point(float(latitude), float(longitude))


def spot_index(raw: Point) -> str:
    """Return by what the very same spot, to six decimals, is found again without opening any."""
    return blind_index(_pair(raw), purpose="clock-place")


def device_index(device: str) -> str:
    """Return by what the same phone is found again; "" for one that tells nothing."""
    return blind_index(device, purpose="clock-device") if device else ""


def coarsen(*, now: datetime, seconds: float = 600.0) -> dict[str, int]:
    """Leave of every place older than 180 days its grid alone, a batch a transaction, until done or time is up."""
    deadline = clock.monotonic() + seconds
    done = 0
    while clock.monotonic() < deadline:
        with transaction.atomic():
            whole = ClockPunch.objects.filter(is_coarse=False, place__isnull=False, at__lt=now - WHOLE_FOR)
            rows = list(whole.order_by("at", "pk").select_for_update(skip_locked=True).only("pk", "place")[:AT_ONCE])
            for row in rows:
                point = opened(row.place)
                assert point is not None
                row.place, row.is_coarse, row.place_index = f"{_pair(on_grid(point))};;", True, ""
            ClockPunch.objects.bulk_update(rows, ["place", "is_coarse", "place_index"], batch_size=500)
        done += len(rows)
        if len(rows) < AT_ONCE:
            break
    return {"coarsened": done}


def _pair(point: Point) -> str:
    return f"{point.latitude:.6f},{point.longitude:.6f}"
