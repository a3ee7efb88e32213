"""An invitation's life: asked, answered, moved, come, bought; goods kept with it; and what ends by itself. Times are local."""

from datetime import timedelta
from typing import Any

import pytest

from crm.catalogue.stock_models import Reservation
from crm.events import VisitChanged
from crm.members.services import set_do_not_contact
from crm.visits import services
from crm.visits.models import Visit
from crm.visits.services import InvitedAlready
from guides.notices.models import Notification
from guides.org.models import Store
from tests.factories.crm import make_member, make_order
from tests.factories.goods import make_goods, make_stock, sku_of
from tests.factories.guides import Org, actor, make_org, make_staff
from tests.factories.portal import as_member
from yejibao.core import outbox
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.models import OutboxEvent

pytestmark = pytest.mark.django_db
NOON = parse_iso("2025-03-04 11:00")  # a Tuesday
SATURDAY = parse_iso("2025-03-08 15:00")


@pytest.fixture
def org() -> Org:
    return make_org()


@pytest.fixture
def member(org: Org) -> Any:
    return make_member(owner=org.guide, phone="13800002222")


def asked(member: Any, org: Org, **facts: Any) -> Visit:
    return services.invite(member, **{"starts_at": SATURDAY, "actor": actor(org.guide), "now": NOON} | facts)


def chain(visit: Visit) -> list[str]:
    visit.refresh_from_db()
    return [visit.state, *visit.steps.order_by("pk").values_list("state", flat=True)]


def test_from_asked_to_bought(org: Org, member: Any) -> None:
    visit = asked(member, org, words="新到的大衣")
    assert (visit.state, visit.guide, visit.store, visit.ends_at) == (
        "invited", org.guide, org.store, SATURDAY + timedelta(hours=1),
    )  # fmt: skip
    services.accept(visit, actor=as_member(member), now=NOON)
    assert Notification.objects.get(staff=org.guide).title.startswith(f"{member.called}说去")
    services.arrive(visit, actor=actor(org.guide), now=SATURDAY)
    order = make_order(member, paid_at=SATURDAY + timedelta(minutes=40), store=org.store)
    for _twice in range(2):
        services.follow_orders([order.pk], now=SATURDAY + timedelta(hours=1))
    assert chain(visit) == ["bought", "invited", "accepted", "arrived", "bought"]
    assert (visit.order, visit.bought_at, visit.seen_by, visit.is_own_answer) == (order, order.paid_at, "guide", True)
    assert OutboxEvent.objects.filter(topic=VisitChanged.topic).count() == 4


@pytest.mark.parametrize(
    ("at", "store", "kind", "came"),
    [
        ("2025-03-07 20:00", "own", "retail", True),  # the day before
        ("2025-03-09 21:00", "own", "retail", True),  # the day after
        ("2025-03-10 10:00", "own", "retail", False),
        ("2025-03-08 16:00", "other", "retail", False),
        ("2025-03-08 16:00", "own", "mall", False),  # bought on the phone: he was not there
        ("2025-03-04 10:00", "own", "retail", False),  # before he was asked
    ],
)  # fmt: skip
def test_a_sale_in_the_store_on_the_day_or_beside_it_is_his_coming(
    org: Org, member: Any, at: str, store: str, kind: str, came: bool
) -> None:
    visit = asked(member, org, is_agreed=True)
    order = make_order(member, paid_at=at, store=org.store if store == "own" else org.other_store, kind=kind)
    services.follow_orders([order.pk], now=order.paid_at)
    visit.refresh_from_db()
    assert (visit.state, visit.seen_by) == (("bought", "order") if came else ("accepted", ""))


@pytest.mark.parametrize(("days", "is_his"), [(0, True), (7, True), (8, False)])
def test_once_there_what_he_buys_within_seven_days_is_the_visits(
    org: Org, member: Any, days: int, is_his: bool
) -> None:
    visit = asked(member, org, is_agreed=True)
    services.arrive(visit, actor=actor(org.guide), now=SATURDAY)
    order = make_order(member, paid_at=SATURDAY + timedelta(days=days), store=org.other_store, kind="mall")
    services.follow_orders([order.pk], now=order.paid_at)
    visit.refresh_from_db()
    assert (visit.state == "bought") is is_his


