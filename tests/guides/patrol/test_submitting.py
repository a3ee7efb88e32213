"""Beginning at the store and handing in: who may, what must stand there, what comes of it."""

from datetime import timedelta
from typing import Any

import pytest

from guides.events import PatrolSubmitted
from guides.notices.models import Notification
from guides.org.models import Staff
from guides.patrol.models import CheckIn, Finding, ItemScore, PatrolPhoto, Visit
from guides.patrol.queries import GUIDE_CATEGORIES, items_of, wrong_scores
from guides.patrol.services import Arrival, NoReason, NotComplete, NotYourStore, VisitClosed, drop_visit, submit_visit
from guides.patrol.telling import tell_red_lines
from tests.factories.guides import Org, actor, holder_of, make_staff
from tests.factories.patrol import AWAY, HERE, begin, fill, hand_in, make_visit, said, sync, upload, value
from tests.guides.patrol.conftest import NOW
from yejibao.core.clock import SHANGHAI, parse_iso
from yejibao.core.errors import Forbidden, Stale
from yejibao.core.outbox.models import OutboxEvent

HOUR = timedelta(hours=1)


# ---------------------------------------------------------------- beginning


def test_it_begins_at_the_store(org: Org, supervisor: Staff) -> None:
    visit = begin(supervisor, org.store)
    (there,) = visit.check_ins.all()
    assert (visit.kind, visit.role, visit.department, len(items_of(visit))) == ("supervisor", "area_supervisor", "", 48)
    assert (there.moment, there.result, there.distance_m, there.accuracy_m) == ("start", "near", 0, 15)


@pytest.mark.parametrize("fix", [AWAY, None])
def test_who_is_not_there_says_why_with_a_photo(org: Org, supervisor: Staff, fix: Any) -> None:
    for arrival in (Arrival(fix=fix), Arrival(fix=fix, reason="商场地下")):
        with pytest.raises(NoReason) as refusal:
            begin(supervisor, org.store, arrival=arrival)
        assert refusal.value.extra["result"] == ("far" if fix else "none")
    assert not Visit.objects.exists()
    from uuid import UUID

    visit = begin(supervisor, org.store, arrival=Arrival(fix=fix, reason="商场地下", photo=UUID(upload(supervisor))))
    there = visit.check_ins.get()
    assert (there.result, there.reason, PatrolPhoto.objects.get(visit=visit).purpose) == ("far" if fix else "none", "商场地下", "start")  # fmt: skip


def test_a_store_without_a_place_asks_nothing(org: Org, supervisor: Staff) -> None:
    org.store.fence.delete()
    assert begin(supervisor, org.store).check_ins.get().result == CheckIn.Result.UNSET


def test_hq_looks_at_its_own_items_or_at_all(org: Org) -> None:
    visual = holder_of("hq_visual", org)
    own = begin(visual, org.store, kind="hq", full=False)
    assert (own.department, {item.department for item in items_of(own)}) == ("visual", {"visual"})
    whole = begin(visual, org.other_store, kind="hq", full=True)
    assert (whole.department, len(items_of(whole))) == ("", 48)


def test_the_franchise_department_sees_dealers_whole(org: Org) -> None:
    from tests.factories.guides import make_dealer, make_store

    franchise = holder_of("hq_franchise", org)
    dealers = make_store(area=org.area, kind="dealer", dealer=make_dealer())
    assert begin(franchise, dealers, kind="hq", full=False).department == ""
    with pytest.raises(NotYourStore):
        begin(franchise, org.store, kind="hq")


def test_a_guide_looks_at_her_own_store_and_four_categories(org: Org) -> None:
    visit = begin(org.guide, org.store, kind="self")
    assert {item.category for item in items_of(visit)} == set(GUIDE_CATEGORIES)
    with pytest.raises(NotYourStore):
        begin(org.guide, org.other_store, kind="self")
    with pytest.raises(Forbidden):
        begin(org.guide, org.store, kind="supervisor")


