"""Patrols for tests, through the product's own services."""

import io
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

from django.db import transaction
from PIL import Image

from guides.attendance.clockin import geo
from guides.attendance.clockin.fencing import Fix
from guides.attendance.clockin.places import set_fence
from guides.org.models import Staff, Store
from guides.patrol.loading import load_checklist
from guides.patrol.models import PatrolPhoto, Visit
from guides.patrol.queries import items_of
from guides.patrol.services import ROOM, Arrival, start_visit, submit_visit, sync_visit
from tests.factories.guides import actor
from yejibao.core import clock, files
from yejibao.core.scope import Actor

SPOT = geo.Point(32.0415, 118.7841)
HERE = Fix(SPOT.latitude, SPOT.longitude, "gcj02", 15.0)
AWAY = Fix(SPOT.latitude + 0.01, SPOT.longitude, "gcj02", 15.0)  # some 1,100 m
DEVICE = "phone-one-of-the-patroller"
_seq = count(1)


def load() -> None:
    load_checklist(now=clock.now())


def set_place(store: Store) -> None:
    """Say where a store is: at HERE."""
    set_fence(
        store, latitude=SPOT.latitude, longitude=SPOT.longitude, datum=geo.GCJ02, radius_m=None, actor=Actor.system(),
        now=clock.now(),
    )  # fmt: skip


def picture(seed: int = 0) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((320, 240)).rotate(seed * 37).convert("RGB").save(out, "JPEG")
    return out.getvalue()


def upload(person: Staff, *, seed: int = 0) -> str:
    """Return the name of a photo that was sent ahead."""
    name = uuid4()
    files.keep(picture(seed), room=ROOM, by_id=person.pk, now=clock.now(), name=name)
    return str(name)


def begin(person: Staff, store: Store, *, kind: str = "supervisor", full: bool = True, arrival: Any = None) -> Visit:
    load()
    visit, _new = start_visit(
        store, kind=kind, is_full=full, arrival=arrival or Arrival(fix=HERE), actor=actor(person), now=clock.now()
    )
    return visit


def value(score: int | None = None, **more: Any) -> dict[str, Any]:
    return {"score": score} | more


def said(kind: str = "items", *, device: str = DEVICE, known: int = 0, **changes: Any) -> dict[str, Any]:
    """Return a batch: by key a value, or (base, value); each with the next number of its device."""
    rows = []
    for key, told in changes.items():
        base, inner = told if isinstance(told, tuple) else (0, told)
        rows.append({"key": key, "base": base, "seq": next(_seq), "value": inner})
    return {"device": device, "known": known, kind: rows}


def sync(visit: Visit, batch: dict[str, Any], *, person: Staff | None = None) -> Any:
    _visit, outcome = sync_visit(visit.pk, batch, actor=actor(person or visit.patroller), now=clock.now())
    return outcome


def fill(visit: Visit, scores: Mapping[str, int | None] | None = None, *, score: int = 5, photos: bool = True) -> None:
    """Score all items of a visit; those named as they say (None: not applicable), with what the rules want of each.

    Its photos are rows without a picture, which would cost most of a test; `upload()` makes real ones.
    """
    batch, shown = said(), []
    for item in items_of(visit):
        mark = (scores or {}).get(item.key, score)
        inner = value(None, is_na=True, na_reason="没有") if mark is None else value(mark)
        if mark is not None and mark <= 3:
            inner["problem"] = f"{item.name}不好"
        batch["items"].append({"key": item.key, "base": 0, "seq": next(_seq), "value": inner})
        if photos and mark is not None and (item.photo == "required" or mark <= 2):
            shown.append(
                PatrolPhoto(
                    client_id=uuid4(),
                    visit=visit,
                    item=item,
                    taken_at=clock.now(),
                    received_at=clock.now(),
                    by=visit.patroller,
                )
            )
    PatrolPhoto.objects.bulk_create(shown)
    outcome = sync(visit, batch)
    assert (outcome.conflicts, outcome.refused) == ([], [])


def hand_in(visit: Visit, *, now: datetime | None = None, fix: Fix | None = HERE, **facts: Any) -> Visit:
    visit.refresh_from_db()
    return submit_visit(
        visit.pk, rev=visit.rev, arrival=Arrival(fix=fix, **facts), summary="", actor=actor(visit.patroller),
        now=now or clock.now(),
    )  # fmt: skip


def make_visit(person: Staff, store: Store, scores: Mapping[str, int | None] | None = None, **options: Any) -> Visit:
    """Return a visit that was handed in after an hour, without photos of its own (the rule is not asked here)."""
    kind, full, score = options.get("kind", "supervisor"), options.get("full", True), options.get("score", 5)
    visit = begin(person, store, kind=kind, full=full)
    Visit.objects.filter(pk=visit.pk).update(started_at=clock.now() - timedelta(hours=1))
    fill(visit, scores, score=score, photos=True)
    return hand_in(visit)


def develop(visit: Visit, *keys: str) -> None:
    """Give the photos of some items of a visit a picture."""
    shown = PatrolPhoto.objects.filter(visit=visit, item__key__in=keys).select_related("item")
    for one in shown:
        files.keep(picture(one.item.seq), room=ROOM, by_id=one.by_id, now=clock.now(), name=one.client_id)  # type: ignore[union-attr]
        with transaction.atomic():
            files.attach([one.client_id], room=ROOM, owner_id=one.pk, by_id=one.by_id)
