"""Whose rows there are: the caller's own, those of a colleague beside him, and those of a store in another branch.

The first row of each table has the same id in each set, so that one call of a route tries the row of whatever table it
reads. A table with `visible_to` that nobody builds here is filled by itself, from its columns; where its constraints want
more, it needs a line in `_rows`.
"""

from base64 import b64decode
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import connection, models, transaction

from crm.benefits.models import BenefitUse, Coupon, PointsEntry
from crm.catalogue.models import Sku, StyleColor
from crm.catalogue.stock_models import Reservation, StockLevel, TransferRequest, Warehouse
from crm.finance.models import FinanceDay
from crm.friends.models import Contact, ContactWay, LinkReview
from crm.members.models import GuideHandover, Member, MemberMerge
from crm.orders.checkout.models import Promotion, Sale, SaleLine, SaleRefund
from crm.orders.models import Order
from crm.orders.proxy.models import ProxyOrder
from crm.tailoring.models import Fitting, MemberMeasure
from crm.wallet.models import CardRefund, TopUp, Transfer
from guides.announcements.models import Announcement
from guides.attendance.clockin.models import ClockRecord
from guides.drive.models import DriveFolder
from guides.exports.models import Export
from guides.helpdesk.models import HelpCategory, HqCall, KnowledgeDraft
from guides.notices.models import Notification
from guides.org.models import Staff, Store, StoreChange
from guides.patrol.models import Visit
from guides.patrol.reminders.models import PatrolReminder
from guides.patrol.reports import layout
from guides.patrol.reports.models import PatrolReport
from guides.votes.models import Vote
from tasks.followups.models import SkipRequest, SpotCheck
from tasks.review.models import StoreWeek
from tasks.scripts.models import Script, ScriptFavourite
from tests.factories.benefits import give_points, make_batch, make_template
from tests.factories.crm import make_friend, make_member, make_order, make_ticket
from tests.factories.guides import Org, make_org, make_staff, make_store, make_unit
from tests.factories.surveys import make_survey
from tests.factories.tasks import make_task
from tests.factories.wallet import make_wallet
from yejibao.core import clock

DEPARTMENTS = ("core", "wecom", "wechatpay", "guides", "crm", "tasks", "livestream", "demo", "cockpit", "intake")
OWN, SIBLING, FOREIGN = 7_100_003, 7_200_005, 7_300_007  # far apart: what a call adds meets no other set
MARKS = {OWN: "奎", SIBLING: "禹", FOREIGN: "甪"}  # surnames nobody else has here: whoever reads one reads that row
ORG_MARK = "亘"  # the same for the foreign store and its people
ORG_GUIDE = "亘甲"
PHONES = "1380013"  # how every number of a member here begins
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
    _known: dict[Any, list[str]] = field(default_factory=dict, compare=False, repr=False)

    def of(self, model: type[models.Model]) -> models.Model | None:
        return next((row for row in self.rows if isinstance(row, model)), None)

    def values(self, converter: str, tables: Collection[str] | None = None) -> list[str]:
        """Return what a route's argument of this kind could be to address one of the rows, those of some tables alone."""
        if converter == "int":
            return [str(self.base)]
        asked = converter, tables and frozenset(tables)
        if asked not in self._known:
            self._known[asked] = self._values(converter, tables)
        return self._known[asked]

    def _values(self, converter: str, tables: Collection[str] | None) -> list[str]:
        found = {
            str(value)
            for row in self.rows
            if tables is None or row._meta.db_table in tables
            for column in row._meta.concrete_fields
            if (value := getattr(row, column.attname))
            and (isinstance(value, UUID) or converter != "uuid" and column.name in TEXT_IDS)
        }
        return sorted(found) + ([str(self.base)] if converter in ("str", "regex", "string") else [])


def business_models() -> list[type[models.Model]]:
    return [model for model in apps.get_models() if model._meta.app_label in DEPARTMENTS and model._meta.managed]


def scoped_models() -> list[type[models.Model]]:
    return [model for model in business_models() if hasattr(model._default_manager, "visible_to")]