def test_one_order_closes_one_visit_and_what_all_comes_back_none(org: Org, member: Any) -> None:
    first = asked(member, org, is_agreed=True)
    services.arrive(first, actor=actor(org.guide), now=SATURDAY)
    second = asked(member, org, is_agreed=True, starts_at=SATURDAY + timedelta(days=1), now=SATURDAY)
    order = make_order(member, paid_at=SATURDAY + timedelta(minutes=5), store=org.store)
    services.follow_orders([order.pk], now=SATURDAY)
    assert [chain(first)[0], chain(second)[0]] == ["bought", "accepted"]
    services.follow_returns([order.pk], now=SATURDAY + timedelta(hours=2))
    first.refresh_from_db()
    assert (first.state, first.order, first.bought_at) == ("arrived", None, None)


def test_he_moves_it_himself_and_thinks_better_of_a_no(org: Org, member: Any) -> None:
    visit, him = asked(member, org), as_member(member)
    sunday = SATURDAY + timedelta(days=1)
    services.move_visit(visit, starts_at=sunday, actor=him, now=NOON)
    visit.refresh_from_db()
    assert (visit.state, visit.starts_at, visit.moved_count, str(visit.day)) == ("accepted", sunday, 1, "2025-03-09")
    services.decline(visit, actor=him, now=NOON, reason="出差")
    assert chain(visit)[0] == "declined" and visit.reason == "出差"
    services.accept(visit, actor=him, now=NOON)
    assert chain(visit)[0] == "accepted" and visit.closed_at is None
    told = Notification.objects.filter(staff=org.guide).values_list("title", flat=True)
    assert any("说去" in title for title in told)


@pytest.mark.parametrize("at", ["2025-03-04 10:59", "2025-03-08 09:00", "2025-03-08 22:00", "2025-06-08 15:00"])
def test_a_time_at_which_nobody_is_there_is_refused(org: Org, member: Any, at: str) -> None:
    with pytest.raises(Invalid):
        asked(member, org, starts_at=parse_iso(at))
    Store.objects.filter(pk=org.store.pk).update(closed_on="2025-03-08")
    with pytest.raises(Invalid, match="停业"):
        asked(member, org)


def test_nobody_is_asked_twice_at_once_and_his_word_takes_the_place_of_a_question(org: Org, member: Any) -> None:
    first = asked(member, org)
    with pytest.raises(InvitedAlready):
        asked(member, org, starts_at=SATURDAY + timedelta(days=1))
    again = asked(member, org, starts_at=SATURDAY + timedelta(days=1), is_agreed=True, cause="task:7")
    assert (again.pk, again.state, again.moved_count, again.cause) == (first.pk, "accepted", 1, "task:7")
    assert Visit.objects.count() == 1


def test_who_wants_to_be_left_alone_is_not_asked_but_may_say_it_himself(org: Org, member: Any) -> None:
    member.do_not_contact = True
    with pytest.raises(Conflict):
        asked(member, org)
    assert asked(member, org, is_agreed=True).state == "accepted"
    other = make_member(owner=org.guide)
    question = asked(other, org)
    set_do_not_contact(other, actor=actor(org.guide), reason="别打扰", now=NOON)
    outbox.drain_events()
    assert chain(question)[0] == "cancelled"


def test_strangers_change_nothing(org: Org, member: Any) -> None:
    visit = asked(member, org)
    for act in (
        lambda who: services.accept(visit, actor=who, now=NOON),
        lambda who: services.arrive(visit, actor=who, now=SATURDAY),
        lambda who: services.cancel(visit, actor=who, now=NOON, reason="不要"),
    ):
        with pytest.raises(Forbidden):
            act(actor(org.stranger))
    with pytest.raises(Forbidden):
        services.decline(visit, actor=as_member(make_member()), now=NOON)
    assert chain(visit) == ["invited", "invited"]


