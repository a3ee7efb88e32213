"""Sessions and second factors: what ends while it gets a new key, and a code that two give at once."""

from datetime import datetime

import pyotp
from django.test import RequestFactory

from guides.org.devices import end_devices
from guides.org.models import RoleAssignment, SecondFactor, Staff, StaffSession
from guides.org.second_factor import AlreadyEnrolled, WrongCode, begin_enrolment, check_code, finish_enrolment
from guides.org.sessions import SessionStore
from guides.org.sign_in import switch_role
from tests.factories.guides import actor, make_staff, session_of
from tests.races.at_once import in_peace, overtaken
from tests.races.world import World
from yejibao.core.scope import Actor

SYSTEM = Actor.system("race")
NOBODY = Actor()
AT, LATER = (datetime.fromisoformat(f"2026-03-02T02:{minute}:05+00:00") for minute in ("00", "05"))


def a_session_gets_a_new_key_while_all_are_ended(world: World) -> None:
    person = make_staff("store_manager", store=world.org.store)
    RoleAssignment.objects.create(staff=person, role="guide", unit=world.org.store.unit)
    request = RequestFactory().post("/me/role/")
    request.session = SessionStore(session_of(person, role="store_manager"))
    overtaken(
        lambda: switch_role(request, "guide", actor=actor(person)),
        lambda: end_devices(person, actor=SYSTEM),
    )
    assert not StaffSession.objects.filter(staff=person).exists()


def _person(*, is_enrolled: bool) -> tuple[Staff, pyotp.TOTP]:
    person = make_staff("store_manager")
    begin_enrolment(person)
    app = pyotp.TOTP(SecondFactor.objects.get(staff=person).secret)
    if is_enrolled:
        finish_enrolment(person, app.at(AT), actor=NOBODY, now=AT)
    return person, app


def one_code_given_twice_at_once(world: World) -> None:
    person, app = _person(is_enrolled=True)
    both = overtaken(*[lambda: check_code(person, app.at(LATER), actor=NOBODY, now=LATER)] * 2)
    in_peace(both.first)
    assert isinstance(both.second, WrongCode), both.second


def two_who_prove_one_app(world: World) -> None:
    person, app = _person(is_enrolled=False)
    both = overtaken(*[lambda: finish_enrolment(person, app.at(AT), actor=NOBODY, now=AT)] * 2)
    assert len(in_peace(both.first)) == 10
    assert isinstance(both.second, AlreadyEnrolled), both.second