def test_a_supervisor_stays_in_his_area(org: Org, supervisor: Staff) -> None:
    with pytest.raises(NotYourStore):
        begin(supervisor, org.other_store)
    with pytest.raises(Forbidden):
        begin(supervisor, org.store, kind="self")


# ---------------------------------------------------------------- handing in


def test_what_is_missing_is_named_item_by_item(org: Org, supervisor: Staff) -> None:
    visit = begin(supervisor, org.store)
    fill(visit, {"display_color": 3, "lighting_brightness": 2, "facade_sign": None}, photos=False)
    ItemScore.objects.filter(visit=visit, item__key="display_color").update(problem="")
    ItemScore.objects.filter(visit=visit, item__key="facade_sign").update(na_reason="")
    ItemScore.objects.filter(visit=visit, item__key="hygiene_floor").delete()
    with pytest.raises(NotComplete) as refusal:
        hand_in(visit, now=NOW + HOUR)
    told = {(row["field"], row["code"]) for row in refusal.value.errors}
    assert {("display_color", "problem"), ("display_color", "photo"), ("facade_sign", "na_reason"), ("hygiene_floor", "score"),
            ("lighting_brightness", "photo")} <= told  # fmt: skip
    wants_photo = {item.key for item in items_of(visit) if item.photo == "required"} - {"facade_sign"}
    assert {key for key, code in told if code == "photo"} == wants_photo
    assert visit.findings.count() == 0 and OutboxEvent.objects.count() == 0


def test_an_old_photo_is_none(org: Org, supervisor: Staff) -> None:
    visit = begin(supervisor, org.store)
    fill(visit)
    PatrolPhoto.objects.filter(item__key="display_color").update(flags=["old"])
    with pytest.raises(NotComplete) as refusal:
        hand_in(visit, now=NOW + HOUR)
    assert [(row["field"], row["code"]) for row in refusal.value.errors] == [("display_color", "photo")]


def test_the_example_handed_in(org: Org, supervisor: Staff, clock: Any) -> None:
    """4.1 as in the file: the same three scores, everything else not applicable."""
    visit = begin(supervisor, org.store)
    scores: dict[str, int | None] = dict.fromkeys((item.key for item in items_of(visit)), None)
    fill(visit, scores | {"display_color": 4, "lighting_brightness": 3, "guide_sales_skill": 5})
    clock.travel(NOW + timedelta(hours=2, minutes=30))
    visit = hand_in(visit)
    assert (visit.score, visit.grade, visit.duration_hours, visit.nth_this_year, visit.is_too_short) == ("4.1", "B", "2.5", 1, False)  # fmt: skip
    assert (visit.year, visit.store_grade, visit.check_ins.count()) == (2026, "C", 2)
    (finding,) = visit.findings.all()
    assert (finding.item.key, finding.score, finding.state, finding.owner) == (
        "lighting_brightness",
        3,
        "pending",
        org.manager,
    )
    assert finding.deadline_at.astimezone(SHANGHAI) == parse_iso("2026-11-24 16:30")
    (event,) = OutboxEvent.objects.all()
    assert event.payload == {
        "visit_id": visit.pk, "store_id": org.store.pk, "kind": "supervisor", "findings": [finding.pk], "red_lines": [],
        "submitted_at": (NOW + timedelta(hours=2, minutes=30)).isoformat(),
    }  # fmt: skip


def test_the_database_adds_up_the_same(org: Org, supervisor: Staff) -> None:
    visits = [
        make_visit(supervisor, org.store, {"display_color": 3, "safety_fire": 1}),
        make_visit(
            holder_of("hq_visual", org), org.store, {"display_color": 4, "mannequin_outfit": 2}, kind="hq", full=False
        ),
    ]
    assert [visit.score_tenths for visit in visits] == [34, 45] and wrong_scores(NOW - HOUR) == []
    Visit.objects.filter(pk=visits[1].pk).update(score_tenths=46)
    assert wrong_scores(NOW - HOUR) == [visits[1].pk]


