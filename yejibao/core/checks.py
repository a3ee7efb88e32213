"""Start-up checks: production refuses to start with a laptop's values. Each says in both languages what to set.

Management commands and Celery workers run Django's checks by themselves; web and beat call `refuse_unsafe_start`, which
also compares the clocks.
"""

import base64
import binascii
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import Error, register
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection

CLOCK_OFF_SECONDS = 2.0
LOCAL = ("localhost", "127.0.0.1", "::1", "")
MIN_SECRET = 32
LAPTOP_KEY = "ZGV2ZWxvcG1lbnQta2V5LWZvci1sYXB0b3BzLW9ubHk="  # the default of settings.py, which everybody can read


@register()
def production_is_configured(app_configs: Any, **_: Any) -> list[Error]:
    """Refuse in production what would leave a door open. The ids are for the runbook and stay as they are."""
    if not settings.PRODUCTION:
        return []
    return [Error(text, id=f"yejibao.E{number:03}") for number, text in _wrong()]


def _wrong() -> Iterator[tuple[int, str]]:
    if settings.DEBUG:
        yield 1, "YEJIBAO_DEBUG 必须去掉（DEBUG is on: remove YEJIBAO_DEBUG）"
    if settings.SECRET_KEY == settings.INSECURE_SECRET or len(settings.SECRET_KEY) < MIN_SECRET:
        yield 2, "YEJIBAO_SECRET_KEY 没有设置，或者太短：至少 32 个字符（missing or shorter than 32 characters）"
    yield from _wrong_keys()
    if "*" in settings.ALLOWED_HOSTS or not settings.ALLOWED_HOSTS:
        yield 5, "ALLOWED_HOSTS 要写明域名，不能是 * 或空（name the hosts; * lets any in）"
    if not settings.WECOM_API_BASE.startswith("https://") or _is_local(settings.WECOM_API_BASE):
        yield 6, "WECOM_API_BASE 不是企业微信的地址，应为 https://qyapi.weixin.qq.com/cgi-bin/（this is the sandbox's）"
    if not settings.WECOM_OAUTH_BASE.startswith("https://") or _is_local(settings.WECOM_OAUTH_BASE):
        yield 6, "WECOM_OAUTH_BASE 不是企业微信的地址，应为 https://open.weixin.qq.com（this is the sandbox's）"
    if settings.WECOM_SANDBOX_CONTROL:
        yield 7, "WECOM_SANDBOX_CONTROL 不能设，它让任何人都能当任何人（WECOM_SANDBOX_CONTROL is set: unset it）"
    if settings.CLOCK_FILE:
        yield 8, "YEJIBAO_CLOCK_FILE 不能设（YEJIBAO_CLOCK_FILE is set: the product's clock could be turned）"
    if any(len(aes_key) != 43 for _token, aes_key in settings.WECOM_CALLBACKS.values()):
        yield 9, "有一个 WECOM_CALLBACK_*_AES_KEY 不是 43 个字符，请照控制台重抄（has not 43 characters）"
    is_secure = settings.SESSION_COOKIE_SECURE and settings.CSRF_COOKIE_SECURE and settings.SESSION_COOKIE_HTTPONLY
    if not is_secure or not settings.SESSION_COOKIE_NAME.startswith("__Host-"):
        yield 10, "PUBLIC_BASE_URL 要以 https:// 开头，登录凭据才不会在半路被看见（cookies are insecure without https）"
    if settings.WECOM_SECRET.startswith("sandbox-secret-") or not settings.WECOM_SECRET:
        yield 11, "WECOM_SECRET 没有设置，请从控制台的应用页抄来（WECOM_SECRET is missing）"
    if not settings.DATABASES["default"]["HOST"] or not settings.DATABASES["default"]["USER"]:
        yield 12, "DATABASE_URL 没有写全：要有主机和用户（DATABASE_URL names no host or no user）"
    if settings.SECOND_FACTOR not in ("totp", "wecom"):
        yield 13, "SECOND_FACTOR 只能是 totp 或 wecom（must be totp or wecom）"
    if settings.REQUESTS_PER_MINUTE < 1 or not settings.MISSES_LOCK:
        yield 14, "REQUESTS_PER_MINUTE 和 MISSES_LOCK 不能关掉（limits are off: unset both）"


def _wrong_keys() -> Iterator[tuple[int, str]]:
    keys = [entry.partition(":") for entry in settings.DATA_KEYS]
    if not keys or not all(name and _is_32_bytes(secret) for name, _colon, secret in keys):
        yield 3, "YEJIBAO_DATA_KEYS 没有设置，或者不是“编号:32 字节的 base64”（missing, or not id:base64-of-32-bytes）"
    if any(secret == LAPTOP_KEY for _name, _colon, secret in keys):
        yield 3, "YEJIBAO_DATA_KEYS 用了开发时的缺省钥匙，请另外生成（this is the laptop's key, which everybody knows）"
    if len({name for name, _colon, _secret in keys}) < len(keys):
        yield 3, "YEJIBAO_DATA_KEYS 里有两把钥匙编号相同（two keys of one id）"
    if len(settings.INDEX_KEY) < MIN_SECRET:
        yield 4, "YEJIBAO_INDEX_KEY 没有设置，或者太短：至少 32 个字符（missing or shorter than 32 characters）"
    secrets = [secret for _name, _colon, secret in keys] + [settings.INDEX_KEY, settings.SECRET_KEY]
    if len(set(filter(None, secrets))) < len(list(filter(None, secrets))):
        yield 15, "YEJIBAO_SECRET_KEY、YEJIBAO_DATA_KEYS、YEJIBAO_INDEX_KEY 不能相同，请分别生成（keys must differ）"


def _is_32_bytes(secret: str) -> bool:
    try:
        return len(base64.b64decode(secret, validate=True)) == 32
    except (binascii.Error, ValueError):
        return False


def _is_local(address: str) -> bool:
    return (urlsplit(address).hostname or "") in LOCAL


def clock_off_seconds() -> float | None:
    """Return how far this machine's clock is off the database's; None when the database cannot be asked."""
    try:
        with connection.cursor() as cursor:
            before = time.time()
            cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
            (at,) = cursor.fetchone()
    except DatabaseError:
        return None
    finally:
        if not connection.in_atomic_block:  # a test's
            connection.close()
    return max(0.0, before - at, at - time.time())


def refuse_unsafe_start() -> None:
    """Raise ImproperlyConfigured in production when a setting is unsafe, or the clock more than two seconds off.

    A database that does not answer yet refuses nothing: the process waits for it, and asks for the clock at each tick.
    """
    if not settings.PRODUCTION:
        return
    wrong = [f"{error.id} {error.msg}" for error in production_is_configured(None)]
    off = clock_off_seconds() if not wrong else None
    if off is not None and off > CLOCK_OFF_SECONDS:
        wrong.append(
            f"yejibao.E016 这台机器的时钟和数据库差 {off:.1f} 秒，请先对时（clock is off the database's; start chrony or ntpd）"
        )
    if wrong:
        raise ImproperlyConfigured("\n".join(["配置不安全，不能启动 (refusing to start):", *wrong]))
