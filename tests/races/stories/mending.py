"""巡店 afterwards: two who make the reports, hand in the same work, say yes and no at once, or give it to two people."""

from guides.org.models import Staff, Store
from guides.patrol.models import Visit
from guides.patrol.rectify.models import Rectification
from guides.patrol.rectify.services import (
    JustChanged,
    accept_rectification,
    assign_rectification,
    open_rectifications,
    return_rectification,
)
from guides.patrol.reports.models import PatrolReport
from guides.patrol.reports.services import make_reports
from tasks.duties import rectifying
from tasks.duties.models import Duty
from tasks.duties.services import NewDuty, open_duties
from tests.factories.guides import actor, make_staff, make_store
from tests.factories.patrol import begin, fill, hand_in, load
from tests.races.at_once import in_peace, overtaken
from tests.races.world import NOON, World
from yejibao.core.outbox.models import OutboxEvent


def _visit(world: World) -> tuple[Visit, Store, Staff, Staff]:
    load()
    store = make_store(area=world.org.area)
    mender = make_staff("store_manager", store=store)
    visit = begin(make_staff("area_supervisor", unit=world.org.area), store)
    fill(visit, {"hygiene_floor": 3})
    visit = hand_in(visit, now=NOON)
    open_rectifications(list(visit.findings.values_list("pk", flat=True)), now=NOON)
    return visit, store, visit.patroller, mender


def _row(visit: Visit) -> Rectification:
    return Rectification.objects.with_finding().get(finding__visit=visit)


def two_who_make_the_reports(world: World) -> None:
    visit, *_people = _visit(world)
    both = overtaken(*[lambda: make_reports(visit.pk, now=NOON)] * 2)
    assert len(in_peace(both.first)) == len(in_peace(both.second)) == PatrolReport.objects.filter(visit=visit).count()


def two_who_hand_in_one_duty(world: World) -> None:
    visit, store, _patroller, mender = _visit(world)
    row = _row(visit)
    key = rectifying.key_of(row.pk, row.round)
    open_duties([NewDuty(mender.pk, rectifying.KIND, key, "地面", "/g/rectify/1/", NOON, NOON)], now=NOON)
    duties = [Duty.objects.get(key=key), Duty.objects.get(key=key)]
    facts = {"actor": actor(mender), "note": "好了", "names": [store.unit.pk], "store_path": "-", "now": NOON}
    both = overtaken(*[lambda duty=duty: rectifying.finish_duty(duty, **facts) for duty in duties])
    assert isinstance(both.second, rectifying.AlreadyDone)
    assert OutboxEvent.objects.filter(topic="core.duty_finished", payload__key=key).count() == 1


def a_yes_and_a_no(world: World) -> None:
    visit, _store, patroller, mender = _visit(world)
    row = _row(visit)
    Rectification.objects.filter(pk=row.pk).update(submitted_at=NOON, submitted_by=mender, checker=patroller)
    type(row.finding).objects.filter(pk=row.pk).update(state="submitted")
    one, other, who = _row(visit), _row(visit), actor(patroller)
    both = overtaken(
        lambda: accept_rectification(one, actor=who, now=NOON),
        lambda: return_rectification(other, actor=who, now=NOON, reason="还没改好"),
    )
    assert isinstance(both.second, JustChanged)
    assert _row(visit).finding.state == "accepted"


def given_to_two(world: World) -> None:
    visit, store, _patroller, mender = _visit(world)
    people = [make_staff(store=store), make_staff(store=store)]
    rows, who = [_row(visit), _row(visit)], actor(mender)
    both = overtaken(
        *[
            lambda row=row, to=to: assign_rectification(row, to=to.pk, actor=who, now=NOON)
            for row, to in zip(rows, people, strict=True)
        ]
    )
    assert isinstance(both.second, JustChanged)
    assert _row(visit).finding.owner == people[0]
