"""Two taps on 下一步 at once."""

from crm.nextbest.rules import Action
from tasks.followups.models import Task
from tasks.followups.services.next_best import take_next_best
from tests.factories.guides import actor
from tests.races.at_once import overtaken
from tests.races.world import NOON, World


def a_suggestion_taken_twice(world: World) -> None:
    member, action = world.member(), Action("birthday_day", "今天是他生日", "去祝福")
    guide = actor(world.org.guide)
    both = overtaken(*[lambda: take_next_best(member, action, actor=guide, now=NOON)] * 2)
    assert both.first == both.second
    assert Task.objects.filter(member=member, task_type="birthday_day").count() == 1
