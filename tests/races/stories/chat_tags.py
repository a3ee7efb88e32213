"""Tags in chats: a friend is settled by one, a group is there once, and who asks a second time is not forgotten."""

from datetime import timedelta

from django.db import transaction

from crm.corptags.models import CorpTagGroup, FriendTags
from crm.corptags.services import follow_members, note_edits, settling
from crm.corptags.services.listing import keep_groups
from crm.corptags.services.mapping import want_all
from crm.members.models import FriendLink
from crm.tags.loading import load_tags
from tests.races.at_once import overtaken
from tests.races.world import NOON, World
from yejibao.wecom import corptags as platform
from yejibao.wecom.events import FriendEdited


def _friend(world: World) -> FriendLink:
    """Return a friend with a tag in the chat."""
    link = FriendLink.objects.get(member=world.member())
    link.corp_tag_ids = ["etRace"]
    link.save(update_fields=["corp_tag_ids"])
    return link


def _switch_on() -> None:
    load_tags(now=NOON)
    want_all()


def two_workers_claim_a_friend(world: World) -> None:
    FriendTags.objects.create(link=_friend(world), next_at=NOON)
    both = overtaken(lambda: settling._claim(NOON, only=()), lambda: settling._claim(NOON, only=()))
    assert (len(both.first), both.second) == (1, [])


def two_who_want_the_groups(world: World) -> None:
    load_tags(now=NOON)
    both = overtaken(want_all, want_all)
    assert (both.first, both.second) == (CorpTagGroup.objects.count(), 0)


def a_list_is_read_twice_at_once(world: World) -> None:
    tag = platform.CorpTag("etRace", "茶", 1)
    group = platform.CorpTagGroup("etGroup", "爱好", 1, (tag,))

    def read() -> dict[str, int]:
        with transaction.atomic():
            return keep_groups([group], now=NOON)

    both = overtaken(read, read)
    assert (both.first, both.second) == ({"groups": 1, "tags": 1},) * 2


def two_who_ask_for_a_friend(world: World) -> None:
    _switch_on()
    link = _friend(world)
    both = overtaken(*[lambda: follow_members([link.member_id or 0], now=NOON)] * 2)
    assert (both.first, both.second) == (1, 1)
    assert FriendTags.objects.get().turn == 1  # who looked for the first may not overlook the second


def two_edits_of_a_friend(world: World) -> None:
    _switch_on()
    link = _friend(world)

    def edit(minutes: int) -> int:
        at = NOON + timedelta(minutes=minutes)
        return note_edits([FriendEdited(link.guide.wecom_user_id, link.external_user_id, at.isoformat())])

    both = overtaken(lambda: edit(5), lambda: edit(1))
    assert (both.first, both.second) == (1, 1)
    assert FriendTags.objects.get().edited_at == NOON + timedelta(minutes=5)