_SEQUENCES = """
    SELECT numbers.seqrelid::bigint, pg_sequence_last_value(numbers.seqrelid::regclass) FROM pg_sequence numbers
    JOIN pg_depend owned ON owned.objid = numbers.seqrelid AND owned.refobjsubid > 0 AND owned.deptype IN ('a', 'i')
    JOIN pg_class named ON named.oid = owned.refobjid AND named.relname = ANY(%s)"""
_SET = "SELECT setval(id::oid::regclass, coalesce(last, 1), last IS NOT NULL) FROM unnest(%s::bigint[], %s::bigint[]) AS was (id, last)"


@contextmanager
def numbered_from(base: int) -> Iterator[None]:
    """Let each table's next row have the same id; after the block they go on where they were."""
    with connection.cursor() as cursor:
        cursor.execute(_SEQUENCES, [[model._meta.db_table for model in business_models()]])
        sequences, last = zip(*cursor.fetchall(), strict=True)
        cursor.execute(_SET, [list(sequences), [base - 1] * len(sequences)])
        try:
            yield
        finally:
            cursor.execute(_SET, [list(sequences), list(last)])


def foreign_rows(org: Org) -> Rows:
    """Return rows of a store in another branch: whatever a route may show the org's people, these it must not."""
    with numbered_from(FOREIGN):
        branch = make_unit("branch", parent=org.hq, name="亘分公司")
        area = make_unit("area", parent=make_unit("region", parent=branch, name="亘大区"), name="亘区域")
        store = make_store(area=area, code="F001", name="亘店", short_name="亘店")
        guide = make_staff(store=store, name=ORG_GUIDE, display_name=ORG_GUIDE)
        return _rows(FOREIGN, guide, org.other_store, [branch, store, guide])


def sibling_rows(org: Org) -> Rows:
    """Return rows of a colleague of the same store: in sight of the manager, not of another guide."""
    with numbered_from(SIBLING):
        guide = make_staff(store=org.store)
        return _rows(SIBLING, guide, org.other_store, [guide])


def own_rows(person: Staff, org: Org) -> Rows:
    """Return rows of a person who works in a store."""
    with numbered_from(OWN):
        return _rows(OWN, person, org.other_store, [])


@dataclass(frozen=True)
class Company:
    """A company and what is out of the sight of most of its people; all walks of a worker go through the same."""

    org: Org
    foreign: Rows
    sibling: Rows


@contextmanager
def company() -> Iterator[Company]:
    """Build a company in a transaction that is undone; what a test does inside is a savepoint of it."""
    with transaction.atomic():
        org = make_org()
        built = Company(org, foreign_rows(org), sibling_rows(org))
        connection.check_constraints()  # now, not at the end of each test
        yield built
        transaction.set_rollback(True)


