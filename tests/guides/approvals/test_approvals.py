"""Four eyes: who asks, who approves, what follows from it, and that nobody does both."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from guides.approvals import services
from guides.approvals.models import Approval, ApprovalStep
from guides.approvals.rules import kinds
from guides.approvals.services import (
    AlreadyAsked,
    Ended,
    NotYoursToApprove,
    NotYoursToAsk,
    OwnRequest,
    approve,
    ask_approval,
    expire_approvals,
    refuse,
    withdraw,
)
from guides.notices.models import Notification
from guides.org.actors import role_book, role_names
from guides.org.models import OrgUnit, RoleAssignment, Staff
from tests.factories.guides import Org, actor, holder_of, make_org, make_staff, make_unit, sign_in
from yejibao.core import clock
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.models import AuditEntry

pytestmark = pytest.mark.django_db

PAGE = {"headers": {"Accept": "text/html"}}


@pytest.fixture
def org() -> Org:
    return make_org()


def asked(
    who: Staff, kind: str = "member.export_phone", *, unit: OrgUnit | None = None, key: str = "job:1"
) -> Approval:
    return ask_approval(
        kind, key=key, title="导出 3,200 位会员", reason="年终回访要用", unit=unit, facts={"job": 1}, actor=actor(who),
        now=clock.now(),
    )  # fmt: skip


def yes(approval: Approval, who: Staff) -> Approval:
    return approve(approval, actor=actor(who), now=clock.now())


# ---------------------------------------------------------------- the data


def test_the_data_names_roles_and_permissions_that_exist() -> None:
    permissions = role_book()["permissions"]
    for kind in kinds().values():
        assert not kind.permission or kind.permission in permissions
        for asker, steps in kind.approvals.items():
            assert {asker, *(role for step in steps for role in step)} <= set(role_names())
            if kind.permission:
                assert asker in permissions[kind.permission], (kind.key, asker)


def test_exports_are_approved_as_the_domain_says() -> None:
    with_phone = kinds()["member.export_phone"].approvals
    assert set(with_phone) == {"hq_operator", "finance"}  # org_and_roles.yaml, role_rules
    assert all(steps[0] == ("sys_admin",) and len(steps) == 2 for steps in with_phone.values())
    assert set(kinds()["member.export"].approvals) == set(role_book()["permissions"]["member.export"])


# ---------------------------------------------------------------- the way of a request


def test_two_approvals_are_two_peoples_and_the_last_one_carries_it_out(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, int | None]] = []
    monkeypatch.setitem(
        services._handlers, "member.export_phone", lambda row, *, actor, now: done.append((row.state, actor.staff_id))
    )
    operator, admin, boss = (holder_of(role, org) for role in ("hq_operator", "sys_admin", "executive"))
    RoleAssignment.objects.create(staff=admin, role="executive", unit=org.hq)  # could give both, may give one
    request = asked(operator)
    assert request.asked_role == "hq_operator"
    assert yes(request, admin).state == "asked" and done == []
    with pytest.raises(NotYoursToApprove):
        yes(request, admin)
    assert yes(request, boss).state == "approved" and done == [("approved", boss.pk)]
    with pytest.raises(Ended):
        yes(request, boss)
    trail = AuditEntry.objects.filter(action__startswith="approval.").order_by("pk")
    assert list(trail.values_list("action", "actor_id")) == [
        ("approval.asked", operator.pk), ("approval.given", admin.pk), ("approval.given", boss.pk),
    ]  # fmt: skip


def test_nobody_approves_his_own_whatever_roles_he_holds(org: Org) -> None:
    operator = holder_of("hq_operator", org)
    for role in ("sys_admin", "executive", "hq_crm"):
        RoleAssignment.objects.create(staff=operator, role=role, unit=org.hq)
    request = asked(operator)
    for act in (
        lambda: yes(request, operator),
        lambda: refuse(request, actor=actor(operator), now=clock.now(), answer="不行"),
    ):
        with pytest.raises(OwnRequest):
            act()
    assert not Approval.objects.waiting_for(actor(operator), now=clock.now()).exists()
    assert Approval.objects.visible_to(actor(operator)).count() == 1


def test_the_database_takes_no_second_approval_of_one_person(org: Org) -> None:
    request, admin = asked(holder_of("hq_operator", org)), holder_of("sys_admin", org)
    with pytest.raises(IntegrityError), transaction.atomic():
        ApprovalStep.objects.filter(approval=request).update(by=admin, is_approved=True)


def test_who_approves_reaches_the_unit_it_is_about(org: Org) -> None:
    elsewhere = make_unit("branch", parent=org.hq)
    request = asked(holder_of("branch_member_manager", org), "member.export", unit=org.branch)
    stranger, head = make_staff("branch_manager", unit=elsewhere), holder_of("branch_manager", org)
    assert not Approval.objects.visible_to(actor(stranger)).exists()
    with pytest.raises(NotYoursToApprove):
        yes(request, stranger)
    assert Approval.objects.waiting_for(actor(head), now=clock.now()).get() == request
    assert yes(request, head).state == "approved"


def test_a_role_that_ended_approves_nothing(org: Org) -> None:
    request, admin = asked(holder_of("hq_operator", org)), holder_of("sys_admin", org)
    admin.role_assignments.update(ends_on=clock.today() - timedelta(days=1))
    with pytest.raises(NotYoursToApprove):
        yes(request, admin)


def test_one_no_ends_it_and_says_why(org: Org) -> None:
    operator, admin = holder_of("hq_operator", org), holder_of("sys_admin", org)
    request = asked(operator)
    with pytest.raises(Invalid):
        refuse(request, actor=actor(admin), now=clock.now(), answer=" ")
    assert refuse(request, actor=actor(admin), now=clock.now(), answer="范围太大").state == "refused"
    told = Notification.objects.get(staff=operator)
    assert (told.title, told.text) == ("没同意：导出 3,200 位会员", "范围太大")
    assert not Notification.objects.filter(staff=admin, read_at=None).exists()  # nobody is asked about it any more


def test_who_may_not_ask_does_not(org: Org) -> None:
    for who in (org.guide, holder_of("hq_crm", org), holder_of("branch_member_manager", org)):
        with pytest.raises(NotYoursToAsk):
            asked(who)
    operator = holder_of("hq_operator", org)
    asked(operator)
    with pytest.raises(AlreadyAsked):
        asked(operator)


def test_taken_back_and_expired_end_it_too(org: Org) -> None:
    operator, admin = holder_of("hq_operator", org), holder_of("sys_admin", org)
    first = asked(operator)
    with pytest.raises(NotYoursToAsk):
        withdraw(first, actor=actor(admin), now=clock.now())
    assert withdraw(first, actor=actor(operator), now=clock.now()).state == "withdrawn"
    second = asked(operator)
    later = clock.now() + timedelta(days=3)
    with pytest.raises(Ended):
        approve(second, actor=actor(admin), now=later)
    assert expire_approvals(now=later) == {"ended": 1} and expire_approvals(now=later) == {"ended": 0}
    second.refresh_from_db()
    assert second.state == "expired"


def test_what_cannot_be_carried_out_stays_asked(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    def no(row: Approval, **_: object) -> None:
        raise Conflict("名单已经删了")

    monkeypatch.setitem(services._handlers, "member.export", no)
    request = asked(holder_of("hq_operator", org), "member.export")
    with pytest.raises(Conflict):
        yes(request, holder_of("hq_crm", org))
    request.refresh_from_db()
    assert request.state == "asked" and not request.steps.exclude(by=None).exists()


# ---------------------------------------------------------------- the pages


def test_the_pages_of_who_asks_and_who_approves(org: Org, client: Client) -> None:
    operator, crm = holder_of("hq_operator", org), holder_of("hq_crm", org)
    request = asked(operator, "member.export")
    sign_in(client, operator)
    assert "没有等你批的" in client.get("/me/approvals/", **PAGE).content.decode()
    assert "导出 3,200 位会员" in client.get("/me/approvals/?of=me", **PAGE).content.decode()
    own = client.get(f"/me/approvals/{request.pk}/", **PAGE).content.decode()
    assert "撤回申请" in own and 'name="approve"' not in own
    refused = client.post(f"/me/approvals/{request.pk}/decide/", {"approve": "1"})
    assert (refused.status_code, refused.json()["code"]) == (403, "perm.approval.own")
    sign_in(client, crm)
    assert "年终回访要用" in client.get("/me/approvals/", **PAGE).content.decode()
    assert client.post(f"/me/approvals/{request.pk}/decide/", {"approve": "1"}).status_code == 302
    request.refresh_from_db()
    assert request.state == "approved"
    assert "我批过的" in client.get("/me/approvals/?of=done", **PAGE).content.decode()
    sign_in(client, org.guide)
    assert client.get(f"/me/approvals/{request.pk}/").status_code == 404
