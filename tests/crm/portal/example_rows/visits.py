"""He is asked to come on Saturday."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from crm.portal.visit_api import VISIT
from crm.visits.models import Visit
from crm.visits.services import invite
from tests.factories.guides import actor
from yejibao.core.clock import parse_iso

if TYPE_CHECKING:
    from . import ExampleWorld


def build(it: ExampleWorld) -> None:
    made = invite(
        it.member,
        starts_at=parse_iso("2026-11-28 15:00"),
        actor=actor(it.org.guide),
        now=it.now,
        words="新到的羊毛大衣",
    )
    Visit.objects.filter(pk=made.pk).update(public_id=VISIT)


def _none_stands(it: ExampleWorld) -> None:
    """Call the invitation off: one time stands at a time."""
    Visit.objects.filter(public_id=VISIT).delete()


PREPARE: dict[str, Callable[[ExampleWorld], None]] = {"member_visit_ask": _none_stands}
