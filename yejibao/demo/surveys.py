"""Surveys in the demo: four weeks of questions and answers, two unhappy ones that were mended and one that waits for its manager.

All of it goes through the product's own services, each at its own moment.
"""

import random
from datetime import datetime, time, timedelta

from crm.aftersale import services as aftersale
from crm.aftersale.models import Ticket
from crm.aftersale.telling import manager_of
from crm.surveys import services
from crm.surveys.models import Survey
from crm.surveys.rules import GOOD_STARS, rules
from crm.surveys.services import Given
from guides.org.actors import actor_for
from guides.org.models import Staff
from yejibao.core import clock

from .tickets import told_then

SEED, DAYS, FRESH_DAYS = 70, 28, 3
ASKED_AT = time(10, 5)
ANSWERS, UNHAPPY = 0.42, 3
STARS = (5, 5, 5, 5, 4, 4, 4, 3)
PRAISE = (
    "导购眼光准，一套下来没让我挑花眼。", "尺码一次就对，改裤脚当天就好。", "面料比网上看着好。", "陈店倒了茶，孩子也有人陪。", "送父亲的，他很喜欢。", "",
)  # fmt: skip
BLAME = (
    ("rude", "试了三件没人搭理，叫了两次才过来。"), ("quality", "穿了一次袖口就开线。"), ("size", "说是修身，坐下来腰勒得慌。"),
)  # fmt: skip
REPLIES = ("谢谢您，天冷了常来坐坐。", "您放心，说到的地方我们马上改。")


def build(*, now: datetime) -> None:
    """Ask day by day, let the usual share answer, and let the store say something to it."""
    if Survey.objects.exists():
        return
    dice, today = random.Random(SEED), clock.local_day(now)
    for back in range(DAYS, 0, -1):
        services.ask_due(now=clock.local_moment(today - timedelta(days=back), ASKED_AT), seconds=5)
    fresh = now - timedelta(days=FRESH_DAYS)
    asked = list(
        Survey.objects.filter(asked_at__lt=fresh, ticket=None).select_related("member", "store", "order").order_by("pk")
    )
    said = [one for one in asked if dice.random() < ANSWERS]
    unhappy = said[:: max(1, len(said) // UNHAPPY)][:UNHAPPY]
    for one in said:
        _answer(one, dice, at=one.asked_at + timedelta(hours=dice.randrange(1, 10)), is_unhappy=one in unhappy)
    for place, one in enumerate(unhappy):
        if place < len(unhappy) - 1:
            _mend(one)
    told_then(now)


def _answer(survey: Survey, dice: random.Random, *, at: datetime, is_unhappy: bool) -> None:
    kind = rules().kinds[survey.kind]
    stars = dice.choice((1, 2)) if is_unhappy else dice.choice(STARS)
    reasons = [chip.key for chip in dice.sample(kind.chips_for(stars), 2)]
    words = dice.choice(PRAISE) if stars >= GOOD_STARS else ""
    if is_unhappy:
        (first, words) = dice.choice(BLAME)
        reasons = [first]
    given = Given(stars, reasons, words, is_anonymous=dice.random() < 0.12)
    with clock.travelled(at):
        services.answer(survey, given, way=dice.choice(Survey.Way.values), actor=services.whose(survey), now=at)
    manager = _manager(survey, at)
    if words and manager is not None and dice.random() < 0.4:
        services.reply(survey, REPLIES[stars < GOOD_STARS], actor=actor_for(manager), now=at + timedelta(hours=2))


def _mend(survey: Survey) -> None:
    """The manager calls within the hour, and it is put right the same day."""
    ticket = Ticket.objects.select_related("member", "store").filter(low_survey=survey).first()
    manager = _manager(survey, survey.answered_at) if ticket and survey.answered_at else None
    if ticket is None or manager is None or survey.answered_at is None:
        return
    actor, soon = actor_for(manager), survey.answered_at + timedelta(minutes=40)
    aftersale.reply(ticket, "给您道歉了，今天就给您换好。", actor=actor, now=soon)
    ticket.refresh_from_db()
    aftersale.close_ticket(ticket, actor=actor, now=soon + timedelta(hours=4), reason="换了新的，当面道了歉")


def _manager(survey: Survey, at: datetime | None) -> Staff | None:
    shell = Ticket(store=survey.store)
    found = manager_of(shell, now=at or survey.asked_at)
    return Staff.objects.filter(pk=found).first()
