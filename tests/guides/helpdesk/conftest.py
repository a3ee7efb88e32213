from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from guides.helpdesk.loading import load_categories
from guides.helpdesk.models import HelpCategory, HqCall
from guides.helpdesk.services import ask
from guides.org.models import Staff
from tests.factories.guides import Org, actor, holder_of, make_org
from yejibao.core.clock import parse_iso

NOW = parse_iso("2026-11-21 10:00")


@dataclass(frozen=True)
class Desk:
    """The company of the tests, its categories, and who answers for goods at HQ: two of them, and their head."""

    org: Org
    goods: HelpCategory
    first: Staff
    second: Staff
    head: Staff

    def ask(
        self,
        text: str = "顾客要藏青套西180/96A，本店断码，附近哪家有？",
        *,
        by: Staff | None = None,
        now: Any = NOW,
        **facts: Any,
    ) -> HqCall:
        person = by or self.org.guide
        return ask(text, category=facts.pop("category", self.goods).key, actor=actor(person), now=now, **facts)


@pytest.fixture
def desk(clock: Any, tmp_path: Path, settings: Any) -> Desk:
    clock.travel(NOW)
    settings.MEDIA_ROOT = tmp_path
    org = make_org()
    load_categories()
    goods = HelpCategory.objects.get(key="stock_transfer")
    first, second = holder_of("hq_merch", org), holder_of("hq_merch", org)
    head = holder_of("hq_crm", org)
    for person, name in ((first, "窦乐"), (second, "方圆"), (head, "白静")):
        Staff.objects.filter(pk=person.pk).update(name=name)
        person.refresh_from_db()
    HelpCategory.objects.filter(pk=goods.pk).update(duty=first, head=head)
    goods.refresh_from_db()
    return Desk(org, goods, first, second, head)
