"""Which tasks a queued message names."""

from collections.abc import Sequence

from yejibao.core.models import OutboxMessage

from .models import TaskNotice


def link_tasks(links: Sequence[tuple[str, int]], *, kind: str) -> None:
    """Write the tasks of queued messages, as (dedupe key of the message, task)."""
    keys = {key for key, _ in links}
    messages = dict(OutboxMessage.objects.filter(dedupe_key__in=keys).values_list("dedupe_key", "pk"))
    TaskNotice.objects.bulk_create(
        [TaskNotice(message_id=messages[key], task_id=task, kind=kind) for key, task in links], ignore_conflicts=True
    )
