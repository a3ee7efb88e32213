"""Production does not start with unsafe settings, nor with a clock that is off: each case by itself."""

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.core.exceptions import ImproperlyConfigured

from tests.conftest import CHECKOUT
from yejibao.core import checks
from yejibao.core.checks import LAPTOP_KEY, production_is_configured, refuse_unsafe_start
from yejibao.wechatpay.account import public_half

KEY = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
PRIVATE = (
    generate_private_key(public_exponent=65537, key_size=2048)
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)
SAFE = {
    "PRODUCTION": True,
    "DEBUG": False,
    "SECRET_KEY": "s" * 48,
    "DATA_KEYS": [f"k1:{KEY}"],
    "INDEX_KEY": "i" * 43,
    "ALLOWED_HOSTS": ["yejibao.example.com"],
    "WECOM_API_BASE": "https://qyapi.weixin.qq.com/cgi-bin/",
    "WECOM_OAUTH_BASE": "https://open.weixin.qq.com",
    "WECOM_SANDBOX_CONTROL": "",
    "WECOM_SECRET": "a secret of the console",
    "WECOM_CORP_ID": "wwd08c8exxxx5ab44d",
    "TRUSTED_PROXY_COUNT": 1,
    "MEDIA_ROOT": "/var/lib/yejibao/media",
    "WECOM_CALLBACKS": {"yejibao": ("token", "a" * 43)},
    "CLOCK_FILE": "",
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_SECURE": True,
    "SESSION_COOKIE_HTTPONLY": True,
    "SESSION_COOKIE_NAME": "__Host-yejibao",
    "MINI_APP_ID": "wx1234567890abcdef",
    "MINI_SECRET": "m" * 32,
    "WECHATPAY_SANDBOX_CONTROL": "",
    "WECHATPAY_MCHID": "1900000109",
    "WECHATPAY_APPID": "wx1234567890abcdef",
    "WECHATPAY_SERIAL_NO": "5F" * 20,
    "WECHATPAY_PUBLIC_KEY_ID": "PUB_KEY_ID_01",
    "WECHATPAY_API_V3_KEY": "k" * 32,
    "WECHATPAY_API_BASE": "https://api.mch.weixin.qq.com",
    "WECHATPAY_PRIVATE_KEY": PRIVATE,
    "WECHATPAY_PUBLIC_KEY": public_half(PRIVATE),
    "SECOND_FACTOR": "totp",
    "REQUESTS_PER_MINUTE": 600,
    "MISSES_LOCK": True,
}


@pytest.fixture
def safe(settings: Any) -> Any:
    for name, value in SAFE.items():
        setattr(settings, name, value)
    settings.DATABASES["default"]["HOST"] = settings.DATABASES["default"]["HOST"] or "db"
    return settings


def test_safe_settings_start(safe: Any) -> None:
    assert production_is_configured(None) == []


