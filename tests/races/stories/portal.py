"""Members' phones: one ticket, one way in; one sign-in, one card."""

from crm.friends.models import ContactWay
from crm.members.models import Member
from crm.portal.codes import open_code
from crm.portal.models import CodeVisit, MemberSession
from crm.portal.services import KnownAlready, _bind
from crm.portal.sessions import TicketGone, begin_session, give_ticket, use_ticket
from tests.factories.crm import make_member
from tests.races.at_once import in_peace, overtaken
from tests.races.world import NOON, World
from yejibao.core import clock
from yejibao.core.models import AuditEntry

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
