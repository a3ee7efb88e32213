"""The WeCom-like client: who one is, what one sees of the stand-in, what one may make happen there."""

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from crm.orders.models import Order
from guides.org.loading import load_org, made_up_org
from guides.org.models import StaffSession
from tests.conftest import SandboxControl
from tests.factories.crm import make_friend, make_member, make_style
from tests.factories.guides import Org, holder_of, make_org, sign_in
from yejibao.core import clock as product_clock
from yejibao.demo import sandbox_people
from yejibao.wecom import gateway, tokens

pytestmark = pytest.mark.django_db
HTML = {"Accept": "text/html"}
IN_FRAME = {"headers": {"Sec-Fetch-Dest": "iframe"}}  # as the client shows the product's pages


@pytest.fixture
def org(sandbox: SandboxControl, settings: Any) -> Org:
    settings.WECOM_OAUTH_BASE = "http://testserver/sandbox"
    settings.PUBLIC_BASE_URL = "http://testserver"
    tokens.Credentials.forget_process_copies()
    gateway._gateway.cache_clear()
    return make_org()


def choose(client: Any, person: Any) -> Client:
    client.post("/sandbox/people/", {"userid": person.wecom_user_id})
    return client


def send(client: Any, path: str, **body: Any) -> Any:
    return client.post(f"/sandbox/api/{path}", json.dumps(body), content_type="application/json")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "people/",
        "connect/oauth2/authorize",
        "api/poll",
        "api/chat",
        "api/clock",
        "api/order",
        "api/faults",
        "api/press",
    ],
)
@pytest.mark.parametrize("missing", ["stand-in", "development"])
def test_without_a_stand_in_there_is_no_client(client: Any, settings: Any, path: str, missing: str) -> None:
    if missing == "stand-in":
        settings.WECOM_SANDBOX_CONTROL = ""
    else:
        settings.PRODUCTION = True
    for method in (client.get, client.post):
        assert method(f"/sandbox/{path}", headers=HTML).status_code in (404, 405)
    assert client.get(f"/sandbox/{path}", headers=HTML).status_code == 404 or path in (
        "api/chat",
        "api/clock",
        "api/order",
        "api/press",
    )


def test_people_stand_by_store_and_can_be_searched(client: Any, org: Org) -> None:
    page = client.get("/sandbox/people/").content.decode()
    assert [name in page for name in ("林晓雯", "陈国栋", "黄婷", "南京新街口店", "店长")] == [True] * 5
    found = client.get("/sandbox/people/", {"q": "观前"}).content.decode()
    assert ("黄婷" in found, "林晓雯" in found) == (True, False)
    assert "没有叫「<b>」的人" not in client.get("/sandbox/people/", {"q": "<b>"}).content.decode()


