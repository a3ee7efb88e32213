"""The door: who comes in, who does not, and what a session lives through."""

import io
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings as configured
from django.core.management import CommandError, call_command
from django.test import Client

from guides.org import pages, sign_in
from guides.org.models import RoleAssignment, Staff, StaffSession
from guides.org.services import resign_staff
from tests.factories.guides import Org, make_org, make_staff
from tests.factories.guides import sign_in as signed_in
from yejibao.core import clock as product_clock
from yejibao.core import limits
from yejibao.core.models import AuditEntry
from yejibao.core.scope import Actor
from yejibao.wecom import gateway, tokens

pytestmark = pytest.mark.django_db

HTML = {"HTTP_ACCEPT": "text/html"}
WECOM = HTML | {"HTTP_USER_AGENT": "Mozilla/5.0 (iPhone) wxwork/4.1.36 MicroMessenger/7.0.1"}


@pytest.fixture(autouse=True)
def _clean_memory() -> Any:
    tokens.Credentials.forget_process_copies()
    gateway._gateway.cache_clear()
    limits._alone().storage.reset()
    yield
    gateway._gateway.cache_clear()


@pytest.fixture
def org() -> Org:
    return make_org()


@pytest.fixture
def code_of(sandbox: Any) -> Any:
    """Return a function that gives the one-time code the platform would send back for a person."""

    def issue(userid: str) -> str:
        sandbox.post("world", people=[{"userid": userid, "name": userid, "department": [1]}])
        return str(sandbox.post("code", userid=userid)["code"])

    return issue


def begin(client: Client, to: str = "") -> str:
    """Start a round in the client's browser; return its state."""
    answer = client.get("/login/wecom/", {"next": to} if to else {}, **WECOM)
    assert answer.status_code == 302
    return parse_qs(urlsplit(answer["Location"]).query)["state"][0]


def session_key(client: Client) -> str:
    return client.cookies[configured.SESSION_COOKIE_NAME].value


def come_back(client: Client, state: str, code: str) -> Any:
    return client.get("/login/wecom/callback/", {"code": code, "state": state}, **WECOM)


# ---------------------------------------------------------------- over the platform


def test_a_guide_comes_in_from_wecom(client: Client, org: Org, code_of: Any) -> None:
    answer = client.get("/login/?next=/me/", **WECOM)
    target = urlsplit(answer["Location"])
    query = parse_qs(target.query)
    assert answer.status_code == 302
    assert f"{target.scheme}://{target.netloc}" in configured.WECOM_OAUTH_BASE
    assert query["redirect_uri"] == ["http://testserver/login/wecom/callback/"]
    assert len(query["state"][0]) == 32
    before = session_key(client)

    answer = come_back(client, query["state"][0], code_of(org.guide.wecom_user_id.upper()))

    assert (answer.status_code, answer["Location"]) == (302, "/me/")
    assert session_key(client) != before
    assert not StaffSession.objects.filter(session_key=before).exists()
    assert client.get("/me/", **HTML).status_code == 200
    entry = AuditEntry.objects.get(action="auth.login")
    assert (entry.actor_id, entry.resource_id, entry.ip) == (org.guide.pk, str(org.guide.pk), "127.0.0.1")


@pytest.mark.parametrize(("role", "home"), [("guide", "/g/today/"), ("manager", "/m/review/")])
def test_everybody_lands_on_his_first_page(client: Client, org: Org, code_of: Any, role: str, home: str) -> None:
    person = getattr(org, role)
    assert come_back(client, begin(client), code_of(person.wecom_user_id))["Location"] == home


def test_a_state_counts_once(client: Client, org: Org, code_of: Any) -> None:
    state = begin(client)
    come_back(client, state, code_of(org.guide.wecom_user_id))
    client.post("/logout/")
    assert come_back(client, state, code_of(org.guide.wecom_user_id))["Location"] == "/login/?why=auth.state_gone"
    assert client.get("/me/").status_code == 401


