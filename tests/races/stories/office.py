"""The back office: two administrators at the same row."""

from datetime import date, time, timedelta

from django_celery_beat.models import PeriodicTask

from guides.org import people, units
from guides.org.models import Dealer, OrgUnit, Staff, Store, StoreChange
from tests.factories.guides import make_dealer, make_staff, make_store, make_unit
from tests.races.at_once import overtaken
from tests.races.world import NOON, World
from yejibao import schedule
from yejibao.core import beats, desk, secret_marks, tunables
from yejibao.core.clock import local_day
from yejibao.core.errors import Conflict, Stale
from yejibao.core.models import AuditEntry, OutboxMessage, SettingChange
from yejibao.core.outbox import deciding
from yejibao.core.scope import Actor

SYSTEM = Actor.system("race")
TEST = tunables.number(
    "race-room", group="试验", name="试验的数", unit="位", default=10, least=5, most=20, why="只给测试用"
)


def two_who_rename_a_unit(world: World) -> None:
    unit = make_unit("area", parent=world.org.region, name="一区")
    both = overtaken(
        *[lambda name=name: units.rename_unit(unit, name=name, was="一区", actor=SYSTEM) for name in ("甲", "乙")]
    )
    assert isinstance(both.second, Stale) and OrgUnit.objects.get(pk=unit.pk).name == "甲"


def two_who_end_a_unit(world: World) -> None:
    area = make_unit("area", parent=world.org.region)
    both = overtaken(*[lambda: units.end_unit(area, actor=SYSTEM, now=NOON, reason="合并")] * 2)
    assert isinstance(both.second, Conflict)
    assert AuditEntry.objects.filter(action="org.unit_ended").count() == 1


def two_who_edit_a_store(world: World) -> None:
    store = make_store(area=world.org.area)
    seen = desk.seen(Store.objects.get(pk=store.pk), units.STORE_FACTS)
    hours = [{"closes_at": time(21)}, {"closes_at": time(20)}]
    both = overtaken(
        *[lambda facts=facts: units.edit_store(store, changes=facts, seen=seen, actor=SYSTEM) for facts in hours]
    )
    assert isinstance(both.second, Stale) and Store.objects.get(pk=store.pk).closes_at == time(21)


def two_who_close_a_store(world: World) -> None:
    store = make_store(area=world.org.area)
    facts = {"on": local_day(NOON), "receiver": None, "actor": SYSTEM, "now": NOON, "reason": "租约到期"}
    both = overtaken(*[lambda: units.close_store(store, **facts)] * 2)
    assert isinstance(both.second, Conflict)
    assert AuditEntry.objects.filter(action="org.store_closed").count() == 1


def two_who_reopen_a_store(world: World) -> None:
    store = make_store(area=world.org.area, closed_on=date(2025, 1, 1))
    both = overtaken(*[lambda: units.reopen_store(store, actor=SYSTEM, now=NOON, reason="续租")] * 2)
    assert isinstance(both.second, Conflict)
    assert AuditEntry.objects.filter(action="org.store_reopened").count() == 1


def two_who_edit_a_dealer(world: World) -> None:
    dealer = make_dealer()
    seen = desk.seen(Dealer.objects.get(pk=dealer.pk), units.DEALER_FACTS)
    both = overtaken(
        *[lambda name=name: units.edit_dealer(dealer, name=name, contract_until=None, seen=seen, actor=SYSTEM)
          for name in ("甲", "乙")]
    )  # fmt: skip
    assert isinstance(both.second, Stale) and Dealer.objects.get(pk=dealer.pk).name == "甲"


def two_who_edit_a_person(world: World) -> None:
    person = make_staff(store=world.org.store)
    seen = desk.seen(Staff.objects.get(pk=person.pk), people.FACTS)
    both = overtaken(
        *[lambda name=name: people.edit_person(person, changes={"display_name": name}, seen=seen, actor=SYSTEM)
          for name in ("甲", "乙")]
    )  # fmt: skip
    assert isinstance(both.second, Stale) and Staff.objects.get(pk=person.pk).display_name == "甲"


def a_post_changes_while_a_move_is_planned(world: World) -> None:
    from guides.org.moving import transfer_staff

    person, day = make_staff(store=world.org.store), local_day(NOON) + timedelta(days=1)
    both = overtaken(
        lambda: transfer_staff(person, to=world.org.other_store, starts_on=day, actor=SYSTEM, now=NOON),
        lambda: people.change_post(
            person, role="store_manager", unit=world.org.store.unit, actor=SYSTEM, now=NOON, reason="升职"
        ),
    )
    assert isinstance(both.second, Conflict) and StoreChange.objects.filter(staff=person, state="planned").count() == 1


def two_who_switch_a_job(world: World) -> None:
    schedule.install()
    entry = PeriodicTask.objects.get(name="店长每日清单")
    PeriodicTask.objects.filter(pk=entry.pk).update(enabled=True)
    both = overtaken(*[lambda: beats.switch(entry, on=False, actor=SYSTEM, reason="放假", now=NOON)] * 2)
    assert isinstance(both.second, Conflict)
    assert AuditEntry.objects.filter(action="job.switched_off").count() == 1


def two_who_change_a_setting(world: World) -> None:
    both = overtaken(
        *[lambda value=value: tunables.change(TEST, value=value, starts_at=None, seen=0, actor=SYSTEM, reason="x", now=NOON)
          for value in (12, 13)]
    )  # fmt: skip
    assert isinstance(both.second, Stale)
    assert list(SettingChange.objects.filter(key=TEST.key).values_list("value", flat=True)) == [12]


def a_secret_noticed_twice(world: World) -> None:
    from yejibao.core.models import SecretMark

    secret_marks.notice(now=NOON)
    SecretMark.objects.filter(pk="wecom_secret").update(mark="of before")
    before = AuditEntry.objects.filter(action="secret.rotated").count()
    overtaken(*[lambda: secret_marks.notice(now=NOON)] * 2)
    assert AuditEntry.objects.filter(action="secret.rotated").count() - before == 1


def two_who_stop_a_message(world: World) -> None:
    row = OutboxMessage.objects.create(
        kind="race", dedupe_key="race:park", recipient="x", due_at=NOON, next_at=NOON, created_at=NOON, body_bytes=b"{}"
    )
    both = overtaken(
        lambda: deciding.park_many([row.pk], actor=SYSTEM, reason="发错人了"),
        lambda: deciding.park_many([row.pk], actor=SYSTEM, reason="发错人了"),
    )
    assert (both.first, both.second) == (1, 0)
    assert AuditEntry.objects.filter(action="message.parked").count() == 1
