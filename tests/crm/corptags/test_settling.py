"""A friend's tags on both sides: in from the chat, out to it, late, twice, against each other."""

from datetime import timedelta

import pytest

from crm.corptags.models import CorpTag, FriendTags
from crm.corptags.queries import FOREIGN
from crm.corptags.services import compare, start_comparison
from crm.friends.services import read_customers
from crm.members.models import FriendLink, Member
from crm.members.queries import ONE
from crm.members.services import merge_members, note_identities, undo_merge
from crm.tags.models import TagChange
from crm.tags.services import age_tags
from guides.org.models import Staff
from tests.factories.crm import make_friend, make_member, make_staff
from yejibao.core.outbox import drain_events
from yejibao.wecom import gateway

from .conftest import NOW, SYSTEM, Chat

pytestmark = pytest.mark.django_db


def test_a_tag_set_in_the_chat_counts_here_as_the_guides_word(
    small: Chat, link: FriendLink, member: Member, guide: Staff
) -> None:
    small.tag(link, "职业/教师", "爱好/茶")
    assert small.counts(member) == {"occupation": (["教师"], "WECOM"), "hobby": (["茶"], "WECOM")}
    change = TagChange.objects.get(tag__key="occupation")
    assert (change.old, change.new, change.by) == ([], ["教师"], guide)
    assert (small.beat(), small.calls()) == ({"same": 1}, [])  # nothing to say back


def test_taking_it_off_in_the_chat_takes_back_only_what_the_chat_had_said(
    small: Chat, link: FriendLink, member: Member
) -> None:
    small.tag(link, "职业/教师")
    small.tag(link, remove=["职业/教师"])
    assert small.counts(member) == {}
    small.say(member, "hobby", ["茶", "酒"])
    small.beat()
    assert small.there(link) == ["爱好/茶", "爱好/酒"]
    small.tag(link, remove=["爱好/茶", "爱好/酒"])
    small.beat()
    assert (small.counts(member), small.there(link)) == ({"hobby": (["茶", "酒"], "GUIDE")}, ["爱好/茶", "爱好/酒"])


def test_a_tag_set_here_is_in_the_chat_with_one_call_for_all(small: Chat, link: FriendLink, member: Member) -> None:
    for key, value in (("occupation", "教师"), ("occupation", "金融"), ("hobby", ["茶"]), ("hobby", ["茶", "骑行"])):
        small.say(member, key, value)
    assert small.beat() == {"marked": 1}
    assert small.there(link) == ["爱好/茶", "爱好/骑行", "职业/金融"]
    assert (len(small.calls()), small.waiting()) == (1, 0)
    small.say(member, "hobby", None)
    small.beat()
    assert small.there(link) == ["职业/金融"]


def test_of_a_tag_with_one_value_the_others_go_on_both_sides(small: Chat, link: FriendLink, member: Member) -> None:
    small.say(member, "occupation", "教师")
    small.beat()
    small.say(member, "occupation", "金融")
    small.beat()
    assert small.there(link) == ["职业/金融"]
    small.tag(link, "职业/学生")  # she forgets to take the other off
    small.beat()
    assert (small.there(link), small.counts(member)) == (["职业/学生"], {"occupation": (["学生"], "WECOM")})


def test_our_own_call_that_comes_back_is_no_news(small: Chat, link: FriendLink, member: Member) -> None:
    small.sandbox.post("settings", api_tells=True)
    small.say(member, "occupation", "教师")
    small.beat()
    for _ in range(2):
        small.hear("edit_external_contact", link)
        assert small.beat() == {}
    assert (len(small.calls()), small.counts(member)) == (1, {"occupation": (["教师"], "GUIDE")})
    assert TagChange.objects.count() == 1