def test_a_state_that_met_a_bad_code_is_used_up(client: Client, org: Org, code_of: Any) -> None:
    state = begin(client)
    assert come_back(client, state, "nonsense")["Location"] == "/login/?why=auth.code_refused"
    assert come_back(client, state, code_of(org.guide.wecom_user_id))["Location"] == "/login/?why=auth.state_gone"


def test_a_state_of_another_browser_is_refused(client: Client, org: Org, code_of: Any) -> None:
    state = begin(Client())
    assert come_back(client, state, code_of(org.guide.wecom_user_id))["Location"] == "/login/?why=auth.state_gone"


def test_a_state_ends_after_five_minutes(client: Client, org: Org, code_of: Any, monkeypatch: Any) -> None:
    state = begin(client)
    code = code_of(org.guide.wecom_user_id)
    later = product_clock.system_now() + timedelta(minutes=5, seconds=1)
    monkeypatch.setattr(product_clock, "system_now", lambda: later)
    assert come_back(client, state, code)["Location"] == "/login/?why=auth.state_gone"


def test_two_tabs_sign_in_side_by_side(client: Client, org: Org, code_of: Any) -> None:
    first, second = begin(client, "/me/"), begin(client)
    assert come_back(client, second, code_of(org.guide.wecom_user_id))["Location"] == "/g/today/"
    assert come_back(client, first, code_of(org.guide.wecom_user_id))["Location"] == "/me/"


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example/", "//evil.example/me/", "/\\evil.example", "/me/../../x\n", "javascript:alert(1)", "me/",
     "/logout/", "/login/", "/api/v1/staff/", "/me/nothing/here/", "/g//evil.example", "\t/me/"],
)  # fmt: skip
def test_the_way_back_stays_in_the_house(client: Client, org: Org, code_of: Any, elsewhere: str) -> None:
    assert come_back(client, begin(client, elsewhere), code_of(org.guide.wecom_user_id))["Location"] == "/g/today/"


@pytest.mark.parametrize("door", ["/tickets/7/?m=3", "/surveys/", "/visits/groups/"])
def test_what_a_push_opened_is_where_the_sign_in_leads(client: Client, org: Org, code_of: Any, door: str) -> None:
    assert come_back(client, begin(client, door), code_of(org.manager.wecom_user_id))["Location"] == door


def test_a_signed_in_person_is_not_asked_again(client: Client, org: Org) -> None:
    signed_in(client, org.manager)
    assert client.get("/login/?next=/me/")["Location"] == "/me/"
    assert client.get("/")["Location"] == "/m/review/"


def test_a_member_of_the_corp_whom_nobody_entered_is_refused(client: Client, org: Org, code_of: Any) -> None:
    answer = come_back(client, begin(client), code_of("unknown.person"))
    assert answer["Location"] == "/login/?why=auth.not_staff"
    page = client.get(answer["Location"], **WECOM)
    assert page.status_code == 403
    assert "没有找到你的员工账号" in page.content.decode()
    assert AuditEntry.objects.get(action="auth.login_failed").after == {"way": "wecom", "code": "auth.not_staff"}


def test_a_person_without_a_role_today_is_refused(client: Client, org: Org, code_of: Any) -> None:
    RoleAssignment.objects.filter(staff=org.guide).update(ends_on="2020-01-01")
    answer = come_back(client, begin(client), code_of(org.guide.wecom_user_id))
    assert answer["Location"] == "/login/?why=auth.no_role"


def test_who_is_outside_the_apps_range_does_not_come_in(client: Client, org: Org, code_of: Any, sandbox: Any) -> None:
    code = code_of(org.guide.wecom_user_id)
    sandbox.fault("user/get", errcode=60011)
    answer = come_back(client, begin(client), code)
    assert answer["Location"] == "/login/?why=auth.out_of_range"
    assert not StaffSession.objects.filter(staff=org.guide).exists()


def confirm_by_platform(client: Client, code: str) -> str:
    """Return where a confirmation leads that the platform answers with this code."""
    asked = urlsplit(client.post("/me/confirm/wecom/", {"next": "/me/devices/"}, **WECOM)["Location"])
    return str(come_back(client, parse_qs(asked.query)["state"][0], code)["Location"])


