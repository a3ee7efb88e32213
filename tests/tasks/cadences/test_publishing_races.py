"""Two at once: two who publish, and a recompute beside somebody who holds a row."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
import pytest
from django.db import connection, connections

from tasks.cadences import publishing
from tasks.cadences.models import CadenceVersion, Enrollment
from tasks.cadences.publishing import copy_version, edit_step, publish_version
from tasks.cadences.recompute import progress, recompute_hands
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.guides import actor, holder_of, make_org
from tests.factories.tasks import enroll, hand, load_rules, open_until
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Conflict
from yejibao.core.models import AuditEntry

pytestmark = pytest.mark.django_db(transaction=True)

NOW = parse_iso("2025-03-10 10:00")


@pytest.fixture
def online():
    return load_rules()


@pytest.fixture
def org(online):
    return make_org()


@pytest.fixture
def draft(org, online):
    who = actor(holder_of("hq_operator", org))
    made = copy_version(online, actor=who, now=NOW)
    edit_step(made, "d30", actor=who, changes={"open_day": 20, "due_day": 22, "expire_day": 27}, now=NOW)
    return made


@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "without its guard"])
def test_two_who_publish_the_same_draft(org, draft, monkeypatch, guarded):
    """The second is told so. Without the lock both would think they did it, which shows what the lock is for."""
    who = actor(holder_of("hq_operator", org))
    meeting = threading.Barrier(2)
    count = publishing.members_waiting

    def wait_for_the_other(cadence_id: int) -> int:
        """Stand between the look and the write until the other is there too, if he can get there."""
        with suppress(threading.BrokenBarrierError):
            meeting.wait(1.5)
        return count(cadence_id)

    monkeypatch.setattr(publishing, "members_waiting", wait_for_the_other)
    if not guarded:
        monkeypatch.setattr(publishing, "_lock", lambda cadence_id: None)
    said = []

    def publish() -> None:
        try:
            publish_version(draft, actor=who, now=NOW)
            said.append("done")
        except Conflict:
            said.append("refused")
        finally:
            connections.close_all()

    people = [threading.Thread(target=publish) for _ in range(2)]
    for one in people:
        one.start()
    for one in people:
        one.join(20)
    assert sorted(said) == (["done", "refused"] if guarded else ["done", "done"])
    assert AuditEntry.objects.filter(action="cadence.published").count() == (1 if guarded else 2)


@contextmanager
def somebody_holding(pk: int) -> Iterator[None]:
    """Hold an enrollment's row in another connection."""
    facts = connection.get_connection_params()
    with psycopg.connect(dbname=facts["dbname"], user=facts["user"], host=facts["host"]) as other:
        other.execute("SELECT 1 FROM tasks_enrollment WHERE id = %s FOR UPDATE", [pk])
        yield
        other.rollback()


def test_the_recompute_waits_for_nobody_and_leaves_nobody_out(org, draft):
    cycles = []
    for _ in range(3):
        member = make_member(owner=org.guide, store=org.store)
        make_friend(member, org.guide)
        enroll(make_order(member, paid_at="2025-03-01 15:00", guide=org.guide))
        cycles.append(Enrollment.objects.get(member=member))
    open_until("2025-03-04 10:00")
    version = publish_version(draft, actor=actor(holder_of("hq_operator", org)), now=NOW)
    first, held, last = cycles
    with somebody_holding(held.pk):
        recompute_hands(now=NOW)
        version.refresh_from_db()
        assert version.recompute_after_id == held.pk - 1  # goes on from here
        assert [hand(cycle)[1] for cycle in cycles] == ["2025-03-21 09:30", "2025-03-31 09:30", "2025-03-21 09:30"]
    recompute_hands(now=NOW)
    assert [hand(cycle)[1] for cycle in cycles] == ["2025-03-21 09:30"] * 3
    assert progress(CadenceVersion.objects.get(pk=version.pk)).is_through
