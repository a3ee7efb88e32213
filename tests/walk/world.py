"""Whose rows there are: the caller's own, those of a colleague beside him, and those of a store in another branch.

The first row of each table has the same id in each set, so that one call of a route tries the row of whatever table it
reads. A table with `visible_to` that nobody builds here is filled by itself, from its columns; where its constraints want
more, it needs a line in `_rows`.
"""

from base64 import b64decode
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import connection, models

from crm.friends.models import Contact, ContactWay, LinkReview
from crm.members.models import GuideHandover, MemberMerge
from guides.exports.models import Export
from guides.notices.models import Notification
from guides.org.models import Staff, Store, StoreChange
from tasks.followups.models import SkipRequest, SpotCheck
from tasks.review.models import StoreWeek
from tasks.scripts.models import Script, ScriptFavourite
from tests.factories.crm import make_friend, make_member, make_order, make_ticket
from tests.factories.guides import Org, make_staff, make_store, make_unit
from tests.factories.tasks import make_task
from yejibao.core import clock

DEPARTMENTS = ("core", "wecom", "guides", "crm", "tasks", "livestream", "demo", "cockpit", "intake")
OWN, SIBLING, FOREIGN = 7_100_003, 7_200_005, 7_300_007  # far apart: what a call adds meets no other set
MARKS = {OWN: "奎", SIBLING: "禹", FOREIGN: "甪"}  # surnames nobody else has here: whoever reads one reads that row
ORG_MARK = "亘"  # the same for the foreign store and its people
TEXT_IDS = ("public_id", "code", "key", "member_no", "number")
PICTURE = b64decode(  # the smallest there is
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
_serial = count(1)


@dataclass(frozen=True)
class Rows:
    """The rows of one guide. The first of each table has the id `base`."""

    base: int
    guide: Staff
    rows: tuple[models.Model, ...]

    def of(self, model: type[models.Model]) -> models.Model | None:
        return next((row for row in self.rows if isinstance(row, model)), None)

    def values(self, converter: str) -> list[str]:
        """Return what a route's argument of this kind could be to address one of the rows."""
        if converter == "int":
            return [str(self.base)]
        found = {
            str(value)
            for row in self.rows
            for field in row._meta.concrete_fields
            if (value := getattr(row, field.attname))
            and (isinstance(value, UUID) or converter != "uuid" and field.name in TEXT_IDS)
        }
        return sorted(found) + ([str(self.base)] if converter in ("str", "regex", "string") else [])


def business_models() -> list[type[models.Model]]:
    return [model for model in apps.get_models() if model._meta.app_label in DEPARTMENTS and model._meta.managed]


def scoped_models() -> list[type[models.Model]]:
    return [model for model in business_models() if hasattr(model._default_manager, "visible_to")]


def count_from(base: int) -> None:
    """Let each table's next row have the same id."""
    with connection.cursor() as cursor:
        for model in business_models():
            cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", [model._meta.db_table, model._meta.pk.column])
            (sequence,) = cursor.fetchone()
            if sequence:
                cursor.execute(f"ALTER SEQUENCE {sequence} RESTART WITH {base}")


def foreign_rows(org: Org) -> Rows:
    """Return rows of a store in another branch: whatever a route may show the org's people, these it must not."""
    count_from(FOREIGN)
    branch = make_unit("branch", parent=org.hq, name="亘分公司")
    area = make_unit("area", parent=make_unit("region", parent=branch, name="亘大区"), name="亘区域")
    store = make_store(area=area, code="F001", name="亘店", short_name="亘店")
    guide = make_staff(store=store, name="亘甲", display_name="亘甲")
    return _rows(FOREIGN, guide, org.other_store, [branch, store, guide])


def sibling_rows(org: Org) -> Rows:
    """Return rows of a colleague of the same store: in sight of the manager, not of another guide."""
    count_from(SIBLING)
    guide = make_staff(store=org.store)
    return _rows(SIBLING, guide, org.other_store, [guide])


def own_rows(person: Staff, org: Org) -> Rows:
    """Return rows of a person who works in a store."""
    count_from(OWN)
    return _rows(OWN, person, org.other_store, [])


def _rows(base: int, guide: Staff, elsewhere: Store, begun: list[models.Model]) -> Rows:
    now, mark, number = clock.now(), MARKS[base], next(_serial)
    day, store = clock.local_day(now), guide.store
    assert store is not None
    member = make_member(owner=guide, name=f"{mark}建国", phone=f"1380013{number:04}", member_no=f"W{number:05}")
    order = make_order(member, paid_at="2026-03-01 15:00", guide=guide, store=store, number=f"{mark}N{number}")
    contact = Contact.objects.create(external_user_id=f"wm{mark}{number}")
    way = {"kind": "guide", "guide": guide, "store": None, "token": f"g{number}", "state": "ready", "created_at": now}
    task = make_task(member, guide)
    gone = make_member(owner=guide, name=f"{mark}旧")
    rows: list[models.Model] = [
        *begun, member, order, task,
        ContactWay.objects.create(**way, picture=PICTURE, qr_url="https://wework.qpic.cn/x"),
        LinkReview.objects.create(contact=contact, guide=guide, reason="phones", candidate_ids=[member.pk], created_at=now),
        MemberMerge.objects.create(kept=member, gone=gone, reason="…", at=now),
        make_friend(member, guide),
        make_ticket(member, opened_at="2026-03-02 10:00"),
        GuideHandover.objects.create(guide=make_staff(store=store, state="resigned"), store=store, left_at=now),
        StoreChange.objects.create(staff=guide, from_store=store, to_store=elsewhere, starts_on=day, at=now),
        SkipRequest.objects.create(task=task, asked_by=guide, reason="他出差", asked_at=now),
        SpotCheck.objects.create(task=task, week=day, store=store),
        Export.objects.create(
            kind="review", title="…", staff=guide, working_role="guide", state="ready", asked_at=now, asked_on=day
        ),
        Notification.objects.create(staff=guide, kind="task", key=f"task:{number}", title="…", url="/g/today/", at=now),
        Script.objects.create(
            key=f"for_staff_{number}", task_type="care", audience="internal", text="…", created_at=now
        ),
        ScriptFavourite.objects.create(guide=guide, text=f"{mark}自己的说法", created_at=now),
        StoreWeek.objects.create(store=store, week=day - timedelta(days=7 * number), done_count=1, due_count=2, created_at=now),
    ]  # fmt: skip
    built = {type(row) for row in (*rows, guide, store)}
    known = {Staff: guide, Store: store, type(store.unit): store.unit} | {type(row): row for row in rows}
    rows += [_filled(model, known, number) for model in scoped_models() if model not in built | {type(store.unit)}]
    return Rows(base, guide, tuple(rows))


def _filled(model: type[models.Model], known: dict[type[models.Model], models.Model], number: int) -> models.Model:
    """Return a row of a table with what its columns need and no more: the guide, his store, his member where it names them."""
    facts: dict[str, Any] = {}
    for field in model._meta.concrete_fields:
        if field.primary_key or field.null or field.has_default():
            continue
        facts[field.name] = _value(field, known, number)
    row = model._default_manager.create(**facts)
    known[model] = row
    return row


def _value(field: Any, known: dict[type[models.Model], models.Model], number: int) -> Any:
    if field.is_relation:
        other = field.related_model
        return known.get(other) or _filled(other, known, number)
    if field.choices:
        return field.choices[0][0]
    match field.get_internal_type():
        case "DateTimeField":
            return clock.now()
        case "DateField":
            return clock.today()
        case "CharField" | "TextField" | "SlugField":
            return f"x{number}"[: field.max_length or 8]
        case "BooleanField":
            return False
        case "JSONField":
            return {}
        case "ArrayField":
            return []
        case _:
            return number % 20
