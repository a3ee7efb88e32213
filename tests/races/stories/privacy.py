"""Members who are forgotten on request."""

from crm.members.models import Member
from crm.privacy.models import MemberRequest
from crm.privacy.services import forget_approved, withdraw_request
from tests.races.at_once import in_peace, overtaken
from tests.races.world import NOON, World
from yejibao.core.clock import local_day
from yejibao.core.scope import Actor

SYSTEM = Actor.system("race")


def a_deletion_is_withdrawn_as_the_night_begins(world: World) -> None:
    member = world.member()
    request = MemberRequest.objects.create(
        member=member, kind="delete", state="approved", channel="phone", asked_at=NOON, due_on=local_day(NOON),
        checked_at=NOON,
    )  # fmt: skip
    both = overtaken(
        lambda: withdraw_request(request, actor=SYSTEM, now=NOON),
        lambda: forget_approved(now=NOON),
    )
    in_peace(both.second)
    request.refresh_from_db()
    assert (request.state, Member.objects.get(pk=member.pk).name) == ("withdrawn", member.name)
