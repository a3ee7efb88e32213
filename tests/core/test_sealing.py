"""The seals on the audit trail: they hold, and they break where somebody went behind the trigger's back."""

import json

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from tests.races.at_once import overtaken
from yejibao.core import audit, clock, sealing
from yejibao.core.models import AuditEntry, AuditSeal
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db


def written(count: int) -> list[int]:
    before = set(AuditEntry.objects.values_list("pk", flat=True))
    for number in range(count):
        audit.record(Actor.system(), "member.seen", "crm.Member", resource_id=str(number), after={"phone": "*2075"})
    return sorted(set(AuditEntry.objects.values_list("pk", flat=True)) - before)


def behind_its_back(statement: str) -> None:
    """Do what only the owner of the database can do: without the trigger."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement)
        cursor.execute("SET LOCAL session_replication_role = origin")


def test_each_night_is_sealed_over_the_one_before():
    written(3)
    first = sealing.seal(now=clock.now())
    written(2)
    second = sealing.seal(now=clock.now())
    assert (first.rows, second.rows, second.after_id) == (3, 2, first.last_id)
    assert sealing.verify() == sealing.Check(seals=2, rows=5)


def test_a_night_without_rows_needs_no_seal():
    assert sealing.seal(now=clock.now()) is None
    written(1)
    sealing.seal(now=clock.now())
    assert sealing.seal(now=clock.now()) is None
    assert AuditSeal.objects.count() == 1


@pytest.mark.parametrize(
    "deed",
    [
        "UPDATE core_auditentry SET reason = '改写' WHERE id = %d",
        "DELETE FROM core_auditentry WHERE id = %d",
        "UPDATE core_auditentry SET id = id + 100 WHERE id = %d",
        "UPDATE core_auditseal SET rows = rows + 1 WHERE after_id < %d",
    ],
)
def test_what_is_done_behind_the_triggers_back_breaks_the_seal(deed, capsys):
    written(1)
    sealing.seal(now=clock.now())
    rows = written(3)
    broken = sealing.seal(now=clock.now())
    behind_its_back(deed % rows[1])
    assert sealing.verify().broken is not None
    with pytest.raises(CommandError, match="对不上"):
        call_command("verify_audit", "--json")
    assert json.loads(capsys.readouterr().out)["broken_seal"] in (broken.pk, broken.pk - 1)


def test_a_seal_cannot_be_rewritten():
    written(1)
    sealing.seal(now=clock.now())
    with pytest.raises(DatabaseError, match="append only"), transaction.atomic():
        AuditSeal.objects.update(digest="0" * 64)


@pytest.mark.django_db(transaction=True)
def test_two_who_seal_at_once_make_one_seal():
    written(2)
    overtaken(*[lambda: sealing.seal(now=clock.now())] * 2)
    assert (AuditSeal.objects.count(), sealing.verify()) == (1, sealing.Check(seals=1, rows=2))
