"""Mass messages: what cannot be repeated is asked for by one, once."""

from datetime import timedelta

from django.db import connection, transaction

from tests.races.at_once import overtaken
from tests.races.world import NOON, World
from yejibao.wecom.mass.models import MassSend, MassTarget
from yejibao.wecom.mass.services import claim, plan_message, settle


def _plan(key: str = "race") -> list[int]:
    return plan_message(key=key, targets=["wmrace"], sender="limin", text="到店坐坐", due_at=NOON)


def two_workers_claim_a_send(world: World) -> None:
    _plan()
    both = overtaken(lambda: claim(now=NOON), lambda: claim(now=NOON))
    assert ([row.state for row in both.first], both.second) == (["asked"], [])


def a_worker_who_slept_writes_nothing(world: World) -> None:
    _plan()
    (asleep,) = claim(now=NOON)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE wecom_masssend SET lease_until = now() - interval '1 second'")
    (taken,) = claim(now=NOON + timedelta(seconds=1))
    assert not settle(asleep, "failed", next_at=NOON)
    assert settle(taken, "created", next_at=NOON) and MassSend.objects.get().state == "created"


def two_plans_count_each_other(world: World) -> None:
    both = overtaken(lambda: _plan("one"), lambda: _plan("two"))
    assert (len(both.first), len(both.second)) == (1, 1)
    assert MassTarget.objects.filter(counts_on__isnull=False).count() == 1


def what_the_platform_made_stands_for_one(world: World) -> None:
    for key in ("one", "two"):
        _plan(key)
    refused = 0
    for send in MassSend.objects.all():
        try:
            with transaction.atomic():
                MassSend.objects.filter(pk=send.pk).update(platform_id="msgGCAAA")
        except Exception:  # noqa: BLE001  the race is lost where it does not come
            refused += 1
    assert refused == 1
