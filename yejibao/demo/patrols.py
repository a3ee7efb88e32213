"""Three months of patrols: supervisors and HQ's departments go round, stores look at themselves, one visit is under way.

Scores are written at once, as a phone would have brought them; handing in goes through the product's own service, so that the
reports, findings and reminders of the demo are what it makes of them.
"""

import hashlib
import io
import random
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from PIL import Image, ImageDraw

from guides.attendance.clockin.fencing import Fix
from guides.attendance.clockin.models import StoreFence
from guides.org.actors import actor_for
from guides.org.models import RoleAssignment, Staff, Store
from guides.patrol.loading import load_checklist
from guides.patrol.models import ChecklistItem, Coaching, ItemScore, PatrolPhoto, PlannedVisit, Visit
from guides.patrol.queries import hints_of, items_of
from guides.patrol.services import ROOM, Arrival, start_visit, submit_visit
from yejibao.core import clock
from yejibao.core.files import StoredFile

SEED = 48
DAYS = 90
DEPARTMENTS = ("hq_visual", "hq_retail", "hq_crm", "hq_engineering")
TAUGHT = ("sales_talk", "product_knowledge", "outfit", "member_structure", "activity_content")
SUMMARIES = ("整体不错，保持。", "陈列比上次好，会员这块要加强。", "灯光和仓库尽快改。", "")
SHADES = ("#E2DCCF", "#DAD5CA", "#CFC6B4", "#D8D2C4")


def build(*, now: datetime) -> None:
    """Build the patrols of the last three months and this month's plan."""
    load_checklist(now=now - timedelta(days=DAYS + 30))
    dice = random.Random(SEED)
    today = clock.local_day(now)
    pictures = _pictures(now)
    stores = list(Store.objects.filter(closed_on=None).select_related("unit").order_by("code"))
    for place, store in enumerate(stores):
        level = 4.55 - 0.22 * (place % 5)  # some stores are better kept than others
        for person, kind, day in _rounds(store, place, today, dice):
            at = clock.local_moment(day, time(10 + place % 6, dice.randrange(60)))
            if at < now - timedelta(hours=3):
                with clock.travelled(at):
                    _visit(person, store, kind, level, at, dice, pictures)
    _open_visit(stores[0], now, dice, pictures)
    _plan(stores, today, now)


def _rounds(store: Store, place: int, today: date, dice: random.Random) -> list[tuple[Staff, str, date]]:
    """Return who was in a store on which days, the oldest first. The last two stores were left alone for long."""
    supervisor = _holder("area_supervisor", store)
    manager = _holder("store_manager", store)
    found: list[tuple[Staff, str, date]] = []
    ages = (78, 47, 18) if place < 5 else (83, 55) if place < 7 else (88,)
    if supervisor:
        found += [(supervisor, "supervisor", today - timedelta(days=age + place % 4)) for age in ages]
    for turn, role in enumerate(DEPARTMENTS):
        if (place + turn) % 3 == 0 and (person := _holder(role, store)):
            found.append((person, "hq", today - timedelta(days=12 + 17 * turn + place)))
    if manager:
        found += [(manager, "self", today - timedelta(days=age)) for age in (13 + place % 3, 6 + place % 3)]
    return sorted(found, key=lambda row: row[2])


def _holder(role: str, store: Store) -> Staff | None:
    path = store.unit.path or ""
    units = [int(pk) for pk in path.strip("/").split("/") if pk]
    held = (
        RoleAssignment.objects.filter(role=role, unit_id__in=units).select_related("staff").order_by("-unit_id", "pk")
    )
    return next((row.staff for row in held), None)


@transaction.atomic
def _visit(
    person: Staff, store: Store, kind: str, level: float, at: datetime, dice: random.Random, pictures: list[StoredFile]
) -> None:
    actor = actor_for(person)
    visit = _begin(person, store, kind, at)
    items = items_of(visit)
    if kind == "self":
        items = [item for item in items if item.category in ("hygiene", "fitting", "cashier")]
    _score(visit, items, level, at, dice, pictures)
    if kind == "supervisor":
        _teach(visit, at, dice)
    end = at + timedelta(minutes=int(dice.triangular(25, 170, 80)) if kind != "self" else 15 + dice.randrange(20))
    clock.travel(end)
    visit.refresh_from_db()
    submit_visit(
        visit.pk, rev=visit.rev, arrival=_there(store), summary=dice.choice(SUMMARIES), actor=actor, now=end,
    )  # fmt: skip


def _begin(person: Staff, store: Store, kind: str, at: datetime) -> Visit:
    visit, _new = start_visit(store, kind=kind, is_full=False, arrival=_there(store), actor=actor_for(person), now=at)
    return visit


def _there(store: Store) -> Arrival:
    fence = StoreFence.objects.filter(store=store).first()
    return (
        Arrival(fix=Fix(fence.latitude, fence.longitude, "gcj02", 23.0))
        if fence
        else Arrival(fix=Fix(32.0, 118.8, "gcj02", 23.0))
    )