@pytest.mark.parametrize(
    ("name", "value", "number"),
    [
        ("DEBUG", True, "001"),
        ("SECRET_KEY", "development-only-not-for-production", "002"),
        ("SECRET_KEY", "short", "002"),
        ("DATA_KEYS", [], "003"),
        ("DATA_KEYS", ["k1:not base64"], "003"),
        ("DATA_KEYS", ["k1:" + base64.b64encode(b"short").decode()], "003"),
        ("DATA_KEYS", [KEY], "003"),
        ("DATA_KEYS", [f"d1:{LAPTOP_KEY}"], "003"),
        ("DATA_KEYS", [f"k1:{KEY}", f"k1:{KEY[::-1]}"], "003"),
        ("INDEX_KEY", "", "004"),
        ("INDEX_KEY", "development-index-key", "004"),
        ("INDEX_KEY", KEY, "015"),
        ("INDEX_KEY", "s" * 48, "015"),
        ("ALLOWED_HOSTS", ["*"], "005"),
        ("ALLOWED_HOSTS", [], "005"),
        ("WECOM_API_BASE", "http://127.0.0.1:8001/cgi-bin/", "006"),
        ("WECOM_API_BASE", "https://localhost/cgi-bin/", "006"),
        ("WECOM_OAUTH_BASE", "http://yejibao.example.com/sandbox", "006"),
        ("WECOM_SANDBOX_CONTROL", "http://127.0.0.1:8001/control/", "007"),
        ("CLOCK_FILE", "/tmp/clock.json", "008"),
        ("WECOM_CALLBACKS", {"yejibao": ("token", "short")}, "009"),
        ("SESSION_COOKIE_SECURE", False, "010"),
        ("CSRF_COOKIE_SECURE", False, "010"),
        ("SESSION_COOKIE_HTTPONLY", False, "010"),
        ("SESSION_COOKIE_NAME", "yejibao_80", "010"),
        ("WECOM_SECRET", "sandbox-secret-0123456789abcdef", "011"),
        ("WECOM_SECRET", "", "011"),
        ("SECOND_FACTOR", "none", "013"),
        ("REQUESTS_PER_MINUTE", 0, "014"),
        ("MISSES_LOCK", False, "014"),
        ("MINI_SECRET", "", "019"),
        ("MINI_APP_ID", "wx0000000000000000", "019"),
        ("WECOM_CORP_ID", "", "020"),
        ("WECOM_CORP_ID", "ww5a9db0c0de5a9db0", "020"),
        ("TRUSTED_PROXY_COUNT", 0, "021"),
        ("MEDIA_ROOT", str(CHECKOUT / ".run" / "media"), "022"),
        ("WECHATPAY_SANDBOX_CONTROL", "http://127.0.0.1:8002/control/", "017"),
        ("WECHATPAY_API_BASE", "http://127.0.0.1:8002", "017"),
        ("WECHATPAY_API_BASE", "https://localhost", "017"),
        ("WECHATPAY_APPID", "", "018"),
        ("WECHATPAY_SERIAL_NO", "", "018"),
        ("WECHATPAY_PUBLIC_KEY_ID", "", "018"),
        ("WECHATPAY_API_V3_KEY", "short", "018"),
        ("WECHATPAY_PRIVATE_KEY", "", "018"),
        ("WECHATPAY_PRIVATE_KEY_FILE", "/nowhere/apiclient_key.pem", "018"),
        ("WECHATPAY_PUBLIC_KEY", "no key", "018"),
    ],
)
def test_each_unsafe_setting_is_refused_in_both_languages(safe: Any, name: str, value: Any, number: str) -> None:
    setattr(safe, name, value)
    found = {error.id: str(error.msg) for error in production_is_configured(None)}
    said = found[f"yejibao.E{number}"]
    assert any("一" <= letter <= "鿿" for letter in said) and any("a" <= letter <= "z" for letter in said)
    with pytest.raises(ImproperlyConfigured, match=f"yejibao.E{number}"):
        refuse_unsafe_start()


def test_a_brand_that_takes_no_wechat_pay_needs_none_of_it(safe: Any) -> None:
    for name in [name for name in SAFE if name.startswith("WECHATPAY_")]:
        setattr(safe, name, "")
    assert production_is_configured(None) == []


def test_a_database_without_a_host_is_refused(safe: Any, monkeypatch: Any) -> None:
    monkeypatch.setitem(safe.DATABASES["default"], "HOST", "")
    assert [error.id for error in production_is_configured(None)] == ["yejibao.E012"]


@pytest.mark.parametrize(("off", "starts"), [(None, True), (0.0, True), (1.9, True), (2.1, False), (3600.0, False)])
def test_a_clock_that_is_off_is_refused(safe: Any, monkeypatch: Any, off: float | None, starts: bool) -> None:
    monkeypatch.setattr(checks, "clock_off_seconds", lambda: off)
    if starts:
        refuse_unsafe_start()
    else:
        with pytest.raises(ImproperlyConfigured, match=r"E016 .*对时.*clock is off"):
            refuse_unsafe_start()


@pytest.mark.django_db
def test_the_clocks_are_compared_with_the_databases(monkeypatch: Any) -> None:
    off = checks.clock_off_seconds()
    assert off is not None and off < 1
    monkeypatch.setattr(checks.time, "time", lambda: 1_500_000_000.0)
    off = checks.clock_off_seconds()
    assert off is not None and off > 3600


def test_a_laptop_starts_with_its_own_values(settings: Any) -> None:
    settings.DEBUG = True
    assert production_is_configured(None) == []
    refuse_unsafe_start()
