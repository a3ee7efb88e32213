"""The boards as a file: figures, and no member."""

from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from django.test import Client
from python_calamine import CalamineWorkbook

from guides.exports.services import make_due
from guides.org.models import Staff
from tasks.review.services import refresh_days
from tests.factories.guides import Org, holder_of

from .conftest import NOW, late, post

pytestmark = pytest.mark.django_db


def exported(browser: Client, **given: Any) -> list[list[Any]]:
    """Export the board as a person does: ask, let it be made, download."""
    asked = post(browser, "/me/exports/ask/review/", **given)
    assert asked.status_code == 302, asked.text
    make_due(now=NOW, budget=timedelta(seconds=20))
    page = asked["Location"]
    assert "可以下载" in browser.get(page).text
    link = browser.post(f"{page}download/")["Location"]
    answer = browser.get(link)
    assert answer["Content-Type"].endswith("sheet") and "filename*=UTF-8''" in answer["Content-Disposition"]
    assert browser.get(link).status_code == 409
    return CalamineWorkbook.from_filelike(BytesIO(answer.content)).get_sheet_by_index(0).to_python()


def test_the_export_has_figures_per_guide_and_step_and_no_member(org: Org, as_: Any) -> None:
    Staff.objects.filter(pk=org.guide.pk).update(name="=HYPERLINK(1)")
    late(org.guide)
    late(org.guide, state="done", done_at=NOW - timedelta(hours=4), evidence_level=2)
    manager = as_(org.manager)
    assert 'action="/me/exports/ask/review/"' in manager.get("/m/review/").text
    rows = exported(manager, unit=str(org.store.unit_id), **{"from": "2025-03-03", "to": "2025-03-05"})
    assert rows[0][0] == "任务复盘 新街口店 2025-03-03 至 2025-03-05"
    assert rows[1][0].startswith("陈国栋（店长）2025-03-05 15:00 导出")
    assert rows[2][:6] == ["门店", "导购", "步骤", "应做", "完成", "完成率"]
    assert rows[3][:6] == ["新街口店", "'=HYPERLINK(1)", "3 天回访", 2, 1, 0.5]
    assert rows[-1][0] == "合计" and rows[-1][3] == 2
    assert "刘伟民" not in str(rows)


def test_a_region_exports_by_store(org: Org, as_: Any) -> None:
    late(org.guide)
    late(org.stranger)
    refresh_days(now=NOW)
    rows = exported(as_(holder_of("region_manager", org)))
    assert [row[:3] for row in rows[2:]] == [
        ["门店", "步骤", "应做"], ["新街口店", "3 天回访", 1], ["观前店", "3 天回访", 1], ["合计", "", 2],
    ]  # fmt: skip


def test_a_store_out_of_sight_is_not_exported(org: Org, as_: Any) -> None:
    late(org.stranger)
    assert post(as_(org.manager), "/me/exports/ask/review/", unit=str(org.other_store.unit_id)).status_code == 404
