"""A number in full: who may see it, what is kept of it, how many a day, and who hears of too many."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from crm.members.models import Member
from crm.privacy.models import RevealDay
from crm.privacy.services import NoPhone, NoTicket, RevealsUsedUp, reveal, reveal_phone
from crm.privacy.services.particulars import members_with_id_number, set_particulars
from crm.privacy.services.revealing import ALARM_PER_DAY, STOP_PER_DAY
from guides.notices.models import Notification
from guides.org.actors import actor_for
from guides.org.models import Staff
from tests.factories.crm import make_member, make_staff, make_store, make_ticket
from yejibao.core.clock import local_day, parse_iso
from yejibao.core.errors import Forbidden, Invalid, NotFound, TooMany
from yejibao.core.models import AuditEntry
from yejibao.core.scope import Actor

NOW = parse_iso("2025-03-01 15:00")


@pytest.fixture
def guide(db: None, clock: Any) -> Staff:
    clock.travel(NOW)
    return make_staff(store=make_store())


@pytest.fixture
def manager(guide: Staff) -> Staff:
    return make_staff("store_manager", store=guide.store)


@pytest.fixture
def member(guide: Staff) -> Member:
    return make_member(owner=guide, phone="13800132075")


def test_a_phone_is_shown_with_a_reason_and_on_record(member: Member, guide: Staff) -> None:
    assert reveal_phone(member, actor=actor_for(guide), reason="电话回访", now=NOW) == "13800132075"
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.resource_id, entry.reason) == ("member.phone_revealed", str(member.pk), "电话回访")
    assert "13800132075" not in f"{entry.before}{entry.after}{entry.reason}"


def test_a_phone_is_not_shown_to_others(member: Member, guide: Staff, manager: Staff) -> None:
    for person, error in [
        (make_staff(store=make_store()), NotFound),
        (make_staff("store_manager", store=make_store()), NotFound),
        (make_staff("area_supervisor", store=guide.store), Forbidden),
    ]:
        with pytest.raises(error):
            reveal_phone(member, actor=actor_for(person), reason="看看", now=NOW)
    with pytest.raises(Invalid):
        reveal_phone(member, actor=actor_for(guide), reason="", now=NOW)
    with pytest.raises(NoPhone):
        reveal_phone(make_member(owner=guide), actor=actor_for(guide), reason="电话回访", now=NOW)
    assert AuditEntry.objects.count() == 0
    assert reveal_phone(member, actor=actor_for(manager), reason="投诉处理", now=NOW)


def test_customer_service_sees_numbers_of_tickets_only(member: Member, guide: Staff) -> None:
    agent = actor_for(make_staff("customer_service"))
    with pytest.raises(NotFound):  # without any he is not in sight at all
        reveal_phone(member, actor=agent, reason="售后处理", now=NOW)
    make_ticket(member, opened_at=NOW, state="closed")
    with pytest.raises(NoTicket):
        reveal_phone(member, actor=agent, reason="售后处理", now=NOW)
    make_ticket(member, opened_at=NOW)
    assert reveal_phone(member, actor=agent, reason="售后处理", now=NOW) == "13800132075"


def test_ten_numbers_a_minute_are_the_most(member: Member, guide: Staff) -> None:
    actor = actor_for(guide)
    for _ in range(10):
        reveal_phone(member, actor=actor, reason="电话回访", now=NOW)
    with pytest.raises(TooMany):
        reveal_phone(member, actor=actor, reason="电话回访", now=NOW)


def test_after_fifty_a_day_managers_and_hq_hear_of_it_and_a_hundred_are_the_end(
    member: Member, guide: Staff, manager: Staff
) -> None:
    actor, hq = actor_for(guide), make_staff("hq_crm")
    RevealDay.objects.create(staff=guide, day=local_day(NOW), taps=ALARM_PER_DAY - 1)
    reveal_phone(member, actor=actor, reason="电话回访", now=NOW)
    assert not Notification.objects.exists()
    reveal_phone(member, actor=actor, reason="电话回访", now=NOW)
    told = dict(Notification.objects.values_list("staff_id", "url"))
    assert told == {manager.pk: "/m/reveals/", hq.pk: "/hq/privacy/reveals/"}
    assert AuditEntry.objects.get(action="member.reveals_alarm").after == {"taps": ALARM_PER_DAY + 1}
    RevealDay.objects.update(taps=STOP_PER_DAY - 1)
    reveal_phone(member, actor=actor, reason="电话回访", now=NOW)
    with pytest.raises(RevealsUsedUp):
        reveal_phone(member, actor=actor, reason="电话回访", now=NOW)
    assert RevealDay.objects.get().taps == STOP_PER_DAY
    assert Notification.objects.count() == 2  # the later words in place of the earlier
    tomorrow = NOW + timedelta(days=1)
    assert reveal_phone(member, actor=actor, reason="电话回访", now=tomorrow)


@pytest.mark.django_db(transaction=True)
def test_of_many_taps_at_once_only_the_hundredth_passes(member: Member, guide: Staff) -> None:
    RevealDay.objects.create(staff=guide, day=local_day(NOW), taps=STOP_PER_DAY - 1)
    actor = actor_for(guide)

    def tap(_: int) -> bool:
        try:
            reveal_phone(member, actor=actor, reason="电话回访", now=NOW)
        except RevealsUsedUp:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(tap, range(6))) == 1
    assert AuditEntry.objects.filter(action="member.phone_revealed").count() == 1


def test_rarer_particulars_are_encrypted_found_by_equality_and_revealed_alike(member: Member, guide: Staff) -> None:
    system = Actor.system()
    with pytest.raises(Invalid):
        set_particulars(member, actor=system, now=NOW, id_number="11010519491231002Y")
    held = set_particulars(member, actor=system, now=NOW, id_number="11010519491231002x", address="鼓楼区 中山路 1 号")
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM crm_memberparticulars t")
        stored = cursor.fetchone()[0]
    assert "11010519491231002" not in stored and "中山路" not in stored
    assert (held.id_number_last4, members_with_id_number("11010519491231002X")) == ("002X", [member.pk])
    actor = actor_for(guide)
    assert reveal(member, "id_number", actor=actor, reason="办储值卡", now=NOW) == "11010519491231002X"
    assert reveal(member, "address", actor=actor, reason="寄包裹", now=NOW) == "鼓楼区 中山路 1 号"
    assert list(AuditEntry.objects.filter(action="member.revealed").order_by("pk").values_list("after", flat=True)) == [
        {"field": "id_number"}, {"field": "address"},
    ]  # fmt: skip
