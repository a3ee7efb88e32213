"""Two at once at an invitation."""

from datetime import timedelta
from typing import Any

from crm.benefits.services import Conditions
from crm.events import VisitChanged
from crm.visits import services
from crm.visits.models import Visit, VisitGroup
from crm.visits.services import GroupPlan, InvitedAlready
from tasks.followups.models import Task
from tests.factories.portal import as_member
from tests.races.at_once import in_peace, overtaken
from tests.races.world import NOON, World
from yejibao.core.clock import local_day
from yejibao.core.models import OutboxEvent
from yejibao.core.scope import Actor

SATURDAY = NOON + timedelta(days=4)
SYSTEM = Actor.system("test")


def _visit(world: World, **facts: Any) -> Visit:
    Visit.objects.all().delete()
    OutboxEvent.objects.all().delete()
    return services.invite(world.member(), starts_at=SATURDAY, actor=world.guide, now=NOON, **facts)


def asked_by_two(world: World) -> None:
    Visit.objects.all().delete()
    member = world.member()
    both = overtaken(*[lambda: services.invite(member, starts_at=SATURDAY, actor=world.guide, now=NOON)] * 2)
    assert isinstance(both.second, InvitedAlready) and Visit.objects.count() == 1


def wished_while_asked(world: World) -> None:
    """He asks to come on his phone while she asks him: one time stands, the other is told so."""
    Visit.objects.all().delete()
    member, store = world.member(), world.org.store
    both = overtaken(
        lambda: services.invite(member, starts_at=SATURDAY, actor=world.guide, now=NOON),
        lambda: services.ask_to_come(member, store=store, starts_at=SATURDAY, actor=as_member(member), now=NOON),
    )
    assert isinstance(both.second, InvitedAlready) and Visit.objects.count() == 1


def answered_twice(world: World) -> None:
    visit = _visit(world)
    both = overtaken(*[lambda: services.accept(visit, actor=as_member(visit.member), now=NOON)] * 2)
    in_peace(both.first), in_peace(both.second)
    assert visit.steps.filter(state="accepted").count() == 1


def tapped_twice(world: World) -> None:
    visit = _visit(world, is_agreed=True)
    both = overtaken(*[lambda: services.arrive(visit, actor=world.guide, now=SATURDAY)] * 2)
    in_peace(both.first), in_peace(both.second)
    assert visit.steps.filter(state="arrived").count() == 1


def bought_while_called_off(world: World) -> None:
    """The store calls it off at the moment the till's event is handled: what was called off is not bought."""
    visit = _visit(world, is_agreed=True)
    order = world.buy(visit.member, SATURDAY)
    both = overtaken(
        lambda: services.cancel(visit, actor=world.guide, now=SATURDAY, reason="盘点"),
        lambda: services.follow_orders([order.pk], now=SATURDAY),
    )
    in_peace(both.first), in_peace(both.second)
    visit.refresh_from_db()
    assert (visit.state, visit.order) == ("cancelled", None)


def ended_by_two_beats(world: World) -> None:
    visit = _visit(world)
    late = SATURDAY + timedelta(days=1)
    both = overtaken(*[lambda: services.end_past(now=late)] * 2)
    assert in_peace(both.first)["visits_ended"] + in_peace(both.second)["visits_ended"] == 1
    assert visit.steps.filter(state="no_answer").count() == 1
    assert OutboxEvent.objects.filter(topic=VisitChanged.topic).count() == 2  # asked, ended


def _group(world: World) -> VisitGroup:
    Visit.objects.all().delete()
    VisitGroup.objects.all().delete()
    Task.objects.filter(task_type="visit_invite").delete()
    world.member()
    plan = GroupPlan("品鉴", "event", SATURDAY, SATURDAY + timedelta(hours=2), local_day(NOON))
    return services.plan_group(plan, Conditions(), unit=world.org.store.unit, actor=world.manager, now=NOON)


def planned_by_two_beats(world: World) -> None:
    group = _group(world)
    both = overtaken(*[lambda: services.go_on_with_groups(now=NOON)] * 2)
    counted = in_peace(both.first)["visits_planned"] + in_peace(both.second)["visits_planned"]
    group.refresh_from_db()
    assert counted == group.planned_count == Visit.objects.filter(group=group).count()


def stopped_twice(world: World) -> None:
    group = _group(world)
    both = overtaken(*[lambda: services.stop_group(group, actor=world.manager, now=NOON)] * 2)
    assert both.first == 0 and not isinstance(both.second, int)
