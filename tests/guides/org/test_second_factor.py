"""动态码: enrolling, what counts and what does not, the sign-in with password and code, and confirming who one is."""

import io
from datetime import datetime, timedelta
from typing import Any

import pyotp
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from guides.notices.models import Notification
from guides.org import second_factor
from guides.org.models import SecondFactor, Staff, StaffSession
from guides.org.second_factor import AlreadyEnrolled, CodesLocked, WrongCode, check_code
from guides.org.services import set_password
from tests.factories.guides import Org, actor, holder_of, make_org, make_staff
from tests.factories.guides import sign_in as signed_in
from yejibao.core import clock as product_clock
from yejibao.core.errors import Forbidden
from yejibao.core.models import AuditEntry
from yejibao.core.outbox import drain_events
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db

HTML = {"HTTP_ACCEPT": "text/html"}
NOW = datetime.fromisoformat("2026-03-02T02:00:05+00:00")
NOBODY = Actor()
PASSWORD = "缝纫机与茶，还有线团"


@pytest.fixture
def org() -> Org:
    return make_org()


@pytest.fixture
def operator(org: Org) -> Staff:
    person = make_staff("hq_operator", unit=org.hq, wecom_user_id="zhoulan")
    person.set_password(PASSWORD)
    person.save()
    return person


def app_of(person: Staff) -> pyotp.TOTP:
    """Return what stands on the person's phone."""
    return pyotp.TOTP(SecondFactor.objects.get(staff=person).secret)


def enrol(person: Staff, *, at: datetime = NOW - timedelta(minutes=5)) -> list[str]:
    second_factor.begin_enrolment(person)
    return second_factor.finish_enrolment(person, app_of(person).at(at), actor=NOBODY, now=at)


# ---------------------------------------------------------------- codes


def test_the_secret_is_encrypted_and_shown_until_it_is_proven(operator: Staff) -> None:
    shown = second_factor.begin_enrolment(operator)
    secret = SecondFactor.objects.get(staff=operator).secret
    assert shown.secret.replace(" ", "") == secret
    assert second_factor.begin_enrolment(operator) == shown
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM guides_secondfactor")
        (stored,) = cursor.fetchone()
    assert secret not in stored and "$" in stored
    assert not second_factor.is_enrolled(operator)
    with pytest.raises(WrongCode):  # what is not proven opens nothing
        check_code(operator, app_of(operator).at(NOW), actor=NOBODY, now=NOW)
    enrol(operator)
    assert second_factor.is_enrolled(operator)
    with pytest.raises(AlreadyEnrolled):
        second_factor.begin_enrolment(operator)
    assert AuditEntry.objects.filter(action="auth.second_factor_on").count() == 1