def test_late_news_of_an_older_word_loses_and_the_chat_is_put_right(
    small: Chat, link: FriendLink, member: Member
) -> None:
    small.tag(link, "职业/教师", is_heard=False)
    set_at = small.now
    small.travel(NOW + timedelta(minutes=5))
    small.say(member, "occupation", "金融")
    small.beat()
    small.hear("edit_external_contact", link, at=set_at)
    small.beat()
    assert (small.counts(member), small.there(link)) == ({"occupation": (["金融"], "GUIDE")}, ["职业/金融"])


def test_what_is_computed_stays_out_of_the_chat_and_goes_when_it_comes_back(
    small: Chat, link: FriendLink, member: Member
) -> None:
    small.say(member, "occupation", "教师", source="CRM")
    assert (small.beat(), small.there(link)) == ({}, [])
    small.say(member, "occupation", "金融")
    small.beat()
    small.travel(NOW + timedelta(days=366))
    age_tags(now=small.now)
    small.beat()
    assert (small.counts(member), small.there(link)) == ({"occupation": (["教师"], "CRM")}, [])


def test_a_robot_that_insists_is_put_right_so_often_an_hour_and_no_more(
    small: Chat, link: FriendLink, member: Member
) -> None:
    small.travel(NOW + timedelta(minutes=20))
    small.say(member, "occupation", "金融")
    small.beat()
    for minute in range(12):
        small.travel(NOW + timedelta(minutes=30 + minute))
        small.tag(link, "职业/教师", at=NOW + timedelta(minutes=minute))  # with an old date: it always loses
        small.beat()
    assert (len(small.calls()), small.waiting()) == (1 + 5, 1)
    small.travel(NOW + timedelta(minutes=95))
    small.beat()
    assert (small.there(link), small.waiting()) == (["职业/金融"], 0)


def test_tags_that_are_not_ours_are_kept_and_shown(small: Chat, link: FriendLink, member: Member) -> None:
    small.sandbox.post("tags", group_name="门店自建", names=["常带朋友来"])
    small.callback({"Event": "change_external_tag", "Id": "", "ChangeType": "shuffle", "TagType": "tag_group"})
    small.tag(link, "门店自建/常带朋友来", "职业/教师")
    small.say(member, "occupation", "金融", at=small.now + timedelta(seconds=1))
    small.travel(NOW + timedelta(seconds=2))
    small.beat()
    link.refresh_from_db()
    assert small.there(link) == ["职业/金融", "门店自建/常带朋友来"]
    known = {"member": member.pk, "me": link.guide_id}
    assert FOREIGN.about(ONE, known) == ["门店自建：常带朋友来"]


def test_a_tag_deleted_in_the_console_is_taken_from_nobody(small: Chat, link: FriendLink, member: Member) -> None:
    small.tag(link, "职业/教师", "爱好/茶")
    small.sandbox.post("tags/delete", id=small.ids()["职业/教师"])
    # the relation is read again before anybody has told that the tag is gone
    read_customers([link.external_user_id], door=gateway.default(), now=small.now)
    small.beat()
    assert small.counts(member)["occupation"] == (["教师"], "WECOM")
    small.bring()
    start_comparison(now=small.now, actor=SYSTEM)
    assert compare(now=small.now)["differ"] == 1
    small.beat()
    assert small.there(link) == ["爱好/茶", "职业/教师"]


def test_only_the_own_guides_chat_is_written_to_and_everybodys_word_is_heard(
    small: Chat, link: FriendLink, member: Member
) -> None:
    other = make_friend(member, make_staff(), external_user_id=link.external_user_id)
    small.befriend(other)
    small.tag(other, "职业/教师")
    small.beat()
    assert (small.there(link), small.there(other)) == (["职业/教师"], ["职业/教师"])
    small.say(member, "occupation", "金融", at=small.now + timedelta(seconds=1))
    small.travel(NOW + timedelta(seconds=1))
    small.beat()
    assert (small.there(link), small.there(other)) == (["职业/金融"], ["职业/教师"])


