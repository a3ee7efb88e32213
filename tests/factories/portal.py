"""Members on their own phones, for tests: signed in as code2Session would have it, without the platform."""

from django.conf import settings
from django.test import Client

from crm.members.models import Member
from crm.portal.models import MemberSession
from crm.portal.sessions import begin_session, member_actor
from yejibao.core import clock
from yejibao.core.scope import Actor

OPENID = "wxtest:o{}"
H5 = MemberSession.Place.H5


def token_of(member: Member | None, *, place: str = MemberSession.Place.MINI_PROGRAM, openid: str = "") -> str:
    """Return a token of a new session; of nobody yet without a member."""
    openid = openid or OPENID.format(member.pk if member else "nobody")
    token, _session = begin_session(
        openid=openid, unionid="", member=member, place=place, facts={}, now=clock.system_now()
    )
    return token


def sign_in_member(client: Client, member: Member) -> Client:
    """Return the client with a member's cookie for /my/."""
    client.cookies[settings.MEMBER_COOKIE_NAME] = token_of(member, place=H5)
    return client


def bearer(member: Member | None) -> dict[str, str]:
    """Return the header of a member's call to the API."""
    return {"Authorization": f"Bearer {token_of(member)}"}


def as_member(member: Member) -> Actor:
    return member_actor(member)
