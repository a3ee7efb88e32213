"""Signing in and out: the state of an OAuth round, the session of a person, the role he works in.

Over the platform a code is enough; at the web a password is half of it, and the pre-session waits for the second factor.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.hashers import check_password, make_password
from django.db import transaction
from django.http import HttpRequest
from django.middleware.csrf import rotate_token
from django.urls import Resolver404, resolve
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _

from yejibao.core import audit, clock
from yejibao.core.errors import DomainError, Forbidden, SignInRequired
from yejibao.core.scope import Actor

from .actors import AccountEnded, actor_for, facts_of, role_facts
from .confirming import note_confirmed
from .devices import lock_sign_in
from .models import Staff, StaffSession
from .sessions import ABOUT, ENDS_AT, LONGEST_PHONE, LONGEST_WEB, ROLE, STAFF

STATES = "oauth_states"
HALF = "half_signed_in"  # {"staff_id", "password", "to", "at"}: the password was right, the code has not come
HALF_LIFE = timedelta(minutes=5)
STATE_LIFE = timedelta(minutes=5)
STATES_AT_ONCE = 5  # tabs that sign in side by side; older ones are forgotten
# /tickets/, /surveys/ and /visits/ have staff of all levels: what pushes open leads on from there.
RETURN_PREFIXES = ("/g/", "/m/", "/hq/", "/me/", "/tickets/", "/surveys/", "/visits/", "/api/docs/")


class StateGone(DomainError):
    """The round did not start in this browser, was used already or took more than five minutes."""

    status, code, title = 400, "auth.state_gone", _("这次登录已经过期")


class CodeRefused(DomainError):
    """The platform does not know the code."""

    status, code, title = 400, "auth.code_refused", _("企业微信没有认出这次登录")


class NotOurs(Forbidden):
    """The person is no member of the corp, or nobody has entered him."""

    code, title = "auth.not_staff", _("没有找到你的员工账号")


class NoRoleYet(Forbidden):
    """Entered, but without a role that holds today."""

    code, title = "auth.no_role", _("还没有给你开通岗位")


class WrongPassword(DomainError):
    status, code, title = 422, "auth.wrong_password", _("账号或密码不对")


class SomebodyElse(Forbidden):
    """A confirmation that another person gave."""

    code, title = "auth.somebody_else", _("确认的不是同一个人")


@dataclass(frozen=True)
class Round:
    """A sign-in over the platform that came back: where to go on, and whom it was to confirm (None: a sign-in)."""

    to: str
    confirms: int | None


# ---------------------------------------------------------------- where to go afterwards


def home_of(actor: Actor) -> str:
    """Return the first page of the role an actor works in."""
    match actor.working_role:
        case "guide":
            return "/g/today/"
        case "store_manager" | "area_supervisor" | "region_manager" | "branch_manager":
            return "/m/review/"
        case _:
            return "/hq/"


def safe_return(path: str) -> str:
    """Return the path if it is one of our own pages, else an empty text."""
    if not path.startswith(RETURN_PREFIXES) or not url_has_allowed_host_and_scheme(path, allowed_hosts=None):
        return ""
    parts = urlsplit(path)
    try:
        resolve(parts.path)
    except Resolver404:
        return ""
    return path


# ---------------------------------------------------------------- the round over the platform


def begin_round(request: HttpRequest, *, to: str, now: datetime, confirms: int | None = None) -> str:
    """Remember in the pre-session that a sign-in has begun; return its state.

    `confirms` is the person signed in here who is to be seen once more (confirming.py).
    """
    state = secrets.token_hex(16)
    rounds = _rounds(request, now)
    rounds[state] = {"to": safe_return(to), "at": now.isoformat(), "confirms": confirms}
    request.session[STATES] = dict(list(rounds.items())[-STATES_AT_ONCE:])
    return state


def end_round(request: HttpRequest, *, state: str, now: datetime) -> Round:
    """Use up a state and return what it began with. Raises StateGone."""
    rounds = _rounds(request, now)
    begun = rounds.pop(state, None)
    request.session[STATES] = rounds
    request.session.save()  # before the code is swapped: a state that was seen once never counts again
    if begun is None:
        raise StateGone(_("请回到企业微信，重新打开一次。"))
    return Round(str(begun["to"]), begun.get("confirms"))


def _rounds(request: HttpRequest, now: datetime) -> dict[str, Any]:
    kept: dict[str, Any] = request.session.get(STATES, {})
    return {state: begun for state, begun in kept.items() if now - datetime.fromisoformat(begun["at"]) <= STATE_LIFE}


# ---------------------------------------------------------------- the person


def person_of(userid: str) -> Staff:
    """Return who may sign in under a WeCom user id. Raises NotOurs or AccountEnded."""
    person = Staff.objects.filter(wecom_user_id=userid.casefold()).first() if userid else None
    if person is None:
        raise NotOurs(_("请让店长或总部信息中心把你加进来，再重新打开。"))
    if not person.is_active:
        raise AccountEnded(_("如果有疑问，请联系你的店长或总部信息中心。"))
    return person


def person_by_password(userid: str, password: str) -> Staff:
    """Return who signs in at the web with a password: people with a web role only.

    Raises WrongPassword or AccountEnded.
    """
    person = Staff.objects.filter(wecom_user_id=userid.strip().casefold()).first()
    if person is None:
        make_password(password)  # as slow as a wrong password: the answer's time names nobody
        raise WrongPassword()
    if not check_password(password, person.password):
        raise WrongPassword()
    if not person.is_active:
        raise AccountEnded(_("如果有疑问，请联系你的店长或总部信息中心。"))
    if not any("web" in role_facts(role)["device"] for role in actor_for(person).roles):
        raise WrongPassword(_("你的岗位请从企业微信进入。"))
    return person


def begin_half(request: HttpRequest, person: Staff, *, to: str, now: datetime) -> None:
    """Note in the pre-session that the password was right. Nothing opens by it but the page that asks for the code."""
    request.session.flush()
    request.session[HALF] = {
        "staff_id": person.pk, "password": person.get_session_auth_hash(), "to": safe_return(to), "at": now.isoformat(),
    }  # fmt: skip


def half_signed_in(request: HttpRequest, *, now: datetime) -> tuple[Staff, str]:
    """Return who gave the right password here within the last minutes, and where he wants to go. Raises StateGone."""
    half = request.session.get(HALF)
    if half is None or now - datetime.fromisoformat(half["at"]) > HALF_LIFE:
        raise StateGone(_("请重新输入账号和密码。"))
    person = Staff.objects.filter(pk=half["staff_id"]).first()
    if person is None or not person.is_active or person.get_session_auth_hash() != half["password"]:
        raise StateGone(_("请重新输入账号和密码。"))
    return person, str(half["to"])


@transaction.atomic
def sign_in(request: HttpRequest, person: Staff, *, way: str, now: datetime, is_phone: bool = False) -> Actor:
    """Give the browser a new session of this person; return him as an actor.

    `way` is what he was seen by: `wecom` or `totp`. `is_phone` is the client itself; all else is the web, which ends
    earlier. Raises NoRoleYet, or StateGone when his account changed while he came in.
    """
    current = lock_sign_in(person.pk)
    if not current.is_active or (way != "wecom" and current.password != person.password):
        raise StateGone(_("请重新登录。"))
    facts = facts_of(request)
    actor = actor_for(person, facts=facts)
    if not actor.grants:
        raise NoRoleYet(_("请让店长或总部信息中心给你分配岗位。"))
    rounds = request.session.get(STATES)
    request.session.flush()  # a new id, and nothing of whoever sat here before
    if rounds:
        request.session[STATES] = rounds
    request.session[STAFF] = person.pk
    request.session[ROLE] = actor.working_role
    request.session[ENDS_AT] = (now + (LONGEST_PHONE if is_phone else LONGEST_WEB)).isoformat()
    device = audit.device_of(request.headers.get("User-Agent", ""))[:32]
    request.session[ABOUT] = {"began_at": now.isoformat(), "device": device, "ip": facts["ip"] or None}
    note_confirmed(request.session, way=way, now=now)
    request.session.save()
    rotate_token(request)
    Staff.objects.filter(pk=person.pk).update(last_login=clock.now())
    audit.record(actor, "auth.login", person, after={"way": way})
    return actor


def confirm(request: HttpRequest, *, actor: Actor, way: str, now: datetime) -> None:
    """Note in the session that its person was seen once more, by a code or by the platform."""
    note_confirmed(request.session, way=way, now=now)
    audit.record(actor, "auth.confirmed", Staff._meta.label, resource_id=str(actor.staff_id), after={"way": way})


@transaction.atomic
def sign_out(request: HttpRequest, *, actor: Actor) -> None:
    """End this session."""
    if actor.staff_id:
        audit.record(actor, "auth.logout", Staff._meta.label, resource_id=str(actor.staff_id))
    request.session.flush()


@transaction.atomic
def switch_role(request: HttpRequest, role: str, *, actor: Actor) -> Actor:
    """Work in another of one's roles from now on: the menu changes, the scope does not. New session id."""
    if role not in actor.roles:
        raise Forbidden(_("你没有这个岗位，或者它已经到期。"), permission="role.switch")
    person = lock_sign_in(actor.staff_id or 0)
    if not StaffSession.objects.filter(session_key=request.session.session_key, staff=person).exists():
        raise SignInRequired()  # ended a moment ago; a new id must not bring it back
    request.session[ROLE] = role
    request.session.cycle_key()
    audit.record(
        actor,
        "auth.role_switched",
        Staff._meta.label,
        resource_id=str(actor.staff_id),
        before={"role": actor.working_role},
        after={"role": role},
    )
    request.session.save()
    return actor_for(person, working_role=role, facts=dict(actor.session_facts))


def note_failure(request: HttpRequest, refusal: DomainError, *, way: str, userid: str = "") -> None:
    """Write down a sign-in that was refused, by its code, and whose account it was if it is anybody's.

    What else was typed is nowhere kept: a member's phone, or a password in the wrong field.
    """
    known = Staff.objects.filter(wecom_user_id=userid.strip().casefold()).values_list("pk", flat=True).first()
    audit.record(
        Actor(session_facts=facts_of(request)),
        "auth.login_failed",
        Staff._meta.label,
        resource_id=str(known or ""),
        after={"way": way, "code": refusal.code},
        is_refused=True,
    )
