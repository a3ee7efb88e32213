"""Requests that need a second pair of eyes: asked once, ended once."""

from datetime import timedelta

from django.db import transaction

from guides.approvals.models import Approval, ApprovalStep
from guides.approvals.services import AlreadyAsked, Ended, ask_approval, expire_approvals, withdraw
from guides.org.models import Staff
from tests.factories.guides import actor, holder_of
from tests.races.at_once import overtaken
from tests.races.world import NOON, World
from yejibao.core.models import AuditEntry


def _fresh(world: World) -> Staff:
    """Return one who may ask; what earlier races asked is gone (the company's tables stay between them)."""
    ApprovalStep.objects.all().delete()
    Approval.objects.all().delete()
    return holder_of("hq_operator", world.org)


def _ask(who: Staff) -> Approval:
    return ask_approval("mass_message.large", key="race", title="群发", reason="年终问候", actor=actor(who), now=NOON)


def a_request_asked_twice(world: World) -> None:
    who = _fresh(world)

    def ask() -> Approval:
        with transaction.atomic():
            return _ask(who)

    both = overtaken(ask, ask)
    assert isinstance(both.second, AlreadyAsked) and Approval.objects.count() == 1


def a_request_withdrawn_twice(world: World) -> None:
    who = _fresh(world)
    request = _ask(who)
    both = overtaken(*[lambda: withdraw(request, actor=actor(who), now=NOON)] * 2)
    assert isinstance(both.second, Ended)
    assert AuditEntry.objects.filter(action="approval.withdrawn").count() == 1


def a_request_is_withdrawn_as_its_time_is_over(world: World) -> None:
    who = _fresh(world)
    request = _ask(who)
    both = overtaken(
        lambda: withdraw(request, actor=actor(who), now=NOON), lambda: expire_approvals(now=NOON + timedelta(days=60))
    )
    request.refresh_from_db()
    assert (both.second, request.state) == ({"ended": 0}, "withdrawn")
