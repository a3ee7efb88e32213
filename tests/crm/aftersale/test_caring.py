"""A garment in our hands: what it costs, what is confirmed before it is touched, when it is done, and when we spoil it."""

from datetime import timedelta
from typing import Any

import pytest

from crm.aftersale import queries, services
from crm.aftersale.lists import own_page
from crm.aftersale.models import CareSlip, Ticket
from crm.aftersale.rules import confirm_words, rules
from crm.benefits.models import BenefitUse
from crm.benefits.services import free_care_of
from crm.catalogue.models import StyleColor
from crm.members import shown
from crm.members.models import Member
from crm.orders.checkout.models import SaleRefund
from crm.orders.models import OrderLine
from crm.wallet import services as wallet
from crm.wallet.models import Transfer
from guides.approvals import services as approvals
from guides.approvals.models import Approval
from guides.notices.models import Notification
from tests.crm.orders.checkout.conftest import Shop
from tests.factories import checkout as make
from yejibao.core import clock
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.scope import Actor

from .conftest import Photos

pytestmark = pytest.mark.django_db


@pytest.fixture
def line(shop: Shop) -> OrderLine:
    return OrderLine.objects.select_related("order").get(order__sale=shop.paid((shop.suit, 1)))


def himself(shop: Shop) -> Actor:
    return Actor(kind="member", member_id=shop.member.pk)


def ticket_of(shop: Shop, line: OrderLine, kind: str = "care", **wish: Any) -> Ticket:
    return services.open_ticket(
        shop.member, kind=kind, order=line.order, line=line, wish=wish, actor=Actor.system(), now=clock.now()
    )


def level(shop: Shop, name: str) -> None:
    Member.objects.filter(pk=shop.member.pk).update(member_level=name)
    shop.member.refresh_from_db()


def taken_in(shop: Shop, ticket: Ticket, photos: Photos, **facts: Any) -> CareSlip:
    return services.receive(ticket, photos=photos(3, shop.guide), actor=shop.guide, now=clock.now(), **facts)


# ---------------------------------------------------------------- what it costs


def test_basic_care_is_free_for_everybody_and_no_benefit(shop: Shop, line: OrderLine, photos: Photos) -> None:
    OrderLine.objects.filter(pk=line.pk).update(quantity=9)
    for kind in rules().basic_care:
        slip = taken_in(shop, ticket_of(shop, line, care_kind=kind), photos)
        assert (slip.coverage, slip.price_fen, slip.benefit_use) == ("basic", 0, None)
    assert not BenefitUse.objects.exists()


def test_v1_pays_and_others_use_their_free_care(shop: Shop, line: OrderLine, photos: Photos) -> None:
    level(shop, "V1")
    paid = queries.coverage_of(shop.member, line, kind="care", care_kind="干洗", now=clock.now())
    assert (paid.kind, paid.price_fen, paid.days) == ("paid", 6000, 5)
    level(shop, "V3")
    left = free_care_of(shop.member, today=clock.local_day(clock.now())).left
    ticket = ticket_of(shop, line, care_kind="干洗")
    slip = taken_in(shop, ticket, photos)
    assert slip.coverage == "free_care" and slip.benefit_use and slip.benefit_use.subject == f"ticket:{ticket.pk}"
    assert free_care_of(shop.member, today=clock.local_day(clock.now())).left == left - 1


def test_a_free_care_comes_back_when_it_is_called_off(shop: Shop, line: OrderLine, photos: Photos) -> None:
    level(shop, "V3")
    ticket = ticket_of(shop, line, care_kind="干洗")
    slip = taken_in(shop, ticket, photos)
    held = services.step_on(
        Ticket.objects.get(pk=ticket.pk), to="rejected", text="洗不了", photos=(), actor=shop.guide, now=clock.now()
    )
    assert held and slip.benefit_use
    slip.benefit_use.refresh_from_db()
    assert slip.benefit_use.given_back_at == clock.now()


def test_when_the_free_cares_are_used_up_he_pays(shop: Shop, line: OrderLine, photos: Photos) -> None:
    level(shop, "V2")
    OrderLine.objects.filter(pk=line.pk).update(quantity=9)
    for _each in range(free_care_of(shop.member, today=clock.local_day(clock.now())).per_year):
        taken_in(shop, ticket_of(shop, line, care_kind="去渍"), photos)
    assert taken_in(shop, ticket_of(shop, line, care_kind="去渍"), photos).coverage == "paid"


