"""Who looked is on record: whatever address one begins with, whatever role one works in, on every list above the store."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from crm.friends.models import Contact, LinkReview
from crm.quality.models import QualityFinding
from guides.org.models import RoleAssignment
from tests.factories.crm import make_member
from tests.factories.guides import Org, actor, holder_of, sign_in
from yejibao.core import audit
from yejibao.core.models import AuditEntry

pytestmark = pytest.mark.django_db

AFTER = "after=2026-11-21T06:00:00%2B00:00_9999999"


def looks() -> list[tuple[str, Any]]:
    rows = AuditEntry.objects.filter(action__in=(audit.VIEWED, audit.LISTED)).order_by("pk")
    return [(one.after["where"], one.after.get("ids") or [int(one.resource_id)]) for one in rows]


def test_a_page_of_the_trail_is_on_record_wherever_it_begins(client: Client, org: Org, now: Any) -> None:
    member = make_member(owner=org.guide)
    sign_in(client, holder_of("sys_admin", org))
    for path, action in (
        ("/hq/audit/", "audit.viewed"),
        (f"/hq/audit/members/{member.public_id}/", "audit.member_viewed"),
    ):
        assert client.get(f"{path}?{AFTER}").status_code == 200
        assert AuditEntry.objects.filter(action=action).count() == 1
        client.get(f"{path}?{AFTER}", headers={"HX-Request": "true"})  # the next page of the same look
        assert AuditEntry.objects.filter(action=action).count() == 1


def test_working_as_a_guide_hides_no_look_of_head_office(org: Org, now: Any) -> None:
    member = make_member(owner=org.stranger)
    RoleAssignment.objects.create(staff=org.guide, role="hq_operator", unit=org.hq)
    audit.saw_members(actor(org.guide, working_role="guide"), [member.pk], where="x")
    audit.saw_members(actor(org.manager), [member.pk], where="x")
    assert looks() == [("x", [member.pk])]


def test_lists_of_head_office_are_on_record(client: Client, org: Org, now: Any) -> None:
    one, other = make_member(owner=org.guide, phone="13800132075"), make_member(owner=org.guide)
    for place, member in enumerate((one, other)):
        QualityFinding.objects.create(check_key="no_phone", place=place, member=member)
    contact = Contact.objects.create(external_user_id="wmTwo", name="某人")
    LinkReview.objects.create(
        contact=contact, guide=org.guide, candidate_ids=[one.pk, other.pk], created_at=now - timedelta(days=1)
    )
    sign_in(client, holder_of("hq_operator", org))
    for path in ("/hq/quality/no_phone/", "/hq/links/"):
        assert client.get(path).status_code == 200
    sign_in(client, holder_of("customer_service", org))
    assert client.post("/hq/privacy/new/", {"words": "13800132075"}).status_code == 200
    both = sorted([one.pk, other.pk])
    assert looks() == [("数据质量 没有手机号", both), ("关联待确认", both), ("登记会员的要求", [one.pk])]


def test_a_card_number_that_is_a_phone_is_shown_masked(client: Client, org: Org, now: Any) -> None:
    from crm.members.exporting import _columns
    from yejibao.intake import kinds
    from yejibao.intake.queries import _read

    member = make_member(owner=org.guide, member_no="13800132075")
    audit.record(actor(org.guide), "member.phone_revealed", member)
    page = sign_in(client, holder_of("sys_admin", org)).get("/hq/audit/").text
    assert "138****2075" in page and "13800132075" not in page
    page = client.get(f"/hq/audit/members/{member.public_id}/").text
    assert "138****2075" in page and "13800132075" not in page
    asker = actor(holder_of("hq_operator", org))
    shown = [next(iter(_columns(asker, {"with_phone": is_full}))).of(member) for is_full in (False, True)]
    assert shown == ["138****2075", "13800132075"]
    errors = [{"field": "member_no", "message": "重复"}]
    (error,) = _read(kinds.get("members"), 3, "13800132075", {"member_no": "13800132075"}, errors)
    assert (error.key, error.value) == ("138****2075", "138****2075")
