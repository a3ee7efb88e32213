"""Two at once at a survey."""

from datetime import timedelta

from crm.aftersale.models import Ticket
from crm.surveys import services
from crm.surveys.models import Survey, SurveyDay, SurveyReason, SurveyRefusal
from crm.surveys.services import AnsweredAlready, asking
from crm.surveys.services.answering import Given, rate_ticket
from crm.surveys.services.asking import insert_surveys
from guides.notices.models import Notification
from tests.factories.crm import make_order, make_ticket
from tests.factories.guides import actor
from tests.factories.surveys import make_survey, say
from tests.races.at_once import in_peace, overtaken
from tests.races.world import NOON, World
from yejibao.core.models import Heartbeat
from yejibao.core.scope import Actor


def _clean() -> None:
    for model in (Survey, SurveyDay, SurveyReason, SurveyRefusal, Notification, Ticket):
        model.objects.all().delete()  # type: ignore[attr-defined]
    Heartbeat.objects.filter(name=asking.HAND).delete()


def _survey(world: World) -> Survey:
    _clean()
    return make_survey(world.member(), asked_at=NOON)


def answered_twice(world: World) -> None:
    survey = _survey(world)
    both = overtaken(lambda: say(survey, 2, now=NOON), lambda: say(Survey.objects.get(), 1, now=NOON))
    assert isinstance(both.second, AnsweredAlready)
    assert (Survey.objects.get().stars, Ticket.objects.count()) == (2, 1)


def two_answers_of_one_day(world: World) -> None:
    _clean()
    first, second = (make_survey(world.member(), asked_at=NOON) for _ in range(2))
    both = overtaken(lambda: say(first, 5, "fits", now=NOON), lambda: say(second, 5, "fits", now=NOON))
    in_peace(both.first), in_peace(both.second)
    assert (SurveyDay.objects.get().answered, SurveyReason.objects.get().count) == (2, 2)


def rated_at_two_doors(world: World) -> None:
    _clean()
    member = world.member()
    ticket = make_ticket(member, opened_at=NOON, store=world.org.store, state="closed", closed_at=NOON)
    himself = Actor(kind="member", member_id=member.pk)
    both = overtaken(*[lambda: rate_ticket(ticket, Given(2), actor=himself, now=NOON)] * 2)
    assert isinstance(both.second, AnsweredAlready)
    assert Survey.objects.count() == 1 and Ticket.objects.filter(channel="survey_low_score").count() == 1


def two_beats_ask(world: World) -> None:
    """One more and he has been asked often enough: the second source counts what the first has asked."""
    _clean()
    member, store = world.member(), world.org.store
    make_survey(member, asked_at=NOON - timedelta(days=5))
    make_order(member, paid_at="2025-03-02 15:00", store=store)
    make_ticket(member, opened_at="2025-03-01 10:00", closed_at="2025-03-03 15:00", state="closed", store=store)
    Heartbeat.objects.create(name=asking.HAND, at=NOON)
    bought, _received, closed, _collected = asking.WALKS
    both = overtaken(lambda: asking._batch(bought, NOON), lambda: asking._batch(closed, NOON))
    assert in_peace(both.first)["asked"] == 1 and in_peace(both.second)["capped"] == 1


def asked_twice(world: World) -> None:
    _clean()
    member, store = world.member(), world.org.store
    row = ("order:7", member.pk, None, None, store.pk, None, NOON)
    both = overtaken(*[lambda: insert_surveys("purchase", [row], now=NOON)] * 2)
    assert in_peace(both.first) + in_peace(both.second) == 1
    assert (Survey.objects.count(), SurveyDay.objects.get().asked) == (1, 1)


def replied_twice(world: World) -> None:
    survey = say(_survey(world), 4, now=NOON)
    manager = actor(world.org.manager)
    both = overtaken(
        lambda: services.reply(survey, "谢谢您", actor=manager, now=NOON),
        lambda: services.reply(Survey.objects.get(), "欢迎再来", actor=manager, now=NOON),
    )
    assert isinstance(both.second, services.RepliedAlready) and Survey.objects.get().reply == "谢谢您"
