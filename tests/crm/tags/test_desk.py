"""A member's tags under a guide's thumb: what is shown, what is suggested, one tap and the tap taken back."""

import json
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from crm.members.models import Member
from crm.tags.desk import desk_of, popular_values
from crm.tags.loading import load_tags
from crm.tags.models import MemberTag
from crm.tags.rules import book
from crm.tags.services import set_tag
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.guides import Org, make_org, sign_in
from tests.factories.tasks import load_rules, make_task
from yejibao.core import clock as product_clock
from yejibao.core.outbox.models import OutboxEvent
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system()


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel("2026-03-04 10:00")
    load_tags(now=product_clock.now())
    org = make_org()
    cache.delete(f"tags:popular:{org.guide.store_id}")
    return org


@pytest.fixture
def member(org: Org) -> Member:
    return make_member(owner=org.guide, name="王建平", salutation="王哥")


@pytest.fixture
def guide(client: Client, org: Org) -> Client:
    return sign_in(client, org.guide)


def said(member: Member, key: str) -> list[str]:
    one = MemberTag.objects.filter(member=member, tag__key=key, is_effective=True).first()
    return one.values if one else []


def page_of(client: Client, member: Member) -> str:
    return client.get(f"/g/members/{member.public_id}/", headers={"Accept": "text/html"}).content.decode()


def tap(client: Client, member: Member, key: str, *, target: str = "", **asked: str) -> Any:
    headers = {"HX-Request": "true"} | ({"HX-Target": target} if target else {})
    return client.post(f"/g/members/{member.public_id}/tags/{key}/", asked, headers=headers)


def test_known_tags_read_like_words(member: Member, org: Org) -> None:
    for key, value in {
        "body_height_cm": 178,
        "color_taboo": ["红", "绿"],
        "fabric_allergy": ["无"],
        "hobby": ["茶"],
    }.items():
        set_tag(member, key, value, source="GUIDE", actor=SYSTEM, at=product_clock.now())  # type: ignore[arg-type]
    assert [row.said for row in desk_of(member).known] == ["爱茶", "高 178 cm", "忌红、绿", "面料过敏 无"]


def test_the_task_at_hand_says_what_to_ask_and_purchases_what_to_confirm(
    guide: Client, member: Member, org: Org
) -> None:
    version = load_rules()
    make_friend(member, external_user_id="wm1")
    make_order(member, paid_at="2026-03-01 15:00", guide=org.guide)
    make_task(member, org.guide, now=product_clock.now(), task_type="followup_d3", cadence_version=version)
    other = make_member(owner=org.guide)
    set_tag(other, "care_attention", ["怕起球"], source="GUIDE", actor=SYSTEM, at=product_clock.now())
    page = guide.get("/g/sidebar/", {"external_user_id": "wm1"}, headers={"HX-Request": "true"}).content.decode()
    start = page.index('id="tags-card"')
    panel = page[start : page.index("</section>", start)]
    assert "上衣 175/92A" in panel  # he bought a suit in it; nobody said so yet
    assert [word in panel for word in ("问一句：下装尺码", "问一句：洗护关注点")] == [True, True]
    assert panel.index("怕起球") < panel.index("怕缩水")  # heard in this store before


@pytest.mark.parametrize("rows", [1, 4])
def test_the_panel_needs_the_same_statements_for_any_number_of_tags(
    member: Member, org: Org, rows: int, django_assert_num_queries: Any
) -> None:
    for key in ("hobby", "care_attention", "alteration_habit", "social_role")[:rows]:
        row = next(one for one in desk_of(member).rows if one.key == key)
        set_tag(member, key, [row.choices[0]], source="GUIDE", actor=SYSTEM, at=product_clock.now())
    with django_assert_num_queries(2):  # the tags, the store's habits
        desk = desk_of(member, wanted=["size_top", "size_bottom"], store_id=org.guide.store_id)
    assert len(desk.known) == rows
    with django_assert_num_queries(1):
        desk_of(member, wanted=["size_top", "size_bottom"], store_id=org.guide.store_id)
    assert popular_values(org.guide.store_id or 0)["hobby"] == ["茶"]


