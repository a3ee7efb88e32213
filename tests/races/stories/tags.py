"""What is known of a member: two who say something at once, a tree loaded twice, a word that is a year old."""

from datetime import datetime, timedelta

from crm.tags import services
from crm.tags.editing import tap
from crm.tags.loading import load_tags
from crm.tags.models import MemberTag
from tests.races.at_once import in_peace, overtaken
from tests.races.world import NOON, World
from yejibao.core.scope import Actor

SYSTEM = Actor.system("race")


def two_load_the_tags(world: World) -> None:
    both = overtaken(*[lambda: load_tags(now=NOON)] * 2)
    assert (in_peace(both.second)["same"], both.second["created"]) == (both.first["created"], 0)


def two_say_of_one_tag(world: World) -> None:
    load_tags(now=NOON)
    member = world.member()

    def say(source: str, value: str) -> bool:
        return services.set_tag(member, "hobby", [value], source=source, actor=SYSTEM, at=NOON)

    both = overtaken(lambda: say("WECOM", "摄影"), lambda: say("GUIDE", "钓鱼"))
    assert isinstance(both.second, bool)
    assert MemberTag.objects.filter(member=member, is_effective=True).count() == 1


def two_taps_on_one_tag(world: World) -> None:
    load_tags(now=NOON)
    member = world.member()

    def put(value: str) -> None:
        tap(member, "hobby", value, is_wanted=True, actor=world.guide, now=NOON)

    overtaken(lambda: put("摄影"), lambda: put("钓鱼"))
    assert sorted(MemberTag.objects.get(member=member).values) == sorted(["摄影", "钓鱼"])


def a_word_is_said_again_while_it_ages(world: World) -> None:
    load_tags(now=NOON)
    member = world.member()

    def say(source: str, value: str, at: datetime) -> bool:
        return services.set_tag(member, "hobby", [value], source=source, actor=SYSTEM, at=at)

    say("model", "钓鱼", NOON - timedelta(days=380))
    say("GUIDE", "摄影", NOON - timedelta(days=370))
    overtaken(lambda: say("GUIDE", "摄影", NOON), lambda: services.age_tags(now=NOON))
    assert MemberTag.objects.get(member=member, is_effective=True).source == "GUIDE"
