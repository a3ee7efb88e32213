"""Friends passed on through the platform: a day of waiting, refusals, limits, and calls that end without an answer."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from crm.members.models import FriendLink, FriendTransfer, Member
from crm.members.services import choose_heir, passing_on, propose_heir, transfers
from guides.org.models import Staff
from guides.org.services import resign_staff
from tests.factories.crm import make_friend, make_member
from tests.factories.guides import make_staff, make_store
from yejibao.core.scope import Actor
from yejibao.wecom import gateway, tokens
from yejibao.wecom.gateway import Gateway

pytestmark = pytest.mark.django_db

SYSTEM = Actor.system()
DAY = timedelta(hours=24)


@pytest.fixture
def now(clock: Any) -> datetime:
    return clock.travel("2026-03-02 10:00")  # type: ignore[no-any-return]


@pytest.fixture
def door(sandbox: Any) -> Gateway:
    gateway._gateway.cache_clear()
    tokens.Credentials.forget_process_copies()
    return gateway.default()


@pytest.fixture
def shop(now: datetime, sandbox: Any) -> tuple[Staff, Staff, Staff, list[Member]]:
    """A guide with three friends, a colleague, their manager; the platform knows them all."""
    store = make_store()
    guide, heir = make_staff(store=store), make_staff(store=store)
    manager = make_staff("store_manager", store=store)
    members = [make_member(owner=guide) for _ in range(3)]
    for member in members:
        make_friend(member, guide)
    tell(sandbox, guide, heir, manager)
    return guide, heir, manager, members


def tell(sandbox: Any, *people: Staff) -> None:
    links = FriendLink.objects.select_related("guide", "member")
    sandbox.post(
        "world",
        people=[{"userid": one.wecom_user_id, "name": one.name, "department": [1]} for one in people],
        contacts=[
            {"external_userid": link.external_user_id, "name": "客户", "followers": [link.guide.wecom_user_id]}
            for link in links
        ],
    )


def leave(guide: Staff, sandbox: Any, heir: Staff, now: datetime) -> None:
    """He resigns, in the address book too, and his manager names the heir."""
    resign_staff(guide, actor=SYSTEM, now=now)
    sandbox.post("world", people=[{"userid": guide.wecom_user_id, "name": guide.name, "status": 5}])
    handover = propose_heir(guide.pk, resigned_at=now, now=now)
    assert handover
    choose_heir(handover, heir=heir, actor=SYSTEM, now=now)


def turn(sandbox: Any, now: datetime) -> datetime:
    sandbox.post("clock", now=now.timestamp())
    return now


def states() -> list[str]:
    return list(FriendTransfer.objects.order_by("pk").values_list("state", flat=True))


def test_friends_go_over_after_a_day_unless_they_refuse(shop: Any, sandbox: Any, door: Gateway, now: datetime) -> None:
    guide, heir, manager, members = shop
    turn(sandbox, now)
    leave(guide, sandbox, heir, now)
    assert states() == ["planned"] * 3
    assert transfers.ask_due(now=now, door=door) == {"waiting": 3}
    assert transfers.ask_due(now=now, door=door) == {}
    sandbox.post("transfer/refuse", external_userid=FriendLink.objects.get(member=members[1]).external_user_id)

    later = turn(sandbox, now + timedelta(hours=1))
    assert transfers.read_back(now=later, door=door) == {"waiting": 2, "refused": 1}
    members[1].refresh_from_db()
    assert members[1].owner_guide == manager

    later = turn(sandbox, now + DAY + timedelta(minutes=31))
    assert transfers.read_back(now=later, door=door) == {"done": 2}
    assert set(FriendLink.objects.filter(guide=heir, state="friend", ended_at=None).values_list("member", flat=True)) == {
        members[0].pk, members[2].pk,
    }  # fmt: skip
    assert states() == ["done", "refused", "done"]
    assert transfers.read_back(now=later + DAY, door=door) == {}


def test_a_callback_settles_it_before_anybody_looks(shop: Any, sandbox: Any, door: Gateway, now: datetime) -> None:
    guide, heir, _, members = shop
    turn(sandbox, now)
    leave(guide, sandbox, heir, now)
    transfers.ask_due(now=now, door=door)
    link = FriendLink.objects.get(member=members[0])
    facts = {"external_userid": link.external_user_id, "taker": heir.wecom_user_id, "now": now}
    assert transfers.note_failure(reason="customer_refused", **facts)
    assert not transfers.note_failure(reason="customer_refused", **facts)  # doubled
    assert not transfers.note_failure(external_userid="wmNobody", taker="x", reason="customer_refused", now=now)
    assert states() == ["refused", "waiting", "waiting"]


def test_a_lost_answer_is_read_back_and_never_asked_twice(
    shop: Any, sandbox: Any, door: Gateway, now: datetime
) -> None:
    guide, heir, _, _ = shop
    turn(sandbox, now)
    leave(guide, sandbox, heir, now)
    sandbox.fault("externalcontact/resigned/transfer_customer", drop_after_effect=True, times=1)
    assert transfers.ask_due(now=now, door=door) == {"unknown": 3}
    assert states() == ["asked"] * 3
    assert transfers.ask_due(now=now + timedelta(minutes=10), door=door) == {}
    later = turn(sandbox, now + timedelta(minutes=30))
    assert transfers.read_back(now=later, door=door) == {"waiting": 3}


def test_a_call_that_never_arrived_is_asked_again(shop: Any, sandbox: Any, door: Gateway, now: datetime) -> None:
    guide, heir, _, _ = shop
    turn(sandbox, now)
    leave(guide, sandbox, heir, now)
    sandbox.fault("externalcontact/resigned/transfer_customer", reset=True, times=1)
    assert transfers.ask_due(now=now, door=door) == {"unknown": 3}
    later = turn(sandbox, now + timedelta(minutes=30))
    assert transfers.read_back(now=later, door=door) == {"again": 3}
    assert transfers.ask_due(now=later, door=door) == {"waiting": 3}


def test_a_busy_platform_is_asked_later(shop: Any, sandbox: Any, door: Gateway, now: datetime) -> None:
    guide, heir, _, _ = shop
    turn(sandbox, now)
    leave(guide, sandbox, heir, now)
    sandbox.fault("externalcontact/resigned/transfer_customer", errcode=45009, times=1)
    assert transfers.ask_due(now=now, door=door) == {"later": 3}
    assert states() == ["planned"] * 3
    assert FriendTransfer.objects.get(pk=FriendTransfer.objects.first().pk).next_at > now  # type: ignore[union-attr]


def test_a_full_taker_and_a_stranger_are_said(shop: Any, sandbox: Any, door: Gateway, now: datetime) -> None:
    guide, heir, _, members = shop
    turn(sandbox, now)
    make_friend(make_member(owner=guide), guide)  # one whom the platform does not know
    sandbox.post("settings", contacts_each=0)
    leave(guide, sandbox, heir, now)
    assert transfers.ask_due(now=now, door=door) == {"taker_full": 3, "failed": 1}
    assert set(FriendTransfer.objects.values_list("state", "code")) == {("taker_full", 40099), ("failed", 40096)}


def test_of_people_who_still_work_here_twice_in_90_days(shop: Any, sandbox: Any, door: Gateway, now: datetime) -> None:
    guide, heir, manager, members = shop
    moment, giver, taker = turn(sandbox, now), guide, heir
    for _ in range(2):
        link = FriendLink.objects.get(member=members[0], guide=giver, ended_at=None)
        assert passing_on.plan([link.pk], taker=taker, is_resigned=False, now=moment) == 1
        assert passing_on.plan([link.pk], taker=taker, is_resigned=False, now=moment) == 0  # under way already
        assert transfers.ask_due(now=moment, door=door) == {"waiting": 1}
        moment = turn(sandbox, moment + DAY + timedelta(hours=1))
        assert transfers.read_back(now=moment, door=door) == {"done": 1}
        giver, taker = taker, manager if taker == heir else guide
    link = FriendLink.objects.get(member=members[0], guide=giver, ended_at=None)
    with pytest.raises(passing_on.MovedTwice):
        passing_on.plan([link.pk], taker=taker, is_resigned=False, now=moment)
    assert passing_on.plan([link.pk], taker=taker, is_resigned=False, now=now + timedelta(days=92)) == 1


def test_the_manager_sees_how_far_they_are(shop: Any, sandbox: Any, door: Gateway, now: datetime, client: Any) -> None:
    from tests.factories.guides import sign_in

    guide, heir, manager, members = shop
    turn(sandbox, now)
    leave(guide, sandbox, heir, now)
    transfers.ask_due(now=now, door=door)
    sandbox.post("transfer/refuse", external_userid=FriendLink.objects.get(member=members[1]).external_user_id)
    transfers.read_back(now=turn(sandbox, now + timedelta(minutes=31)), door=door)
    sign_in(client, manager)
    page = client.get("/m/handovers/").content.decode()
    assert "0 位已转，2 位等 24 小时" in page and "1 位不愿意换，归店长" in page
