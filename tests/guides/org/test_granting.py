"""Roles begin, end and are lent for days; what a person sees follows with the next request."""

from datetime import date, timedelta

import pytest
from django.test import Client

from guides.notices.models import Notification
from guides.org.granting import NotLendable, NotYoursToLend, OwnRole, end_role, grant_role, lend_to_store
from guides.org.models import RoleAssignment, Staff, Store
from tests.factories.guides import Org, actor, holder_of, make_org, make_staff, make_store, sign_in
from yejibao.core import clock, outbox
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Forbidden
from yejibao.core.models import AuditEntry
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db

SYSTEM = Actor.system()
NOW = parse_iso("2026-03-10 12:00")
TODAY = date(2026, 3, 10)


@pytest.fixture
def org() -> Org:
    return make_org()


def test_a_role_ends_at_the_next_request_and_stays_written_down(org: Org, client: Client) -> None:
    boss = grant_role(org.guide, role="store_manager", unit=org.store.unit, actor=SYSTEM, now=NOW)
    sign_in(client, org.guide)
    assert client.get("/m/shifts/").status_code == 200
    end_role(boss, actor=SYSTEM, now=clock.now(), reason="代理店长结束")
    answer = client.get("/m/shifts/", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (401, "auth.required")
    sign_in(client, org.guide)
    answer = client.get("/m/shifts/", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (403, "perm.page.guides.shifts")
    assert RoleAssignment.objects.filter(pk=boss.pk).exists()
    last = AuditEntry.objects.get(action="org.role_ended")
    assert (last.before["ends_on"], last.reason) == ("", "代理店长结束")


def test_only_another_administrator_gives_and_takes_roles(org: Org) -> None:
    admin = holder_of("sys_admin", org)
    for who, person, refusal in ((actor(org.manager), org.guide, Forbidden), (actor(admin), admin, OwnRole)):
        with pytest.raises(refusal):
            grant_role(person, role="hq_operator", unit=org.hq, actor=who, now=NOW)
    with pytest.raises(OwnRole):
        end_role(admin.role_assignments.get(), actor=actor(admin), now=NOW)
    assert not AuditEntry.objects.filter(action__startswith="org.role").exists()


def test_a_helper_sees_the_second_store_for_her_days_only(org: Org) -> None:
    area = holder_of("region_manager", org)
    today = clock.today()
    lent = lend_to_store(
        org.guide, store=org.other_store, starts_on=today, ends_on=today + timedelta(days=2), actor=actor(area),
        now=clock.now(), reason="周末人手不够",
    )  # fmt: skip
    seen = Store.objects.visible_to(actor(org.guide))
    assert set(seen) == {org.store, org.other_store}
    assert org.stranger in Staff.objects.visible_to(actor(org.guide))
    head = make_staff("store_manager", store=org.other_store)
    assert org.guide in Staff.objects.visible_to(actor(head))
    RoleAssignment.objects.filter(pk=lent.pk).update(
        starts_on=today - timedelta(days=3), ends_on=today - timedelta(days=1)
    )
    assert set(Store.objects.visible_to(actor(org.guide))) == {org.store}
    assert org.guide not in Staff.objects.visible_to(actor(head))


def test_a_helping_manager_leads_the_second_store_for_her_days(org: Org) -> None:
    day = clock.today()
    lend_to_store(
        org.manager, store=org.other_store, role="store_manager", starts_on=day, ends_on=day, actor=SYSTEM, now=clock.now()
    )  # fmt: skip
    assert org.stranger in Staff.objects.answering_to(actor(org.manager))


def test_who_answers_for_both_stores_lends_and_both_are_told(org: Org) -> None:
    head = make_staff("store_manager", store=org.other_store)
    day = clock.today()
    days = {"starts_on": day, "ends_on": day, "now": clock.now()}
    with pytest.raises(NotYoursToLend):
        lend_to_store(org.guide, store=org.other_store, actor=actor(holder_of("area_supervisor", org)), **days)
    with pytest.raises(NotYoursToLend):
        lend_to_store(org.guide, store=org.other_store, actor=actor(org.manager), **days)
    with pytest.raises(NotLendable):
        lend_to_store(org.guide, store=org.store, actor=SYSTEM, **days)
    with pytest.raises(NotLendable):
        lend_to_store(org.guide, store=make_store(area=org.area, closed_on=day), actor=SYSTEM, **days)
    lend_to_store(org.guide, store=org.other_store, actor=actor(holder_of("branch_manager", org)), **days)
    outbox.drain_events()
    assert set(Notification.objects.values_list("staff_id", flat=True)) == {org.guide.pk, head.pk}


def test_a_person_without_a_role_is_nobody_from_the_next_request_on(org: Org, client: Client) -> None:
    sign_in(client, org.guide)
    assert client.get("/me/").status_code == 200
    end_role(org.guide.role_assignments.get(), actor=SYSTEM, now=clock.now())
    answer = client.get("/me/", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (401, "auth.no_role")


def test_a_dealers_access_ends_with_his_contract(org: Org, client: Client) -> None:
    person = holder_of("dealer", org)
    dealer = person.role_assignments.get().dealer
    assert dealer is not None
    sign_in(client, person)
    dealer.contract_until = clock.today()
    dealer.save()
    assert client.get("/api/v1/stores/").json()["results"]
    dealer.contract_until = clock.today() - timedelta(days=1)
    dealer.save()
    assert client.get("/api/v1/stores/").status_code == 401
    assert not actor(person).grants