def test_a_tap_sets_a_second_tap_takes_off_and_one_of_many_leaves_the_rest(guide: Client, member: Member) -> None:
    assert tap(guide, member, "hobby", put="茶").status_code == 200
    tap(guide, member, "hobby", put="钓鱼")
    assert said(member, "hobby") == ["茶", "钓鱼"]
    tap(guide, member, "hobby", put="钓鱼")
    assert said(member, "hobby") == ["茶", "钓鱼"]
    tap(guide, member, "hobby", drop="茶")
    assert said(member, "hobby") == ["钓鱼"]
    tap(guide, member, "fit_preference", put="修身")
    tap(guide, member, "fit_preference", put="合体")
    assert said(member, "fit_preference") == ["合体"]
    tap(guide, member, "fabric_allergy", put="羊毛")
    tap(guide, member, "fabric_allergy", put="无")
    assert said(member, "fabric_allergy") == ["无"]
    tap(guide, member, "body_height_cm", text="178")
    assert said(member, "body_height_cm") == ["178"]
    tap(guide, member, "body_height_cm", text="", held="178")
    assert said(member, "body_height_cm") == []


def test_the_same_key_is_one_tap(guide: Client, member: Member) -> None:
    headers = {"HX-Request": "true", "Idempotency-Key": "k1"}
    url = f"/g/members/{member.public_id}/tags/hobby/"
    first, again = (guide.post(url, {"put": "茶"}, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (200, 200)
    assert OutboxEvent.objects.filter(topic="crm.member_tagged").count() == 1
    assert guide.post(url, {"put": "酒"}, headers=headers).status_code == 422


def test_undo_brings_back_what_was_said_unless_somebody_said_more(guide: Client, member: Member) -> None:
    tap(guide, member, "fit_preference", put="修身")
    undo = json.loads(tap(guide, member, "fit_preference", target="tags-card", put="宽松").headers["HX-Trigger"])[
        "toast"
    ]
    assert (undo["text"], undo["target"]) == ("记下了：宽松", "#tags-card")
    assert guide.post(undo["undo"], headers={"HX-Request": "true"}).status_code == 200
    assert said(member, "fit_preference") == ["修身"]
    assert guide.post(undo["undo"], headers={"HX-Request": "true"}).status_code == 200  # twice is like once
    tap(guide, member, "fit_preference", put="合体")
    refused = guide.post(undo["undo"], headers={"HX-Request": "true"})
    assert (refused.status_code, "刚又改过" in refused.content.decode()) == (409, True)


def test_what_was_set_in_the_chats_profile_can_be_taken_off_here(guide: Client, member: Member, clock: Any) -> None:
    set_tag(member, "hobby", ["茶"], source="WECOM", actor=SYSTEM, at=product_clock.now())
    clock.travel("2026-03-04 10:05")
    tap(guide, member, "hobby", drop="茶")
    assert said(member, "hobby") == []


@pytest.mark.parametrize(
    ("key", "value"), [("hobby", "滑板"), ("body_height_cm", "3"), ("no_such_tag", "x"), ("rfm_r", "5")]
)
def test_a_wrong_value_or_a_computed_tag_is_refused(guide: Client, member: Member, key: str, value: str) -> None:
    assert tap(guide, member, key, put=value).status_code in (404, 422)
    assert not MemberTag.objects.exists()


def test_only_who_may_see_the_card_sees_or_sets_tags(guide: Client, org: Org, client: Client) -> None:
    other = make_member(owner=org.stranger, name="赵启明")
    make_friend(other, org.guide, external_user_id="wm9")
    set_tag(other, "hobby", ["茶"], source="GUIDE", actor=SYSTEM, at=product_clock.now())
    assert guide.get(f"/g/members/{other.public_id}/tags/").status_code == 404
    assert tap(guide, other, "hobby", put="酒").status_code == 404
    assert guide.post(f"/g/members/{other.public_id}/tags/hobby/back/?was=&made=茶").status_code == 404
    beside = guide.get("/g/sidebar/", {"external_user_id": "wm9"}, headers={"HX-Request": "true"}).content.decode()
    assert "爱茶" not in beside and "tags-card" not in beside


def test_the_sheet_works_as_a_page(guide: Client, member: Member) -> None:
    page = guide.get(f"/g/members/{member.public_id}/tags/").content.decode()
    assert page.index("先填这些") < page.index("身材尺码") and "<html" in page
    sheet = guide.get(f"/g/members/{member.public_id}/tags/", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in sheet and 'id="tag-hobby"' in sheet
    answer = guide.post(f"/g/members/{member.public_id}/tags/hobby/", {"put": "茶"})
    assert (answer.status_code, said(member, "hobby")) == (302, ["茶"])
    assert "爱茶" in page_of(guide, member)


def test_tags_loaded_anew_are_seen_at_once(member: Member, org: Org) -> None:
    assert any(row.key == "hobby" for row in desk_of(member).rows)
    changed = book() | {"tags": [row for row in book()["tags"] if row["key"] != "hobby"]}
    load_tags(now=product_clock.now(), source=changed)
    assert not any(row.key == "hobby" for row in desk_of(member).rows)