def test_what_was_solved_on_the_spot_is_closed(org: Org, supervisor: Staff) -> None:
    visit = begin(supervisor, org.store)
    fill(visit, {"hygiene_floor": 3})
    sync(visit, said(hygiene_floor=(1, value(3, problem="灰", is_solved=True))))
    visit = hand_in(visit)
    finding = visit.findings.get()
    assert (finding.state, finding.is_solved_on_spot, finding.closed_at) == ("accepted", True, NOW)
    assert OutboxEvent.objects.get().payload["findings"] == []
    assert visit.is_too_short, "a whole patrol in no time"


def test_who_mends_is_named_or_on_duty(org: Org, supervisor: Staff) -> None:
    colleague = make_staff(store=org.store, name="何勇")
    visit = begin(supervisor, org.store)
    fill(visit, {"hygiene_floor": 3, "hygiene_shelf": 3})
    sync(visit, said(hygiene_shelf=(1, value(3, problem="灰", owner=colleague.pk))))
    org.store.duty_guide = org.guide
    org.store.save()
    hand_in(visit)
    assert {row.item.key: row.owner for row in Finding.objects.select_related("item", "owner")} == {
        "hygiene_floor": org.guide, "hygiene_shelf": colleague,
    }  # fmt: skip


def test_another_phone_in_between_is_seen_first(org: Org, supervisor: Staff) -> None:
    visit = begin(supervisor, org.store)
    fill(visit)
    visit.refresh_from_db()
    seen = visit.rev
    sync(visit, said(device="the-tablet-in-the-bag", display_color=(1, value(4))))
    with pytest.raises(Stale):
        submit_visit(visit.pk, rev=seen, arrival=Arrival(fix=HERE), summary="", actor=actor(supervisor), now=NOW)


def test_it_is_handed_in_once(org: Org, supervisor: Staff) -> None:
    visit = make_visit(supervisor, org.store)
    for act in (lambda: hand_in(visit), lambda: drop_visit(visit, actor=actor(supervisor), now=NOW)):
        with pytest.raises(Exception, match="结束"):
            act()
    with pytest.raises(VisitClosed):
        hand_in(visit)


def test_the_count_of_the_year_leaves_self_patrols_out(org: Org, supervisor: Staff, clock: Any) -> None:
    first, own = make_visit(supervisor, org.store), make_visit(org.manager, org.store, kind="self")
    second = make_visit(holder_of("hq_visual", org), org.store, kind="hq")
    clock.travel(parse_iso("2027-01-05 14:00"))
    third = make_visit(supervisor, org.store)
    assert [visit.nth_this_year for visit in (first, own, second, third)] == [1, None, 2, 1]


def test_a_self_patrol_of_five_items_is_enough(org: Org) -> None:
    visit = begin(org.manager, org.store, kind="self")
    sync(
        visit, said(**{key: value(5) for key in ("hygiene_floor", "hygiene_shelf", "hygiene_smell", "fitting_service")})
    )
    with pytest.raises(NotComplete):
        hand_in(visit)
    sync(visit, said(cashier_process=value(4)))
    assert hand_in(visit).score == "4.8"


def test_a_red_line_reaches_the_region_at_once(org: Org, supervisor: Staff) -> None:
    head = holder_of("region_manager", org)
    visit = make_visit(supervisor, org.store, {"safety_fire": 1})
    event = PatrolSubmitted(**OutboxEvent.objects.get().payload)
    assert (visit.score, visit.uncapped_tenths, len(event.red_lines)) == ("3.4", 49, 1)
    assert tell_red_lines([event]) == 1
    told = Notification.objects.get(staff=head)
    assert (told.title, told.url) == ("新街口店踩红线：消防器材与通道", f"/m/patrol/visits/{visit.public_id}/")


def test_one_given_up_counts_nowhere(org: Org, supervisor: Staff) -> None:
    visit = begin(supervisor, org.store)
    drop_visit(visit, actor=actor(supervisor), now=NOW)
    assert Visit.objects.counted().count() == 0
    assert begin(supervisor, org.store) != visit, "and the next one is a new one"