def test_the_platform_confirms_the_same_person_only(client: Client, org: Org, code_of: Any) -> None:
    signed_in(client, org.manager, confirmed=False)
    assert confirm_by_platform(client, code_of(org.guide.wecom_user_id)) == "/login/?why=auth.somebody_else"
    assert client.get("/me/second/", **HTML)["Location"].startswith("/me/confirm/")
    before = session_key(client)
    assert confirm_by_platform(client, code_of(org.manager.wecom_user_id)) == "/me/devices/"
    assert (client.get("/me/second/", **HTML).status_code, session_key(client)) == (200, before)
    assert AuditEntry.objects.get(action="auth.confirmed").after == {"way": "wecom"}


def test_a_confirmation_signs_nobody_in(client: Client, org: Org, code_of: Any) -> None:
    signed_in(client, org.manager, confirmed=False)
    asked = urlsplit(client.post("/me/confirm/wecom/", **WECOM)["Location"])
    client.post("/logout/")
    state = parse_qs(asked.query)["state"][0]
    come_back(client, state, code_of(org.manager.wecom_user_id))
    assert client.get("/me/").status_code == 401


@pytest.mark.parametrize(("client_headers", "hours"), [(WECOM, 24), (HTML, 12)])
def test_the_web_ends_earlier_than_the_phone(
    client: Client, org: Org, code_of: Any, client_headers: dict[str, str], hours: int
) -> None:
    state = begin(client)
    query = {"code": code_of(org.guide.wecom_user_id), "state": state}
    client.get("/login/wecom/callback/", query, **client_headers)
    session = StaffSession.objects.get(staff=org.guide)
    ends_at = datetime.fromisoformat(session.get_decoded()["ends_at"])
    assert abs(ends_at - product_clock.system_now() - timedelta(hours=hours)) < timedelta(seconds=30)
    assert (session.device, session.ip) == ("企业微信 4.1.36 · iPhone" if hours == 24 else "", "127.0.0.1")


@pytest.mark.parametrize("state", [Staff.State.RESIGNED, Staff.State.DISABLED])
def test_who_left_or_is_barred_does_not_come_in(client: Client, org: Org, code_of: Any, state: str) -> None:
    Staff.objects.filter(pk=org.guide.pk).update(state=state)
    answer = come_back(client, begin(client), code_of(org.guide.wecom_user_id))
    page = client.get(answer["Location"], **WECOM)
    assert (page.status_code, "你的账号已停用，不能再登录" in page.content.decode()) == (401, True)
    assert not StaffSession.objects.filter(staff=org.guide).exists()


def test_the_platform_down_is_one_sentence(client: Client, org: Org, sandbox: Any) -> None:
    sandbox.fault("auth/getuserinfo", http=502, times=9)
    answer = come_back(client, begin(client), "code")
    page = client.get(answer["Location"], **WECOM)
    assert (page.status_code, page["Retry-After"]) == (503, "60")
    assert "企业微信现在连不上" in page.content.decode()


def test_a_failed_round_does_not_start_the_next_by_itself(client: Client) -> None:
    assert client.get("/login/?why=auth.code_refused", **WECOM).status_code == 400
    assert client.get("/login/?why=no-such-code", **WECOM).status_code == 302


def test_ten_tries_a_minute_from_one_address(client: Client, org: Org) -> None:
    for _ in range(10):
        assert come_back(client, "x", "y")["Location"] == "/login/?why=auth.state_gone"
    answer = come_back(client, "x", "y")
    assert answer["Location"] == "/login/?why=rate.limited"
    assert client.get(answer["Location"], **HTML).status_code == 429