def test_the_named_and_hq_come_before_any_number_of_made_up_people(
    client: Any, org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_org(made_up_org(branches=1, regions=1, areas=1, stores=3, staff=40), now=product_clock.now())
    keeper = holder_of("sys_admin", org)
    monkeypatch.setattr(sandbox_people, "PEOPLE_SHOWN", 30)
    page = client.get("/sandbox/people/").content.decode()
    places = re.findall(r"<h2>([^<]+)</h2>", page)
    assert places[0] == "先从这几位开始" and not places[1].startswith("门店")
    names = re.findall(r'<b class="m">([^<]+)</b>', page)
    assert {org.guide.name, org.manager.name, keeper.name, "黄婷"} <= set(names)
    made_up = [name for name in names if re.fullmatch(r"(导购|店长|督导)\d+", name)]
    assert made_up == names[-len(made_up) :] and len(set(made_up)) == len(made_up) > 5
    assert "只列了前 30 位" in page
    found = client.get("/sandbox/people/", {"q": "导购0036"}).content.decode()
    assert re.findall(r'<b class="m">([^<]+)</b>', found) == ["导购0036"]


def test_a_person_signs_in_by_the_real_round(client: Any, org: Org) -> None:
    choose(client, org.guide)
    start = client.get("/login/wecom/", {"next": "/g/sidebar/"}, **IN_FRAME)
    asked = urlsplit(start.url)
    assert asked.path == "/sandbox/connect/oauth2/authorize"
    authorized = client.get(f"{asked.path}?{asked.query}")
    back = parse_qs(urlsplit(authorized.url).query)
    assert back["state"] == parse_qs(asked.query)["state"]
    done = client.get(authorized.url)
    assert (done.status_code, done.url) == (302, "/g/sidebar/")
    assert StaffSession.objects.get(staff=org.guide)
    again = client.get(authorized.url)
    assert again.url.startswith("/login/?why=")  # a code counts once


def test_without_a_choice_the_round_asks_first(client: Any, org: Org) -> None:
    asked = urlsplit(client.get("/login/wecom/", **IN_FRAME).url)
    choice = client.get(f"{asked.path}?{asked.query}")
    assert choice.url.startswith("/sandbox/people/?next=")
    chosen = client.post("/sandbox/people/", {"userid": org.guide.wecom_user_id, "next": f"{asked.path}?{asked.query}"})
    assert chosen.url == f"{asked.path}?{asked.query}"
    elsewhere = client.post("/sandbox/people/", {"userid": org.guide.wecom_user_id, "next": "https://evil.example/"})
    assert elsewhere.url == "/sandbox/"


def test_at_the_web_a_code_is_scanned_with_the_phone_one_chooses(client: Any, org: Org) -> None:
    keeper = holder_of("sys_admin", org)
    asked = client.get("/login/wecom/", {"next": "/me/"}).url
    assert urlsplit(asked).path == "/sandbox/wwlogin/sso/login"
    page = client.get(asked)
    assert "data:image/svg+xml" in page.content.decode()
    chosen = client.post("/sandbox/people/", {"userid": keeper.wecom_user_id, "next": page.context["next"]})
    done = client.get(client.get(chosen.url).url)
    assert (done.status_code, done.url) == (302, "/me/")
    assert StaffSession.objects.get(staff=keeper)


def test_in_the_demo_a_scan_confirms_the_same_person_and_nobody_else(client: Any, org: Org) -> None:
    keeper, other = holder_of("sys_admin", org), holder_of("sys_admin", org)

    def scan(person: Any) -> str:
        sign_in(client, keeper, confirmed=False)
        page = client.get(client.post("/me/confirm/wecom/", {"next": "/me/devices/"}).url)
        chosen = client.post("/sandbox/people/", {"userid": person.wecom_user_id, "next": page.context["next"]})
        return str(client.get(client.get(chosen.url).url).url)

    assert scan(other).startswith("/login/?why=")
    sign_in(client, keeper, confirmed=False)
    assert client.get("/me/second/", headers=HTML).url == "/me/confirm/?next=/me/second/"
    assert scan(keeper) == "/me/devices/"
    assert client.get("/me/second/", headers=HTML).status_code == 200


@pytest.mark.parametrize("back", ["https://evil.example/cb", "//evil.example/cb", "javascript:alert(1)", ""])
def test_no_code_for_a_foreign_address(client: Any, org: Org, settings: Any, back: str) -> None:
    choose(client, org.guide)
    query = {"appid": settings.WECOM_CORP_ID, "response_type": "code", "redirect_uri": back, "state": "a"}
    assert client.get("/sandbox/connect/oauth2/authorize", query).status_code == 400


def test_choosing_somebody_else_signs_the_last_one_out(client: Any, org: Org) -> None:
    sign_in(client, org.guide)
    choose(client, org.manager)
    assert not StaffSession.objects.filter(staff=org.guide).exists()
    page = client.get("/sandbox/")
    assert page.context["facts"]["me"]["name"] == "国栋"
    assert (page.context["facts"]["home"], page.context["facts"]["signedIn"]) == ("/m/review/", False)


def test_both_sides_of_a_chat(client: Any, org: Org, sandbox: SandboxControl) -> None:
    choose(client, org.guide)
    link = make_friend(make_member(owner=org.guide, name="王建平"), external_user_id="wm1")
    other = make_friend(make_member(owner=org.stranger), external_user_id="wm2")
    assert send(client, "chat", external="wm1", text="您好", **{"from": "guide"}).status_code == 200
    assert send(client, "chat", external="wm1", text="你好", **{"from": "member"}).status_code == 200
    assert send(client, "chat", external=other.external_user_id, text="您好").status_code == 404
    assert send(client, "chat", external="wm1", text="  ").status_code == 422
    got = client.get("/sandbox/api/poll", {"chat": "wm1"}).json()
    assert [(line["from"], line["text"]) for line in got["lines"]] == [("guide", "您好"), ("member", "你好")]
    assert [chat["external_userid"] for chat in got["chats"]] == ["wm1"]
    last = got["lines"][-1]["seq"]
    assert client.get("/sandbox/api/poll", {"chat": "wm1", "line": last}).json()["lines"] == []
    link.state = "deleted_by_member"
    link.save()
    sandbox.post("reset")  # it starts empty, is told again, and now they are no friends
    assert send(client, "chat", external="wm1", text="在吗").json()["code"] == "sandbox.not_friends"


def test_messages_are_those_that_arrived(client: Any, org: Org, sandbox: SandboxControl, settings: Any) -> None:
    choose(client, org.guide)
    sandbox.post("world", people=[{"userid": org.guide.wecom_user_id, "name": "晓雯"}])
    door = gateway.default()
    body = {
        "touser": org.guide.wecom_user_id, "msgtype": "textcard", "agentid": settings.WECOM_AGENT_ID,
        "textcard": {"title": "王建平 · 30 分钟回访", "description": "刚买走大衣", "url": "http://testserver/g/tasks/7/"},
    }  # fmt: skip
    door.send_message(json.dumps(body).encode())
    [message] = client.get("/sandbox/api/poll").json()["messages"]
    assert (message["title"], message["text"], message["button"]) == ("王建平 · 30 分钟回访", "刚买走大衣", "详情")
    assert client.get("/sandbox/api/poll", {"after": message["seq"]}).json()["messages"] == []


def test_a_sale_goes_through_the_feed(client: Any, org: Org) -> None:
    choose(client, org.guide)
    make_style()
    make_friend(make_member(owner=org.guide, name="王建平"), external_user_id="wm1")
    answer = send(client, "order", external="wm1", sku="25FXF101-NV")
    assert (answer.status_code, answer.json()["said"]) == (
        201,
        "王建平 买了抗皱羊毛修身套西，¥2,580。30 分钟回访一会儿就到",
    )
    order = Order.objects.get()
    assert (order.guide, order.store, order.paid_fen, order.source) == (org.guide, org.store, 258000, "sandbox")
    assert send(client, "order", external="wm2", sku="").status_code == 422


def test_the_clock_only_goes_on(client: Any, org: Org, settings: Any, tmp_path: Any) -> None:
    choose(client, org.guide)
    assert send(client, "clock", minutes=30).status_code == 409
    settings.CLOCK_FILE = str(tmp_path / "clock")
    try:
        before = product_clock.now()
        assert send(client, "clock", minutes=30).status_code == 200
        assert 1795 <= (product_clock.now() - before).total_seconds() <= 1830
        for wrong in ({"minutes": -5}, {"minutes": 0}, {"minutes": "30"}, {"minutes": True}, {"minutes": 10**9}, {}):
            assert send(client, "clock", **wrong).status_code == 422
        assert send(client, "clock", to="tomorrow").json()["clock"] in ("今天 10:00", "明天 10:00")
    finally:
        product_clock._offset = (0.0, 0.0)


def test_faults_are_switches(client: Any, org: Org, sandbox: SandboxControl) -> None:
    choose(client, org.guide)
    assert client.get("/sandbox/api/faults").json() == {"on": []}
    assert send(client, "faults", key="third").json() == {"on": ["third"]}
    assert send(client, "faults", key="limit").json() == {"on": ["limit"]}
    assert [fault["errcode"] for fault in sandbox.get("faults")["faults"]] == [45009]
    assert send(client, "faults", key="nonsense").status_code == 422
    assert send(client, "faults", key="").json() == {"on": []}


def test_bad_weather_is_one_switch(client: Any, org: Org, sandbox: SandboxControl) -> None:
    choose(client, org.guide)
    assert send(client, "faults", key="weather").json() == {"on": ["weather"]}
    weather = sandbox.get("weather")["weather"]
    assert min(weather.values()) > 0  # everything that can go wrong does
    assert [fault["why"] for fault in sandbox.get("faults")["faults"]] == ["weather", "weather"]
    assert send(client, "faults", key="third").json() == {"on": ["third"]}
    assert sandbox.get("weather")["bad"] is False
    send(client, "faults", key="weather")
    assert send(client, "faults", key="").json() == {"on": []}
    assert sandbox.get("faults")["faults"] == []


def test_a_stand_in_that_is_gone_is_said(client: Any, org: Org, settings: Any) -> None:
    choose(client, org.guide)
    settings.WECOM_SANDBOX_CONTROL = "http://127.0.0.1:9/control/"
    answer = client.get("/sandbox/api/poll")
    assert (answer.status_code, answer.json()["title"]) == (503, "企业微信沙箱没有开")
