"""登录设备: the browsers in which a person is signed in, and ending them, by himself, by an administrator or by an event."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from yejibao.core import audit
from yejibao.core.errors import Forbidden, NotFound
from yejibao.core.scope import Actor

from .models import Staff, StaffSession


@dataclass(frozen=True)
class Device:
    """A session as its person sees it. `ref` names it on a page; the key itself would open it."""

    ref: str
    device: str
    ip: str
    began_at: datetime | None
    seen_at: datetime | None
    is_current: bool


def ref_of(session_key: str) -> str:
    return hashlib.sha256(session_key.encode()).hexdigest()[:16]


def devices_of(person: Staff, *, now: datetime, current_key: str = "") -> list[Device]:
    """Return where a person is signed in, the last used first. `now` is the machine's."""
    rows = StaffSession.objects.filter(staff=person, expire_date__gt=now).order_by("-seen_at", "session_key")
    return [
        Device(
            ref_of(row.session_key), row.device or str(_("没有说明的设备")), row.ip or "", row.began_at, row.seen_at,
            row.session_key == current_key,
        )
        for row in rows
    ]  # fmt: skip


@transaction.atomic
def end_device(person: Staff, ref: str, *, actor: Actor) -> None:
    """End one session of a person: oneself or an administrator. Raises NotFound or Forbidden."""
    _must_be_own_or_manage(actor, person)
    lock_sign_in(person.pk)
    for row in StaffSession.objects.filter(staff=person):
        if ref_of(row.session_key) == ref:
            row.delete()
            audit.record(actor, "auth.session_ended", person, after={"device": row.device, "ip": row.ip})
            return
    raise NotFound(_("这台设备已经退出了。"))


@transaction.atomic
def end_devices(person: Staff, *, actor: Actor, but_key: str = "", reason: str = "") -> int:
    """End all sessions of a person, or all but one of his own; return how many."""
    _must_be_own_or_manage(actor, person)
    return end_sessions(person, actor=actor, but_key=but_key, reason=reason)


def end_sessions(person: Staff, *, actor: Actor, reason: str, but_key: str = "") -> int:
    """End the sessions of a person because of what happened to his account; whoever may do that has been asked."""
    lock_sign_in(person.pk)
    ended, _tables = StaffSession.objects.filter(staff=person).exclude(session_key=but_key).delete()
    if ended:
        audit.record(actor, "auth.sessions_ended", person, after={"count": ended}, reason=reason)
    return ended


def lock_sign_in(staff_id: int) -> Staff:
    """Let nobody open, renew or end a session of this person until the transaction ends; return the row as it is now.

    A session gets a new key while all are ended: without the lock the new one would live on.
    """
    return Staff.objects.select_for_update(no_key=True).get(pk=staff_id)


def _must_be_own_or_manage(actor: Actor, person: Staff) -> None:
    if actor.staff_id != person.pk and not actor.may("account.manage"):
        raise Forbidden(permission="account.manage")
