"""What every answer carries, and what no other site may do: headers, cookies, CSRF on all routes, no CORS."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import get_resolver

from tests.factories.guides import Org, holder_of, make_org, sign_in
from tests.test_routes_and_roles import ROUTES
from yejibao.core.middleware import ContentPolicy

pytestmark = pytest.mark.django_db

HTML = {"HTTP_ACCEPT": "text/html"}
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob: https://wework.qpic.cn https://*.qlogo.cn; connect-src 'self'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
CALLBACKS = {  # the only routes that take a POST from elsewhere; each checks a signature
    "/wecom/callback/{app}/", "/callbacks/wechatpay/{mchid}/",
}  # fmt: skip
NO_COOKIE = "/api/v1/member/"  # reads no cookie at all: a browser that is made to call it says nobody's name


@pytest.fixture
def org() -> Org:
    return make_org()


def directives(policy: str) -> dict[str, list[str]]:
    parts = [part.split() for part in re.sub(r"nonce-[^']+", "nonce-N", policy).split(";")]
    return {name: sorted(values) for name, *values in parts}


def test_a_page_carries_the_policy_and_the_headers(client: Client, org: Org) -> None:
    page = sign_in(client, org.guide).get("/me/", **HTML)
    assert directives(page["Content-Security-Policy"]) == directives(POLICY)
    assert {name: page[name] for name in ("X-Content-Type-Options", "Referrer-Policy", "Permissions-Policy")} == {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": "geolocation=(self), camera=(self)",
    }


def test_a_page_with_an_inline_script_names_its_nonce_and_each_has_its_own() -> None:
    def page(request: HttpRequest) -> HttpResponse:
        return HttpResponse(f'<script nonce="{request.csp_nonce}">1</script>')  # type: ignore[attr-defined]

    answers = [ContentPolicy(page)(RequestFactory().get("/")) for _ in range(2)]
    nonces = [re.findall(r'nonce="(.{16,})"', answer.content.decode())[0] for answer in answers]
    assert nonces[0] != nonces[1]
    for answer, nonce in zip(answers, nonces, strict=True):
        parts = [part.strip() for part in answer["Content-Security-Policy"].split(";")]  # in an order nobody promises
        assert f"script-src 'self' 'nonce-{nonce}'" in parts


def test_no_template_has_a_script_or_a_handler_in_it_without_a_nonce() -> None:
    inline = re.compile(r"<script(?![^>]*\b(src=|type=\"application/json\"|nonce=))[^>]*>|<[^>]+\son[a-z]+=\"")
    found = [str(path) for path in Path("templates").rglob("*.html") if inline.search(path.read_text())]
    assert found == []


def test_refusals_carry_them_too(client: Client) -> None:
    for page in (client.get("/no/such/page/", **HTML), client.get("/login/?why=auth.state_gone", **HTML)):
        assert "default-src 'self'" in page["Content-Security-Policy"]
        assert page["X-Content-Type-Options"] == "nosniff"


def test_hsts_where_there_is_https(settings: Any) -> None:
    settings.SECURE_HSTS_SECONDS = 31536000
    assert Client().get("/login/", secure=True)["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.parametrize("path", ["/api/v1/me/", "/api/v1/staff/", "/api/v1/no/such/", "/api/schema/"])
def test_nothing_of_the_api_is_kept_anywhere(client: Client, org: Org, path: str) -> None:
    assert client.get(path)["Cache-Control"] == "no-store"
    assert sign_in(client, org.guide).get(path)["Cache-Control"] == "no-store"


def test_the_cookie_is_hidden_from_scripts_and_from_other_sites(client: Client) -> None:
    from django.conf import settings

    client.get("/login/wecom/")
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["domain"]) == (True, "Lax", "/", "")


def test_production_cookies_are_bound_to_the_host() -> None:
    import subprocess
    import sys

    code = (
        "import os; os.environ.update(YEJIBAO_ENV='production', PUBLIC_BASE_URL='https://yj.example.com')\n"
        "from yejibao import settings as s\n"
        "print(s.SESSION_COOKIE_NAME, s.MEMBER_COOKIE_NAME, s.CSRF_COOKIE_NAME, s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE,"
        " s.SECURE_HSTS_SECONDS, s.SECOND_FACTOR, s.PASSWORD_SIGN_IN)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == [
        "__Host-yejibao",
        "__Host-yejibao-member",
        "__Host-csrf",
        "True",
        "True",
        "31536000",
        "totp",
        "False",
    ]


def test_only_callbacks_are_exempt_from_csrf() -> None:
    """DRF marks all its views exempt and asks for the token itself: see the next test."""
    exempt = {
        route.template for route in ROUTES if getattr(route.view, "csrf_exempt", False) and route.drf_class is None
    }
    assert exempt == CALLBACKS
    assert get_resolver() is not None


def test_every_endpoint_refuses_a_signed_in_browser_without_the_token(org: Org) -> None:
    """A form on another site can make a browser send its cookie: whatever changes something must not listen to it."""
    client = sign_in(Client(enforce_csrf_checks=True), holder_of("sys_admin", org))
    let_in = []
    for route in ROUTES:
        if route.template in CALLBACKS or route.template.startswith(NO_COOKIE):
            continue
        for method in set(route.methods) & {"POST", "PUT", "PATCH", "DELETE"}:
            answer = getattr(client, method.lower())(route.path(), data={}, content_type="application/json")
            if answer.status_code not in (401, 403, 404, 405):
                let_in.append((method, route.template, answer.status_code))
    assert let_in == []


def test_no_other_site_may_read_an_answer(client: Client, org: Org) -> None:
    sign_in(client, org.guide)
    elsewhere = {"HTTP_ORIGIN": "https://evil.example", "HTTP_ACCESS_CONTROL_REQUEST_METHOD": "GET"}
    for answer in (
        client.get("/api/v1/me/", **elsewhere),
        client.options("/api/v1/me/", **elsewhere),
        client.get("/me/", **elsewhere, **HTML),
    ):
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
