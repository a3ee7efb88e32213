"""The tag tree from the domain file, and which of several sources counts."""

from datetime import timedelta
from typing import Any

import pytest

from crm.members.models import Member
from crm.tags.loading import TagRefused, load_tags
from crm.tags.models import MemberTag, Tag, TagChange, TagGroup, TagValue
from crm.tags.rules import book, ranks
from crm.tags.services import NotEditable, WrongValue, age_tags, set_tag
from guides.org.actors import actor_for
from tests.factories.crm import make_member, make_staff
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Forbidden, NotFound
from yejibao.core.outbox.models import OutboxEvent
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-03-02 10:00")
SYSTEM = Actor.system()


@pytest.fixture
def tree() -> None:
    load_tags(now=NOW)


@pytest.fixture
def member() -> Member:
    return make_member(owner=make_staff())


def what(member: Member, key: str) -> tuple[list[str], str] | None:
    one = MemberTag.objects.filter(member=member, tag__key=key, is_effective=True).first()
    return (one.values, one.source) if one else None


def test_the_whole_tree_is_loaded_once() -> None:
    first = load_tags(now=NOW)
    assert first == {"created": 366, "changed": 0, "same": 0, "off": 0}
    assert (TagGroup.objects.filter(parent=None).count(), Tag.objects.filter(type="config").count()) == (12, 47)
    assert Tag.objects.filter(is_required=True).count() == len(book()["required_tags"])
    occupation = Tag.objects.get(key="occupation")
    assert (occupation.group.name, occupation.group.parent.name) == ("社会属性", "会员标签组")  # type: ignore[union-attr]
    assert load_tags(now=NOW) == {"created": 0, "changed": 0, "same": 366, "off": 0}


def test_what_is_gone_from_the_file_is_switched_off_and_comes_back(tree: None) -> None:
    rows = [row for row in book()["tags"] if row["key"] != "hobby"]
    shorter = [row | {"values": row["values"][1:]} if row["key"] == "occupation" else row for row in rows]
    assert load_tags(now=NOW, source=book() | {"tags": shorter})["off"] == 1
    assert not Tag.objects.get(key="hobby").is_enabled
    assert not TagValue.objects.get(tag__key="occupation", value="公务员").is_enabled
    load_tags(now=NOW)
    assert Tag.objects.get(key="hobby").is_enabled
    assert TagValue.objects.get(tag__key="occupation", value="公务员").is_enabled


def test_a_file_that_does_not_fit_loads_nothing() -> None:
    rows = [*book()["tags"], book()["tags"][0] | {"subgroup": "nowhere"}]
    with pytest.raises(TagRefused, match=r"twice.*nowhere"):
        load_tags(now=NOW, source=book() | {"tags": rows})
    assert not Tag.objects.exists()


def test_wecom_ranks_with_the_guide_before_all_that_is_computed() -> None:
    known = ranks()
    assert known["WECOM"] == known["GUIDE"] < known["SURVEY"] < known["CRM"] < known["POS"] < known["model"]
    assert set(book()["sources"]) <= set(known)


def test_the_guides_word_beats_the_tills_and_the_till_comes_back_when_it_is_taken_back(
    tree: None, member: Member
) -> None:
    guide = actor_for(member.owner_guide)  # type: ignore[arg-type]
    assert set_tag(member, "size_top", "175/92A", source="POS", actor=SYSTEM, at=NOW)
    assert set_tag(member, "size_top", "180/96A", source="GUIDE", actor=guide, at=NOW)
    assert not set_tag(member, "size_top", "170/88A", source="POS", actor=SYSTEM, at=NOW + timedelta(days=1))
    assert what(member, "size_top") == (["180/96A"], "GUIDE")
    assert set_tag(member, "size_top", None, source="GUIDE", actor=guide, at=NOW + timedelta(days=2))
    assert what(member, "size_top") == (["170/88A"], "POS")
    log = [(one.old, one.new, one.source, one.by_id) for one in TagChange.objects.order_by("pk")]
    assert log == [
        ([], ["175/92A"], "POS", None),
        (["175/92A"], ["180/96A"], "GUIDE", guide.staff_id),
        (["180/96A"], ["170/88A"], "GUIDE", guide.staff_id),
    ]
    assert OutboxEvent.objects.filter(topic="crm.member_tagged").count() == 3


