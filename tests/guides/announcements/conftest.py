"""A small company, a publisher of HQ, and announcements on their way."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from guides.announcements import services
from guides.announcements.audience import Audience
from guides.announcements.models import Announcement
from guides.announcements.services import Draft
from guides.org.models import Staff
from tests.factories.guides import Org, actor, holder_of, make_org
from yejibao.core.clock import parse_iso

NOW = parse_iso("2026-11-21 10:00")
BODY = "**今天要做三件事**\n1. 主橱窗换藏青大衣；\n2. A 区前两架上羽绒服；\n3. 18:00 前拍照。"


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel(NOW)
    return make_org()


@pytest.fixture
def publisher(org: Org) -> Staff:
    return holder_of("hq_visual", org)


@pytest.fixture
def draft(org: Org, publisher: Staff) -> Callable[..., Announcement]:
    """Make a draft for the branch's guides and managers; other facts where named."""

    def make(**facts: Any) -> Announcement:
        held = services.begin(actor=actor(publisher), now=NOW)
        wanted = facts.pop("audience", Audience(units=[org.branch.pk], roles=["guide", "store_manager"]))
        content = Draft(
            **{"title": "小雪换季陈列调整", "body": BODY, "needs_confirm": True, "audience": wanted} | facts
        )
        return services.save_draft(held, content, seen=held.version, actor=actor(publisher), now=NOW)

    return make


@pytest.fixture
def published(draft: Any, publisher: Staff) -> Callable[..., Announcement]:
    """Publish one and give everybody his receipt."""

    def make(*, now: datetime = NOW, **facts: Any) -> Announcement:
        held = draft(**facts)
        held = services.publish(held, seen=held.version, actor=actor(publisher), now=now)
        services.spread(now=now, budget=timedelta(seconds=30))
        held.refresh_from_db()
        return held

    return make
