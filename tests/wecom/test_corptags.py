"""Corp tags at the door, and the stand-in's limits on them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from yejibao.wecom import corptags
from yejibao.wecom.errors import GatewayError
from yejibao.wecom.gateway import Gateway

pytestmark = pytest.mark.django_db
PAIR = {"userid": "lan.chen", "external_userid": "wm1"}


def refused(call: Callable[[], Any]) -> int | None:
    with pytest.raises(GatewayError) as caught:
        call()
    return caught.value.code


def add(door: Gateway, *names: str, group: str = "职业") -> dict[str, str]:
    made = corptags.add_tags(door, [(name, 0) for name in names], group_name=group)
    return {tag.name: tag.tag_id for tag in made.tags}


def test_groups_go_by_name_and_only_new_tags_are_answered(door: Gateway) -> None:
    first = add(door, "教师", "医护", "教师")
    assert list(first) == ["教师", "医护"]
    assert list(add(door, "金融")) == ["金融"]
    (group,) = corptags.list_groups(door)
    assert (group.name, {tag.name for tag in group.tags}) == ("职业", {"教师", "医护", "金融"})
    assert refused(lambda: add(door, "学生", "教师")) == 40071
    assert len(corptags.list_groups(door)[0].tags) == 3
    (only,) = corptags.list_groups(door, tag_ids=[first["教师"]])
    assert [tag.name for tag in only.tags] == ["教师"]


def test_names_have_a_length_and_the_company_a_limit(door: Gateway, sandbox: Any) -> None:
    assert refused(lambda: add(door, "长" * 31)) == 40072
    assert refused(lambda: corptags.add_tags(door, [], group_name="空")) == 40063
    sandbox.post("settings", corp_tags_most=2)
    add(door, "甲", "乙")
    assert refused(lambda: add(door, "丙")) == 40126


def test_only_its_own_may_be_renamed_and_deleted(door: Gateway, sandbox: Any) -> None:
    ours = add(door, "教师", "医护")
    sandbox.post("tags", group_name="门店自建", names=["常客"])
    theirs = next(group for group in corptags.list_groups(door) if group.name == "门店自建").tags[0].tag_id
    assert refused(lambda: corptags.edit(door, theirs, name="老客", order=0)) == 81011
    assert refused(lambda: corptags.delete_tags(door, [theirs])) == 81011
    assert refused(lambda: corptags.edit(door, ours["教师"], name="医护", order=0)) == 40071
    corptags.edit(door, ours["教师"], name="老师", order=7)
    corptags.delete_tags(door, [ours["医护"]])
    corptags.delete_tags(door, [ours["医护"]])  # gone is gone
    assert [tag.name for group in corptags.list_groups(door) for tag in group.tags] == ["老师", "常客"]
    corptags.delete_tags(door, [ours["教师"]])
    assert [group.name for group in corptags.list_groups(door)] == ["门店自建"]


def test_marking_twice_is_like_once_and_tells_nobody(door: Gateway, sandbox: Any) -> None:
    ids = add(door, "教师", "医护")
    sandbox.post("friend", **PAIR, tell=False)
    for _ in range(2):
        corptags.mark(door, **PAIR, add=[ids["教师"]], remove=[ids["医护"]])
    assert sandbox.get("tags", **PAIR)["marked"] == [ids["教师"]]
    assert sandbox.get("callbacks")["callbacks"] == []
    assert refused(lambda: corptags.mark(door, **PAIR, add=["et-none"], remove=[])) == 40068
    assert (
        refused(lambda: corptags.mark(door, userid="min.wang", external_userid="wm1", add=[ids["医护"]], remove=[]))
        == 84061
    )
    sandbox.post("settings", tags_each=1)
    assert refused(lambda: corptags.mark(door, **PAIR, add=[ids["医护"]], remove=[])) == 40144
    corptags.delete_tags(door, [ids["教师"]])
    assert sandbox.get("tags", **PAIR)["marked"] == []


def test_two_calls_for_one_pair_at_a_time_are_one_too_many(door: Gateway, sandbox: Any) -> None:
    ids = add(door, "教师", "医护")
    sandbox.post("friend", **PAIR, tell=False)
    sandbox.fault(corptags.MARK, latency=400)

    def mark(name: str) -> int | None:
        try:
            corptags.mark(door, **PAIR, add=[ids[name]], remove=[])
        except GatewayError as error:
            return error.code
        return 0

    door.credentials.get()
    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(mark, ids)) == [0, 45035]  # type: ignore[type-var]
