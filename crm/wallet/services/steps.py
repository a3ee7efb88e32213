"""One step of a card, a top-up or a refund: the guarded change of state and the row that says who took it, and why."""

from datetime import datetime
from typing import Any

from django.db.models import Model

from crm.wallet.models import CardRefund, TopUp, Wallet, WalletStep
from yejibao.core.errors import Conflict
from yejibao.core.scope import Actor

_NAMES: dict[type[Model], str] = {Wallet: "wallet", TopUp: "top_up", CardRefund: "refund"}


def note(
    thing: Wallet | TopUp | CardRefund, to: str, *, actor: Actor, now: datetime, why: str = "", come_from: str = ""
) -> None:
    """Write a step down; `come_from` is empty for the first."""
    WalletStep.objects.create(
        **{_NAMES[type(thing)]: thing}, from_state=come_from, to_state=to, actor_kind=actor.kind[:8], by_id=actor.staff_id,
        why=why[:255], at=now,
    )  # fmt: skip


def move(thing: Any, to: str, *, actor: Actor, now: datetime, why: str = "", **stamps: Any) -> None:
    """Take a row one step on. Raises Conflict where somebody else did it first; the database refuses a step back."""
    before = thing.state
    if not type(thing).objects.filter(pk=thing.pk, state=before).update(state=to, **stamps):
        raise Conflict()
    for name, value in {"state": to, **stamps}.items():
        setattr(thing, name, value)
    note(thing, to, actor=actor, now=now, why=why, come_from=before)
