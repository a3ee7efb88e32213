"""备份与恢复: what the page says of backups, drills and the gate, and who may open it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from guides.org.models import Staff
from tests.factories.guides import Org, holder_of, sign_in
from yejibao.core import clock, health, heart
from yejibao.core.models import AuditEntry, DrillReport, SendingGate
from yejibao.core.outbox import gate

pytestmark = pytest.mark.django_db

PAGE = "/hq/backups/"


@pytest.fixture
def as_(client: Client) -> Callable[[Staff], Client]:
    return lambda person: sign_in(client, person)


def drilled(days: float, *, error: str = "") -> None:
    DrillReport.objects.create(
        at=clock.system_now() - timedelta(days=days), seconds=41.2, bundle="b", rows=1234, is_well=not error, error=error,
        facts={"proofs": [{"name": "数据页", "is_well": not error, "said": error or "没有坏页"}]},
    )  # fmt: skip


def test_before_the_first_backup_it_says_so(org: Org, as_: Any) -> None:
    page = as_(holder_of("sys_admin", org)).get(PAGE).text
    assert "还没有备份" not in page and "还没有演练过" in page and page.count("还没有</b>") == 2


def test_it_shows_the_newest_backup_and_what_the_drills_proved(org: Org, as_: Any) -> None:
    heart.beat("job:backup", file="yejibao-1.dump.age", bytes=5 * 2**20, rows=4321)
    drilled(9)
    drilled(1, error="恢复出来的库有坏页：x")
    page = as_(holder_of("sys_admin", org)).get(PAGE)
    for words in ("刚刚", "yejibao-1.dump.age", "4,321 行", "没通过", "恢复出来的库有坏页：x", "开着"):
        assert words in page.text, words
    assert page.context["drill_is_old"] and not page.context["backup_is_old"]


def test_only_the_systems_keeper_comes_here(org: Org, as_: Any) -> None:
    for role in ("hq_operator", "executive", "store_manager"):
        assert as_(holder_of(role, org)).get(PAGE, headers={"Accept": "application/json"}).status_code == 403


def test_the_gate_opens_when_all_is_ticked_and_somebody_says_what_was_checked(org: Org, as_: Any) -> None:
    SendingGate.objects.create(shut_at=clock.now(), why="恢复自 yejibao-1.dump.age")
    keeper = as_(holder_of("sys_admin", org))
    assert "恢复自 yejibao-1.dump.age" in keeper.get(PAGE).text
    every = [str(number) for number in range(1, len(gate.CHECKS) + 1)]
    assert "每一件都核对过" in keeper.post(f"{PAGE}open/", {"checked": every[:-1], "reason": "周工核对了"}).text
    assert "写一句谁核对了什么" in keeper.post(f"{PAGE}open/", {"checked": every, "reason": ""}).text
    assert gate.is_shut()
    assert keeper.post(f"{PAGE}open/", {"checked": every, "reason": "周工核对了好友和订单"}).status_code == 302
    assert not gate.is_shut()
    assert AuditEntry.objects.get(action="sending.gate_opened").reason == "周工核对了好友和订单"
    assert "周工核对了好友和订单" in keeper.get(PAGE).text


@pytest.mark.parametrize(
    ("backup", "drill", "state"), [(1, 1, "ok"), (27 * 3600, 1, "slow"), (1, 9 * 86400, "slow"), (None, 1, "slow")]
)
def test_health_minds_their_age(org: Org, settings: Any, backup: float | None, drill: float, state: str) -> None:
    from django.db import connection

    settings.BACKUP_RECIPIENTS = ["age1"]
    for name, age in (("job:backup", backup), ("job:restore_drill", drill)):
        if age is not None:
            heart.beat(name)
            with connection.cursor() as cursor:
                cursor.execute(
                    "UPDATE core_heartbeat SET at = clock_timestamp() - %s * interval '1 second' WHERE name = %s",
                    [age, name],
                )
    assert health.read_signs(clock.now(), only={"backups"})["backups"]["state"] == state


def test_an_installation_without_a_key_is_not_scolded(org: Org, settings: Any) -> None:
    settings.BACKUP_RECIPIENTS = []
    assert health.read_signs(clock.now(), only={"backups"})["backups"]["ok"]
