"""One order of locks for members, everywhere."""

from collections.abc import Iterable

from crm.members.models import Member


def lock_members(member_ids: Iterable[int]) -> list[int]:
    """Lock members until the end of the transaction, in order of their ids, and return the ids that exist.

    Whoever changes several members at once takes this lock first: two that do so wait, and never lock each other.
    Foreign keys to a locked member may still be written.
    """
    ids = sorted(set(member_ids))
    members = Member.objects.filter(pk__in=ids).order_by("pk").select_for_update(no_key=True, of=("self",))
    return list(members.values_list("pk", flat=True)) if ids else []