@pytest.mark.parametrize(
    ("care_key", "kind", "tag_fen", "day", "gift"),
    [
        ("leather", "皮衣上油", 300000, "2026-03-02", True), ("leather", "皮衣上油", 300000, "2028-02-29", True),
        ("leather", "皮衣上油", 300000, "2028-03-01", False), ("down", "羽绒清洗蓬松", 150000, "2028-02-29", True),
        ("down", "羽绒清洗蓬松", 149900, "2026-03-02", False), ("down", "羽绒清洗蓬松", 150000, "2028-03-01", False),
        ("suit_wool", "干洗", 300000, "2026-03-02", False),
    ],
)  # fmt: skip
def test_what_comes_with_leather_and_down(
    shop: Shop, line: OrderLine, care_key: str, kind: str, tag_fen: int, day: str, gift: bool
) -> None:
    level(shop, "V1")
    OrderLine.objects.filter(pk=line.pk).update(care_key=care_key)
    StyleColor.objects.filter(sku_code=line.sku_code).update(price_fen=tag_fen)
    line.refresh_from_db()
    found = queries.coverage_of(shop.member, line, kind="care", care_kind=kind, now=clock.parse_iso(f"{day} 12:00"))
    assert (found.kind == "included", found.price_fen == 0) == (gift, gift)


def test_leather_is_oiled_once_a_year(shop: Shop, line: OrderLine, photos: Photos) -> None:
    level(shop, "V1")
    OrderLine.objects.filter(pk=line.pk).update(care_key="leather")
    line.refresh_from_db()
    taken_in(shop, ticket_of(shop, line, care_kind="皮衣上油"), photos)

    def kind(day: str) -> str:
        now = clock.parse_iso(f"{day} 12:00")
        return queries.coverage_of(shop.member, line, kind="care", care_kind="皮衣上油", now=now).kind

    assert [kind("2026-12-01"), kind("2027-02-28"), kind("2027-03-01")] == ["paid", "paid", "included"]


# ---------------------------------------------------------------- in, confirmed, done


def test_it_comes_in_with_photos_and_is_confirmed_before_it_is_touched(
    shop: Shop, line: OrderLine, photos: Photos
) -> None:
    ticket = ticket_of(shop, line, care_kind="皮衣上油")
    with pytest.raises(Invalid):
        services.receive(ticket, photos=photos(1, shop.guide), actor=shop.guide, now=clock.now())
    with pytest.raises(Invalid):  # a flaw wants its own photo
        services.receive(ticket, photos=photos(2, shop.guide), flaws="左袖脱线", actor=shop.guide, now=clock.now())
    slip = taken_in(shop, ticket, photos, flaws="左袖脱线")
    ticket.refresh_from_db()
    assert (ticket.state, len(slip.bag_code), str(ticket.promised_on)) == ("inspecting", 6, "2026-03-08")
    assert confirm_words(ticket)[0] == "瑕疵登记：左袖脱线"
    with pytest.raises(services.NotConfirmed):
        services.step_on(ticket, to="processing", text="", photos=(), actor=shop.guide, now=clock.now())
    with pytest.raises(services.NotConfirmed):
        services.confirm_slip(ticket, actor=shop.guide, now=clock.now())
    services.confirm_slip(ticket, actor=himself(shop), now=clock.now())
    for to in ("processing", "ready"):
        services.step_on(Ticket.objects.get(pk=ticket.pk), to=to, text="", photos=(), actor=shop.guide, now=clock.now())
    slip.refresh_from_db()
    assert (slip.confirmed_at, slip.is_signed, slip.ready_at) == (clock.now(), False, clock.now())


def test_a_signature_at_the_counter_confirms_too(shop: Shop, line: OrderLine, photos: Photos) -> None:
    ticket = ticket_of(shop, line, care_kind="熨烫")
    taken_in(shop, ticket, photos)
    (signature,) = photos(1, shop.guide)
    slip = services.confirm_slip(ticket, signature=signature, actor=shop.guide, now=clock.now())
    assert slip.is_signed and services.confirm_slip(ticket, actor=himself(shop), now=clock.now()).is_signed


