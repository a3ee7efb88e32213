"""A small company and the administrator's browser."""

import re
from html import unescape
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from tests.factories.guides import Org, holder_of, make_org, sign_in

NOW = "2026-11-21 14:20"


@pytest.fixture
def now(clock: Any) -> Any:
    return clock.travel(NOW)


@pytest.fixture
def org(db: None, now: Any) -> Org:
    return make_org()


@pytest.fixture
def admin(org: Org) -> Client:
    return browser_of("sys_admin", org)


def browser_of(role: str, org: Org, *, confirmed: bool = True) -> Client:
    return sign_in(Client(headers={"Accept": "text/html"}), holder_of(role, org), confirmed=confirmed)


def text_of(response: HttpResponse) -> str:
    html = re.sub(r"(?s)<(script|style|svg|template).*?</\1>|<[^>]+>", " ", response.content.decode())
    return re.sub(r"\s+", " ", unescape(html))


def field(response: HttpResponse, name: str) -> str:
    """Return the value of the first hidden field of a name."""
    found = re.search(rf'name="{name}" value="([^"]*)"', response.content.decode())
    assert found is not None, name
    return found[1]
