"""Tasks that no cadence makes: care after a full return."""

from datetime import date, time

import pytest

from crm.members.models import Member
from guides.org.models import RoleAssignment, Staff
from tasks.cadences.models import Enrollment
from tasks.followups.models import Task
from tasks.followups.services import open_care_tasks
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.guides import Org, make_org, make_store
from tests.factories.tasks import enroll, load_rules, local
from yejibao.core.clock import parse_iso

pytestmark = pytest.mark.django_db

NOW = parse_iso("2025-03-03 12:00")


@pytest.fixture
def org() -> Org:
    load_rules()
    return make_org()


def cancelled(member: Member) -> Enrollment:
    enroll(make_order(member, paid_at="2025-03-01 15:00", guide=member.owner_guide))
    return Enrollment.objects.get()


def care(cycle: Enrollment) -> int:
    return open_care_tasks([cycle.pk], returned_on=date(2025, 3, 3), now=NOW)


def test_the_next_day_in_the_hours_of_her_store_hidden_until_then(org: Org) -> None:
    store = make_store(opens_at=time(10, 0), closes_at=time(21, 30))
    Staff.objects.filter(pk=org.guide.pk).update(store=store)
    member = make_member(owner=org.guide)
    make_friend(member)
    cycle = cancelled(member)
    assert (care(cycle), care(cycle)) == (1, 0)
    task = Task.objects.get()
    assert [local(at) for at in (task.open_at, task.hidden_until, task.tell_at, task.due_at, task.expire_at)] == [
        "2025-03-04 10:00", "2025-03-04 10:00", "2025-03-04 10:00", "2025-03-04 21:30", "2025-03-06 21:30",
    ]  # fmt: skip
    assert (task.assignee_id, task.channel, task.nature, task.evidence_any_of) == (
        org.guide.pk, "wecom_message", "service", ["chat_sent", "call_logged"],
    )  # fmt: skip
    assert task.context["items"][0]["name"] == "藏青羊毛套西"


@pytest.mark.parametrize(
    ("is_friend", "consent", "channel"),
    [(True, False, "wecom_message"), (False, True, "manual_call"), (False, False, None)],
)
def test_only_by_a_way_he_agreed_to(org: Org, is_friend: bool, consent: bool, channel: str | None) -> None:
    member = make_member(owner=org.guide, phone_consent=consent)
    if is_friend:
        make_friend(member)
    care(cancelled(member))
    assert [task.channel for task in Task.objects.all()] == ([channel] if channel else [])


@pytest.mark.parametrize("facts", [{"do_not_contact": True}, {"status": "closed"}])
def test_not_for_those_who_are_gone_or_asked_for_quiet(org: Org, facts: dict[str, object]) -> None:
    member = make_member(owner=org.guide, phone_consent=True)
    cycle = cancelled(member)
    Member.objects.update(**facts)
    assert care(cycle) == 0


def test_the_manager_where_the_guide_has_left_and_nobody_where_none_is(org: Org) -> None:
    member = make_member(owner=org.guide, store=org.store, phone_consent=True)
    cycle = cancelled(member)
    Staff.objects.filter(pk=org.guide.pk).update(state="resigned")
    RoleAssignment.objects.filter(staff=org.manager).update(ends_on=date(2025, 3, 1))
    assert care(cycle) == 0
    RoleAssignment.objects.filter(staff=org.manager).update(ends_on=None)
    assert care(cycle) == 1
    assert Task.objects.get().assignee_id == org.manager.pk
