"""The audit trail keeps who, what and why, and cannot be rewritten."""

import pytest
from django.db import DatabaseError, transaction

from yejibao.core import audit
from yejibao.core.models import AuditEntry
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db


def test_an_entry_says_who_did_what_to_which_row():
    actor = Actor(
        kind="staff", staff_id=7, name="陈国栋", working_role="store_manager", session_facts={"ip": "10.0.0.7"}
    )
    audit.record(actor, "task.reassigned", "tasks.Task", resource_id="12", after={"to": 9}, reason="她明天休息")
    entry = AuditEntry.objects.get()
    assert (entry.actor_id, entry.working_role, entry.action, entry.resource_id, entry.after, entry.reason, entry.ip) == (
        7, "store_manager", "task.reassigned", "12", {"to": 9}, "她明天休息", "10.0.0.7",
    )  # fmt: skip


@pytest.mark.parametrize("act", [lambda rows: rows.update(reason="改写"), lambda rows: rows.delete()])
def test_the_database_refuses_to_rewrite_it(act):
    audit.record(Actor.system(), "signed_in", "guides.Staff", resource_id="1")
    with pytest.raises(DatabaseError, match="append only"), transaction.atomic():
        act(AuditEntry.objects.all())
    assert AuditEntry.objects.count() == 1
