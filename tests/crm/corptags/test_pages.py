"""企微标签 for head office, and the tags of others on a member's page."""

from typing import Any

import pytest
from django.test import Client

from crm.corptags.models import CorpTag, CorpTagGroup, FriendTags
from crm.corptags.queries import mapped_tags
from crm.tags.models import MemberTag
from guides.org.models import Staff
from tests.factories.crm import make_friend, make_member
from tests.factories.guides import Org, holder_of, make_org, sign_in
from yejibao.wecom.syncing.models import SyncRun

from .conftest import Chat

pytestmark = pytest.mark.django_db


@pytest.fixture
def org() -> Org:
    return make_org()


def page_of(person: Staff, path: str) -> str:
    client = Client()
    sign_in(client, person)
    answer = client.get(path)
    assert answer.status_code == 200, answer.status_code
    return answer.content.decode()


def test_before_it_is_switched_on_the_page_says_what_will_happen(chat: Chat, org: Org) -> None:
    text = page_of(holder_of("hq_operator", org), "/hq/tags/")
    assert "还没有开通" in text and f"{mapped_tags().count()} 个标签组" in text


def test_one_press_brings_the_groups_about_and_the_page_counts_them(small: Chat, org: Org) -> None:
    client = Client()
    sign_in(client, holder_of("hq_operator", org))
    SyncRun.objects.all().delete()
    answer: Any = client.post("/hq/tags/sync/", {"act": "start"}, follow=True)
    assert "开始同步 3 个标签组" in answer.content.decode()
    assert SyncRun.objects.get(kind="tags").state == "done"
    CorpTagGroup.objects.filter(tag__key="hobby").update(state="failed", error="有标签加不进去", errcode=40071)
    small.sandbox.post("tags", group_name="门店自建", names=["常带朋友来"])
    member = make_member(owner=org.guide)
    FriendTags.objects.create(link=make_friend(member), errcode=40144)
    assert "标签满了" in page_of(holder_of("hq_operator", org), "/hq/tags/")
    text = page_of(holder_of("hq_operator", org), "/hq/tags/")
    assert "有标签加不进去" in text and "职业" in text
    client.post("/hq/tags/sync/", {"act": "retry"})
    assert FriendTags.objects.get().next_at is not None


def test_a_guide_may_not_open_it(chat: Chat, org: Org) -> None:
    client = Client()
    sign_in(client, org.guide)
    assert client.get("/hq/tags/").status_code in (403, 404)


def test_tags_of_others_stand_on_the_members_page(chat: Chat, org: Org) -> None:
    member = make_member(owner=org.guide)
    group = CorpTagGroup.objects.create(group_id="et1", name="门店自建", state="ready")
    CorpTag.objects.create(tag_id="et2", name="常带朋友来", group=group)
    make_friend(member, corp_tag_ids=["et2", "et-unheard-of"])
    assert "门店自建：常带朋友来" in page_of(org.guide, f"/g/members/{member.public_id}/")
    assert not MemberTag.objects.exists()
