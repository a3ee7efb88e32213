"""消息和隐私 and the page of a scanned code: what a member takes, takes back and leaves; who came by which code."""

import re
from datetime import timedelta

import pytest
from django.test import Client

from crm.friends.models import ContactWay
from crm.members.models import Member
from crm.portal.models import CodeVisit, MemberSession
from crm.privacy.models import MemberRequest
from tests.conftest import TestClock
from tests.factories.benefits import make_batch, make_template
from tests.factories.crm import make_friend, make_member
from tests.factories.guides import Org, make_org
from tests.factories.portal import sign_in_member, token_of
from yejibao.core import clock as product_clock

pytestmark = pytest.mark.django_db


@pytest.fixture
def org(clock: TestClock) -> Org:
    clock.travel("2026-11-21 14:00")
    return make_org()


@pytest.fixture
def member(org: Org) -> Member:
    return make_member(owner=org.guide, name="王建平", phone="13800132075", member_no="M0001")


@pytest.fixture
def phone(client: Client, member: Member) -> Client:
    return sign_in_member(client, member)


def test_he_takes_his_copy_only_while_it_is_surely_he(phone: Client) -> None:
    taken = phone.post("/my/privacy/copy/")
    assert taken.status_code == 200 and "13800132075" in taken.content.decode()
    assert taken.headers["Content-Disposition"].startswith("attachment") and MemberRequest.objects.get().state == "done"
    MemberSession.objects.update(began_at=product_clock.system_now() - timedelta(minutes=11))
    late = phone.post("/my/privacy/copy/")
    assert (late.status_code, late.json()["code"]) == (409, "auth.not_fresh")
    assert "从小程序重新进来" in phone.get("/my/privacy/").content.decode()


def test_a_correction_says_what_is_wrong(phone: Client) -> None:
    assert phone.post("/my/privacy/ask/", {"kind": "correct", "wish": " "}).status_code == 422
    assert phone.post("/my/privacy/ask/", {"kind": "correct", "wish": "生日是 3 月 12 日"}).status_code == 302
    assert MemberRequest.objects.get().wish == "生日是 3 月 12 日"


def test_signed_out_on_the_lost_phone_too(phone: Client, member: Member) -> None:
    token_of(member)
    assert phone.post("/my/leave/everywhere/").status_code == 302
    assert not MemberSession.objects.filter(member=member).exists() and phone.get("/my/").status_code in (302, 401)


def test_a_code_shows_whose_it_is_and_its_gift_and_notes_who_came(phone: Client, org: Org, member: Member) -> None:
    way = ContactWay.objects.create(
        kind="guide", name="晓雯", guide=org.guide, token="g1", state="ready", created_at=product_clock.now(), picture=b"png", qr_url="x"
    )  # fmt: skip
    gift = make_batch(make_template("新好友礼"), ways=["welcome"])
    stranger = Client().get("/i/c/g1/").content.decode()
    assert "晓雯" in stranger and "新好友礼" in stranger and "data:image/png" in stranger and "/my/enter/" in stranger
    assert f"/my/claim/{gift.public_id}/" in phone.get("/i/c/g1/").content.decode()
    phone.get("/i/c/g1/")
    assert CodeVisit.objects.get().member == member  # twice is once
    assert "领一张" in re.sub(r"\s+", "", phone.get(f"/my/claim/{gift.public_id}/").content.decode())
    make_friend(member)
    assert "已经是好友" in phone.get("/i/c/g1/").content.decode()
    ContactWay.objects.filter(pk=way.pk).update(state="retired", retired_at=product_clock.now())
    assert phone.get("/i/c/g1/").status_code == 404
