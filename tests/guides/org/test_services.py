"""Units, stores and people change by recorded acts."""

from datetime import date, time
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from guides.events import StaffAwayChanged, StaffResigned
from guides.org.granting import UnitEnded, WrongPlace, grant_role
from guides.org.models import OrgUnit, OrgUnitMove, RoleAssignment, Staff, Store, platform_id
from guides.org.queries import approver_of, guides_of_stores, heads_of_stores, managers_of_stores
from guides.org.services import (
    AlreadyResigned,
    CodeTaken,
    create_staff,
    create_store,
    create_unit,
    move_unit,
    resign_staff,
    set_staff_state,
)
from tests.factories.guides import Org, actor, make_dealer, make_org, make_staff, make_store, make_unit, sign_in
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.models import AuditEntry, OutboxEvent
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db

SYSTEM = Actor.system()
NOW = parse_iso("2026-03-10 12:00")
TODAY = date(2026, 3, 10)


@pytest.fixture
def org() -> Org:
    return make_org()


# ---------------------------------------------------------------- units and stores


def test_a_store_opens_with_its_unit(org: Org) -> None:
    store = create_store(
        area=org.area, code="NJ009", name="南京仙林店", short_name="仙林店", opens_at=time(10), closes_at=time(21, 30),
        city="南京", actor=SYSTEM, now=NOW,
    )  # fmt: skip
    assert store.unit.path == f"{org.area.path}{store.unit_id}/"
    assert (store.unit.level, store.unit.valid_from, store.city) == ("store", TODAY, "南京")
    with pytest.raises(CodeTaken):
        create_store(area=org.area, code="NJ009", name="又一家", short_name="又", actor=SYSTEM, now=NOW)


