"""Our tags as groups of the platform: made once, by name, whoever else works there; and the list as it is kept."""

from datetime import timedelta

import pytest

from crm.corptags.models import CorpTag, CorpTagGroup
from crm.corptags.queries import mapped_tags
from crm.corptags.services import NothingToStop, start_if_wanted, start_tag_sync, stop_tag_sync, sync_tags
from crm.corptags.services.mapping import MayNotSync
from crm.tags.loading import load_tags
from crm.tags.models import Tag, TagValue
from crm.tags.rules import book
from tests.factories.crm import make_staff
from yejibao.core.outbox import drain_events
from yejibao.wecom import gateway
from yejibao.wecom.syncing.models import SyncRun

from .conftest import NOW, SYSTEM, Chat, acting

pytestmark = pytest.mark.django_db
ADD = "externalcontact/add_corp_tag"


def state(key: str) -> tuple[str, int | None]:
    row = CorpTagGroup.objects.get(tag__key=key)
    return row.state, row.errcode


def test_what_a_guide_may_choose_is_mapped_and_nothing_else(chat: Chat) -> None:
    keys = set(mapped_tags().values_list("key", flat=True))
    assert {"occupation", "hobby", "size_top"} <= keys
    assert not keys & {"salutation", "body_height_cm", "annual_income_band", "gender", "member_level"}
    names = list(mapped_tags().values_list("name", flat=True))
    assert len(set(names)) == len(names)


def test_all_groups_are_made_once_and_again_is_nothing(chat: Chat) -> None:
    chat.bring()
    run = SyncRun.objects.get(kind="tags")
    values = TagValue.objects.filter(tag__in=mapped_tags()).count()
    assert (run.state, run.parts_done, run.counts["made"]) == ("done", mapped_tags().count(), values)
    assert {f"{one.tag.name}/{one.value}" for one in TagValue.objects.filter(tag__in=mapped_tags())} == set(chat.ids())
    assert set(CorpTagGroup.objects.values_list("state", flat=True)) == {"ready"}
    before = chat.ids()
    chat.bring()
    assert (chat.ids(), len(chat.calls("add_corp_tag"))) == (before, mapped_tags().count())


