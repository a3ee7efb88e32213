"""Who was exposed to whom: looks at one member, lists that were shown, and files that were made."""

from datetime import timedelta
from typing import Any

import pytest

from crm.privacy.exposure import exposed
from tests.factories.guides import actor, make_staff
from yejibao.core import audit, clock

pytestmark = pytest.mark.django_db


def test_who_stood_on_a_list_or_in_a_file_was_seen_too() -> None:
    now = clock.now()
    agent, operator = make_staff("customer_service", name="周敏"), make_staff("hq_operator", name="何平")
    audit.saw_members(actor(agent), [1], where="会员卡片")
    audit.saw_members(actor(agent), [1, 2, 3], where="任务复盘名单")

    def made(*ids: int, with_phone: bool) -> None:
        facts: dict[str, Any] = {"list": "会员名单", "rows": len(ids), "with_phone": with_phone, "ids": list(ids)}
        audit.record(actor(operator), audit.EXPORTED, "guides.Export", resource_id="12", after=facts)

    made(3, 4, with_phone=False)
    made(4, with_phone=True)
    made(with_phone=False)  # figures
    found = exposed(since=now - timedelta(minutes=5), until=clock.now() + timedelta(minutes=5))
    assert {int(one.member_id): one.fields for one in found.members} == {
        1: {"会员卡片", "名单"}, 2: {"名单"}, 3: {"名单", "打码的名单"}, 4: {"打码的名单", "姓名", "手机号"},
    }  # fmt: skip
    assert {one.name: one.members for one in found.people} == {"周敏": 3, "何平": 2}
    assert [(one["action"], one["what"], one["members"]) for one in found.lists] == [
        ("member.listed", "任务复盘名单", 3), ("export.made", "guides.Export 12", 2), ("export.made", "guides.Export 12", 1),
        ("export.made", "guides.Export 12", 0),
    ]  # fmt: skip
