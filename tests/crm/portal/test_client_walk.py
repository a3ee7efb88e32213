"""A mini-program written from the schema and its examples alone goes a member's whole way; the store's side is done for it."""

from __future__ import annotations

import os
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from crm.aftersale.models import Ticket
from crm.aftersale.services import close_ticket, propose
from crm.members.models import Member
from crm.privacy.loading import load_texts
from crm.privacy.models import MemberRequest
from tests.conftest import SandboxControl, TestClock
from tests.crm.portal import promises
from tests.crm.portal.schema_client import SchemaClient, read_schema
from tests.factories.benefits import make_batch, make_template
from tests.factories.crm import make_member, make_order
from tests.factories.guides import Org, actor, make_org
from tests.factories.portal import bearer
from yejibao.core import clock as product_clock
from yejibao.core.models import AuditEntry
from yejibao.wecom import tokens

pytestmark = pytest.mark.django_db
PHONE = "13800132075"


@pytest.fixture
def org(clock: TestClock) -> Org:
    clock.travel("2026-11-21 14:00")
    tokens.Credentials.forget_process_copies()
    return make_org()


@pytest.fixture
def member(org: Org) -> Member:
    load_texts(now=product_clock.now())
    make_batch(make_template("双十一券"), ways=["claim"])
    person = make_member(owner=org.guide, name="王建平", phone=PHONE, member_no="M0001")
    make_order(person, paid_at="2026-11-20 14:00", store=org.store, guide=org.guide, number="N1")
    make_order(make_member(owner=org.guide), paid_at="2026-11-20 15:00", number="FOREIGN")
    return person


def signed_in(sandbox: SandboxControl) -> SchemaClient:
    client = SchemaClient(read_schema())
    entered = client.call("member_login", code=sandbox.post("mini/login", openid="oWang")["code"]).body
    client.token = entered["token"]
    if entered["needs_phone"]:
        client.call("member_phone", code=sandbox.post("mini/phone", phone=PHONE)["code"])
    return client


def test_from_signing_in_to_his_own_data(sandbox: SandboxControl, member: Member, org: Org) -> None:
    client = signed_in(sandbox)
    card = client.call("member_me").body
    assert (card["member_no"], card["guide"]["name"], card["coupon_count"]) == ("M0001", "晓雯", 0)

    [free] = client.call("member_coupons").body["claimable"]
    client.call("member_coupon_claim", path={"public_id": free["id"]})
    assert client.call("member_me").body["coupon_count"] == 1

    [order] = client.call("member_orders").body["results"]
    whole = client.call("member_order", path={"number": order["number"]}).body
    assert whole["return_before"].startswith("2026-11-2") and len(whole["lines"]) == 1

    photo = client.call("member_photo_add", id="b508d978-fe0a-41a9-aef5-a629effe78cc").body["id"]
    opened = client.call(
        "member_ticket_open", ask="退货", order=order["number"], line_no=whole["lines"][0]["line_no"], photos=[photo]
    ).body
    here: dict[str, Any] = {"path": {"public_id": opened["id"]}}
    assert opened["guide"] == "晓雯" and opened["steps"][0]["photos"] == [photo]
    assert client.call("member_photo", path={"name": photo}).body.startswith(b"\xff\xd8")
    seen = client.call("member_ticket", **here)
    assert client.call("member_ticket", **here, headers={"If-None-Match": seen.headers["ETag"]}).status == 304

    ticket, guide, now = Ticket.objects.get(), actor(org.guide), product_clock.now()
    propose(ticket, "换大一码", actor=guide, now=now)
    assert "agree" in client.call("member_ticket", **here).body["may"]
    client.call("member_ticket_agree", **here)
    ticket.refresh_from_db()
    close_ticket(ticket, actor=guide, now=now, reason="换好了")
    rated = client.call("member_ticket_rate", **here, stars=5).body
    assert (rated["stars"], rated["state"], "rate" in rated["may"]) == (5, "closed", False)

    sheet = client.call("member_consents")
    only_chat = client.call("member_consents_set", channels=["wecom_message"], profiling=False, phone=False).body
    assert [one["key"] for one in only_chat["channels"] if one["is_allowed"]] == ["wecom_message"]
    late = client.call("member_consents_set", headers={"If-Match": sheet.headers["ETag"]})
    assert (late.status, late.body["code"]) == (412, "edit.stale")  # an old sheet gives nothing back
    texts = client.call("member_consent_give", ask="同意新版隐私政策").body["texts"]
    assert next(one for one in texts if one["kind"] == "privacy")["is_given"] is True

    fresh = sandbox.post("mini/login", openid="oWang")["code"]
    copy = client.call("member_copy", code=fresh).body
    told = {part["title"]: part["rows"] for part in copy["sections"]}
    assert ["手机号", PHONE] in told["基本资料"] and len(told["订单"]) == 1
    assert (
        MemberRequest.objects.get().state == "done"
        and AuditEntry.objects.filter(action="member.copy_taken").count() == 1
    )