def test_it_goes_on_where_it_was_stopped_and_a_killed_call_doubles_nothing(
    small: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm.corptags.services.mapping.AT_ONCE", 1)
    CorpTag.objects.all().delete()  # as if the answer had been lost: there, and unknown here
    CorpTagGroup.objects.update(group_id="", state="wanted")
    before = small.ids()
    run = start_tag_sync(door=gateway.default(), actor=SYSTEM, now=NOW)
    assert start_tag_sync(door=gateway.default(), actor=SYSTEM, now=NOW) == run
    sync_tags(door=gateway.default(), now=NOW, seconds=0.001)
    stop_tag_sync(actor=SYSTEM, now=NOW)
    with pytest.raises(NothingToStop):
        stop_tag_sync(actor=SYSTEM, now=NOW)
    small.bring()
    assert small.ids() == before
    assert CorpTag.objects.filter(value__isnull=False, gone_at=None).count() == len(before)


def test_a_group_of_the_same_name_is_taken_over_with_what_is_in_it(chat: Chat) -> None:
    chat.sandbox.post("tags", group_name="爱好", names=["茶", "钓友"])
    chat.bring()
    ids = chat.ids()
    assert {"爱好/茶", "爱好/钓友", "爱好/酒"} <= set(ids)
    assert CorpTag.objects.get(tag_id=ids["爱好/茶"]).value.value == "茶"  # type: ignore[union-attr]
    assert CorpTag.objects.get(tag_id=ids["爱好/钓友"]).value is None
    assert state("hobby") == ("ready", None)


def test_what_is_renamed_or_deleted_in_the_console_comes_back(small: Chat) -> None:
    ids = small.ids()
    small.sandbox.post("thing", kind="tag", id=ids["职业/教师"], facts={"name": "老师"})
    small.sandbox.post("tags/delete", id=ids["爱好/茶"])
    small.callback({"Event": "change_external_tag", "Id": ids["爱好/茶"], "TagType": "tag", "ChangeType": "delete"})
    assert (state("occupation")[0], state("hobby")[0], state("marital_status")[0]) == ("wanted", "wanted", "ready")
    SyncRun.objects.update(started_at=NOW - timedelta(hours=1))
    start_if_wanted(door=gateway.default(), now=small.now)
    sync_tags(door=gateway.default(), now=small.now)
    after = small.ids()
    assert after["职业/教师"] == ids["职业/教师"]
    assert (set(after), after["爱好/茶"] == ids["爱好/茶"]) == (set(ids), False)
    assert start_if_wanted(door=gateway.default(), now=small.now) is None


def test_a_whole_group_deleted_in_the_console_comes_back(small: Chat) -> None:
    group = CorpTagGroup.objects.get(tag__key="marital_status")
    small.sandbox.post("tags/delete", id=group.group_id)
    small.callback(
        {"Event": "change_external_tag", "Id": group.group_id, "TagType": "tag_group", "ChangeType": "delete"}
    )
    small.bring()
    assert {"婚姻状况/未婚", "婚姻状况/已婚", "婚姻状况/不愿透露"} <= set(small.ids())
    assert state("marital_status") == ("ready", None)


def test_a_value_that_is_gone_from_the_tree_goes_there_and_a_tag_with_its_group(small: Chat) -> None:
    rows = [row for row in book()["tags"] if row["key"] != "marital_status"]
    shorter = [row | {"values": row["values"][1:]} if row["key"] == "hobby" else row for row in rows]
    load_tags(now=NOW, source=book() | {"tags": shorter})
    small.bring()
    left = small.ids()
    assert "爱好/茶" not in left
    assert not any(name.startswith("婚姻状况/") for name in left)
    assert not CorpTagGroup.objects.filter(tag__key="marital_status").exists()
    load_tags(now=NOW)
    small.bring()
    assert {"爱好/茶", "婚姻状况/未婚"} <= set(small.ids())


def test_what_the_platform_refuses_stands_beside_the_tag(small: Chat) -> None:
    small.sandbox.post("tags", group_name="本店", names=["甲"])
    small.sandbox.post("settings", corp_tags_most=33)
    TagValue.objects.create(tag=Tag.objects.get(key="hobby"), value="观鸟", position=99)
    small.bring()
    assert state("hobby") == ("failed", 40126)
    small.sandbox.post("settings", corp_tags_most=10_000)
    small.bring()
    assert state("hobby") == ("ready", None)


def test_a_name_of_somebody_elses_tag_is_not_ours_to_change(small: Chat) -> None:
    ids = small.ids()
    small.sandbox.post("thing", kind="tag", id=ids["职业/教师"], facts={"name": "老师", "app": 0})
    small.bring()
    # the renamed one stays as it is, ours is made anew beside it
    assert {"职业/老师", "职业/教师"} <= set(small.ids())


def test_only_head_office_starts_it(chat: Chat) -> None:
    with pytest.raises(MayNotSync):
        start_tag_sync(door=gateway.default(), actor=acting(make_staff()), now=NOW)


def test_a_platform_that_is_busy_is_asked_later(chat: Chat) -> None:
    start_tag_sync(door=gateway.default(), actor=SYSTEM, now=NOW)
    chat.sandbox.fault(ADD, errcode=45009, times=1)
    sync_tags(door=gateway.default(), now=NOW)
    run = SyncRun.objects.get(kind="tags")
    assert run.state == "running" and run.next_at is not None
    assert sync_tags(door=gateway.default(), now=NOW) == {}
    gateway.default().budgets.close(ADD)
    SyncRun.objects.update(next_at=None)
    sync_tags(door=gateway.default(), now=NOW)
    assert SyncRun.objects.get(kind="tags").state == "done"
    drain_events()
