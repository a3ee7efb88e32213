"""Start-up checks: production refuses to start with a laptop's values. Each says in both languages what to set.

Management commands and Celery workers run Django's checks by themselves; web and beat call `refuse_unsafe_start`, which
also compares the clocks.
"""

import base64
import binascii
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import Error, register
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection

CLOCK_OFF_SECONDS = 2.0
LOCAL = ("localhost", "127.0.0.1", "::1", "")
MIN_SECRET = 32
STAND_IN_CORP = "ww5a9db0c0de5a9db0"  # of the sandbox, and the default of settings.py
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
    if bool(settings.MINI_APP_ID) != bool(settings.MINI_SECRET):
        yield 19, "WECHAT_MINI_APP_ID 和 WECHAT_MINI_SECRET 要一起设（set both or neither）"
    if settings.MINI_APP_ID and settings.WECHATPAY_MCHID and settings.MINI_APP_ID != settings.WECHATPAY_APPID:
        yield (
            19,
            "WECHATPAY_APPID 要和 WECHAT_MINI_APP_ID 相同，付款人是小程序里的账号（payers are accounts of the mini-program）",
        )
    if settings.WECOM_CORP_ID in ("", STAND_IN_CORP):
        yield 20, "WECOM_CORP_ID 没有设置，请从控制台「我的企业」抄来（missing: this is the sandbox's）"
    if settings.TRUSTED_PROXY_COUNT < 1:
        yield (
            21,
            "TRUSTED_PROXY_COUNT 至少是 1：https 在前面的代理结束，不写它，所有人算同一个地址（all callers look like one address）",
        )
    if Path(settings.MEDIA_ROOT).resolve().is_relative_to(Path(settings.BASE_DIR).resolve()):
        yield 22, "MEDIA_ROOT 要在程序目录外面：照片和重删名单不能随升级丢掉（must lie outside the checkout）"
    yield from _wrong_pay()


def _wrong_pay() -> Iterator[tuple[int, str]]:
    """A brand without a merchant number takes no WeChat Pay, and needs none of it."""
    if settings.WECHATPAY_SANDBOX_CONTROL:
        yield 17, "WECHATPAY_SANDBOX_CONTROL 不能设，它让任何人都能当付款人（is set: unset it）"
    if not settings.WECHATPAY_MCHID:
        return
    if not settings.WECHATPAY_API_BASE.startswith("https://") or _is_local(settings.WECHATPAY_API_BASE):
        yield 17, "WECHATPAY_API_BASE 不是微信支付的地址，应为 https://api.mch.weixin.qq.com（this is the sandbox's）"
    if not settings.WECHATPAY_APPID or not settings.WECHATPAY_SERIAL_NO or not settings.WECHATPAY_PUBLIC_KEY_ID:
        yield (
            18,
            "设了 WECHATPAY_MCHID，还要设 WECHATPAY_APPID、WECHATPAY_SERIAL_NO、WECHATPAY_PUBLIC_KEY_ID（missing）",
        )
    if (
        len(settings.WECHATPAY_API_V3_KEY.encode()) != 32
        or settings.WECHATPAY_API_V3_KEY == settings.SANDBOX_API_V3_KEY
    ):
        yield 18, "WECHATPAY_API_V3_KEY 要是商户平台里设的 32 个字符（not the 32 characters of the merchant's console）"
    for ours, name in ((True, "WECHATPAY_PRIVATE_KEY"), (False, "WECHATPAY_PUBLIC_KEY")):
        if not _is_pem(getattr(settings, name), getattr(settings, f"{name}_FILE"), is_private=ours):
            yield 18, f"{name} 或 {name}_FILE 没有设置，或者不是 PEM 格式的密钥（missing, or no PEM key）"


def _is_pem(text: str, path: str, *, is_private: bool) -> bool:
    from cryptography.hazmat.primitives import serialization

    try:
        raw = Path(path).read_bytes() if path else text.encode()
        if is_private:
            serialization.load_pem_private_key(raw, None)
        else:
            serialization.load_pem_public_key(raw)
    except (OSError, ValueError, TypeError):
        return False
    return True


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
    secrets = [secret for _name, _colon, secret in keys] + [
        settings.INDEX_KEY,
        *settings.OLD_INDEX_KEYS,
        settings.SECRET_KEY,
    ]
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