def _rows(base: int, guide: Staff, elsewhere: Store, begun: list[models.Model]) -> Rows:
    now, mark, number = clock.now(), MARKS[base], next(_serial)
    day, store = clock.local_day(now), guide.store
    assert store is not None
    member = make_member(owner=guide, name=f"{mark}建国", phone=f"{PHONES}{number:04}", member_no=f"W{number:05}")
    order = make_order(member, paid_at="2026-03-01 15:00", guide=guide, store=store, number=f"{mark}N{number}")
    contact = Contact.objects.create(external_user_id=f"wm{mark}{number}")
    way = {"kind": "guide", "guide": guide, "store": None, "token": f"g{number}", "state": "ready", "created_at": now}
    task = make_task(member, guide)
    gone = make_member(owner=guide, name=f"{mark}旧")
    about = HelpCategory.objects.create(
        key=f"about{number}", name="…", responder="hq_merch", first_response_minutes=30, solve_hours=8
    )
    call = {
        "category": about,
        "asker": guide,
        "asker_role": "guide",
        "store": store,
        "question": "…",
        "asked_at": now,
    }
    rows: list[models.Model] = [
        *begun, member, order, task,
        ContactWay.objects.create(**way, picture=PICTURE, qr_url="https://wework.qpic.cn/x"),
        LinkReview.objects.create(contact=contact, guide=guide, reason="phones", candidate_ids=[member.pk], created_at=now),
        MemberMerge.objects.create(kept=member, gone=gone, reason="…", at=now),
        make_friend(member, guide),
        make_ticket(member, opened_at="2026-03-02 10:00"),
        make_survey(member, asked_at=now, store=store, guide=guide, stars=5, answered_at=now, words="…"),
        MemberMeasure.objects.create(member=member, store=store, by=guide, taken_at=now, values={"chest": 960}),
        Fitting.objects.create(
            member=member, store=store, guide=guide, channel="guide", starts_at=now + timedelta(days=1),
            ends_at=now + timedelta(days=1, hours=1), booked_at=now,
        ),
        *_with_card(member, guide, store, now),
        *_with_benefits(member, guide, store, now),
        GuideHandover.objects.create(guide=make_staff(store=store, state="resigned"), store=store, left_at=now),
        StoreChange.objects.create(staff=guide, from_store=store, to_store=elsewhere, starts_on=day, at=now),
        SkipRequest.objects.create(task=task, asked_by=guide, reason="他出差", asked_at=now),
        SpotCheck.objects.create(task=task, week=day, store=store),
        Announcement.objects.create(  # by one of HQ: whoever sees an announcement sees who wrote it
            unit=store.unit, author=make_staff("hq_retail", unit=store.unit, name="梁斌"), author_role="hq_retail",
            title="公告", created_at=now, updated_at=now,
        ),
        Export.objects.create(
            kind="review", title="…", staff=guide, working_role="guide", state="ready", asked_at=now, asked_on=day
        ),
        Notification.objects.create(staff=guide, kind="task", key=f"task:{number}", title="…", url="/g/today/", at=now),
        Script.objects.create(
            key=f"for_staff_{number}", task_type="care", audience="internal", text="…", created_at=now
        ),
        ScriptFavourite.objects.create(guide=guide, text=f"{mark}自己的说法", created_at=now),
        HqCall.objects.create(**call, due_at=now, solve_due_at=now, touched_at=now),
        KnowledgeDraft.objects.create(category=about, question="…", answer="…", kept_at=now, state="refused"),
        Vote.objects.create(title="…", unit=store.unit, author=guide, opened_at=now, deadline_at=now + timedelta(days=1)),
        DriveFolder.objects.create(key=f"folder{number}", name="…", roles=["sys_admin"]),
        ClockRecord.objects.create(staff=guide, store=store, day=day, state="late", in_at=now, late_minutes=5, judged_at=now),
        PatrolReminder.objects.create(key="low_score", store=store, day=day - timedelta(days=number), text="…"),
        FinanceDay.objects.create(day=day - timedelta(days=number)),
        StoreWeek.objects.create(store=store, week=day - timedelta(days=7 * number), done_count=1, due_count=2, created_at=now),
    ]  # fmt: skip
    known = {Staff: guide, Store: store, type(store.unit): store.unit} | {type(row): row for row in rows}
    rows += _patrolled(known, store, number, now)
    rows += _in_stock(known, store, number, now)
    built = {type(row) for row in (*rows, guide, store)}
    rows += [_filled(model, known, number) for model in scoped_models() if model not in built | {type(store.unit)}]
    return Rows(base, guide, tuple(rows))


def _with_card(member: Member, guide: Staff, store: Store, now: datetime) -> list[models.Model]:
    """Return a card with money on it, how it got there, a top-up that waits and a refund that is asked."""
    card = make_wallet(member, now=now, store=store)
    top_up = TopUp.objects.create(
        member=member, store=store, guide=guide, principal_fen=100000, gift_fen=5000, method="counter", asked_at=now,
        ends_at=now + timedelta(minutes=30),
    )  # fmt: skip
    refund = CardRefund.objects.create(
        wallet=card, way="cash", method="ratio", principal_fen=200000, gift_fen=12000, pay_fen=200000, two_from_fen=50000, reason="…",
        asked_kind="staff", asked_by=guide, store=store, asked_at=now, pay_before=clock.local_day(now),
    )  # fmt: skip
    return [card, Transfer.objects.get(wallet=card), top_up, refund]