def test_of_two_equal_sources_the_newer_word_counts_and_late_news_changes_nothing(tree: None, member: Member) -> None:
    set_tag(member, "has_car", "有", source="WECOM", actor=SYSTEM, at=NOW)
    set_tag(member, "has_car", "无", source="GUIDE", actor=SYSTEM, at=NOW - timedelta(hours=1))
    assert what(member, "has_car") == (["有"], "WECOM")
    assert not set_tag(member, "has_car", "不愿透露", source="WECOM", actor=SYSTEM, at=NOW - timedelta(minutes=5))
    assert set_tag(member, "has_car", "无", source="GUIDE", actor=SYSTEM, at=NOW + timedelta(hours=1))
    assert what(member, "has_car") == (["无"], "GUIDE")


def test_after_a_year_what_was_computed_comes_back(tree: None, member: Member) -> None:
    set_tag(member, "size_top", "180/96A", source="GUIDE", actor=SYSTEM, at=NOW)
    set_tag(member, "size_top", "175/92A", source="POS", actor=SYSTEM, at=NOW + timedelta(days=300))
    assert age_tags(now=NOW + timedelta(days=364)) == 0
    assert age_tags(now=NOW + timedelta(days=365)) == 1
    assert what(member, "size_top") == (["175/92A"], "POS")
    assert age_tags(now=NOW + timedelta(days=365)) == 0


def test_a_filled_value_with_nothing_computed_beside_it_stays(tree: None, member: Member) -> None:
    set_tag(member, "hobby", ["茶", "钓鱼"], source="GUIDE", actor=SYSTEM, at=NOW)
    assert age_tags(now=NOW + timedelta(days=800)) == 0
    assert what(member, "hobby") == (["茶", "钓鱼"], "GUIDE")


@pytest.mark.parametrize(
    ("key", "value", "stored"),
    [
        ("hobby", ["骑行", "茶"], ["茶", "骑行"]), ("body_height_cm", 178, ["178"]), ("phone_consent", True, ["是"]),
        ("next_need", " 一件厚大衣 ", ["一件厚大衣"]), ("occupation", "教师", ["教师"]),
    ],
)  # fmt: skip
def test_values_are_stored_as_the_tree_has_them(
    tree: None, member: Member, key: str, value: Any, stored: list[str]
) -> None:
    set_tag(member, key, value, source="GUIDE", actor=SYSTEM, at=NOW)
    assert what(member, key) == (stored, "GUIDE")


@pytest.mark.parametrize(
    ("key", "value"),
    [("occupation", "宇航员"), ("occupation", ["教师", "医护"]), ("body_height_cm", 90), ("body_height_cm", "高"),
     ("hobby", []), ("phone_consent", "也许"), ("next_need", "长" * 61)],
)  # fmt: skip
def test_a_value_the_tree_does_not_know_is_refused(tree: None, member: Member, key: str, value: Any) -> None:
    with pytest.raises(WrongValue):
        set_tag(member, key, value, source="GUIDE", actor=SYSTEM, at=NOW)
    assert not MemberTag.objects.exists()


def test_people_write_only_config_tags_of_members_they_may_open(tree: None, member: Member) -> None:
    own = actor_for(member.owner_guide)  # type: ignore[arg-type]
    with pytest.raises(NotEditable):
        set_tag(member, "age_band", "25-29", source="GUIDE", actor=own, at=NOW)
    with pytest.raises(NotFound):
        set_tag(member, "occupation", "教师", source="GUIDE", actor=actor_for(make_staff()), at=NOW)
    with pytest.raises(Forbidden):
        set_tag(member, "occupation", "教师", source="GUIDE", actor=actor_for(make_staff("area_supervisor")), at=NOW)
