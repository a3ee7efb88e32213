"""The mini-program signs in: code2Session and getPhoneNumber against the stand-in, and which card an account opens (OneID)."""

from typing import Any

import pytest
from django.test import Client

from crm.members.models import Member, MemberIdentity
from crm.members.services import claim_identity
from crm.portal.models import MemberSession
from tests.conftest import SandboxControl, TestClock
from tests.factories.crm import make_member
from tests.factories.portal import bearer
from yejibao.core import clock as product_clock
from yejibao.core.models import AuditEntry
from yejibao.wecom import tokens

pytestmark = pytest.mark.django_db

NOW = "2026-11-21 14:00"
PHONE = "13800132075"


class MiniProgram:
    """The front end, as a client developer would write it from the schema alone."""

    def __init__(self, sandbox: SandboxControl, openid: str = "oWang", unionid: str = "") -> None:
        self.sandbox, self.told, self.client, self.token = sandbox, {"openid": openid, "unionid": unionid}, Client(), ""

    def login(self) -> Any:
        answer = self.post("login", code=self.sandbox.post("mini/login", **self.told)["code"])
        self.token = answer.json().get("token", "")
        return answer

    def give_phone(self, phone: str = PHONE, **more: str) -> Any:
        return self.post("phone", code=self.sandbox.post("mini/phone", phone=phone)["code"], **more)

    def post(self, route: str, **body: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return self.client.post(f"/api/v1/member/{route}/", body, content_type="application/json", headers=headers)

    def get(self, name: str) -> Any:
        return self.client.get(f"/api/v1/member/{name}/", headers={"Authorization": f"Bearer {self.token}"})


@pytest.fixture
def mini(sandbox: SandboxControl, clock: TestClock) -> MiniProgram:
    clock.travel(NOW)
    tokens.Credentials.forget_process_copies()
    return MiniProgram(sandbox)


def test_a_member_known_by_his_phone_is_signed_in_with_two_codes(mini: MiniProgram) -> None:
    member = make_member(phone=PHONE, member_no="M1")
    first = mini.login()
    assert (first.status_code, first.json()["needs_phone"]) == (200, True)
    assert mini.get("me").status_code == 401  # an account without a card opens nothing
    assert mini.give_phone().status_code == 204
    assert mini.get("me").json()["member_no"] == "M1"
    held = MemberIdentity.objects.get(kind="openid")
    assert (held.member, held.value, held.source) == (member, "wx5a9db0c0de5a9db0:oWang", "mini_program")
    again = MiniProgram(mini.sandbox)
    assert again.login().json()["needs_phone"] is False and again.get("me").status_code == 200
    assert AuditEntry.objects.filter(action="member.account_bound", actor_id=member.pk).count() == 1


def test_an_account_known_by_its_union_id_needs_no_phone(mini: MiniProgram) -> None:
    member = make_member()
    claim_identity(member, kind="unionid", value="uWang", source="wecom", now=product_clock.now())
    mini.told["unionid"] = "uWang"
    assert mini.login().json()["needs_phone"] is False
    assert MemberIdentity.objects.get(kind="openid").member == member


def test_a_new_member_gets_a_card_once(mini: MiniProgram) -> None:
    mini.login()
    assert mini.give_phone("13900001111", name="赵先生").status_code == 204
    member = Member.objects.get()
    assert (member.name, member.join_channel, member.owner_guide, member.phone) == (
        "赵先生",
        "mini_program",
        None,
        "13900001111",
    )
    assert mini.give_phone("13900001111").json()["code"] == "auth.phone_known"
    assert Member.objects.count() == 1


def test_a_code_serves_once_and_a_wrong_one_never(mini: MiniProgram) -> None:
    code = mini.sandbox.post("mini/login", **mini.told)["code"]
    assert mini.post("login", code=code).status_code == 200
    for used in (code, "nonsense"):
        refused = mini.post("login", code=used)
        assert (refused.status_code, refused.json()["code"]) == (400, "auth.code_refused")
    assert mini.post("login").status_code == 422


def test_the_phones_code_is_no_login_code(mini: MiniProgram) -> None:
    mini.login()
    code = mini.sandbox.post("mini/login", **mini.told)["code"]
    assert mini.post("phone", code=code).json()["code"] == "auth.code_refused"
    assert MemberSession.objects.get().member is None


def test_an_account_of_one_member_and_the_phone_of_another_is_left_to_a_person(mini: MiniProgram) -> None:
    owner, other = make_member(), make_member(phone=PHONE)
    mini.login()
    claim_identity(owner, kind="openid", value="wx5a9db0c0de5a9db0:oWang", source="hq", now=product_clock.now())
    refused = mini.give_phone()
    assert (refused.status_code, refused.json()["code"]) == (409, "auth.other_member")
    assert not MemberIdentity.objects.filter(member=other, kind="openid").exists()


def test_who_closed_his_card_and_comes_back_gets_a_new_one(mini: MiniProgram) -> None:
    mini.login()
    mini.give_phone()
    old = Member.objects.get()
    Member.objects.filter(pk=old.pk).update(status="closed")
    back = MiniProgram(mini.sandbox)
    assert back.login().json()["needs_phone"] is True
    assert back.give_phone().status_code == 204
    assert back.get("me").json()["member_no"] != old.member_no


def test_a_brand_without_a_mini_program_says_so(mini: MiniProgram, settings: Any) -> None:
    settings.MINI_APP_ID = ""
    assert mini.post("login", code="x").json()["code"] == "auth.no_mini_program"


def test_a_platform_that_is_silent_is_no_refusal(mini: MiniProgram, settings: Any) -> None:
    settings.WECOM_SANDBOX_CONTROL = "http://127.0.0.1:9/control/"
    answer = mini.post("login", code="x")
    assert (answer.status_code, answer.json()["code"], answer.json()["retryable"]) == (503, "auth.wechat_silent", True)


def test_signing_out_ends_the_token(mini: MiniProgram) -> None:
    make_member(phone=PHONE)
    mini.login()
    mini.give_phone()
    assert mini.post("logout").status_code == 204
    assert mini.get("me").status_code == 401


def test_the_web_view_opens_with_a_ticket_and_never_with_the_token(mini: MiniProgram) -> None:
    make_member(phone=PHONE)
    mini.login()
    mini.give_phone()
    url = mini.post("web-ticket", next="/my/wallet/").json()["url"]
    assert mini.token not in url
    browser = Client()
    assert browser.get(url)["Location"] == "/my/wallet/"
    assert browser.get("/my/wallet/").status_code == 200


def test_login_is_limited_by_address(mini: MiniProgram) -> None:
    statuses = [mini.post("login", code="x").status_code for _ in range(12)]
    assert statuses[0] == 400 and statuses[-1] == 429


def test_the_sandboxs_phone_signs_in_the_same_way(client: Client, mini: MiniProgram) -> None:
    member = make_member(phone=PHONE, name="王建平")
    assert "王建平" in client.get("/sandbox/member/").content.decode()
    answer = client.post("/sandbox/member/", {"member": member.pk, "next": "/my/orders/"})
    assert answer["Location"] == "/my/orders/" and client.get("/my/orders/").status_code == 200
    assert bearer(member)
