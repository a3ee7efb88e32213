"""The budgets on rows in PostgreSQL: the same rules as the script in `budgets.py`, slower, for when Redis is gone."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Coalesce

from yejibao.core import clock
from yejibao.core.outbox.models import OutboxMessage

from .models import BudgetWindow

HORIZON_SECONDS = 1.0  # slots of the per-second budget are booked this far ahead
PROBE_SECONDS = 15.0  # a probe without an answer is forgotten after that
STALE_SECONDS = 60.0  # not used for that long: Redis was back meanwhile, so what the rows say is old


@dataclass(frozen=True)
class Limits:
    """Limits of one API; 0 is none. `burst` is what the per-second budget lets go at once."""

    per_second: float = 0
    burst: int = 1
    per_minute: int = 0
    per_hour: int = 0
    per_day: int = 0
    member_minute: int = 0
    member_hour: int = 0


Answer = tuple[float, bool, bool]  # wait, granted, probe


def reserve(
    scope: str, recipients: Sequence[str], now: float, limits: Limits, day: str, asking: Collection[int] = ()
) -> list[Answer]:
    """Answer as the script does, under row locks."""
    member = {name: f"member:{scope}:{name}" for name in recipients} if limits.member_hour else {}
    own = f"api:{scope}"
    with transaction.atomic():
        _learn(scope, now, limits, asking)
        rows = _locked([own, *member.values()])
        state = rows[own]
        answers = [_decide(state, rows.get(member.get(name, ""), {}), now, limits, day) for name in recipients]
        _write(rows)
    return answers


def arrived(scope: str, arrivals: Sequence[tuple[str, str, float]]) -> None:
    """Move bookings, named by their moment, to a later one; those of the script are named otherwise and not here."""
    with transaction.atomic():
        rows = _locked([f"member:{scope}:{name}" for name, _, _ in arrivals])
        for name, booking, at in arrivals:
            stamps = rows[f"member:{scope}:{name}"].get("stamps", [])
            booked = [repr(stamp) for stamp in stamps]
            if booking in booked:
                place = booked.index(booking)
                stamps[place] = max(stamps[place], at)
        _write(rows)


def trip(scope: str, now: float, first: float, most: float) -> float:
    """Open the breaker; returns the seconds left."""
    key = f"api:{scope}"
    with transaction.atomic():
        rows = _locked([key])
        breaker = rows[key].get("breaker")
        step = first
        if breaker:
            left = float(breaker["till"]) - now
            if 0 < left <= most:
                return left
            if left <= 0:
                step = min(breaker["step"] * 2, most)
        rows[key]["breaker"] = {"till": now + step, "step": step, "probe_till": 0.0}
        _write(rows)
    return step


def breaker_till(scope: str) -> float:
    """Return the epoch second at which the breaker may close, 0 when it is closed."""
    row = BudgetWindow.objects.filter(key=f"api:{scope}").first()
    return float(row.used.get("breaker", {}).get("till", 0.0)) if row else 0.0


def used(scope: str, day: str) -> tuple[dict[str, int], dict[str, int], int]:
    """Return what was taken by second and by minute, and on that day."""
    row = BudgetWindow.objects.filter(key=f"api:{scope}").first()
    state = row.used if row else {}
    return state.get("minute", {}), state.get("hour", {}), state.get("in_day", 0) if state.get("day") == day else 0


def close(scope: str) -> None:
    """Close the breaker."""
    key = f"api:{scope}"
    with transaction.atomic():
        rows = _locked([key])
        rows[key].pop("breaker", None)
        _write(rows)


def _decide(state: dict[str, Any], own: dict[str, Any], now: float, limits: Limits, day: str) -> Answer:
    breaker = state.get("breaker")
    probing = False
    if breaker and breaker["till"] - now <= 3600:
        if now < breaker["till"]:
            return breaker["till"] - now, False, False
        probing = True
        if now < breaker["probe_till"] <= now + PROBE_SECONDS:
            return min(2.0, breaker["probe_till"] - now), False, False
    if state.get("day") != day:
        state["day"], state["in_day"] = day, 0
    for name, grain, length, limit in (("minute", 1, 60, limits.per_minute), ("hour", 60, 3600, limits.per_hour)):
        if limit and (wait := _ring_wait(state, name, grain, length, limit, now)):
            return wait, False, False
    if limits.per_day and state["in_day"] >= limits.per_day:
        return 3600.0, False, False
    booked = 0.0
    tat = float(state.get("tat", 0.0))
    if limits.per_second:
        tat = 0.0 if tat > now + HORIZON_SECONDS + 2 else tat
        ahead = max(tat, now) - now - (limits.burst - 1) / limits.per_second
        if ahead > HORIZON_SECONDS:
            return ahead - HORIZON_SECONDS, False, False
        booked = max(0.0, ahead)
    if limits.member_hour:
        at = now + booked
        stamps = sorted(stamp for stamp in own.get("stamps", ()) if at - 3600 < stamp < now + HORIZON_SECONDS + 2)
        own["stamps"] = stamps
        if len(stamps) >= limits.member_hour:
            return stamps[-limits.member_hour] + 3600.001 - now, False, False
        if len(stamps) >= limits.member_minute and stamps[-limits.member_minute] > at - 60.001:
            return stamps[-limits.member_minute] + 60.001 - now, False, False
        stamps.append(at)
    if limits.per_second:
        state["tat"] = max(tat, now) + 1 / limits.per_second
    for name, grain in (("minute", 1), ("hour", 60)):
        slots = state.setdefault(name, {})
        slot = str(int(now // grain))
        slots[slot] = slots.get(slot, 0) + 1
    state["in_day"] = state.get("in_day", 0) + 1
    if probing:
        breaker["probe_till"] = now + PROBE_SECONDS  # type: ignore[index]
    return booked, True, probing


def _ring_wait(state: dict[str, Any], name: str, grain: int, length: int, limit: int, now: float) -> float:
    first, last = int((now - length) // grain), int(now // grain) + 1
    slots = {slot: count for slot, count in state.get(name, {}).items() if first <= int(slot) <= last}
    state[name] = slots
    if sum(slots.values()) < limit:
        return 0.0
    return max(1.0, (min(map(int, slots)) + length // grain + 1) * grain - now)


def _learn(scope: str, now: float, limits: Limits, asking: Collection[int]) -> None:
    """Start from what the outbox says was sent, if the rows are not in use."""
    if not limits.member_hour:
        return
    key = f"learned:{scope}"
    rows = _locked([key])
    here = time.time()  # not the product's clock: a replay jumps hours while the rows are in use
    if abs(here - float(rows[key].get("at", 0.0))) > STALE_SECONDS:
        BudgetWindow.objects.filter(key__startswith=f"member:{scope}:").delete()
        stamps: dict[str, list[float]] = {}
        for _, recipient, at in recent_sends(now, asking):
            stamps.setdefault(f"member:{scope}:{recipient}", []).append(at)
        BudgetWindow.objects.bulk_create(
            [BudgetWindow(key=name, used={"stamps": sorted(values)}) for name, values in stamps.items()],
            ignore_conflicts=True,
        )
    rows[key]["at"] = here
    _write(rows)


def _locked(keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    names = sorted(set(keys))
    BudgetWindow.objects.bulk_create([BudgetWindow(key=name) for name in names], ignore_conflicts=True)
    rows = BudgetWindow.objects.filter(key__in=names).order_by("key").select_for_update()
    return {row.key: row.used for row in rows}


def _write(rows: dict[str, dict[str, Any]]) -> None:
    BudgetWindow.objects.bulk_update(
        [BudgetWindow(key=name, used=used) for name, used in rows.items()], ["used"], batch_size=500
    )


def recent_sends(moment: float, asking: Collection[int]) -> list[tuple[int, str, float]]:
    """Return (id, recipient, epoch seconds) of the messages that left, or may have left, in the hour before a moment.

    Not those that are only being asked about now.
    """
    now = datetime.fromtimestamp(moment, clock.SHANGHAI)
    left = OutboxMessage.objects.filter(
        state__in=["sent", "claimed", "unknown", "parked"], claimed_at__gt=now - timedelta(hours=1), claimed_at__lte=now
    )
    rows = left.exclude(pk__in=list(asking)).values_list("pk", "recipient", Coalesce("sent_at", "claimed_at"))
    return [(pk, recipient, at.timestamp()) for pk, recipient, at in rows]
