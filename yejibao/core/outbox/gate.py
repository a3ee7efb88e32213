"""The gate on sending: after a restore nothing leaves until a person has looked and opens it (reliability-security §12)."""

from datetime import datetime

from django.db import transaction

from ..scope import Actor
from .models import SendingGate

# What a person does before the gate is opened; the order is that of the damage a wrong answer does.
CHECKS = (
    "好友和通讯录：`python manage.py sync_friends` 从头读一遍，备份之后加的、删的好友都补回来了。",
    "发件箱：备份那一刻在排队的提醒都成了「结果不明」，推送健康里看过，该关的关掉。",
    "订单：收银和商城从备份那一刻起重传一遍；重复的会自己认出来。",
    "回调：企业微信只重推五次，备份之后的通知靠上面的同步补。",
    "微信支付：在「对账」里把备份那天起的每一天再对一遍，备份之后付的、退的都在账单里；差异处理完再办退款。",
)


def is_shut() -> bool:
    return SendingGate.objects.filter(opened_at=None).exists()


@transaction.atomic
def open_gate(actor: Actor, *, reason: str, now: datetime) -> bool:
    """Let sending go on; return whether the gate was shut. Recorded in the audit trail."""
    from .. import audit

    opened = SendingGate.objects.filter(opened_at=None).update(
        opened_at=now, opened_by=actor.name[:64], reason=reason[:255]
    )
    if opened:
        audit.record(actor, "sending.gate_opened", "core.SendingGate", reason=reason)
    return bool(opened)