def _score(
    visit: Visit,
    items: list[ChecklistItem],
    level: float,
    at: datetime,
    dice: random.Random,
    pictures: list[StoredFile],
) -> None:
    people = list(Staff.objects.employed().filter(store=visit.store).values_list("pk", flat=True))
    rows, photos = [], []
    for item in items:
        score = max(2, min(5, round(dice.gauss(level, 0.75))))
        facts: dict[str, Any] = {"score": score}
        if item.key == "facade_sign" and visit.store.kind == "joint":
            facts = {"score": None, "is_na": True, "na_reason": "商场专柜没有门头"}
        elif score <= 3:
            hints = hints_of(item)
            facts |= {
                "problem": "；".join(dice.sample(hints, min(len(hints), 1 + dice.randrange(2)))) or f"{item.name}要改进",
                "is_solved": dice.random() < 0.35, "owner_id": dice.choice(people) if people and dice.random() < 0.3 else None,
            }  # fmt: skip
        rows.append(
            ItemScore(
                visit=visit, item=item, rev=1, device="demo", device_seq=1, visit_rev=1, changed_at=at,
                changed_by_id=visit.patroller_id, **facts,
            )
        )  # fmt: skip
        if item.photo == "required" or score <= 3:
            photos.append(
                PatrolPhoto(
                    client_id=UUID(int=dice.getrandbits(128), version=4), visit=visit, item=item, visit_rev=1,
                    taken_at=at + timedelta(minutes=2 + item.seq), received_at=at + timedelta(minutes=30), by_id=visit.patroller_id,
                )
            )  # fmt: skip
    ItemScore.objects.bulk_create(rows)
    PatrolPhoto.objects.bulk_create(photos)
    StoredFile.objects.bulk_create(_copies(photos, pictures))
    Visit.objects.filter(pk=visit.pk).update(rev=1)


def _teach(visit: Visit, at: datetime, dice: random.Random) -> None:
    people = list(Staff.objects.employed().filter(store=visit.store, role_assignments__role="guide").distinct()[:6])
    Coaching.objects.bulk_create(
        Coaching(
            client_id=UUID(int=dice.getrandbits(128), version=4), visit=visit, topic=dice.choice(TAUGHT), guide=person,
            item=visit.checklist.items.get(key="guide_sales_skill"), minutes=10 + 5 * dice.randrange(4), rev=1, visit_rev=1,
            changed_at=at, changed_by_id=visit.patroller_id, needs_course=dice.random() < 0.3,
        )
        for person in dice.sample(people, min(2, len(people)))
    )  # fmt: skip


def _open_visit(store: Store, now: datetime, dice: random.Random, pictures: list[StoredFile]) -> None:
    """Leave the first store's own round of today half done."""
    manager = _holder("store_manager", store)
    at = now - timedelta(minutes=38)
    if manager is None or clock.local_day(at) != clock.local_day(now):
        return
    visit = _begin(manager, store, "self", at)
    _score(visit, items_of(visit)[:26], 4.4, at, dice, pictures)


def _plan(stores: list[Store], today: date, now: datetime) -> None:
    rows = []
    for place, store in enumerate(stores):
        for role, ahead in (("area_supervisor", 1 + place % 5), ("hq_visual", 1 + place % 5 if place % 4 == 0 else 0)):
            person = _holder(role, store)
            if person and ahead:
                rows.append(
                    PlannedVisit(
                        patroller=person, store=store, day=today + timedelta(days=ahead), made_by=person, made_at=now - timedelta(days=9),
                        department="visual" if role == "hq_visual" else "", note="看新波段" if role == "hq_visual" else "",
                    )
                )  # fmt: skip
    PlannedVisit.objects.bulk_create(rows, ignore_conflicts=True)


# ---------------------------------------------------------------- pictures


def _pictures(now: datetime) -> list[StoredFile]:
    """Draw a few shelves and keep them once; all photos of the demo are these."""
    found = []
    for number, shade in enumerate(SHADES):
        parts = {"": (960, 720), ".s": (480, 360)}
        path = f"files/demo/patrol{number}"
        for ending, size in parts.items():
            content = _shelf(size, shade, number)
            default_storage.delete(f"{path}{ending}")
            default_storage.save(f"{path}{ending}", ContentFile(content))
        found.append(
            StoredFile(
                path=path, size=len(content), width=960, height=720, sha256=hashlib.sha256(content).hexdigest(), at=now
            )
        )
    return found


def _shelf(size: tuple[int, int], shade: str, number: int) -> bytes:
    wide, high = size
    image = Image.new("RGB", size, shade)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, high * 0.82, wide, high), fill="#B9AD97")
    draw.line((wide * 0.08, high * 0.18, wide * 0.92, high * 0.18), fill="#5B5347", width=max(3, wide // 120))
    for at in range(9):
        left = wide * (0.1 + 0.09 * at)
        colour = ("#26344D", "#3A3F47", "#5B4B3A", "#7A7F86")[(at + number) % 4]
        draw.polygon([(left, high * 0.2), (left + wide * 0.07, high * 0.2), (left + wide * 0.078, high * 0.7), (left - wide * 0.008, high * 0.7)], fill=colour)  # fmt: skip
    out = io.BytesIO()
    image.save(out, "JPEG", quality=78)
    return out.getvalue()


def _copies(photos: list[PatrolPhoto], pictures: list[StoredFile]) -> list[StoredFile]:
    return [
        StoredFile(
            name=photo.client_id, room=ROOM, owner_id=photo.pk, by_id=photo.by_id, at=photo.received_at, path=like.path,
            content_type="image/jpeg", size=like.size, width=like.width, height=like.height, sha256=like.sha256,
            taken_at=photo.taken_at,
        )
        for place, photo in enumerate(photos)
        for like in [pictures[place % len(pictures)]]
    ]  # fmt: skip