def test_a_stolen_token_does_not_open_everything(sandbox: SandboxControl, member: Member) -> None:
    client = signed_in(sandbox)
    thief = client.call("member_copy", code=sandbox.post("mini/login", openid="oThief")["code"])
    assert (thief.status, thief.body["code"]) == (403, "auth.other_account")
    assert not MemberRequest.objects.exists()


def test_signed_out_everywhere(sandbox: SandboxControl, member: Member) -> None:
    lost, here = signed_in(sandbox), signed_in(sandbox)
    assert here.call("member_logout_everywhere").body == {"ended": 2}
    assert [one.call("member_me").status for one in (lost, here)] == [401, 401]


def test_deletion_is_asked_once_and_taken_back(sandbox: SandboxControl, member: Member) -> None:
    client = signed_in(sandbox)
    assert client.call("member_data_request", ask="删除").body["state"] == "checked"
    assert client.call("member_data_request", ask="删除").body["code"] == "member_request.open"
    assert client.call("member_data_request", ask="更正", wish="").status == 422
    assert client.call("member_data_request_withdraw", kind="delete").body["state"] == "withdrawn"
    assert [one["state"] for one in client.call("member_data_requests").body["results"]] == ["withdrawn"]


def test_a_newcomer_comes_by_a_code_and_takes_its_gift(sandbox: SandboxControl, org: Org) -> None:
    from crm.friends.models import ContactWay
    from crm.portal.models import CodeVisit

    ContactWay.objects.create(
        kind="parcel", name="包裹", store=org.store, token="p1", state="ready", created_at=product_clock.now(), picture=b"png", qr_url="x"
    )  # fmt: skip
    gift = make_batch(make_template("新好友礼"), ways=["welcome"])
    client = SchemaClient(read_schema())
    client.token = client.call("member_login", code=sandbox.post("mini/login", openid="oNew")["code"]).body["token"]
    page = client.call("member_code_open", path={"token": "p1"}).body
    assert (page["kind"], page["needs_phone"], [one["title"] for one in page["benefits"]]) == (
        "parcel",
        True,
        ["新好友礼"],
    )
    client.call("member_phone", code=sandbox.post("mini/phone", phone="13911112222")["code"], name="赵先生")
    taken = client.call("member_coupon_claim", path={"public_id": str(gift.public_id)})
    visit = CodeVisit.objects.select_related("member").get()
    assert (taken.status, visit.member and visit.member.name, visit.registered_at is not None) == (201, "赵先生", True)
    stranger = make_member(phone="13911113333")
    client.token = client.call("member_login", code=sandbox.post("mini/login", openid="oOld")["code"]).body["token"]
    client.call("member_phone", code=sandbox.post("mini/phone", phone="13911113333")["code"])
    refused = client.call("member_coupon_claim", path={"public_id": str(gift.public_id)})
    assert (refused.status, refused.body["code"], stranger.coupons.count()) == (409, "coupon.closed", 0)


@pytest.mark.parametrize("path", ["api/v1/member/orders/%00/", "i/c/%00/"])
def test_what_the_database_would_not_take_is_not_there(client: Client, member: Member, path: str) -> None:
    got = client.get(f"/{path}", headers=bearer(member))
    assert got.status_code == 404


def test_what_was_promised_is_still_there() -> None:
    """No operation or field that a mini-program in the field relies on vanishes, changes its type or becomes required within v1."""
    assert settings.SPECTACULAR_SETTINGS["VERSION"] == "1"
    old, new = promises.promised(), promises.given(read_schema())
    assert promises.broken(old, new) == []
    if os.environ.get("YEJIBAO_PROMISE"):
        promises.promise(new)
    assert sorted(new - promises.promised()) == [], "new: run this once with YEJIBAO_PROMISE=1 and commit promised.txt"


def test_a_broken_promise_is_seen() -> None:
    old = {
        ("call", "answers", "name", "string"),
        ("call", "takes", "day", "string"),
        ("call", "needs", "why", "string"),
    }
    kept = old - {("call", "needs", "why", "string")} | {
        ("call", "takes", "why", "string"),
        ("new", "needs", "x", "string"),
    }
    assert promises.broken(old, kept | {("call", "takes", "at", "object"), ("call", "needs", "at.x", "string")}) == []
    for line in old:
        assert promises.broken(old, old - {line}) == [line]
    must = ("call", "needs", "day", "string")
    assert promises.broken(old, old - {("call", "takes", "day", "string")} | {must}) == [
        ("call", "takes", "day", "string")
    ]
    asked = ("call", "needs", "shop", "string")
    assert promises.broken(old, old | {asked}) == [asked]
