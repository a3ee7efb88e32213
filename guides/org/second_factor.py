"""动态码: the six digits of an authenticator app (TOTP, RFC 6238), and the recovery codes for when the phone is lost.

A code counts once, and half a minute early or late. After MOST_FAILURES wrong ones nothing counts for a quarter of an hour.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyotp
import segno
from django.conf import settings
from django.db import transaction
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from guides.events import SignInChanged
from yejibao.core import audit, outbox
from yejibao.core.errors import Conflict, DomainError, Invalid, NotFound, TooMany
from yejibao.core.models import AuditEntry
from yejibao.core.scope import Actor

from .devices import end_sessions
from .granting import must_manage_accounts
from .models import SecondFactor, Staff

STEP_SECONDS = 30
DRIFT_STEPS = 1
MOST_FAILURES = 5
LOCKED_FOR = timedelta(minutes=15)
RECOVERY_CODES = 10


class WrongCode(Invalid):
    code, title = "auth.wrong_code", _("验证码不对")


class CodesLocked(TooMany):
    code, title = "auth.codes_locked", _("验证码错了太多次")


class AlreadyEnrolled(Conflict):
    code, title = "auth.already_enrolled", _("已经开通动态码")


@dataclass(frozen=True)
class Enrolment:
    """What an authenticator app has to be told: as a picture (an address for <img>), and to type in."""

    picture: str
    secret: str


def is_enrolled(person: Staff) -> bool:
    return SecondFactor.objects.filter(staff=person).exclude(enrolled_at=None).exists()


def may_enrol_at_door(person: Staff) -> bool:
    """Tell whether the password is enough to bind an app: only where the server's operator set it (bin/manage set_password).

    A colleague who sets a password knows it: he would bind his own app, come in, and the trail would name somebody else.
    """
    words = AuditEntry.objects.filter(
        resource=Staff._meta.label, resource_id=str(person.pk), action="org.password_set"
    ).order_by("-pk")
    return words.values_list("actor_kind", flat=True).first() == "system"


def begin_enrolment(person: Staff) -> Enrolment:
    """Return the secret to be scanned: the same until it is proven. Raises AlreadyEnrolled."""
    held, _is_new = SecondFactor.objects.get_or_create(staff=person, defaults={"secret": pyotp.random_base32()})
    if held.enrolled_at is not None:
        raise AlreadyEnrolled()
    uri = pyotp.TOTP(held.secret).provisioning_uri(person.wecom_user_id, issuer_name=f"业绩宝 {settings.BRAND_NAME}")
    groups = " ".join(held.secret[place : place + 4] for place in range(0, len(held.secret), 4))
    return Enrolment(segno.make(uri, micro=False).svg_data_uri(scale=4, border=2), groups)


def finish_enrolment(person: Staff, code: str, *, actor: Actor, now: datetime) -> list[str]:
    """Take a first code as proof and return the recovery codes, which are shown once. Raises WrongCode or AlreadyEnrolled.

    `now` is the machine's, here and below: the phone knows no other.
    """
    codes, refusal = _enrol(person, code, actor, now)
    if refusal is not None:
        raise refusal
    return codes


@transaction.atomic
def _enrol(person: Staff, code: str, actor: Actor, now: datetime) -> tuple[list[str], DomainError | None]:
    held = SecondFactor.objects.select_for_update().filter(staff=person).first()
    if held is None:
        raise NotFound()
    if held.enrolled_at is not None:
        raise AlreadyEnrolled()
    refusal = _judge(held, code, actor=actor, now=now)
    if refusal is not None:
        return [], refusal
    codes = [f"{secrets.token_hex(2)}-{secrets.token_hex(2)}-{secrets.token_hex(2)}" for _ in range(RECOVERY_CODES)]
    held.enrolled_at, held.recovery_codes = now, [_hash(person.pk, one) for one in codes]
    held.save(update_fields=["enrolled_at", "recovery_codes"])
    audit.record(actor, "auth.second_factor_on", person)
    if actor.staff_id != person.pk:  # at the door: whoever had the password
        outbox.publish(SignInChanged(person.pk, "second_factor", None))
    return codes, None


def check_code(person: Staff, code: str, *, actor: Actor, now: datetime) -> None:
    """Use up a code of the app, or a recovery code. Raises WrongCode or CodesLocked; a wrong one is counted first."""
    refusal = _check(person, code, actor, now)
    if refusal is not None:
        raise refusal


@transaction.atomic
def _check(person: Staff, code: str, actor: Actor, now: datetime) -> DomainError | None:
    held = SecondFactor.objects.select_for_update().filter(staff=person).exclude(enrolled_at=None).first()
    return WrongCode() if held is None else _judge(held, code, actor=actor, now=now)


def _judge(held: SecondFactor, code: str, *, actor: Actor, now: datetime) -> DomainError | None:
    """Count one try on a locked row. A refusal is returned, not raised, so that the count is committed."""
    if held.locked_until is not None and now < held.locked_until:
        return _locked(held.locked_until, now)
    given = "".join(code.replace("-", "").split()).lower()
    step = _step_of(held, given, now)
    if step is not None:
        held.last_step = step
    elif (recovery := _hash(held.staff_id, given)) in held.recovery_codes:
        held.recovery_codes = [one for one in held.recovery_codes if one != recovery]
        audit.record(actor, "auth.recovery_code_used", held.staff, after={"left": len(held.recovery_codes)})
    else:
        return _note_failure(held, actor=actor, now=now)
    held.failure_count, held.locked_until = 0, None
    held.save(update_fields=["last_step", "recovery_codes", "failure_count", "locked_until"])
    return None


def _step_of(held: SecondFactor, given: str, now: datetime) -> int | None:
    """Return the half minute a code belongs to, if it is a near one that has not been used."""
    app, today = pyotp.TOTP(held.secret, interval=STEP_SECONDS), int(now.timestamp()) // STEP_SECONDS
    found = None
    for step in range(today - DRIFT_STEPS, today + DRIFT_STEPS + 1):
        if hmac.compare_digest(app.generate_otp(step).encode(), given.encode()) and step > held.last_step:
            found = step
    return found


def _note_failure(held: SecondFactor, *, actor: Actor, now: datetime) -> DomainError:
    held.failure_count += 1
    if held.failure_count < MOST_FAILURES:
        held.save(update_fields=["failure_count"])
        return WrongCode(_("看一下手机上现在的六位数字，再输一次；用过的不能再用。"))
    held.failure_count, held.locked_until = 0, now + LOCKED_FOR
    held.save(update_fields=["failure_count", "locked_until"])
    audit.record(actor, "auth.codes_locked", held.staff, after={"minutes": LOCKED_FOR.seconds // 60})
    return _locked(held.locked_until, now)


def _locked(until: datetime, now: datetime) -> CodesLocked:
    seconds = max(1, int((until - now).total_seconds()))
    return CodesLocked(_("请 %(count)d 分钟后再试。") % {"count": -(-seconds // 60)}, retry_after=seconds)


@transaction.atomic
def reset_second_factor(person: Staff, *, actor: Actor, reason: str) -> None:
    """Take a person's second factor away, so that he enrols anew: his own, or by an administrator when a phone is lost.

    By another: his sessions end, and he is told.
    """
    is_own = actor.staff_id == person.pk
    if not is_own:
        must_manage_accounts(actor)
    deleted, _tables = SecondFactor.objects.filter(staff=person).delete()
    if not deleted:
        return
    audit.record(actor, "auth.second_factor_off", person, reason=reason)
    if not is_own:
        end_sessions(person, actor=actor, reason=reason)
        outbox.publish(SignInChanged(person.pk, "no_second_factor", actor.staff_id))


def _hash(staff_id: int, code: str) -> str:
    return salted_hmac("guides.recovery", f"{staff_id}:{code.replace('-', '')}", algorithm="sha256").hexdigest()
