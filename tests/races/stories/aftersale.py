"""Two at once at a ticket."""

from crm.aftersale import services
from crm.aftersale.checking.models import ServiceCheck
from crm.aftersale.checking.rules import book
from crm.aftersale.checking.services import score_check
from crm.aftersale.intake import Asked, take_request
from crm.aftersale.models import CareSlip, Ticket
from guides.notices.models import Notification
from tests.factories.crm import make_ticket
from tests.factories.guides import actor, holder_of
from tests.races.at_once import in_peace, overtaken
from tests.races.world import NOON, World
from yejibao.core.errors import Conflict
from yejibao.core.scope import Actor
from yejibao.wechatpay.models import PayOrder, PayRefund

HIMSELF = Actor(kind="member")


def _ticket(world: World, **facts: object) -> Ticket:
    Notification.objects.all().delete()
    Ticket.objects.all().delete()
    return make_ticket(world.member(), opened_at=NOON, store=world.org.store, **facts)


def asked_in_the_mall_twice(world: World) -> None:
    Ticket.objects.all().delete()
    order = world.buy(world.member(), store=world.org.store)
    asked = Asked({"kind": "consult"}, f"mall:{order.pk}", order, None, None)
    both = overtaken(*[lambda: take_request(asked, now=NOON)] * 2)
    assert sorted((in_peace(both.first), in_peace(both.second))) == ["created", "same"]
    assert Ticket.objects.count() == 1


def two_who_ask_for_one_piece(world: World) -> None:
    """The member on his phone and his guide at the counter: one ticket, and the second is led to it."""
    Ticket.objects.all().delete()
    member = world.member()
    order = world.buy(member, store=world.org.store)
    line = order.lines.get()

    def ask(who: Actor, kind: str) -> Ticket:
        return services.open_ticket(member, kind=kind, order=order, line=line, actor=who, now=NOON)

    both = overtaken(lambda: ask(HIMSELF, "return"), lambda: ask(world.guide, "quality"))
    assert isinstance(both.second, services.PieceHasTicket)
    assert both.second.extra["ticket"] == str(in_peace(both.first).public_id)


def two_who_take_a_ticket(world: World) -> None:
    ticket = _ticket(world, stage="service")
    first, second = (actor(holder_of("customer_service", world.org)) for _ in range(2))
    both = overtaken(
        lambda: services.take(ticket, actor=first, now=NOON), lambda: services.take(ticket, actor=second, now=NOON)
    )
    ticket.refresh_from_db()
    assert isinstance(both.second, Conflict) and ticket.served_by_id == first.staff_id


def two_beats_pass_up(world: World) -> None:
    ticket = _ticket(world, clock="first", clock_at=NOON)
    both = overtaken(*[lambda: services.pass_up_late(now=NOON)] * 2)
    assert in_peace(both.first)["passed"] + in_peace(both.second)["passed"] == 1
    assert ticket.steps.filter(kind="passed").count() == 1


def rated_twice(world: World) -> None:
    ticket = _ticket(world, state="closed", closed_at=NOON)
    both = overtaken(
        lambda: services.rate(ticket, stars=5, words="", actor=HIMSELF, now=NOON),
        lambda: services.rate(ticket, stars=3, words="", actor=HIMSELF, now=NOON),
    )
    ticket.refresh_from_db()
    assert isinstance(both.second, Conflict) and ticket.stars == 5


def said_twice_in_the_chat(world: World) -> None:
    ticket = _ticket(world)
    speaker = world.guide
    both = overtaken(*[lambda: services.answered_in_chat(ticket.pk, "看到了", actor=speaker, at=NOON)] * 2)
    in_peace(both.first), in_peace(both.second)
    assert sorted(ticket.steps.values_list("kind", flat=True)) == ["note", "reply"]


def two_words_of_the_member(world: World) -> None:
    ticket = _ticket(world, state="closed", closed_at=NOON)
    both = overtaken(*[lambda: services.member_says(ticket, "又坏了", actor=HIMSELF, now=NOON)] * 2)
    in_peace(both.first), in_peace(both.second)
    assert ticket.steps.filter(kind="said").count() == 2


def a_slip_confirmed_twice(world: World) -> None:
    ticket = _ticket(world, kind="care", state="inspecting")
    CareSlip.objects.create(ticket=ticket, bag_code=f"R{ticket.pk:05}", coverage="basic", received_at=NOON)
    his = Actor(kind="member", member_id=ticket.member_id)
    both = overtaken(*[lambda: services.confirm_slip(ticket, actor=his, now=NOON)] * 2)
    in_peace(both.second)
    assert ticket.steps.filter(kind="said").count() == 1


def spoilt_while_wechat_pays(world: World) -> None:
    """We take the work upon us at the moment WeChat says that it is paid: the money goes back, and is not booked as ours."""
    ticket = _ticket(world, kind="care", state="inspecting", guide=world.org.guide)
    slip = CareSlip.objects.create(
        ticket=ticket, bag_code=f"P{ticket.pk:05}", coverage="paid", price_fen=8000, received_at=NOON
    )
    order, number = services.begin_fee(ticket, actor=world.guide, now=NOON), f"42{ticket.pk}"
    PayOrder.objects.filter(pk=order.pk).update(state="paid", transaction_id=number, paid_at=NOON, next_look_at=None)
    both = overtaken(
        lambda: services.repair_own_damage(ticket, reason="扣子掉了", actor=world.guide, now=NOON),
        lambda: services.settle_fee(slip.pk, pay_order_id=order.pk, transaction_id=number, now=NOON),
    )
    in_peace(both.first), in_peace(both.second)
    slip.refresh_from_db()
    assert (slip.fee_at, PayRefund.objects.filter(order=order).count()) == (None, 1)


def two_who_score_a_check(world: World) -> None:
    ticket = _ticket(world, state="closed", closed_at=NOON, guide=world.org.guide)
    check = ServiceCheck.objects.create(
        ticket=ticket, week=NOON.date(), store=world.org.store, answered_by=world.org.guide, why="drawn", drawn_at=NOON
    )
    first, second = (actor(holder_of("customer_service", world.org)) for _ in range(2))
    marks = {item.key: "yes" for item in book().checklist}
    both = overtaken(
        lambda: score_check(check, marks=marks, comment="", actor=first, now=NOON),
        lambda: score_check(check, marks=marks, comment="", actor=second, now=NOON),
    )
    check.refresh_from_db()
    assert isinstance(both.second, Conflict) and check.checked_by_id == first.staff_id
    assert Notification.objects.filter(key=f"check:{check.pk}").count() == 1