def test_without_redis_each_process_lets_half_as_many_through(client: Client, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    answers = [come_back(client, "x", "y")["Location"] for _ in range(6)]
    assert answers == ["/login/?why=auth.state_gone"] * 5 + ["/login/?why=rate.limited"]


# ---------------------------------------------------------------- at the web


def test_a_password_alone_opens_nothing(client: Client, org: Org) -> None:
    operator = make_staff("hq_operator", unit=org.hq, wecom_user_id="zhoulan")
    operator.set_password("缝纫机与茶")
    operator.save()
    answer = client.post("/login/", {"userid": " ZhouLan", "password": "缝纫机与茶", "next": "/me/"})
    assert (answer.status_code, answer["Location"]) == (302, "/login/code/")
    assert client.get("/me/").status_code == 401
    assert not StaffSession.objects.filter(staff=operator).exists()
    assert not AuditEntry.objects.filter(action="auth.login").exists()


def test_a_brand_may_do_without_passwords(client: Client, org: Org, settings: Any) -> None:
    settings.PASSWORD_SIGN_IN = False
    org.guide.set_password("缝纫机与茶")
    org.guide.save()
    assert "password" not in client.get("/login/", **HTML).content.decode()
    page = client.post("/login/", {"userid": org.guide.wecom_user_id, "password": "缝纫机与茶"}, **HTML)
    assert (page.status_code, "这里不用密码登录" in page.content.decode()) == (404, True)


@pytest.mark.parametrize(("userid", "password"), [("zhoulan", "wrong"), ("nobody", "secret-words"), ("", "")])
def test_a_wrong_password_says_the_same_for_everybody(client: Client, org: Org, userid: str, password: str) -> None:
    operator = make_staff("hq_operator", unit=org.hq, wecom_user_id="zhoulan")
    operator.set_password("secret-words")
    operator.save()
    page = client.post("/login/", {"userid": userid, "password": password}, **HTML)
    assert page.status_code == 422
    assert "账号或密码不对" in page.content.decode()
    assert not StaffSession.objects.filter(staff=operator).exists()


@pytest.mark.parametrize(("typed", "known"), [("13800132075", False), ("my-secret-words", False), (" ZhouLan", True)])
def test_what_was_typed_as_an_account_is_kept_nowhere(
    client: Client, org: Org, monkeypatch: Any, typed: str, known: bool
) -> None:
    operator = make_staff("hq_operator", unit=org.hq, wecom_user_id="zhoulan")
    counted: list[str] = []
    monkeypatch.setattr("yejibao.core.limits.hit", lambda what, who: counted.append(who))
    client.post("/login/", {"userid": typed, "password": "wrong"}, **HTML)
    entry = AuditEntry.objects.get(action="auth.login_failed")
    assert entry.resource_id == (str(operator.pk) if known else "")
    assert not any(typed.strip().casefold() in who for who in counted) and len(counted) == 2


def test_a_guide_has_no_way_in_by_password(client: Client, org: Org) -> None:
    org.guide.set_password("secret-words")
    org.guide.save()
    page = client.post("/login/", {"userid": org.guide.wecom_user_id, "password": "secret-words"}, **HTML)
    assert page.status_code == 422
    assert "你的岗位请从企业微信进入" in page.content.decode()


def test_a_password_is_set_at_the_command_line(client: Client, org: Org, monkeypatch: Any) -> None:
    operator = make_staff("hq_operator", unit=org.hq, wecom_user_id="zhoulan")
    signed_in(client, operator)
    monkeypatch.setattr("sys.stdin", io.StringIO("缝纫机与茶，还有线团\n"))
    call_command("set_password", "ZhouLan", stdout=io.StringIO())
    assert client.get("/me/").status_code == 401  # a new password ends what was open
    form = {"userid": "zhoulan", "password": "缝纫机与茶，还有线团"}
    assert client.post("/login/", form).status_code == 302
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    with pytest.raises(CommandError, match="密码至少 10 个字"):
        call_command("set_password", "zhoulan")
    call_command("set_password", "zhoulan", "--remove", stdout=io.StringIO())
    assert Client().post("/login/", form).status_code == 422


def test_the_page_shows_qr_code_password_and_in_the_demo_the_way_to_the_stand_in(client: Client) -> None:
    page = client.get("/login/", **HTML).content.decode()
    assert ("企业微信扫码登录" in page, 'name="password"' in page, "/sandbox/" in page) == (True, True, True)


# ---------------------------------------------------------------- a session's life


def test_an_anonymous_page_leads_to_the_door_and_a_call_gets_401(client: Client) -> None:
    answer = client.get("/me/?x=1", **HTML)
    assert (answer.status_code, answer["Location"]) == (302, "/login/?next=/me/%3Fx%3D1")
    assert (client.get("/me/").status_code, client.get("/me/").json()["code"]) == (401, "auth.required")


def test_who_resigned_is_refused_at_the_next_request(client: Client, org: Org) -> None:
    signed_in(client, org.guide)
    assert client.get("/me/", **HTML).status_code == 200
    resign_staff(org.guide, actor=Actor.system(), now=product_clock.now())
    page = client.get("/me/", **HTML)
    assert (page.status_code, "你的账号已停用，不能再登录" in page.content.decode()) == (401, True)
    assert not StaffSession.objects.filter(staff=org.guide).exists()
    assert client.get("/me/", **HTML).status_code == 302


def test_an_idle_session_ends_after_eight_hours(client: Client, org: Org, monkeypatch: Any) -> None:
    signed_in(client, org.guide)
    start = product_clock.system_now()
    for hours, status in ((7.9, 200), (15.8, 200), (23.5, 200), (24.1, 401)):  # used in time, but never beyond a day
        moment = start + timedelta(hours=hours)
        monkeypatch.setattr(product_clock, "system_now", lambda moment=moment: moment)
        assert client.get("/me/").status_code == status, hours
    monkeypatch.setattr(product_clock, "system_now", lambda: start)
    signed_in(client, org.guide)
    monkeypatch.setattr(product_clock, "system_now", lambda: start + timedelta(hours=8, seconds=1))
    assert client.get("/me/").status_code == 401


def test_turning_the_demo_clock_signs_nobody_out(client: Client, org: Org, clock: Any) -> None:
    signed_in(client, org.guide)
    clock.advance(days=400)
    assert client.get("/me/").status_code == 200


def test_leaving_ends_the_session(client: Client, org: Org) -> None:
    signed_in(client, org.guide)
    assert client.get("/logout/").status_code == 405
    assert client.post("/logout/")["Location"] == "/login/"
    assert client.get("/me/").status_code == 401
    assert AuditEntry.objects.get(action="auth.logout").actor_id == org.guide.pk


def test_switching_the_role_changes_the_home_and_not_the_scope(client: Client, org: Org) -> None:
    RoleAssignment.objects.create(staff=org.manager, role="guide", unit=org.store.unit)
    signed_in(client, org.manager, role="store_manager")
    before = session_key(client)
    answer = client.post("/me/role/", {"role": "guide"})
    assert (answer.status_code, answer["Location"]) == (302, "/g/today/")
    assert session_key(client) != before
    actor = client.get("/me/").wsgi_request.actor
    assert (actor.working_role, sorted(actor.roles)) == ("guide", ["guide", "store_manager"])
    assert client.post("/me/role/", {"role": "sys_admin"}).status_code == 403
    entry = AuditEntry.objects.get(action="auth.role_switched")
    assert (entry.before, entry.after) == ({"role": "store_manager"}, {"role": "guide"})


def test_ended_sessions_are_purged(client: Client, org: Org) -> None:
    from guides.org.jobs import purge_sessions

    signed_in(client, org.guide)
    signed_in(client, org.manager)
    StaffSession.objects.filter(staff=org.guide).update(expire_date=product_clock.system_now() - timedelta(seconds=1))
    assert purge_sessions() == {"deleted": 1}


def test_every_refusal_has_its_sentence() -> None:
    assert {refusal.code: bool(refusal.detail) for refusal in pages.REFUSALS.values()} == dict.fromkeys(
        pages.REFUSALS, True
    )
    assert sign_in.WrongPassword.code not in pages.REFUSALS
