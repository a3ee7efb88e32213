"""What /statusz says about the door: how old the token is, and which calls the platform holds us off."""

from datetime import datetime
from typing import Any

from django.db import connection

from yejibao.core import health

from . import gateway

WATCHED = ("message/send", "auth/getuserinfo", "user/get", "externalcontact/get")


@health.sign("wecom")
def _door(now: datetime) -> dict[str, Any]:
    door = gateway.default()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM clock_timestamp() - changed_at)::float8 FROM wecom_credential WHERE key = %s",
            [door.app.key("token")],
        )
        row = cursor.fetchone()
    held_off = {api: round(left) for api in WATCHED if (left := door.budgets.held_off(api, now=now)) > 0}
    return {
        "ok": not held_off,
        "token_age_seconds": round(row[0]) if row else None,
        "held_off_seconds": held_off,
    }
