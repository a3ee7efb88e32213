"""The audit trail: one row per act on money, ownership, rights or personal data, in the transaction of the act."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Model

from . import clock
from .models import AuditEntry
from .personal import is_mobile, mask_mobiles, mask_phone
from .scope import Actor

REVEALS = ("member.phone_revealed", "member.revealed")  # kept for five years; the manager sees her store's
VIEWED, LISTED = "member.viewed", "member.listed"  # by people above the store: one member; names on a list
EXPORTED = "export.made"
IN_STORE = ("guide", "store_manager")
MEMBER = "crm.Member"
_PERSONAL = {"phone", "mobile", "address", "id_number", "birthday", "birth_year", "password", "secret", "token"}


def record(
    actor: Actor,
    action: str,
    resource: Model | str,
    *,
    resource_id: str = "",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: str = "",
    on_behalf_of_id: int | None = None,
    is_refused: bool = False,
) -> None:
    """Write one audit row. What is said is masked on the way in: fields of personal names, and mobile numbers."""
    name = resource if isinstance(resource, str) else resource._meta.label
    pk = masked(resource_id) if isinstance(resource, str) else str(resource.pk)
    _entry(
        actor, action, name, pk, before=before, after=after, reason=reason, on_behalf_of_id=on_behalf_of_id, is_refused=is_refused
    ).save(force_insert=True)  # fmt: skip


def record_each(
    actor: Actor, action: str, resource: str, told: Mapping[int, dict[str, Any]], *, reason: str = ""
) -> None:
    """Write a row for each resource of one act over many, by its id what is to be said `after` it."""
    rows = [_entry(actor, action, resource, str(pk), after=after, reason=reason) for pk, after in told.items()]
    AuditEntry.objects.bulk_create(rows, batch_size=1000)


def _entry(
    actor: Actor,
    action: str,
    resource: str,
    resource_id: str,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: str = "",
    on_behalf_of_id: int | None = None,
    is_refused: bool = False,
) -> AuditEntry:
    return AuditEntry(
        at=clock.now(),
        actor_kind=actor.kind,
        actor_id=actor.staff_id or actor.member_id,  # the kind says whose number it is
        actor_name=actor.name[:64],
        working_role=actor.working_role,
        on_behalf_of_id=on_behalf_of_id,
        action=action,
        resource=resource,
        resource_id=resource_id[:64],
        scope=scope_of(actor),
        before=masked(before),
        after=masked(after),
        reason=masked(reason)[:255],
        ip=actor.session_facts.get("ip") or None,
        device=device_of(actor.session_facts.get("agent", "")),
        request_id=actor.session_facts.get("request_id", ""),
        result=AuditEntry.Result.REFUSED if is_refused else AuditEntry.Result.OK,
    )


def saw_members(actor: Actor, ids: Sequence[int], *, where: str = "") -> None:
    """Record that somebody above the store saw these members; in a store that is the day's work, and leaves no row.

    What counts are all roles he holds, as they all count for what he sees, not the one he works in.
    """
    is_of_a_store = bool(actor.grants) and all(grant.role in IN_STORE for grant in actor.grants)
    if actor.is_system or is_of_a_store or not ids:
        return
    if len(ids) == 1:
        record(actor, VIEWED, MEMBER, resource_id=str(ids[0]), after={"where": where} if where else None)
    else:
        record(actor, LISTED, MEMBER, after={"where": where, "count": len(ids), "ids": list(ids)})


def scope_of(actor: Actor) -> str:
    """Return how far the working role reaches: all, self, org paths, or the stores of a dealer."""
    grants = [grant for grant in actor.grants if grant.role == actor.working_role] or list(actor.grants)
    if any(grant.reach == "all" for grant in grants):
        return "all"
    reaches = [
        f"stores:{','.join(map(str, grant.store_ids))}" if grant.store_ids else grant.path or grant.reach
        for grant in grants
    ]
    return " ".join(dict.fromkeys(reaches))[:64]


def masked(value: Any) -> Any:
    """Return a value as the trail may keep it: `138****2075` for a number, a star for what stands under a personal name."""
    match value:
        case str():
            return mask_mobiles(value)
        case dict():
            return {
                key: _hidden(inner) if key in _PERSONAL and isinstance(inner, str) else masked(inner)
                for key, inner in value.items()
            }
        case list() | tuple():
            return [masked(inner) for inner in value]
    return value


def _hidden(text: str) -> str:
    # What is masked already (*2075, 138****2075) tells no more than it may.
    return text if "*" in text or not text else mask_phone(text) if is_mobile(text) else "***"


# The first that fits names it. WeCom's own browser says MicroMessenger too, and Chrome's says Safari.
_CLIENTS = (
    ("企业微信", r"wxwork(?:/(\d+(?:\.\d+){0,2}))?"), ("微信", r"MicroMessenger(?:/(\d+(?:\.\d+){0,2}))?"),
    ("Edge", r"Edg(?:A|iOS)?/(\d+)"), ("Firefox", r"(?:Firefox|FxiOS)/(\d+)"), ("Chrome", r"(?:Chrome|CriOS)/(\d+)"),
    ("Safari", r"Version/(\d+)[\d.]* .*Safari"),
)  # fmt: skip
_SYSTEMS = (
    ("iPhone", r"iPhone"), ("iPad", r"iPad"), ("鸿蒙手机", r"HarmonyOS|OpenHarmony"), ("安卓手机", r"Android"),
    ("Windows 电脑", r"Windows"), ("苹果电脑", r"Macintosh"), ("Linux 电脑", r"Linux"),
)  # fmt: skip


def device_of(agent: str) -> str:
    """Return 企业微信 4.1.20 · iPhone out of what a browser says of itself; a machine by its own first word."""
    hits = ((name, re.search(words, agent, re.IGNORECASE)) for name, words in _CLIENTS)
    client = next((f"{name} {hit[1] or ''}".strip() for name, hit in hits if hit), "")
    system = next((name for name, words in _SYSTEMS if re.search(words, agent, re.IGNORECASE)), "")
    return (" · ".join(part for part in (client, system) if part) or agent.split("/")[0].strip())[:64]
