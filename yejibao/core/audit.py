"""The audit trail: one row per act on money, ownership or personal data, in the transaction of the act."""

from typing import Any

from django.db.models import Model

from . import clock
from .models import AuditEntry
from .scope import Actor


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
) -> None:
    """Write one audit row. `before` and `after` carry no unmasked personal data."""
    name = resource if isinstance(resource, str) else resource._meta.label
    pk = resource_id if isinstance(resource, str) else str(resource.pk)
    AuditEntry.objects.create(
        at=clock.now(),
        actor_kind=actor.kind,
        actor_id=actor.staff_id,
        actor_name=actor.name[:64],
        working_role=actor.working_role,
        on_behalf_of_id=on_behalf_of_id,
        action=action,
        resource=name,
        resource_id=pk,
        before=before,
        after=after,
        reason=reason[:255],
        ip=actor.session_facts.get("ip") or None,
        request_id=actor.session_facts.get("request_id", ""),
    )
