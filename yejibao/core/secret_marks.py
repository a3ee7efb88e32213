"""Which secrets are set and since when, without ever showing one: a keyed mark of each is kept and compared.

Secrets come from the environment or a secret file (reliability-security §2) and are replaced there; that one was replaced
is seen here, and written to the audit trail.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from . import audit
from .models import SecretMark
from .scope import Actor

# (name, words, the setting, the variable one changes)
PLAIN = (
    ("secret_key", "会话签名密钥", "SECRET_KEY", "YEJIBAO_SECRET_KEY"),
    ("data_keys", "个人信息加密密钥", "DATA_KEYS", "YEJIBAO_DATA_KEYS"),
    ("index_key", "手机号查找密钥", "INDEX_KEY", "YEJIBAO_INDEX_KEY"),
    ("wecom_secret", "企业微信应用密钥", "WECOM_SECRET", "WECOM_SECRET"),
    ("wechatpay_api_v3_key", "微信支付 APIv3 密钥", "WECHATPAY_API_V3_KEY", "WECHATPAY_API_V3_KEY"),
    ("wechatpay_serial_no", "微信支付商户证书", "WECHATPAY_SERIAL_NO", "WECHATPAY_SERIAL_NO"),
    ("metrics_token", "监控抓取令牌", "METRICS_TOKEN", "METRICS_TOKEN"),
    ("backup_recipients", "备份公钥", "BACKUP_RECIPIENTS", "YEJIBAO_BACKUP_RECIPIENTS"),
)


@dataclass(frozen=True)
class Secret:
    """A secret as a page may show it."""

    name: str
    label: str
    variable: str
    is_set: bool
    since: datetime | None  # when this value was first seen


def _values() -> list[tuple[str, str, str, str]]:
    """Return (name, words, variable, value); values never leave this module."""
    found = [(name, label, variable, _text(getattr(settings, setting, ""))) for name, label, setting, variable in PLAIN]
    for name, (token, key) in sorted(settings.WECOM_CALLBACKS.items()):
        prefix = "WECOM_CALLBACK" + ("" if name == "yejibao" else f"_{name.upper()}")
        found.append((f"callback_{name}", f"回调 {name} 的 Token 和密钥", f"{prefix}_TOKEN", f"{token}\0{key}"))
    return found


def labels() -> dict[str, str]:
    """Return the words for each secret by its name."""
    return {name: label for name, label, _variable, _value in _values()}


def _text(value: Any) -> str:
    return "\0".join(value) if isinstance(value, (list, tuple)) else str(value or "")


def _mark(name: str, value: str, key: str = "") -> str:
    key = key or settings.INDEX_KEY
    return hmac.new(key.encode(), f"secret:{name}:{value}".encode(), hashlib.sha256).hexdigest()[:32]


def secrets() -> list[Secret]:
    """Return all secrets with their state."""
    marks = {row.name: row for row in SecretMark.objects.all()}
    return [
        Secret(name, label, variable, bool(value.strip("\0")), marks[name].since if name in marks else None)
        for name, label, variable, value in _values()
    ]


@transaction.atomic
def notice(*, now: datetime) -> dict[str, int]:
    """Compare each secret with what was seen last; one that changed is noted and recorded. Safe to run twice."""
    rows = {row.name: row for row in SecretMark.objects.select_for_update().order_by("name")}
    changed = 0
    for name, _label, _variable, value in _values():
        mark, row = _mark(name, value) if value.strip("\0") else "", rows.get(name)
        if row is None:
            SecretMark.objects.get_or_create(name=name, defaults={"mark": mark, "since": now})
        elif row.mark != mark and row.mark in [_mark(name, value, key) for key in settings.OLD_INDEX_KEYS]:
            # The same secret: it is the marks' own key that changed.
            SecretMark.objects.filter(pk=name).update(mark=mark)
        elif row.mark != mark:
            SecretMark.objects.filter(pk=name).update(mark=mark, since=now)
            audit.record(
                Actor.system("house"), "secret.rotated", "secret", resource_id=name, after={"is_set": bool(mark)}
            )
            changed += 1
    return {"changed": changed} if changed else {}
