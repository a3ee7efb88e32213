"""The pages of exports: the list, the form, the progress, and what a person without the right is told."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from guides.approvals.models import Approval
from guides.exports.models import Export
from tests.factories.crm import make_member
from tests.factories.guides import Org, holder_of, make_org, sign_in
from yejibao.core import clock
from yejibao.core.models import AuditEntry

pytestmark = pytest.mark.django_db


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel("2025-03-05 15:00")
    return make_org()


def asked(org: Org, **facts: Any) -> Export:
    now = clock.now()
    return Export.objects.create(
        **{"kind": "review", "title": "任务复盘 新街口店", "staff": org.manager, "working_role": "store_manager", "state": "ready",
           "asked_at": now, "asked_on": clock.local_day(now), "rows_total": 12, "ready_at": now} | facts
    )  # fmt: skip


@pytest.mark.parametrize("rows", [1, 30])
def test_the_list_takes_the_same_statements_for_any_length(org: Org, client: Client, rows: int) -> None:
    for _ in range(rows):
        asked(org)
    sign_in(client, org.manager).get("/me/exports/")
    with CaptureQueriesContext(connection) as seen:
        assert client.get("/me/exports/").text.count("任务复盘 新街口店") == rows
    assert len([one for one in seen if "guides_export" in one["sql"]]) == 1


@pytest.mark.parametrize(
    ("facts", "words", "polls"),
    [
        ({"state": "waiting"}, "等人批准", True),
        ({"state": "running", "rows_done": 6}, "6 / 12 行", True),
        ({"state": "ready"}, "只能下载一次", True),
        ({"state": "taken", "ended_at": None}, "文件已经删掉", False),
        ({"state": "failed", "error": "试了三次都没做成"}, "试了三次都没做成", False),
    ],
)
def test_each_state_says_what_comes_next(
    org: Org, client: Client, facts: dict[str, Any], words: str, polls: bool
) -> None:
    url = f"/me/exports/{asked(org, **facts).pk}/"
    part = sign_in(client, org.manager).get(url, headers={"HX-Request": "true"}).text
    assert words in part and ("hx-trigger" in part) == polls and "<html" not in part
    assert sign_in(client, org.guide).get(url).status_code == 404


def test_the_form_says_a_refusal_and_keeps_what_was_typed(org: Org, client: Client) -> None:
    sign_in(client, holder_of("hq_operator", org))
    assert client.get("/me/exports/ask/members/").status_code == 200
    answer = client.post("/me/exports/ask/members/", {"reason": "到店邀约", "tier": "core"})
    assert answer.status_code == 422 and "一行也没有" in answer.text and "到店邀约" in answer.text
    make_member(owner=org.guide, tier_631="core")
    led = client.post("/me/exports/ask/members/", {"reason": "到店邀约", "tier": "core"})
    assert "等人批准" in client.get(led["Location"]).text
    refused = sign_in(client, org.guide).post("/me/exports/ask/members/", {}, headers={"Accept": "application/json"})
    assert (refused.status_code, refused.json()["code"]) == (403, "perm.member.export")


def test_whoever_approves_sees_what_it_is_first(org: Org, client: Client) -> None:
    make_member(owner=org.guide, name="王建国", phone="13800132075")
    asker, crm = holder_of("hq_operator", org), holder_of("hq_crm", org)
    sign_in(client, asker).post("/me/exports/ask/members/", {"reason": "到店邀约", "with_phone": "1"})
    page = f"/me/exports/{Export.objects.get().pk}/asked/"
    seen = sign_in(client, crm)
    assert page in seen.get(f"/me/approvals/{Approval.objects.get().pk}/").text
    text = seen.get(page).text
    assert "带手机号和全名" in text and "王**" in text and "到店邀约" in text
    assert "王建国" not in text and "13800132075" not in text
    assert AuditEntry.objects.get(action="member.viewed").actor_id == crm.pk
    keeper = sign_in(client, holder_of("sys_admin", org)).get(page).text  # has a yes to give, and no members to see
    assert "不归你看" in keeper and "王**" not in keeper
    assert sign_in(client, org.manager).get(page).status_code == 404


def test_a_list_of_approvals_that_is_cut_says_so(org: Org, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guides.approvals.pages.SHOWN", 1)
    make_member(owner=org.guide)
    for _ in range(2):
        sign_in(client, holder_of("hq_operator", org)).post("/me/exports/ask/members/", {"reason": "到店邀约"})
    assert "这里是最先到期的 1 个" in sign_in(client, holder_of("hq_crm", org)).get("/me/approvals/").text
