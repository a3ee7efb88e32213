"""Who is this? From a code of the mini-program to an account, and from the account or its phone to a member (OneID)."""

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.members.models import Member, MemberIdentity
from crm.members.services import IdentityTaken, claim_identity, lock_members, members_by, register_visitor
from yejibao.core import audit
from yejibao.core.errors import Conflict, DomainError, Invalid, Unavailable
from yejibao.core.personal import blind_indexes, normal_phone
from yejibao.wecom.errors import GatewayError
from yejibao.wecom.miniprogram import Account, MiniProgram

from .codes import note_registered
from .models import MemberSession
from .sessions import begin_session, member_actor

Kind = MemberIdentity.Kind
Told = TypeVar("Told")
SOURCE = "mini_program"
BAD_CODES = (40029, 40163, 40226)  # unknown, used, an account WeChat blocks


class CodeRefused(DomainError):
    """WeChat does not know the code, or no longer."""

    status, code, title = 400, "auth.code_refused", _("微信没有认出这次登录")


class NoMiniProgram(Unavailable):
    code, title = "auth.no_mini_program", _("会员登录还没有开通")


class PlatformSilent(Unavailable):
    code, title = "auth.wechat_silent", _("微信没有回答，请稍后再试")


class KnownAlready(Conflict):
    code, title = "auth.phone_known", _("已经绑定过了")


class OtherAccount(DomainError):
    """The code is of another WeChat account than the one that is signed in."""

    status, code, title = 403, "auth.other_account", _("不是登录的这个微信号")


class OtherMember(Conflict):
    """The WeChat account is one member's, the number another's: a person puts that right (OneID, 合并)."""

    code, title = "auth.other_member", _("这个微信号绑的是另一张会员卡，请到店或联系客服合并")


@dataclass(frozen=True)
class SignedIn:
    """A session and what is missing to it: without a member it can do nothing but give the phone."""

    token: str
    session: MemberSession

    @property
    def needs_phone(self) -> bool:
        return self.session.member_id is None


def sign_in(code: str, *, door: MiniProgram | None, facts: Mapping[str, str], now: datetime, at: datetime) -> SignedIn:
    """Swap a login code for a session. `now` is the machine's clock, for the session; `at` the product's, for what is noted.

    Raises CodeRefused, NoMiniProgram or PlatformSilent.
    """
    account = _asked(lambda mini: mini.account_of(code), door)
    with transaction.atomic():
        member = _member_of(account, at=at)
        token, session = begin_session(
            openid=account.openid, unionid=account.unionid, member=member, place=MemberSession.Place.MINI_PROGRAM,
            facts=facts, now=now,
        )  # fmt: skip
    return SignedIn(token, session)


def must_hold_the_phone(session: MemberSession, code: str, *, door: MiniProgram | None) -> None:
    """See that the WeChat account of a session is at the phone at this moment, by a login code it was just given.

    A token that was taken from him does not open what this guards. Raises OtherAccount, CodeRefused, NoMiniProgram or
    PlatformSilent.
    """
    if _asked(lambda mini: mini.account_of(code), door).openid != session.openid:
        raise OtherAccount()


def bind_phone(
    session: MemberSession, code: str, *, name: str, door: MiniProgram | None, facts: Mapping[str, str], at: datetime
) -> Member:
    """Tell by the phone who the account of a session is, and open a card for who has none; the session opens it from now on.

    A number WeChat has verified is proof enough to bind its account to the card of that number. Raises CodeRefused,
    KnownAlready, OtherMember, NoMiniProgram, PlatformSilent or Invalid.
    """
    if session.member_id is not None:
        raise KnownAlready()
    phone = normal_phone(_asked(lambda mini: mini.phone_of(code), door))
    if not phone:
        raise Invalid(_("微信给的手机号不对"))
    return _bind(session, phone, name=name, facts=facts, at=at)


@transaction.atomic
def _bind(session: MemberSession, phone: str, *, name: str, facts: Mapping[str, str], at: datetime) -> Member:
    held = MemberSession.objects.select_for_update().get(pk=session.pk)
    if held.member_id is not None:
        raise KnownAlready()
    indexes = blind_indexes(phone, purpose="phone")
    _free(Kind.PHONE, indexes)
    found = list(members_by(Kind.PHONE, indexes).values())
    active = Member.objects.filter(status=Member.Status.ACTIVE).order_by("pk")
    member = active.filter(pk__in=found).first() or active.filter(phone_index__in=indexes).first()
    is_new = member is None
    if member is None:
        number = f"A{held.token_hash[:15].upper()}"  # the same for two taps of one sign-in, another for the next
        member = register_visitor(member_no=number, name=name, phone=phone, channel=SOURCE, now=at)
    lock_members([member.pk])
    try:
        _claim(member, Account(held.openid, held.unionid), at=at)
    except IdentityTaken:
        raise OtherMember() from None
    MemberSession.objects.filter(pk=held.pk).update(member=member)
    session.member = member
    note_registered(held, member, is_new=is_new, now=at)
    audit.record(member_actor(member, facts), "member.account_bound", member, after={"way": "phone"})
    audit.record(member_actor(member, facts), "auth.member_login", member, after={"way": held.place})
    return member


def _asked(call: Callable[[MiniProgram], Told], door: MiniProgram | None) -> Told:
    """Ask WeChat, with no transaction open, in words of our own where it says no."""
    if door is None:
        raise NoMiniProgram()
    try:
        return call(door)
    except GatewayError as error:
        if error.code in BAD_CODES:
            raise CodeRefused(_("请回到小程序，重新打开一次。")) from None
        raise PlatformSilent(retry_after=5) from None


def _member_of(account: Account, *, at: datetime) -> Member | None:
    """Return whose account it is; one known by his UnionID is known by this openid from now on."""
    ids = [*members_by(Kind.OPENID, [account.openid]).values(), *members_by(Kind.UNIONID, [account.unionid]).values()]
    members = {one.pk: one for one in Member.objects.filter(pk__in=ids, status=Member.Status.ACTIVE)}
    member = next((members[pk] for pk in ids if pk in members), None)
    if member is not None:
        lock_members([member.pk])
        with suppress(IdentityTaken), transaction.atomic():  # openid and unionid of two cards: that of the openid opens
            _claim(member, account, at=at)
    return member


def _free(kind: str, values: Collection[str]) -> None:
    """Let go of names that lead to a closed card: who comes back gets a new one."""
    MemberIdentity.objects.filter(kind=kind, value__in=values, member__status=Member.Status.CLOSED).delete()


def _claim(member: Member, account: Account, *, at: datetime) -> None:
    _free(Kind.OPENID, [account.openid])
    if account.unionid:
        _free(Kind.UNIONID, [account.unionid])
    claim_identity(member, kind=Kind.OPENID, value=account.openid, source=SOURCE, now=at)
    if account.unionid:
        claim_identity(member, kind=Kind.UNIONID, value=account.unionid, source=SOURCE, now=at)
