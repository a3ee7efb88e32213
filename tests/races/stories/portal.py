"""Members' phones: one ticket, one way in; one sign-in, one card."""

from datetime import timedelta

from django.db import transaction

from crm.catalogue.models import Sku
from crm.catalogue.services import OutOfStock
from crm.catalogue.stock_models import Reservation
from crm.friends.models import ContactWay
from crm.members.models import Member
from crm.orders.checkout import services as checkout
from crm.orders.checkout.models import Sale
from crm.portal.begun import offer_and_keep
from crm.portal.codes import open_code
from crm.portal.models import CodeVisit, MemberSession
from crm.portal.services import KnownAlready, _bind
from crm.portal.sessions import TicketGone, begin_session, give_ticket, use_ticket
from tests.factories.crm import make_member
from tests.factories.goods import make_goods, make_stock, sku_of
from tests.races.at_once import in_peace, overtaken
from tests.races.world import NOON, World
from yejibao.core import clock
from yejibao.core.models import AuditEntry
from yejibao.core.scope import Actor

H5, MINI = MemberSession.Place.H5, MemberSession.Place.MINI_PROGRAM


def _session(member: Member | None) -> MemberSession:
    now = clock.system_now()
    return begin_session(openid="wx:oRace", unionid="", member=member, place=MINI, facts={}, now=now)[1]


def two_who_use_a_ticket(world: World) -> None:
    now = clock.system_now()
    ticket = give_ticket(_session(make_member()), now=now)
    both = overtaken(lambda: use_ticket(ticket, facts={}, now=now), lambda: use_ticket(ticket, facts={}, now=now))
    in_peace(both.first)
    assert isinstance(both.second, TicketGone)
    assert MemberSession.objects.filter(place=H5).count() == 1


def two_taps_that_give_the_phone(world: World) -> None:
    session, before = _session(None), Member.objects.count()
    both = overtaken(
        lambda: _bind(session, "13900008888", name="赵先生", facts={}, at=NOON),
        lambda: _bind(session, "13900008888", name="赵先生", facts={}, at=NOON),
    )
    in_peace(both.first)
    assert isinstance(both.second, KnownAlready)
    assert Member.objects.count() == before + 1
    assert AuditEntry.objects.filter(action="member.account_bound").count() == 1


def two_taps_that_open_a_code(world: World) -> None:
    ContactWay.objects.create(
        kind="parcel", name="包裹", store=world.org.store, token="race", state="ready", created_at=NOON, picture=b"png", qr_url="x"
    )  # fmt: skip
    session, now = _session(None), clock.system_now()
    both = overtaken(*[lambda: open_code("race", session=session, now=now)] * 2)
    in_peace(both.first)
    in_peace(both.second)
    assert CodeVisit.objects.count() == 1


def _basket(world: World, skus: list[Sku]) -> tuple[Sale, Actor]:
    member = make_member(owner=world.org.guide)
    me = Actor(kind="member", member_id=member.pk, name=member.name)
    sale = checkout.start_sale(
        channel=Sale.Channel.MALL, store=world.org.store, guide=None, member=member, actor=me, now=NOON
    )  # fmt: skip
    return checkout.add_lines(sale, [(sku.code, 1) for sku in skus], actor=me, now=NOON), me


def two_who_buy_the_last_piece(world: World) -> None:
    """Of two looks that share the last coat one is kept whole, the other not at all."""
    coat, trousers = [sku_of(make_goods(f"{code}-NV")) for code in ("26RXZ101", "26RKZ102")]
    for sku, pieces in ((coat, 1), (trousers, 5)):
        make_stock(sku.style, world.org.store, pieces, as_of=NOON - timedelta(hours=1))
    (one, he), (other, him) = _basket(world, [trousers, coat]), _basket(world, [coat, trousers])
    both = overtaken(
        lambda: offer_and_keep(one, actor=he, now=NOON),
        transaction.atomic(lambda: offer_and_keep(other, actor=him, now=NOON)),
    )
    in_peace(both.first)
    assert isinstance(both.second, OutOfStock)
    kept = Reservation.objects.holding().filter(sku__in=[coat, trousers])
    assert sorted(kept.values_list("sku_id", "member_id")) == sorted(
        (sku.pk, one.member_id) for sku in (coat, trousers)
    )
