"""A manager asks many: who is left out and why, in parts, once, and stopped."""

from datetime import date, timedelta
from typing import Any

import pytest

from crm.benefits.services import Conditions
from crm.visits import services
from crm.visits.models import Visit, VisitGroup
from crm.visits.services import GroupPlan, groups
from tests.factories.crm import make_member, make_ticket
from tests.factories.guides import Org, actor, make_org
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Forbidden, Invalid

pytestmark = pytest.mark.django_db
NOON = parse_iso("2025-03-04 11:00")
PLAN = GroupPlan(
    "春季新款品鉴", "event", parse_iso("2025-03-08 14:00"), parse_iso("2025-03-08 17:00"), date(2025, 3, 4)
)


@pytest.fixture
def org() -> Org:
    return make_org()


def planned(org: Org, **facts: Any) -> VisitGroup:
    who = actor(org.manager)
    return services.plan_group(
        facts.get("plan", PLAN), facts.get("conditions", Conditions()), unit=org.store.unit, actor=who, now=NOON
    )


def test_who_is_not_to_be_asked_is_left_out_with_the_reason(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "AT_ONCE", 2)
    wanted = [make_member(owner=org.guide) for _ in range(3)]
    make_member(owner=org.guide, do_not_contact=True)
    make_member(owner=org.guide, marketing_opt_out=["wecom_message"])
    make_member(store=org.store)
    make_ticket(make_member(owner=org.guide), kind="complaint", opened_at=NOON)
    services.invite(make_member(owner=org.guide), starts_at=PLAN.starts_at, actor=actor(org.guide), now=NOON)
    lately = services.invite(make_member(owner=org.guide), starts_at=PLAN.starts_at, actor=actor(org.guide), now=NOON)
    services.decline(lately, actor=actor(org.guide), now=NOON)
    make_member(owner=org.stranger)  # of another store
    group = planned(org)
    assert group.meant_count == 9
    services.go_on_with_groups(now=NOON)
    services.go_on_with_groups(now=NOON)
    group.refresh_from_db()
    asked = Visit.objects.filter(group=group)
    assert (group.state, group.planned_count, set(asked.values_list("member_id", flat=True))) == (
        "done", 3, {one.pk for one in wanted},
    )  # fmt: skip
    assert group.left_out == {
        "do_not_contact": 1, "unsubscribed": 1, "no_guide": 1, "aftersale": 1, "invited": 1, "lately": 1,
    }  # fmt: skip
    assert {(row.state, row.source, row.guide, row.store) for row in asked} == {
        ("planned", "group", org.guide, org.store)
    }


def test_it_goes_on_where_it_was_stopped(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "AT_ONCE", 2)
    for _ in range(5):
        make_member(owner=org.guide)
    group = planned(org)
    services.go_on_with_groups(now=NOON, budget=timedelta())
    group.refresh_from_db()
    assert (group.state, group.cursor) == ("running", 0)
    held = VisitGroup.objects.get(pk=group.pk)
    groups._next_part(held, now=NOON)  # a worker that died after one part
    services.go_on_with_groups(now=NOON)
    group.refresh_from_db()
    assert (group.state, group.planned_count, Visit.objects.count()) == ("done", 5, 5)


def test_a_list_that_is_stopped_calls_back_whom_nobody_told(org: Org) -> None:
    rows = [make_member(owner=org.guide) for _ in range(2)]
    group = planned(org)
    services.go_on_with_groups(now=NOON)
    told = Visit.objects.get(member=rows[0])
    services.note_told(told, actor=actor(org.guide), now=NOON)
    assert services.stop_group(group, actor=actor(org.manager), now=NOON) == 1
    assert set(Visit.objects.values_list("state", flat=True)) == {"invited", "cancelled"}


def test_only_within_ones_reach_and_only_what_makes_sense(org: Org) -> None:
    make_member(owner=org.guide)
    with pytest.raises(Forbidden):
        services.plan_group(PLAN, Conditions(), unit=org.other_store.unit, actor=actor(org.manager), now=NOON)
    with pytest.raises(Forbidden):
        services.plan_group(PLAN, Conditions(), unit=org.store.unit, actor=actor(org.guide), now=NOON)
    late = GroupPlan("x", "party", PLAN.starts_at - timedelta(days=9), PLAN.ends_at, date(2026, 1, 1))
    with pytest.raises(Invalid) as refused:
        planned(org, plan=late)
    assert {one["field"] for one in refused.value.errors} == {"title", "kind", "starts_at", "asks_on"}
    with pytest.raises(Invalid):
        planned(org, conditions=Conditions(levels=["V5"]))


def test_ten_thousand_are_planned_by_a_few_statements(org: Org, django_assert_max_num_queries: Any) -> None:
    for _ in range(30):
        make_member(owner=org.guide)
    planned(org)
    with django_assert_max_num_queries(15):  # one part: claim, whom, plan, note, event; then the end
        services.go_on_with_groups(now=NOON)
    assert Visit.objects.count() == 30