def test_arrival_is_tapped_on_the_day_and_may_be_a_slip(org: Org, member: Any, clock: Any) -> None:
    visit = asked(member, org, is_agreed=True)
    with pytest.raises(Conflict):
        services.arrive(visit, actor=actor(org.guide), now=NOON)
    clock.travel("2025-03-08 15:00")  # a colleague sees who comes today
    colleague = make_staff("guide", store=org.store)
    services.arrive(visit, actor=actor(colleague), now=SATURDAY)
    assert Notification.objects.filter(staff=org.guide, title__contains="到店了").exists()
    services.take_back_arrival(visit, actor=actor(org.guide), now=SATURDAY + timedelta(minutes=5))
    assert chain(visit)[0] == "accepted" and visit.arrived_at is None
    services.arrive(visit, actor=actor(org.guide), now=SATURDAY)
    with pytest.raises(Conflict):
        services.take_back_arrival(visit, actor=actor(org.guide), now=SATURDAY + timedelta(hours=1))


# ---------------------------------------------------------------- goods


def test_goods_are_kept_till_that_evening_go_along_and_go_back(org: Org, member: Any) -> None:
    sku = sku_of(make_goods())
    make_stock(sku.style, org.store, 1, as_of=NOON)
    visit = asked(member, org, sku_ids=[sku.pk])
    kept = Reservation.objects.get()
    assert (kept.state, kept.until, kept.guide, kept.member) == (
        "held", parse_iso("2025-03-08 22:00"), org.guide, member,
    )  # fmt: skip
    services.move_visit(visit, starts_at=SATURDAY + timedelta(days=1), actor=as_member(member), now=NOON)
    kept.refresh_from_db()
    moved = Reservation.objects.exclude(pk=kept.pk).get()
    assert (kept.state, moved.state, moved.until) == ("released", "held", parse_iso("2025-03-09 22:00"))
    services.decline(visit, actor=as_member(member), now=NOON)
    moved.refresh_from_db()
    assert moved.state == "released"


def test_what_is_not_there_is_marked_and_a_far_day_waits(org: Org, member: Any) -> None:
    sku = sku_of(make_goods())
    far = parse_iso("2025-03-24 15:00")
    visit = asked(member, org, sku_ids=[sku.pk], starts_at=far)
    assert Reservation.objects.count() == 0 and not visit.pieces.get().is_missing
    assert services.keep_due(now=NOON) == {"visits_kept_for": 0}
    assert services.keep_due(now=far - timedelta(days=3)) == {"visits_kept_for": 1}
    assert visit.pieces.get().is_missing
    assert Notification.objects.filter(staff=org.guide, title__contains="没有了").exists()


# ---------------------------------------------------------------- by itself


def test_the_evening_ends_what_nobody_came_to(org: Org) -> None:
    rows = {
        "accepted": asked(make_member(owner=org.guide), org, is_agreed=True),
        "invited": asked(make_member(owner=org.guide), org),
        "gone": asked(make_member(owner=org.guide), org, starts_at=SATURDAY + timedelta(days=5)),
    }
    assert services.end_past(now=parse_iso("2025-03-08 21:59")) == {"visits_ended": 0}
    assert services.end_past(now=parse_iso("2025-03-08 22:00")) == {"visits_ended": 2}
    assert services.end_past(now=parse_iso("2025-03-08 22:10")) == {"visits_ended": 0}
    assert {name: chain(row)[0] for name, row in rows.items()} == {
        "accepted": "no_show", "invited": "no_answer", "gone": "invited",
    }  # fmt: skip
    services.arrive(rows["accepted"], actor=actor(org.guide), now=parse_iso("2025-03-09 11:00"))
    assert chain(rows["accepted"])[0] == "arrived"
    Store.objects.filter(pk=org.store.pk).update(closed_on="2025-03-10")
    services.end_past(now=parse_iso("2025-03-10 10:00"))
    assert chain(rows["gone"])[0] == "cancelled" and rows["gone"].reason == "门店停业了"


def test_a_new_guide_takes_the_visit_over(org: Org, member: Any) -> None:
    visit = asked(member, org)
    heir = make_staff("guide", store=org.store)
    member.owner_guide = heir
    member.save(update_fields=["owner_guide"])
    assert services.follow_owners([member.pk]) == 1
    visit.refresh_from_db()
    assert visit.guide == heir
