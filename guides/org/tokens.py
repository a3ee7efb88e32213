"""Tokens of scratch worlds: an outside test speaks to the API as a person, without a browser.

A token is a session sent in a header instead of a cookie: same person, same scope, same end. Production knows none.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from yejibao.core import audit, clock
from yejibao.core.errors import NotFound
from yejibao.core.scope import Actor

from .models import OrgUnit, RoleAssignment, Staff
from .services import create_staff
from .sessions import CONFIRMED, ENDS_AT, ROLE, STAFF, SessionStore

PREFIX = "yjs_"
HEADER = f"Bearer {PREFIX}"
LIFE = timedelta(hours=24)


def find_unit(word: str) -> OrgUnit:
    """Return a unit by its code or name; a level (`hq`, `store`, …) means its first unit. Raises NotFound."""
    units = OrgUnit.objects.order_by("pk")
    found = (
        units.filter(code=word).first()
        or units.filter(name=word).first()
        or units.filter(store__short_name=word).first()
        or units.filter(level=word).first()
    )
    if found is None:
        raise NotFound(_("没有这个组织：%(word)s") % {"word": word})
    return found


@transaction.atomic
def issue_person_token(*, role: str, unit: OrgUnit, now: datetime) -> tuple[Staff, str]:
    """Return a person who holds a role in a unit, entered now if there is none, and a token that speaks for him.

    Raises Invalid or WrongPlace for a role that does not exist or does not fit the unit.
    """
    actor = Actor.system("issue_token")
    held = RoleAssignment.objects.filter(RoleAssignment.in_force(clock.local_day(now)), role=role, unit=unit)
    person = Staff.objects.employed().filter(pk__in=held.values("staff_id")).order_by("pk").first()
    if person is None:
        userid = f"token-{role}-{unit.pk}"
        person = create_staff(wecom_user_id=userid, name="接口测试", role=role, unit=unit, actor=actor, now=now)
    session = SessionStore()
    session[STAFF], session[ROLE] = person.pk, role
    session[ENDS_AT] = (clock.system_now() + LIFE).isoformat()
    session[CONFIRMED] = {"way": "totp", "at": session[ENDS_AT]}  # nobody stands behind it who could be asked
    session.create()
    audit.record(actor, "auth.token_issued", person, after={"role": role, "unit_id": unit.pk})
    return person, f"{PREFIX}{session.session_key}"


def take_token(request: HttpRequest) -> None:
    """Let a token in the header stand for the cookie. No other site can make a browser send it: no CSRF check then."""
    given = request.META.get("HTTP_AUTHORIZATION", "")
    if given.startswith(HEADER) and not settings.PRODUCTION:
        request.session = SessionStore(given.removeprefix(HEADER))
        request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