def test_nothing_is_handed_over_unpaid(shop: Shop, line: OrderLine, photos: Photos) -> None:
    level(shop, "V1")
    ticket = ticket_of(shop, line, care_kind="除味")
    taken_in(shop, ticket, photos, price_fen=8000)
    services.confirm_slip(ticket, actor=himself(shop), now=clock.now())
    for to in ("processing", "ready"):
        services.step_on(Ticket.objects.get(pk=ticket.pk), to=to, text="", photos=(), actor=shop.guide, now=clock.now())
    ready = Ticket.objects.get(pk=ticket.pk)
    with pytest.raises(services.FeeOpen):
        services.step_on(ready, to="closed", text="取走了", photos=(), actor=shop.guide, now=clock.now())
    with pytest.raises(Conflict):
        services.take_fee(
            ready, way="wallet", shown_code=shop.member.member_no, key="k", actor=shop.guide, now=clock.now()
        )
    services.take_fee(
        ready, way="wallet", shown_code=shown.code_of(shop.member.member_no), key="k", actor=shop.guide, now=clock.now()
    )
    with pytest.raises(services.NoFee):
        services.take_fee(ready, way="cash", key="k2", actor=shop.guide, now=clock.now())
    services.step_on(ready, to="closed", text="取走了", photos=(), actor=shop.guide, now=clock.now())
    assert wallet.balance_of(shop.member).total_fen == 212000 - 8000
    assert CareSlip.objects.get().collected_at == clock.now()


def test_what_nobody_collects_for_ninety_days_is_the_managers(shop: Shop, line: OrderLine, photos: Photos) -> None:
    ticket = ticket_of(shop, line, care_kind="熨烫")
    taken_in(shop, ticket, photos)
    services.confirm_slip(ticket, actor=himself(shop), now=clock.now())
    for to in ("processing", "ready"):
        services.step_on(Ticket.objects.get(pk=ticket.pk), to=to, text="", photos=(), actor=shop.guide, now=clock.now())
    later = clock.now() + timedelta(days=90)
    assert services.tell_of_unclaimed(now=later - timedelta(seconds=1)) == {"unclaimed": 0}
    assert [services.tell_of_unclaimed(now=later) for _twice in range(2)] == [{"unclaimed": 1}, {"unclaimed": 0}]
    assert Notification.objects.filter(staff=shop.org.manager, title__startswith="90 天没来取").count() == 1
    assert own_page(shop.manager, tab="unclaimed", now=later).rows == [ticket]


# ---------------------------------------------------------------- alterations


def test_trousers_and_sleeves_are_altered_free_once_within_thirty_days(
    shop: Shop, line: OrderLine, photos: Photos
) -> None:
    def cover(*works: str, day: str = "2026-03-31") -> tuple[str, int]:
        found = queries.coverage_of(
            shop.member, line, kind="alteration", works=works, now=clock.parse_iso(f"{day} 12:00")
        )
        return found.kind, found.price_fen

    assert cover("裤长", "袖长") == ("free_alteration", 0)
    assert cover("裤长", day="2026-04-01") == ("paid", 3000)
    assert cover("裤长", "收腰") == ("paid", 8000)  # by the price table
    taken_in(shop, ticket_of(shop, line, "alteration", works=["裤长"]), photos, measures="收 3 厘米")
    assert cover("袖长") == ("paid", 4000)


def test_what_is_cut_stays_cut_and_he_says_so(shop: Shop, line: OrderLine, photos: Photos) -> None:
    ticket = ticket_of(shop, line, "alteration", works=["放腰"])
    with pytest.raises(Invalid) as refusal:
        taken_in(shop, ticket, photos)
    assert [error["field"] for error in refusal.value.errors] == ["measures", "within_seam"]
    taken_in(shop, ticket, photos, measures="放 2 厘米", within_seam=True)
    ticket.refresh_from_db()
    assert "剪后不可退换" in confirm_words(ticket) and "放量只在缝份以内" in confirm_words(ticket)
    assert (ticket.promised_on.isoformat() if ticket.promised_on else "") == "2026-03-04"
    services.confirm_slip(ticket, actor=himself(shop), now=clock.now())
    assert "剪后不可退换" in ticket.steps.latest("pk").text


def test_an_alteration_takes_seven_days_at_most(shop: Shop, line: OrderLine) -> None:
    ticket = ticket_of(shop, line, "alteration", works=["裤长"])
    services.set_pickup(ticket, pickup_at=clock.parse_iso("2026-03-08 18:00"), actor=shop.guide, now=clock.now())
    with pytest.raises(Invalid):
        services.set_pickup(ticket, pickup_at=clock.parse_iso("2026-03-09 18:00"), actor=shop.guide, now=clock.now())