def _with_benefits(member: Member, guide: Staff, store: Store, now: datetime) -> list[models.Model]:
    """Return a coupon of a batch of the store, points he earned, and a free care he used."""
    template = make_template(unit=store.unit)
    batch = make_batch(template, unit=store.unit, state="asked", made_by=guide, started_at=None)
    coupon = Coupon.objects.create(
        code=f"W{member.pk}", batch=batch, member=member, nth=1, key="k", way="guide", issuer=guide, bearer_unit=store.unit,
        issued_at=now, valid_from=now, valid_until=now + timedelta(days=30),
    )  # fmt: skip
    give_points(member, 100, subject=f"order:w{member.pk}")
    entry = PointsEntry.objects.filter(member=member).latest("pk")
    use = BenefitUse.objects.create(
        member=member,
        kind="free_care",
        year=now.year,
        nth=1,
        level="V2",
        subject="ticket:1",
        key=f"w{member.pk}",
        at=now,
    )
    return [template, batch, coupon, entry, use]


def _patrolled(
    known: dict[type[models.Model], models.Model], store: Store, number: int, now: datetime
) -> list[models.Model]:
    """Return a patrol and its report, whose page reads what the report holds."""
    visit = _filled(Visit, known, number)
    assert isinstance(visit, Visit)
    facts = layout.facts_of(layout.Material(visit, [], [], [], None), "")
    report = PatrolReport.objects.create(
        visit=visit, store=store, number=f"PR-{number}", title="…", score_tenths=41, problem_count=0, made_at=now, facts=facts,
    )  # fmt: skip
    return [visit, report]


def _in_stock(
    known: dict[type[models.Model], models.Model], store: Store, number: int, now: datetime
) -> list[models.Model]:
    """Return goods of the store, what is promised of them, and a basket that was sent to the member."""
    style, sku = _filled(StyleColor, known, number), _filled(Sku, known, number)
    member, guide, soon = known[Member], known[Staff], now + timedelta(hours=2)
    sale = Sale.objects.create(
        channel="proxy", state="awaiting_member", store=store, guide=guide, member=member, created_at=now, priced_at=now, expires_at=soon
    )  # fmt: skip
    basket = Sale.objects.create(
        channel="till", store=store, guide=guide, member=member, created_at=now, expires_at=soon
    )
    SaleLine.objects.bulk_create(SaleLine(sale=one, line_no=1, sku=sku, quantity=1) for one in (sale, basket))
    refund = SaleRefund.objects.create(
        order=known[Order], store=store, key=f"r{number}", state="asked", by=guide, asked_at=now
    )
    return [
        style, sku, sale, basket, refund,
        StockLevel.objects.create(store=store, style=style, size="M", quantity=3, as_of=now, source="feed"),
        Reservation.objects.create(
            sku=sku, store=store, quantity=1, member=member, guide=guide, until=soon, key=f"kept{number}", created_at=now
        ),
        TransferRequest.objects.create(
            sku=sku, quantity=1, from_warehouse=_filled(Warehouse, known, number), to_store=store, member=member, asked_by=guide, asked_at=now,
            due_at=soon, key=f"t{number}",
        ),
        Promotion.objects.create(name="…", kind="item", starts_at=now, unit=store.unit, percent=10, made_by=guide, made_at=now),
        ProxyOrder.objects.create(
            sale=sale, store=store, guide=guide, member=member, way="link", amount_fen=100, day=clock.local_day(now), sent_at=now, expires_at=soon
        ),
    ]  # fmt: skip


def row_beside(rows: Rows, model: type[models.Model]) -> models.Model:
    """Return a row of one more table, filled by itself, that names the rows of this set wherever it names any."""
    known = {type(row): row for row in reversed(rows.rows)} | {Staff: rows.guide, Store: rows.guide.store}
    return _filled(model, known, next(_serial))  # type: ignore[arg-type]


def _filled(model: type[models.Model], known: dict[type[models.Model], models.Model], number: int) -> models.Model:
    """Return a row of a table with what its columns need and no more: the guide, his store, his member where it names them."""
    facts: dict[str, Any] = {}
    for column in model._meta.concrete_fields:
        if (column.primary_key and not column.is_relation) or column.null or column.has_default():
            continue
        if column.blank and column.empty_strings_allowed and not column.is_relation:
            continue  # may be empty: "" it is
        facts[column.name] = _value(column, known, number)
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
            return number % 20 + 1