def test_a_new_guide_gets_what_is_known(small: Chat, link: FriendLink, member: Member) -> None:
    from crm.events import FriendChanged, MemberChanged
    from yejibao.core import outbox

    small.say(member, "occupation", "教师")
    small.beat()
    heir = make_staff()
    Member.objects.filter(pk=member.pk).update(owner_guide=heir)
    FriendLink.objects.filter(pk=link.pk).update(state="pending_transfer", ended_at=small.now)
    new = make_friend(member, heir, external_user_id=link.external_user_id)
    small.befriend(new)
    outbox.publish_many(
        [MemberChanged(member.pk, "owner"), FriendChanged(member.pk, heir.pk, "friend", small.now.isoformat())]
    )
    small.beat()
    assert small.there(new) == ["职业/教师"]


def test_a_stranger_who_turns_out_to_be_a_member_brings_his_tags(small: Chat, guide: Staff) -> None:
    unknown = make_friend(None, guide, external_user_id="wmnobody")
    small.befriend(unknown)
    small.tag(unknown, "职业/教师")
    small.beat()
    member = make_member(owner=guide)
    from crm.friends.services import link_contact

    link_contact("wmnobody", member, actor=SYSTEM, now=small.now)
    small.beat()
    assert small.counts(member) == {"occupation": (["教师"], "WECOM")}


def test_two_cards_become_one_and_two_again(small: Chat, link: FriendLink, member: Member, guide: Staff) -> None:
    card = make_member(owner=guide)
    small.say(card, "occupation", "教师")
    small.say(member, "hobby", ["茶"])
    small.beat()
    note_identities([member.pk, card.pk], now=small.now)
    merge = merge_members(kept=member, gone=card, actor=SYSTEM, reason="同一个人", now=small.now)
    small.beat()
    assert small.there(link) == ["爱好/茶", "职业/教师"]
    undo_merge(merge, actor=SYSTEM, reason="不是", now=small.now)
    small.beat()
    assert small.there(link) == ["爱好/茶"]


def test_a_busy_platform_is_asked_again_and_a_refusal_stands_with_its_code(
    small: Chat, link: FriendLink, member: Member
) -> None:
    small.sandbox.fault("externalcontact/mark_tag", errcode=-1, times=1)
    small.say(member, "occupation", "教师")
    assert small.beat() == {"put_off": 1}
    small.travel(NOW + timedelta(seconds=30))
    assert small.beat() == {"marked": 1}
    small.sandbox.post("settings", tags_each=1)
    small.say(member, "hobby", ["茶"])
    assert small.beat() == {"refused": 1}
    row = FriendTags.objects.get()
    assert (row.errcode, row.next_at) == (40144, None)


def test_a_relation_that_is_gone_ends_quietly(small: Chat, link: FriendLink, member: Member) -> None:
    small.sandbox.post("unfriend", userid=link.guide.wecom_user_id, external_userid=link.external_user_id, by="guide")
    small.say(member, "occupation", "教师")
    small.beat()
    assert (FriendTags.objects.get().errcode, small.waiting()) == (None, 0)


def test_a_tag_that_was_marked_while_the_list_was_read_is_not_taken_for_taken_off(
    small: Chat, link: FriendLink, member: Member
) -> None:
    small.tag(link, "职业/教师")
    FriendLink.objects.filter(pk=link.pk).update(corp_tag_ids=[])  # as if read a moment before she tagged him
    from crm.corptags.services import note_read

    assert note_read([link.external_user_id], small.now) == 1
    small.beat()
    assert small.counts(member) == {"occupation": (["教师"], "WECOM")}


def test_before_anything_is_mapped_nothing_is_queued(chat: Chat, link: FriendLink, member: Member) -> None:
    chat.say(member, "occupation", "教师")
    drain_events()
    assert (FriendTags.objects.count(), CorpTag.objects.count()) == (0, 0)
    chat.bring()
    start_comparison(now=chat.now, actor=SYSTEM)
    compare(now=chat.now)
    chat.beat()
    assert chat.there(link) == ["职业/教师"]
