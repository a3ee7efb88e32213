"""What crm does when it hears of something."""

from typing import Any

import pytest

from crm.members.models import GuideHandover
from guides.org.services import resign_staff
from tests.factories.crm import make_member, make_staff, make_store
from yejibao.core.outbox import drain_events
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db


def test_a_resignation_opens_a_handover(clock: Any) -> None:
    now = clock.travel("2025-03-01 15:00")
    store = make_store()
    leaver, colleague = make_staff(store=store), make_staff(store=store)
    make_member(owner=leaver)
    resign_staff(leaver, actor=Actor.system(), now=now)
    drain_events()
    handover = GuideHandover.objects.get()
    assert (handover.guide, handover.heir, handover.state, handover.left_at) == (leaver, colleague, "proposed", now)