def test_what_was_altered_does_not_come_back_without_a_fault(shop: Shop, line: OrderLine, photos: Photos) -> None:
    ticket = ticket_of(shop, line, "alteration", works=["裤长"])
    taken_in(shop, ticket, photos, measures="收 3 厘米")
    services.confirm_slip(ticket, actor=himself(shop), now=clock.now())
    for to in ("processing", "ready", "closed"):
        services.step_on(
            Ticket.objects.get(pk=ticket.pk), to=to, text="好了", photos=(), actor=shop.guide, now=clock.now()
        )
    back = services.reply(ticket_of(shop, line, "return"), "好", actor=shop.guide, now=clock.now())
    with pytest.raises(Conflict, match="改过"):
        services.take_back(back, quantity=1, actor=shop.manager, now=clock.now())
    services.cancel_by_member(back, actor=himself(shop), now=clock.now())
    fault = services.reply(ticket_of(shop, line, "quality"), "好", actor=shop.guide, now=clock.now())
    services.take_back(fault, quantity=1, actor=shop.manager, now=clock.now())
    assert SaleRefund.objects.get().amount_fen == line.paid_fen


def test_a_fault_is_mended_free_for_ninety_days(shop: Shop, line: OrderLine) -> None:
    def cover(day: str) -> str:
        return queries.coverage_of(shop.member, line, kind="repair", now=clock.parse_iso(f"{day} 12:00")).kind

    assert (cover("2026-05-30"), cover("2026-05-31")) == ("warranty", "paid")


# ---------------------------------------------------------------- we spoilt it


@pytest.mark.parametrize(
    ("day", "percent"),
    [
        ("2026-03-02", 100),
        ("2027-02-28", 100),
        ("2027-03-01", 80),
        ("2029-06-01", 40),
        ("2030-03-01", 20),
        ("2040-01-01", 20),
    ],
)
def test_the_remaining_value_falls_a_fifth_a_year_to_a_fifth(
    shop: Shop, line: OrderLine, day: str, percent: int
) -> None:
    ticket = ticket_of(shop, line, care_kind="熨烫")
    assert queries.compensation_of(ticket, now=clock.parse_iso(f"{day} 12:00")) == line.paid_fen * percent // 100


def test_spoilt_it_is_mended_for_nothing(shop: Shop, line: OrderLine, photos: Photos) -> None:
    level(shop, "V3")
    ticket = ticket_of(shop, line, care_kind="干洗")
    slip = taken_in(shop, ticket, photos)
    use = slip.benefit_use
    services.repair_own_damage(ticket, reason="扣子烫坏了", actor=shop.guide, now=clock.now())
    slip.refresh_from_db()
    assert use and (slip.coverage, slip.benefit_use) == ("ours", None)
    use.refresh_from_db()
    assert use.given_back_at is not None


def test_beyond_mending_it_is_paid_for_with_four_eyes(shop: Shop, photos: Photos) -> None:
    coat = make.make_sku(399900, store=shop.org.store)
    line = OrderLine.objects.select_related("order").get(order__sale=shop.paid((coat, 1)))
    ticket = ticket_of(shop, line, care_kind="干洗")
    level(shop, "V1")
    taken_in(shop, ticket, photos)
    services.take_fee(ticket, way="cash", key="k", actor=shop.guide, now=clock.now())
    # 3,999 yuan is more than a manager decides alone.
    assert "点头" in services.compensate(ticket, reason="洗缩了", actor=shop.manager, now=clock.now())
    with pytest.raises(services.MadeGood):
        services.compensate(ticket, reason="洗缩了", actor=shop.manager, now=clock.now())
    from tests.factories.guides import actor, make_staff

    finance = actor(make_staff("finance", unit=shop.org.hq))
    approvals.approve(Approval.objects.get(), actor=finance, now=clock.now())
    assert services.close_compensated(now=clock.now()) == {"made_good": 1}
    ticket.refresh_from_db()
    assert (ticket.state, ticket.result) == ("closed", "已赔付 ¥3,999.00")
    assert Transfer.objects.filter(kind="reversal").count() == 1  # the fee is his again
    slip = CareSlip.objects.get()
    assert (slip.price_fen, slip.coverage) == (0, "ours")


def test_nothing_is_paid_for_what_is_not_with_us(shop: Shop, line: OrderLine) -> None:
    with pytest.raises(services.NotWithUs):
        services.compensate(ticket_of(shop, line), reason="洗坏了", actor=shop.manager, now=clock.now())