@pytest.mark.parametrize(("steps", "counts"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_half_a_minute_off_counts_and_no_more(operator: Staff, steps: int, counts: bool) -> None:
    enrol(operator)
    code = app_of(operator).at(NOW, counter_offset=steps)
    if counts:
        check_code(operator, code, actor=NOBODY, now=NOW)
    else:
        with pytest.raises(WrongCode):
            check_code(operator, code, actor=NOBODY, now=NOW)


def test_a_code_counts_once_and_none_before_it_does_afterwards(operator: Staff) -> None:
    enrol(operator)
    code, earlier = app_of(operator).at(NOW), app_of(operator).at(NOW, counter_offset=-1)
    check_code(operator, f" {code[:3]} {code[3:]}", actor=NOBODY, now=NOW)
    for replayed in (code, earlier):
        with pytest.raises(WrongCode):
            check_code(operator, replayed, actor=NOBODY, now=NOW)
    check_code(operator, app_of(operator).at(NOW, counter_offset=1), actor=NOBODY, now=NOW)


@pytest.mark.parametrize("rubbish", ["", "12345", "abcdef", "１２３４５６", "000000\x00", "1" * 20])
def test_what_is_no_code_is_wrong(operator: Staff, rubbish: str) -> None:
    enrol(operator)
    with pytest.raises(WrongCode):
        check_code(operator, rubbish, actor=NOBODY, now=NOW)


def test_five_wrong_ones_lock_it_for_a_quarter_of_an_hour_the_right_one_too(operator: Staff) -> None:
    enrol(operator)
    for _ in range(4):
        with pytest.raises(WrongCode):
            check_code(operator, "000000", actor=NOBODY, now=NOW)
    with pytest.raises(CodesLocked):
        check_code(operator, "000000", actor=NOBODY, now=NOW)
    later = NOW + timedelta(minutes=14)
    with pytest.raises(CodesLocked) as refusal:
        check_code(operator, app_of(operator).at(later), actor=NOBODY, now=later)
    assert refusal.value.extra == {"retry_after": 60}
    later = NOW + timedelta(minutes=15)
    check_code(operator, app_of(operator).at(later), actor=NOBODY, now=later)
    assert AuditEntry.objects.filter(action="auth.codes_locked").count() == 1
    assert SecondFactor.objects.get(staff=operator).failure_count == 0


def test_a_recovery_code_counts_once(operator: Staff) -> None:
    codes = enrol(operator)
    assert (len(codes), len(set(codes))) == (10, 10)
    check_code(operator, codes[3].upper(), actor=NOBODY, now=NOW)
    with pytest.raises(WrongCode):
        check_code(operator, codes[3], actor=NOBODY, now=NOW)
    check_code(operator, codes[4].replace("-", ""), actor=NOBODY, now=NOW)
    assert AuditEntry.objects.filter(action="auth.recovery_code_used").count() == 2
    stored = SecondFactor.objects.get(staff=operator).recovery_codes
    assert len(stored) == 8 and not any(code in str(stored) for code in codes)


def test_codes_of_another_person_open_nothing(operator: Staff, org: Org) -> None:
    codes = enrol(operator)
    enrol(org.manager)
    for code in (codes[0], app_of(operator).at(NOW)):
        with pytest.raises(WrongCode):
            check_code(org.manager, code, actor=NOBODY, now=NOW)


def test_an_administrator_takes_it_away_and_a_colleague_does_not(operator: Staff, org: Org) -> None:
    enrol(operator)
    with pytest.raises(Forbidden):
        second_factor.reset_second_factor(operator, actor=actor(org.manager), reason="…")
    keeper = actor(holder_of("sys_admin", org))
    browser = signed_in(Client(), operator)
    second_factor.reset_second_factor(operator, actor=keeper, reason="手机丢了")
    assert not second_factor.is_enrolled(operator) and browser.get("/me/").status_code == 401
    drain_events()
    assert Notification.objects.get(staff=operator, title__endswith="动态码取消了").url == "/me/devices/"
    entry = AuditEntry.objects.get(action="auth.second_factor_off")
    assert (entry.actor_id, entry.reason) == (keeper.staff_id, "手机丢了")


# ---------------------------------------------------------------- at the door


def by_password(client: Client, to: str = "/me/") -> Any:
    return client.post("/login/", {"userid": "zhoulan", "password": PASSWORD, "next": to})


def code_now(person: Staff) -> str:
    return app_of(person).at(product_clock.system_now())


def test_the_first_sign_in_with_a_password_of_the_server_sets_the_app_up(client: Client, operator: Staff) -> None:
    set_password(operator, password=PASSWORD, actor=Actor.system("set_password"))
    assert by_password(client)["Location"] == "/login/code/"
    page = client.get("/login/code/", **HTML).content.decode()
    assert ("data:image/svg+xml" in page, "绑定并登录" in page) == (True, True)
    wrong = client.post("/login/code/", {"code": "000000"}, **HTML)
    assert (wrong.status_code, "验证码不对" in wrong.content.decode()) == (422, True)
    before = client.cookies
    answer = client.post("/login/code/", {"code": code_now(operator)}, **HTML)
    assert answer.status_code == 200 and before is not None
    assert len(answer.context["codes"]) == 10 and 'href="/me/"' in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert client.get("/me/").status_code == 200
    assert AuditEntry.objects.get(action="auth.login").after == {"way": "totp"}
    session = StaffSession.objects.get(staff=operator).get_decoded()
    assert session["ends_at"] < (product_clock.system_now() + timedelta(hours=12, seconds=5)).isoformat()


def test_whose_password_a_colleague_set_binds_the_app_himself(client: Client, org: Org, operator: Staff) -> None:
    set_password(operator, password=PASSWORD, actor=actor(holder_of("sys_admin", org)), reason="新来的")
    by_password(client)  # the colleague, who knows it
    page = client.get("/login/code/", **HTML).content.decode()
    assert "企业微信扫码，去绑定" in page and "data:image" not in page
    client.post("/login/code/", {"code": "000000"}, **HTML)
    assert not SecondFactor.objects.exists() and client.get("/me/").status_code == 401
    second_factor.begin_enrolment(operator)  # himself, signed in over the platform, looks at the picture
    assert "data:image" not in client.get("/login/code/", **HTML).content.decode()
    enrol(operator)
    by_password(client)
    assert client.post("/login/code/", {"code": code_now(operator)})["Location"] == "/me/"


def test_afterwards_the_code_is_asked_for(client: Client, operator: Staff) -> None:
    enrol(operator)
    by_password(client)
    assert "data:image" not in client.get("/login/code/", **HTML).content.decode()
    code = code_now(operator)
    assert client.post("/login/code/", {"code": code})["Location"] == "/me/"
    client.post("/logout/")
    by_password(client)
    assert client.post("/login/code/", {"code": code}).status_code == 422  # the same one, replayed
    assert client.get("/me/").status_code == 401


def test_the_code_page_belongs_to_the_browser_that_knew_the_password_for_five_minutes(
    client: Client, operator: Staff, monkeypatch: Any
) -> None:
    enrol(operator)
    gone = "/login/?why=auth.state_gone"
    assert Client().post("/login/code/", {"code": code_now(operator)})["Location"] == gone
    by_password(client)
    later = product_clock.system_now() + timedelta(minutes=5, seconds=1)
    monkeypatch.setattr(product_clock, "system_now", lambda: later)
    assert client.post("/login/code/", {"code": code_now(operator)})["Location"] == gone


@pytest.mark.parametrize("change", ["password", "disabled", "resigned"])
def test_an_account_that_changed_in_between_stays_outside(client: Client, operator: Staff, change: str) -> None:
    enrol(operator)
    by_password(client)
    if change == "password":
        operator.set_password("another one, much longer")
        operator.save()
    else:
        Staff.objects.filter(pk=operator.pk).update(state=change)
    answer = client.post("/login/code/", {"code": code_now(operator)})
    assert answer["Location"] == "/login/?why=auth.state_gone"
    assert not StaffSession.objects.filter(staff=operator).exists()


def test_many_wrong_passwords_are_too_many(client: Client, operator: Staff) -> None:
    form = {"userid": "zhoulan", "password": "wrong"}
    assert [client.post("/login/", form).status_code for _ in range(6)] == [422] * 5 + [429]


# ---------------------------------------------------------------- inside


def test_a_code_confirms_and_leads_back(client: Client, org: Org) -> None:
    keeper = holder_of("sys_admin", org)
    enrol(keeper)
    signed_in(client, keeper, confirmed=False)
    assert client.get("/me/second/", **HTML)["Location"] == "/me/confirm/?next=/me/second/"
    wrong = client.post("/me/confirm/", {"code": "111111", "next": "/me/second/"}, **HTML)
    assert wrong.status_code == 422
    right = client.post("/me/confirm/", {"code": code_now(keeper), "next": "/me/second/"})
    assert right["Location"] == "/me/second/"
    assert client.get("/me/second/", **HTML).status_code == 200
    assert AuditEntry.objects.get(action="auth.confirmed").after == {"way": "totp"}


def test_the_way_back_from_a_confirmation_stays_in_the_house(client: Client, org: Org) -> None:
    enrol(org.manager)
    signed_in(client, org.manager, confirmed=False)
    answer = client.post("/me/confirm/", {"code": code_now(org.manager), "next": "//evil.example/me/"})
    assert answer["Location"] == "/me/"


def test_an_open_browser_cannot_change_the_second_factor(client: Client, org: Org) -> None:
    signed_in(client, org.manager, confirmed=False)
    for form in ({"act": "remove"}, {"code": "123456"}):
        assert client.post("/me/second/", form)["Location"] == "/me/confirm/?next=/me/second/"
    assert not SecondFactor.objects.filter(staff=org.manager).exists()


def test_it_is_set_up_and_renewed_in_my_account(client: Client, org: Org) -> None:
    signed_in(client, org.manager)
    assert "data:image" in client.get("/me/second/", **HTML).content.decode()
    answer = client.post("/me/second/", {"code": code_now(org.manager)}, **HTML)
    assert len(answer.context["codes"]) == 10
    assert client.post("/me/second/", {"act": "remove"})["Location"] == "/me/second/"
    assert not SecondFactor.objects.exclude(enrolled_at=None).exists()


def test_where_codes_are_the_rule_an_administrator_without_one_is_told(client: Client, org: Org, settings: Any) -> None:
    settings.SECOND_FACTOR = "totp"
    signed_in(client, holder_of("finance", org), confirmed=False)
    page = client.get("/me/confirm/?next=/hq/", **HTML).content.decode()
    assert ("你的岗位要先开通动态码" in page, 'name="next" value="/me/second/"' in page) == (True, True)
    signed_in(client, holder_of("finance", org))  # came in a moment ago
    page = client.get("/me/confirm/?next=/hq/", **HTML).content.decode()
    assert ('href="/me/second/"' in page, "用企业微信确认" in page) == (True, False)


def test_the_command_line_takes_it_away_when_the_last_phone_is_lost(operator: Staff) -> None:
    enrol(operator)
    call_command("reset_second_factor", "ZhouLan", "--reason", "手机丢了", stdout=io.StringIO())
    assert not second_factor.is_enrolled(operator)
    assert AuditEntry.objects.get(action="auth.second_factor_off").reason == "手机丢了"
    with pytest.raises(CommandError, match="没有这个账号"):
        call_command("reset_second_factor", "nobody", "--reason", "x")
