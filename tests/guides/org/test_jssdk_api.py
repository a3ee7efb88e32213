"""Signatures for our pages: for people who are signed in, and for our own addresses only."""

import json
import re
from typing import Any

import pytest
from django.test import Client

from tests.conftest import SandboxControl
from tests.factories.guides import make_org, sign_in
from yejibao.wecom import gateway, jssdk, tokens

pytestmark = pytest.mark.django_db
PATH = "/api/v1/wecom/signature"
OURS = "http://testserver/g/sidebar/?external_user_id=wm1"


@pytest.fixture
def guide(client: Client, sandbox: SandboxControl, settings: Any) -> Client:
    settings.PUBLIC_BASE_URL = "http://testserver"
    tokens.Credentials.forget_process_copies()
    gateway._gateway.cache_clear()
    return sign_in(client, make_org().guide)


@pytest.mark.parametrize("kind", ["agent", "corp"])
def test_our_page_is_signed_with_the_ticket_of_its_kind(guide: Client, kind: str) -> None:
    answer = guide.get(PATH, {"url": OURS + "#top", "kind": kind})
    signed = answer.json()
    door = gateway.default()
    ticket = door.get_agent_ticket() if kind == "agent" else door.get_corp_ticket()
    assert signed["signature"] == jssdk.sign(ticket, signed["nonceStr"], signed["timestamp"], OURS)
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize("url", ["https://evil.example/g/sidebar/", "//testserver/", "javascript:alert(1)", ""])
def test_no_other_page_is(guide: Client, url: str) -> None:
    assert guide.get(PATH, {"url": url}).status_code == 422


def test_in_production_only_the_trusted_domain_counts(guide: Client, settings: Any) -> None:
    settings.PUBLIC_BASE_URL = "https://yejibao.example"
    assert guide.get(PATH, {"url": OURS}).status_code == 200  # a demo under another name of its machine
    settings.PRODUCTION = True
    assert guide.get(PATH, {"url": OURS}).json()["code"] == "wecom.foreign_url"


def test_nobody_else_may_ask(client: Client, guide: Client) -> None:
    assert Client().get(PATH, {"url": OURS}).status_code == 401
    assert guide.get(PATH, {"url": OURS, "kind": "other"}).status_code == 422


def test_a_platform_that_is_gone_is_said(guide: Client, settings: Any) -> None:
    settings.WECOM_API_BASE = "http://127.0.0.1:9/cgi-bin/"
    gateway._gateway.cache_clear()
    tokens.Credentials.forget_process_copies()
    answer = guide.get(PATH, {"url": OURS})
    assert (answer.status_code, answer.json()["retryable"]) == (503, True)


def test_the_page_beside_the_chat_brings_its_signatures_when_the_tickets_are_here(guide: Client) -> None:
    def brought() -> dict[str, Any]:
        page = guide.get("/g/sidebar/").content.decode()
        found = re.search(r'<script id="wecom-signed" type="application/json">(.*?)</script>', page)
        return json.loads(found[1]) if found else {}

    assert brought() == {"url": "http://testserver/g/sidebar/"}  # a cold house makes no call for a page
    door = gateway.default()
    tickets = {"agent": door.get_agent_ticket(), "corp": door.get_corp_ticket()}
    signed = brought()
    for kind, ticket in tickets.items():
        one = signed[kind]
        assert one["signature"] == jssdk.sign(ticket, one["nonceStr"], one["timestamp"], signed["url"])
