"""A member goes to another store: one asks, whoever answers for both stores approves, and only then he goes."""

import pytest

from crm.members.models import Member
from crm.members.services import ask_new_owner
from guides.approvals.models import Approval
from guides.approvals.services import NotYoursToApprove, NotYoursToAsk, OwnRequest, approve
from guides.org.models import Staff
from tests.factories.crm import make_member
from tests.factories.guides import Org, actor, holder_of, make_org
from yejibao.core import clock
from yejibao.core.errors import Invalid, NotFound

pytestmark = pytest.mark.django_db


@pytest.fixture
def org() -> Org:
    return make_org()


def asked(member: Member, org: Org, *, by: Staff | None = None) -> Approval:
    who = actor(by or org.manager)
    return ask_new_owner(member, to=org.stranger, actor=who, reason="他搬家了", now=clock.now())


def test_it_goes_when_whoever_answers_for_both_stores_says_yes(org: Org) -> None:
    member = make_member(owner=org.guide, name="王建国")
    request = asked(member, org)
    assert request.title == "会员王**换到观前店，由黄婷跟进"
    assert request.unit == org.region
    for nobody in (org.manager, holder_of("area_supervisor", org)):
        with pytest.raises((OwnRequest, NotYoursToApprove)):
            approve(request, actor=actor(nobody), now=clock.now())
    member.refresh_from_db()
    assert member.owner_guide == org.guide
    approve(request, actor=actor(holder_of("branch_member_manager", org)), now=clock.now())
    member.refresh_from_db()
    assert member.owner_guide == org.stranger


def test_who_may_not_ask(org: Org) -> None:
    member = make_member(owner=org.guide)
    with pytest.raises(NotYoursToAsk):
        asked(member, org, by=org.guide)
    with pytest.raises(NotFound):
        asked(make_member(owner=org.stranger), org)
    with pytest.raises(Invalid):
        ask_new_owner(member, to=org.manager, actor=actor(org.manager), reason="同店", now=clock.now())