@pytest.mark.parametrize(
    "facts",
    [
        {"opens_at": time(9)},
        {"closes_at": time(22, 30)},
        {"opens_at": time(12), "closes_at": time(11)},
        {"kind": "dealer"},
    ],
)
def test_a_store_keeps_within_business_hours_and_names_its_dealer(org: Org, facts: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        create_store(area=org.area, code="X", name="甲", short_name="甲", actor=SYSTEM, now=NOW, **facts)
    assert not Store.objects.filter(code="X").exists()


def test_the_database_keeps_the_hours_too(org: Org) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Store.objects.filter(pk=org.store.pk).update(closes_at=time(22, 1))


@pytest.mark.parametrize(("level", "parent"), [("store", "region"), ("area", "hq"), ("branch", None), ("hq", "hq")])
def test_a_unit_hangs_one_level_below_its_parent(org: Org, level: str, parent: str | None) -> None:
    above = getattr(org, parent) if parent else None
    with pytest.raises(WrongPlace):
        create_unit(level=level, code="x", name="甲", parent=above, actor=SYSTEM, now=NOW)


def test_a_moved_area_takes_its_stores_along_and_keeps_its_history(
    org: Org, django_assert_max_num_queries: Any
) -> None:
    region = make_unit("region", parent=org.branch)
    for _ in range(20):
        make_store(area=org.area)
    old = org.area.path
    with django_assert_max_num_queries(12):
        moved = move_unit(org.area, to=region, actor=SYSTEM, reason="调整大区", now=NOW)
    assert moved.path == f"{region.path}{org.area.pk}/"
    assert OrgUnit.objects.below(moved).count() == 22
    assert not OrgUnit.objects.filter(path__startswith=old).exists()
    org.store.unit.refresh_from_db()
    assert org.store.unit.path == f"{moved.path}{org.store.unit_id}/"
    org.other_store.unit.refresh_from_db()
    assert org.other_store.unit.path.startswith(org.other_area.path)
    move = OrgUnitMove.objects.get()
    assert (move.from_parent, move.to_parent, move.from_path, move.to_path, move.moved_on) == (
        org.region, region, old, moved.path, TODAY,
    )  # fmt: skip
    assert AuditEntry.objects.get(action="org.unit_moved").before == {"parent_id": org.region.pk, "path": old}


def test_a_moved_store_is_seen_by_its_new_supervisor_alone(org: Org) -> None:
    before = make_staff("area_supervisor", unit=org.area)
    after = make_staff("area_supervisor", unit=org.other_area)
    move_unit(org.store.unit, to=org.other_area, actor=SYSTEM, reason="", now=NOW)
    assert list(Store.objects.visible_to(actor(before))) == []
    assert set(Store.objects.visible_to(actor(after))) == {org.store, org.other_store}


def test_moving_to_where_it_is_changes_nothing(org: Org) -> None:
    move_unit(org.store.unit, to=org.area, actor=SYSTEM, reason="", now=NOW)
    assert not OrgUnitMove.objects.exists()


@pytest.mark.parametrize("to", ["hq", "branch", "region"])
def test_a_store_moves_to_an_area_only(org: Org, to: str) -> None:
    with pytest.raises(WrongPlace):
        move_unit(org.store.unit, to=getattr(org, to), actor=SYSTEM, reason="", now=NOW)


# ---------------------------------------------------------------- people


def test_a_new_guide(org: Org) -> None:
    person = create_staff(
        wecom_user_id=" XiaYan ", name="夏妍", role="guide", unit=org.store.unit, phone="138 0013 2075",
        backup=org.guide, actor=SYSTEM, now=NOW,
    )  # fmt: skip
    person.refresh_from_db()
    assert (person.wecom_user_id, person.store, person.display_name, person.phone) == (
        "xiayan", org.store, "夏妍", "13800132075",
    )  # fmt: skip
    assert 1 <= person.digest_minute <= 29
    assert actor(person).roles == {"guide"}
    with pytest.raises(CodeTaken):
        create_staff(wecom_user_id="xiayan", name="夏妍", role="guide", unit=org.store.unit, actor=SYSTEM, now=NOW)


def test_the_second_of_two_who_enter_somebody_at_once_hears_it(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Staff.objects, "select_for_update", lambda **_: Staff.objects.none()
    )  # not there yet as he looked
    held = org.guide.wecom_user_id
    with pytest.raises(CodeTaken, match="刚刚有人加过了"):
        create_staff(wecom_user_id=held, name="夏妍", role="guide", unit=org.store.unit, actor=SYSTEM, now=NOW)
    assert Staff.objects.filter(wecom_user_id=held).count() == 1


def test_who_left_comes_back_with_his_account_and_a_row_of_his_own(org: Org) -> None:
    before = Staff.objects.get(pk=org.guide.pk)
    fresh = {"wecom_user_id": before.wecom_user_id, "name": before.name, "role": "guide", "unit": org.store.unit}
    with pytest.raises(CodeTaken, match="已经是林晓雯的（在职）"):
        create_staff(**fresh, actor=SYSTEM, now=NOW)
    resign_staff(before, actor=SYSTEM, now=NOW)
    with pytest.raises(Conflict):
        grant_role(before, role="guide", unit=org.store.unit, actor=SYSTEM, now=NOW)
    again = create_staff(**fresh, actor=SYSTEM, now=NOW)
    former = Staff.objects.get(pk=before.pk)
    assert (former.state, former.wecom_user_id) == ("resigned", f"{again.wecom_user_id}#{former.pk}")
    assert platform_id(former.wecom_user_id) == again.wecom_user_id == before.wecom_user_id
    assert AuditEntry.objects.filter(action="org.staff_renamed", resource_id=str(former.pk)).exists()
    resign_staff(again, actor=SYSTEM, now=NOW)
    assert create_staff(**fresh, actor=SYSTEM, now=NOW).wecom_user_id == before.wecom_user_id


def test_nothing_is_hung_under_a_unit_that_is_no_more(org: Org) -> None:
    OrgUnit.objects.filter(pk__in=[org.other_area.pk, org.store.unit_id]).update(valid_to=TODAY)
    gone = OrgUnit.objects.get(pk=org.other_area.pk)
    for act in (
        lambda: create_store(area=gone, code="X", name="甲", short_name="甲", actor=SYSTEM, now=NOW),
        lambda: move_unit(org.store.unit, to=gone, actor=SYSTEM, reason="", now=NOW),
        lambda: grant_role(org.manager, role="area_supervisor", unit=gone, actor=SYSTEM, now=NOW),
        lambda: create_staff(
            wecom_user_id="x",
            name="甲",
            role="guide",
            unit=OrgUnit.objects.get(pk=org.store.unit_id),
            actor=SYSTEM,
            now=NOW,
        ),
    ):
        with pytest.raises(UnitEnded):
            act()


@pytest.mark.parametrize(
    "facts",
    [
        {"wecom_user_id": ""},
        {"name": " "},
        {"phone": "123"},
        {"role": "queen"},
        {"role": "area_supervisor"},
        {"backup": "stranger"},
    ],
)
def test_a_person_who_does_not_fit_is_refused_whole(org: Org, facts: dict[str, Any]) -> None:
    if facts.get("backup"):
        facts = {"backup": org.stranger}
    before = Staff.objects.count()
    with pytest.raises(Invalid):
        create_staff(
            **{"wecom_user_id": "new", "name": "甲", "role": "guide", "unit": org.store.unit} | facts,
            actor=SYSTEM,
            now=NOW,
        )
    assert Staff.objects.count() == before


def test_a_dealer_role_names_the_dealer(org: Org) -> None:
    with pytest.raises(Invalid):
        grant_role(org.guide, role="dealer", unit=org.hq, actor=SYSTEM, now=NOW)
    grant_role(org.guide, role="dealer", unit=org.hq, dealer=make_dealer(), actor=SYSTEM, now=NOW)
    assert actor(org.guide).roles == {"guide", "dealer"}


def test_resigning_tells_the_house(org: Org) -> None:
    mate = make_staff(store=org.store, backup_guide=org.guide)
    Store.objects.filter(pk=org.store.pk).update(duty_guide=org.guide)
    resign_staff(org.guide, actor=SYSTEM, now=NOW, reason="个人原因")
    org.guide.refresh_from_db()
    assert (org.guide.state, org.guide.resigned_at, org.guide.is_active) == ("resigned", NOW, False)
    mate.refresh_from_db()
    org.store.refresh_from_db()
    assert (mate.backup_guide, org.store.duty_guide) == (None, None)
    event = OutboxEvent.objects.get(topic=StaffResigned.topic)
    assert event.payload == {"staff_id": org.guide.pk, "resigned_at": "2026-03-10T04:00:00+00:00"}
    assert AuditEntry.objects.get(action="org.staff_resigned").reason == "个人原因"
    with pytest.raises(AlreadyResigned):
        resign_staff(org.guide, actor=SYSTEM, now=NOW)
    with pytest.raises(AlreadyResigned):
        set_staff_state(org.guide, state="active", actor=SYSTEM, now=NOW)


def test_going_on_leave_tells_the_house_and_barring_does_not(org: Org) -> None:
    set_staff_state(org.guide, state="leave", actor=SYSTEM, now=NOW)
    assert OrgUnitMove.objects.count() == 0
    (event,) = OutboxEvent.objects.filter(topic=StaffAwayChanged.topic)
    assert event.payload == {"staff_id": org.guide.pk, "days": ["2026-03-10"]}
    set_staff_state(org.stranger, state="disabled", actor=SYSTEM, now=NOW)
    assert OutboxEvent.objects.count() == 1
    with pytest.raises(Invalid):
        set_staff_state(org.guide, state="sleeping", actor=SYSTEM, now=NOW)


def test_only_the_administrator_changes_the_organisation(org: Org) -> None:
    for person in (org.guide, org.manager, make_staff("hq_operator", unit=org.hq)):
        with pytest.raises(Forbidden) as refusal:
            resign_staff(org.stranger, actor=actor(person), now=NOW)
        assert refusal.value.code == "perm.account.manage"
    admin = make_staff("sys_admin", unit=org.hq)
    resign_staff(org.stranger, actor=actor(admin), now=NOW)


# ---------------------------------------------------------------- who heads what


def test_the_heads_of_stores(org: Org) -> None:
    other_manager = make_staff("store_manager", store=org.other_store)
    supervisor = make_staff("area_supervisor", unit=org.area)
    both = [org.store.pk, org.other_store.pk]
    assert managers_of_stores(both, day=TODAY) == {org.store.pk: org.manager.pk, org.other_store.pk: other_manager.pk}
    assert heads_of_stores(both, role="area_supervisor", day=TODAY) == {org.store.pk: supervisor.pk}
    resign_staff(other_manager, actor=SYSTEM, now=NOW)
    assert managers_of_stores(both, day=TODAY) == {org.store.pk: org.manager.pk}
    RoleAssignment.objects.filter(staff=org.manager).update(ends_on=date(2026, 3, 9))
    assert managers_of_stores(both, day=TODAY) == {}
    assert managers_of_stores([], day=TODAY) == {}


def test_the_guides_of_stores_include_helpers(org: Org) -> None:
    grant_role(
        org.guide, role="guide", unit=org.other_store.unit, starts_on=TODAY, ends_on=TODAY, actor=SYSTEM, now=NOW
    )
    assert guides_of_stores([org.store.pk, org.other_store.pk], day=TODAY) == {
        org.store.pk: [org.guide.pk],
        org.other_store.pk: sorted([org.guide.pk, org.stranger.pk]),
    }


def test_nobody_decides_on_his_own_request(org: Org) -> None:
    supervisor = make_staff("area_supervisor", unit=org.area)
    assert approver_of(org.guide, day=TODAY) == org.manager.pk
    assert approver_of(org.manager, day=TODAY) == supervisor.pk
    assert approver_of(org.stranger, day=TODAY) is None
    assert approver_of(supervisor, day=TODAY) is None


# ---------------------------------------------------------------- over HTTP


def test_the_administrator_resigns_a_person_over_http(client: Client, org: Org) -> None:
    sign_in(client, make_staff("sys_admin", unit=org.hq))
    answer = client.post(f"/api/v1/staff/{org.guide.pk}/resign/", {"reason": "搬家"}, content_type="application/json")
    assert (answer.status_code, answer.json()["state"]) == (200, "resigned")
    again = client.post(f"/api/v1/staff/{org.guide.pk}/resign/", {}, content_type="application/json")
    assert (again.status_code, again.json()["code"]) == (409, "org.already_resigned")


def test_a_unit_moves_over_http(client: Client, org: Org) -> None:
    sign_in(client, make_staff("sys_admin", unit=org.hq))
    url = f"/api/v1/units/{org.store.unit_id}/move/"
    answer = client.post(url, {"to": org.other_area.pk, "reason": "调整"}, content_type="application/json")
    assert (answer.status_code, answer.json()["parent_id"]) == (200, org.other_area.pk)
    for body, status in ({"to": 999999999, "reason": "x"}, 404), ({"to": org.hq.pk, "reason": "x"}, 422), ({}, 422):
        assert client.post(url, body, content_type="application/json").status_code == status
