"""The rarer particulars: the ID number a prepaid card needs, the address a delivery needs."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.members.models import Member
from crm.privacy.models import MemberParticulars
from yejibao.core import audit
from yejibao.core.errors import Invalid
from yejibao.core.personal import blind_indexes, columns, normal_id_number
from yejibao.core.scope import Actor


@transaction.atomic
def set_particulars(
    member: Member, *, actor: Actor, now: datetime, id_number: str | None = None, address: str | None = None
) -> MemberParticulars:
    """Keep what was given; None leaves what stands, empty takes it away. Raises Invalid for a number that cannot be."""
    values: dict[str, str] = {}
    if id_number is not None:
        number = normal_id_number(id_number) if id_number else ""
        if id_number and not number:
            errors = [{"field": "id_number", "code": "invalid", "message": "证件号不对，核对一下 18 位"}]
            raise Invalid(_("证件号不对"), errors=errors)
        values |= columns(MemberParticulars, "id_number", number)
    if address is not None:
        values["address"] = " ".join(address.split())[:200]
    held, _is_new = MemberParticulars.objects.update_or_create(member=member, defaults={**values, "changed_at": now})
    changed = sorted(values.keys() & {"id_number", "address"})
    audit.record(actor, "member.particulars_changed", member, after={"fields": changed})
    return held


def members_with_id_number(id_number: str) -> list[int]:
    """Return the members who gave this number: one person with two cards."""
    number = normal_id_number(id_number)
    if not number:
        return []
    found = MemberParticulars.objects.filter(id_number_index__in=blind_indexes(number, purpose="id_number"))
    return sorted(found.values_list("member_id", flat=True))
