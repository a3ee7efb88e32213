"""A member asks to come himself: his guide confirms, offers another time, or says why not; and nobody forgets him."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from crm.benefits.services import Conditions
from crm.visits import services
from crm.visits.models import Visit
from crm.visits.services import GroupPlan, InvitedAlready, ask_to_come
from guides.notices.models import Notification
from guides.org.models import Store
from tests.factories.crm import make_member, make_store
from tests.factories.guides import Org, actor, make_org, sign_in
from tests.factories.portal import as_member, sign_in_member
from yejibao.core.clock import local_day, parse_iso
from yejibao.core.errors import Invalid

pytestmark = pytest.mark.django_db
NOON = parse_iso("2025-03-04 11:00")
SATURDAY = parse_iso("2025-03-08 15:00")
SUNDAY = SATURDAY + timedelta(days=1)


@pytest.fixture(autouse=True)
def at_noon(clock: Any) -> None:
    clock.travel("2025-03-04 11:00")


@pytest.fixture
def org() -> Org:
    return make_org()


@pytest.fixture
def member(org: Org) -> Any:
    return make_member(owner=org.guide, name="赵启明", salutation="赵哥")


def wish(member: Any, org: Org, **facts: Any) -> Visit:
    given = {"store": org.store, "starts_at": SATURDAY, "actor": as_member(member), "now": NOON} | facts
    return ask_to_come(member, **given)


def standing(visit: Visit) -> tuple[str, bool, bool]:
    visit.refresh_from_db()
    return visit.state, visit.is_own_answer, visit.accepted_at is not None


def titles(person: Any) -> list[str]:
    return list(Notification.objects.filter(staff=person, kind="member").values_list("title", flat=True))


def test_he_asks_and_his_guide_says_yes(org: Org, member: Any) -> None:
    visit = wish(member, org, words="想看羊毛大衣")
    assert (visit.state, visit.source, visit.guide, visit.store) == ("asked", "member", org.guide, org.store)
    assert titles(org.guide) == ["赵哥想3-08 周六 15:00来" + org.store.short_name]
    services.accept(visit, actor=as_member(member), now=NOON)  # his own thumb does not confirm it
    assert standing(visit) == ("asked", True, False)
    services.accept(visit, actor=actor(org.guide), now=NOON)
    assert standing(visit) == ("accepted", True, True)
    assert [step.state for step in visit.steps.order_by("pk")] == ["asked", "accepted"]
    services.move_visit(visit, starts_at=SUNDAY, actor=as_member(member), now=NOON)
    assert standing(visit) == ("accepted", True, True)  # once agreed, he moves it as any other


def test_another_time_is_his_to_answer_and_a_no_has_its_reason(org: Org, member: Any) -> None:
    visit = wish(member, org)
    services.move_visit(visit, starts_at=SUNDAY, actor=as_member(member), now=NOON)
    assert standing(visit) == ("asked", True, False)  # still a wish
    services.move_visit(visit, starts_at=SATURDAY, actor=actor(org.guide), now=NOON)
    assert standing(visit) == ("invited", False, False)
    services.accept(visit, actor=as_member(member), now=NOON)
    assert standing(visit) == ("accepted", True, True)
    other = wish(make_member(owner=org.guide), org)
    services.cancel(other, actor=actor(org.guide), now=NOON, reason="那天盘点")
    assert (standing(other)[0], other.reason) == ("cancelled", "那天盘点")


def test_he_calls_it_off_and_thinks_better_of_it(org: Org, member: Any) -> None:
    visit, him = wish(member, org), as_member(member)
    services.decline(visit, actor=him, now=NOON)
    services.accept(visit, actor=him, now=NOON)
    assert standing(visit) == ("asked", True, False)
    assert len(titles(org.guide)) == 1  # one notice a visit, kept fresh


def test_one_time_stands_and_what_was_only_planned_gives_way(org: Org, member: Any) -> None:
    plan = GroupPlan("品鉴", "event", SUNDAY, SUNDAY + timedelta(hours=2), local_day(NOON))
    services.plan_group(plan, Conditions(), unit=org.store.unit, actor=actor(org.manager), now=NOON)
    services.go_on_with_groups(now=NOON)
    planned = Visit.objects.get(member=member)
    mine = wish(member, org)
    assert (mine.pk, mine.state, mine.starts_at) == (planned.pk, "asked", SATURDAY)
    with pytest.raises(InvitedAlready) as refusal:
        wish(member, org, starts_at=SUNDAY)
    assert refusal.value.extra["visit"] == str(mine.public_id)


@pytest.mark.parametrize("at", ["2025-03-04 10:00", "2025-03-08 03:00", "2025-06-08 15:00"])
def test_a_time_or_a_store_that_cannot_be_is_refused(org: Org, member: Any, at: str) -> None:
    with pytest.raises(Invalid):
        wish(member, org, starts_at=parse_iso(at))
    with pytest.raises(Invalid):
        wish(member, org, store=make_store())


def test_nobody_of_his_own_is_the_managers_and_silence_is_told_once(org: Org, member: Any) -> None:
    Store.objects.filter(pk=org.store.pk).update(duty_guide=None)
    org.store.refresh_from_db()
    nobodys = make_member(store=org.store)
    wish(nobodys, org)
    assert len(titles(org.manager)) == 1
    visit = wish(member, org, words="")
    assert services.raise_unconfirmed(now=NOON + timedelta(minutes=119)) == {"visits_raised": 0}
    late = NOON + timedelta(hours=2)
    assert [services.raise_unconfirmed(now=late)["visits_raised"] for _tick in range(2)] == [2, 0]
    assert any("还没人确认" in title for title in titles(org.manager))
    assert services.end_past(now=parse_iso("2025-03-08 22:00")) == {"visits_ended": 2}
    assert (standing(visit)[0], "没来得及" in visit.reason) == ("cancelled", True)


def test_his_phone_and_hers(client: Client, org: Org, member: Any) -> None:
    sign_in_member(client, member)
    assert "预约到店" in client.get("/my/visits/").content.decode()
    shown = client.get("/my/visits/new/").content.decode()
    assert "3 月 8 日 周六" in shown and org.store.short_name in shown
    form = {"store": org.store.pk, "starts_at": "2025-03-08T15:00", "kind": "tryon", "words": "想看大衣"}
    refused = client.post("/my/visits/new/", form | {"starts_at": "2025-03-08T03:00"})
    assert refused.status_code == 422 and "想看大衣" in refused.content.decode()
    for _twice in range(2):
        assert client.post("/my/visits/new/", form | {"idempotency_key": "k"}).status_code == 302
    visit = Visit.objects.get()
    path = f"/my/visits/{visit.public_id}/"
    assert client.get("/my/visits/new/").headers["Location"] == path
    his = client.get(path).content.decode()
    assert "您约的" in his and "还没回" in his and ">去<" not in his
    assert "等门店确认" in client.get("/my/").content.decode()

    sign_in(client, org.guide)
    assert "等确认 1" in client.get("/g/visits/").content.decode()
    assert "赵哥" in client.get("/g/visits/?tab=asked").content.decode()
    hers = client.get(f"/g/visits/{visit.pk}/").content.decode()
    assert "他自己约的，等你回" in hers and "等他</button>" in hers
    assert client.post(f"/g/visits/{visit.pk}/act/", {"do": "accept"}).status_code == 302
    assert "定好了" in client.get(f"/g/visits/{visit.pk}/").content.decode()
    sign_in_member(client, member)
    assert "约好了，等您来" in client.get(path).content.decode()
