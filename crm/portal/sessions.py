"""Sessions of members: an opaque token, hashed at rest, seven days, bound to one WeChat account.

A session opens what its member may see as the database has him at this moment: a card that was closed or forgotten opens
nothing more. Source: reliability-security §11.
"""

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.members.models import Member
from yejibao.core import audit
from yejibao.core.errors import SignInRequired
from yejibao.core.scope import Actor

from .models import MemberSession

PREFIX = "yjm_"
LIFE = timedelta(days=7)
TICKET_LIFE = timedelta(seconds=60)
TOUCH_AFTER = timedelta(minutes=5)
Place = MemberSession.Place


class TicketGone(SignInRequired):
    code, title = "auth.ticket_gone", _("这个入口已经用过或过期了")


def member_actor(member: Member, facts: Mapping[str, str] | None = None) -> Actor:
    """Return a member as an actor. His name is not in it: what he did is in the trail by his number."""
    return Actor(kind="member", member_id=member.pk, name="会员", session_facts=dict(facts or {}))


def begin_session(
    *, openid: str, unionid: str, member: Member | None, place: str, facts: Mapping[str, str], now: datetime
) -> tuple[str, MemberSession]:
    """Return a new token and its session. `now` is the machine's."""
    token = PREFIX + secrets.token_urlsafe(32)
    session = MemberSession.objects.create(
        token_hash=hashed(token), place=place, member=member, openid=openid, unionid=unionid,
        began_at=now, ends_at=now + LIFE, seen_at=now,
        device=audit.device_of(facts.get("agent", "")), ip=facts.get("ip") or None,
    )  # fmt: skip
    if member is not None:
        audit.record(member_actor(member, facts), "auth.member_login", member, after={"way": place})
    return token, session


def find_session(token: str, *, place: str, now: datetime) -> MemberSession | None:
    """Return the session of a token with its member; None for one that ended, or whose member's card is closed."""
    if not token.startswith(PREFIX):
        return None
    sessions = MemberSession.objects.select_related("member").defer("member__phone", "member__birth_year")
    session = sessions.filter(token_hash=hashed(token), place=place, ends_at__gt=now).first()
    if session is None or session.member and session.member.status != Member.Status.ACTIVE:
        return None
    if now - session.seen_at >= TOUCH_AFTER:
        MemberSession.objects.filter(pk=session.pk).update(seen_at=now)
    return session


def end_session(session: MemberSession, *, facts: Mapping[str, str]) -> None:
    """Sign out on this phone."""
    if session.member is not None:
        audit.record(member_actor(session.member, facts), "auth.member_logout", session.member)
    session.delete()


@transaction.atomic
def sign_out_everywhere(member: Member, *, facts: Mapping[str, str]) -> int:
    """Sign out on every phone and in every web view of a member, because he says so. Returns how many sessions ended."""
    ended = end_sessions_of(member.pk)
    audit.record(member_actor(member, facts), "auth.member_logout_everywhere", member, after={"count": ended})
    return ended


def end_sessions_of(member_id: int) -> int:
    """End a member's sessions everywhere, because his card was closed. Safe to run twice."""
    return MemberSession.objects.filter(member_id=member_id).delete()[0]


# ---------------------------------------------------------------- from the mini-program into its web view


def give_ticket(session: MemberSession, *, now: datetime) -> str:
    """Return what opens the web view, once, within a minute: a token must not stand in an address, a used ticket may."""
    ticket = secrets.token_urlsafe(32)
    session.ticket_hash, session.ticket_ends_at = hashed(ticket), now + TICKET_LIFE
    session.save(update_fields=["ticket_hash", "ticket_ends_at"])
    return ticket


@transaction.atomic
def use_ticket(ticket: str, *, facts: Mapping[str, str], now: datetime) -> str:
    """Swap a ticket for the token of a session in the browser. Raises TicketGone."""
    held = MemberSession.objects.select_for_update(of=("self",)).select_related("member")
    session = (
        held.filter(ticket_hash=hashed(ticket), ticket_ends_at__gt=now, ends_at__gt=now).first() if ticket else None
    )
    if session is None or session.member is None or session.member.status != Member.Status.ACTIVE:
        raise TicketGone(_("请回到小程序，再点一次。"))
    session.ticket_hash, session.ticket_ends_at = "", None
    session.save(update_fields=["ticket_hash", "ticket_ends_at"])
    return begin_session(
        openid=session.openid, unionid=session.unionid, member=session.member, place=Place.H5, facts=facts, now=now
    )[0]


def hashed(token: str) -> str:
    """Return what is kept of a token: 256 random bits need no salt."""
    return hashlib.sha256(token.encode()).hexdigest()
