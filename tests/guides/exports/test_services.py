"""Exports: who may ask, how many, what stands in the file, and that it is handed out once."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
import xlsxwriter
from python_calamine import CalamineWorkbook

from guides.approvals.models import Approval
from guides.approvals.services import approve, refuse
from guides.exports import registry, services
from guides.exports.models import Export, ExportFile
from guides.exports.registry import Column, Exportable
from guides.exports.services import (
    LinkUsed,
    NothingThere,
    TooManyRows,
    ask_export,
    forget_old,
    make_due,
    make_link,
    take,
)
from guides.notices.models import Notification
from guides.org.confirming import ConfirmFirst
from guides.org.models import RoleAssignment
from tests.factories.crm import make_member
from tests.factories.guides import Org, actor, holder_of, make_org, make_staff, make_store, make_unit
from yejibao.core import personal
from yejibao.core.clock import parse_iso
from yejibao.core.errors import DomainError, Forbidden, Invalid, NotFound, TooMany
from yejibao.core.models import AuditEntry
from yejibao.core.scope import Actor
from yejibao.core.sheets import defused

pytestmark = pytest.mark.django_db

NOW = parse_iso("2025-03-05 15:00")
SECONDS = timedelta(seconds=20)


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel(NOW)
    return make_org()


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A list without persons whose rows a test may change."""
    rows: list[Any] = [("新街口店", 3)]

    def clean(actor: Actor, given: Mapping[str, str]) -> dict[str, Any]:
        return dict(given)

    def columns(actor: Actor, params: dict[str, Any]) -> Sequence[Column]:
        return [Column("门店", lambda row: row[0]), Column("成交", lambda row: row[1], "yuan")]

    one = Exportable(
        key="test", title="测试", permission="task.progress_view", columns=columns, rows=lambda actor, params: iter(rows), clean=clean
    )  # fmt: skip
    monkeypatch.setitem(registry._known, "test", one)
    return rows


def sheet_of(content: bytes) -> list[list[Any]]:
    return CalamineWorkbook.from_filelike(BytesIO(content)).get_sheet_by_index(0).to_python()


def taken(export: Export, who: Actor) -> bytes:
    assert make_due(now=NOW, budget=SECONDS) == {"made": 1}
    return take(export, make_link(export, actor=who, now=NOW), actor=who, now=NOW)


# ---------------------------------------------------------------- figures, which need no approval


def test_it_is_made_marked_taken_once_and_forgotten(org: Org, figures: list[Any]) -> None:
    who = actor(org.manager, facts={"ip": "10.0.0.7", "request_id": "abcdef1234567890", "agent": ""})
    export = ask_export("test", {}, actor=who, now=NOW)
    assert export.state == "queued"
    content = taken(export, who)
    mark = f"陈国栋（店长）2025-03-05 15:00 导出，编号 {export.pk}-abcdef12，仅供内部使用，请勿外传"
    assert sheet_of(content) == [["测试", ""], [mark, ""], ["门店", "成交"], ["新街口店", 0.03]]
    export.refresh_from_db()
    assert (export.state, ExportFile.objects.count()) == ("taken", 0)
    with pytest.raises(LinkUsed):
        make_link(export, actor=who, now=NOW)
    acts = AuditEntry.objects.filter(resource="guides.Export").order_by("pk")
    assert [one.action for one in acts] == ["export.asked", "export.made", "export.downloaded"]
    assert acts[1].after == {"list": "测试", "rows": 1, "with_phone": False, "rows_today": 1, "ids": []}
    assert (acts[1].ip, acts[1].request_id) == ("10.0.0.7", "abcdef1234567890")


def test_the_watermark_stands_on_every_printed_page(
    org: Org, figures: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(xlsxwriter.worksheet.Worksheet, "set_footer", lambda sheet, text: said.append(text))
    monkeypatch.setattr(xlsxwriter.worksheet.Worksheet, "set_header", lambda sheet, text: said.append(text))
    ask_export("test", {}, actor=actor(org.manager), now=NOW)
    make_due(now=NOW, budget=SECONDS)
    assert [("陈国栋" in text, "2025-03-05 15:00" in text) for text in said] == [(True, True)] * 2


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "\t=1", "\r=1"])
def test_a_cell_that_would_run_is_defused(text: str) -> None:
    assert defused(text) == f"'{text}"


def test_defused_cells_reach_the_file(org: Org, figures: list[Any]) -> None:
    figures[0] = ("=cmd|'/c calc'!A1", None)
    who = actor(org.manager)
    assert sheet_of(taken(ask_export("test", {}, actor=who, now=NOW), who))[3] == ["'=cmd|'/c calc'!A1", "—"]


def test_a_link_is_good_for_ten_minutes_and_for_one_person(org: Org, figures: list[Any]) -> None:
    who = actor(org.manager)
    export = ask_export("test", {}, actor=who, now=NOW)
    make_due(now=NOW, budget=SECONDS)
    link = make_link(export, actor=who, now=NOW)
    with pytest.raises(LinkUsed):
        take(export, link, actor=who, now=NOW + timedelta(minutes=11))
    with pytest.raises(LinkUsed):
        take(export, link, actor=actor(org.guide), now=NOW)
    with pytest.raises(NotFound):
        make_link(export, actor=actor(org.guide), now=NOW)
    newer = make_link(export, actor=who, now=NOW)
    with pytest.raises(LinkUsed):  # a new one ends the one before
        take(export, link, actor=who, now=NOW)
    assert take(export, newer, actor=who, now=NOW)


def test_what_nobody_takes_is_gone_after_a_day(org: Org, figures: list[Any]) -> None:
    export = ask_export("test", {}, actor=actor(org.manager), now=NOW)
    make_due(now=NOW, budget=SECONDS)
    assert forget_old(now=NOW + timedelta(hours=23))["expired"] == 0
    assert forget_old(now=NOW + timedelta(hours=25))["expired"] == 1
    export.refresh_from_db()
    assert (export.state, ExportFile.objects.exists()) == ("expired", False)
    assert forget_old(now=NOW + timedelta(days=200))["forgotten"] == 1


def test_the_file_lies_encrypted(org: Org, figures: list[Any], django_db_blocker: Any) -> None:
    from django.db import connection

    ask_export("test", {}, actor=actor(org.manager), now=NOW)
    make_due(now=NOW, budget=SECONDS)
    with connection.cursor() as cursor:
        cursor.execute("SELECT content FROM guides_exportfile")
        (stored,) = cursor.fetchone()
    assert "$" in stored[:40] and not stored.startswith("UEsD")  # a key's id, and no zip in base64


def test_too_many_rows_are_refused_with_how_to_split(
    org: Org, figures: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MOST_ROWS", 2)
    figures.extend([("观前店", 1), ("夫子庙店", 2)])
    with pytest.raises(TooManyRows, match="按门店"):
        ask_export("test", {}, actor=actor(org.manager), now=NOW)
    figures.clear()
    with pytest.raises(NothingThere):
        ask_export("test", {}, actor=actor(org.manager), now=NOW)
    assert not Export.objects.exists()


def test_five_a_day_and_tomorrow_again(org: Org, figures: list[Any]) -> None:
    who = actor(org.manager)
    for _ in range(5):
        ask_export("test", {}, actor=who, now=NOW)
    with pytest.raises(TooMany, match="今天已经导出 5 次"):
        ask_export("test", {}, actor=who, now=NOW)
    Export.objects.filter(pk=Export.objects.first().pk).update(state="failed")  # what came to nothing does not count
    ask_export("test", {}, actor=who, now=NOW)
    ask_export("test", {}, actor=who, now=NOW + timedelta(days=1))


def test_without_the_permission_the_answer_names_it(org: Org, figures: list[Any]) -> None:
    with pytest.raises(Forbidden) as refusal:
        ask_export("test", {}, actor=actor(org.guide), now=NOW)
    assert refusal.value.code == "perm.task.progress_view"
    with pytest.raises(NotFound):
        ask_export("nothing", {}, actor=actor(org.manager), now=NOW)


def test_rights_are_judged_again_when_it_is_made(org: Org, figures: list[Any]) -> None:
    export = ask_export("test", {}, actor=actor(org.manager), now=NOW)
    org.manager.role_assignments.all().delete()
    make_due(now=NOW, budget=SECONDS)
    export.refresh_from_db()
    assert (export.state, export.error) == ("failed", "你没有这个权限")


def test_an_error_is_a_sentence_and_a_lost_worker_is_replaced(
    org: Org, figures: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    export = ask_export("test", {}, actor=actor(org.manager), now=NOW)
    Export.objects.update(state="running", attempts=1, lease_until=parse_iso("2020-01-01"))  # its worker was lost
    monkeypatch.setattr(services, "workbook", lambda *_, **__: 1 / 0)
    assert make_due(now=NOW, budget=SECONDS) == {"made": 1}
    export.refresh_from_db()
    assert (export.state, export.error) == ("failed", "系统出了点问题，没做成。请再导一次。")


# ---------------------------------------------------------------- members


def test_a_members_list_is_masked_approved_and_every_row_noted(org: Org) -> None:
    operator, crm = holder_of("hq_operator", org), holder_of("hq_crm", org)
    member = make_member(owner=org.guide, name="王建国", phone="13800132075", spend_365_fen=128000)
    who = actor(operator)
    with pytest.raises(Invalid):
        ask_export("members", {}, actor=who, now=NOW)
    export = ask_export("members", {"unit": org.store.unit.code}, actor=who, now=NOW, reason="到店邀约")
    assert (export.state, make_due(now=NOW, budget=SECONDS)) == ("waiting", {"made": 0})
    approval = Approval.objects.get()
    assert approval.title == f"导出 1 行：会员名单 {org.store.unit.name}"
    with pytest.raises(DomainError):
        approve(approval, actor=who, now=NOW)
    approve(approval, actor=actor(crm), now=NOW)
    rows = sheet_of(taken(export, who))
    assert rows[2] == ["会员号", "姓名", "等级", "631", "主门店", "专属导购", "最近购买", "近一年消费（元）"]
    assert rows[3] == [member.member_no, "王**", "普通", "未消费", "新街口店", "林晓雯", "—", 1280]
    assert "13800132075" not in str(rows)
    assert AuditEntry.objects.get(action="export.made").after["ids"] == [member.pk]
    assert Notification.objects.filter(staff=operator, title__startswith="导出好了").exists()
    ask_export("members", {}, actor=who, now=NOW, reason="到店邀约")
    assert Approval.objects.filter(title="导出 1 行：会员名单（今天已经导出 1 行）").exists()


def test_with_phones_it_takes_two_more_people(org: Org) -> None:
    who = actor(holder_of("hq_operator", org))
    make_member(owner=org.guide, name="王建国", phone="13800132075")
    export = ask_export("members", {}, actor=who, now=NOW, reason="短信召回", with_phone=True)
    approve(Approval.objects.get(), actor=actor(holder_of("sys_admin", org)), now=NOW)
    assert make_due(now=NOW, budget=SECONDS) == {"made": 0}
    approve(Approval.objects.get(), actor=actor(holder_of("hq_crm", org)), now=NOW)
    assert sheet_of(taken(export, who))[3][1:3] == ["王建国", "13800132075"]


def test_a_branch_exports_its_own_never_with_phones(org: Org) -> None:
    other = make_unit("branch", parent=org.hq)
    elsewhere = make_staff(unit=other)
    make_member(owner=org.guide)
    make_member(owner=elsewhere)
    who = actor(holder_of("branch_member_manager", org))
    export = ask_export("members", {}, actor=who, now=NOW, reason="分公司活动")
    assert export.rows_total == 1 and Approval.objects.get().unit == org.branch
    with pytest.raises(Forbidden):
        ask_export("members", {}, actor=who, now=NOW, reason="分公司活动", with_phone=True)
    with pytest.raises(NotFound):
        ask_export("members", {"unit": other.code}, actor=who, now=NOW, reason="别家的")


def test_two_roles_are_two_lists_each_with_its_own_approver(org: Org) -> None:
    """What the branch's manager says yes to is the branch, whatever else the person may reach in another role."""
    person = holder_of("branch_member_manager", org)
    RoleAssignment.objects.create(staff=person, role="hq_operator", unit=org.hq)
    other = make_unit("branch", parent=org.hq)
    mine = make_member(owner=org.guide)
    make_member(owner=make_staff(store=make_store(area=make_unit("area", parent=make_unit("region", parent=other)))))
    branch = ask_export(
        "members", {}, actor=actor(person, working_role="branch_member_manager"), now=NOW, reason="分公司活动"
    )
    company = ask_export("members", {}, actor=actor(person, working_role="hq_operator"), now=NOW, reason="全国活动")
    asked = {one.facts["export"]: one for one in Approval.objects.all()}
    assert [(one.rows_total, asked[one.pk].unit, asked[one.pk].asked_role) for one in (branch, company)] == [
        (1, org.branch, "branch_member_manager"), (2, org.hq, "hq_operator"),
    ]  # fmt: skip
    approve(asked[branch.pk], actor=actor(holder_of("branch_manager", org)), now=NOW)
    # More of the same role since then is more than was approved.
    RoleAssignment.objects.create(staff=person, role="branch_member_manager", unit=other)
    assert [row[0] for row in sheet_of(taken(branch, actor(person)))[3:]] == [mine.member_no]
    wider = ask_export(
        "members", {}, actor=actor(person, working_role="branch_member_manager"), now=NOW, reason="两个分公司"
    )
    assert Approval.objects.get(facts__export=wider.pk).unit == org.hq, "the nearest above both"
    assert wider.rows_total == 2


def test_nobody_is_opened_before_somebody_said_yes(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    make_member(owner=org.guide, phone="13800132075")
    opened: list[str] = []
    decrypt = personal.decrypt
    monkeypatch.setattr(
        personal, "decrypt", lambda *args, **facts: opened.append(facts.get("column", "")) or decrypt(*args, **facts)
    )
    export = ask_export(
        "members", {}, actor=actor(holder_of("hq_operator", org)), now=NOW, reason="短信召回", with_phone=True
    )
    assert (export.rows_total, [one for one in opened if one.startswith("crm_member")]) == (1, [])


def test_a_refusal_ends_it(org: Org) -> None:
    make_member(owner=org.guide)
    export = ask_export("members", {}, actor=actor(holder_of("hq_operator", org)), now=NOW, reason="到店邀约")
    refuse(Approval.objects.get(), actor=actor(holder_of("hq_crm", org)), now=NOW, answer="范围太大")
    export.refresh_from_db()
    assert (export.state, export.error) == ("refused", "没同意")


def test_finance_shows_once_more_that_it_is_she(org: Org) -> None:
    make_member(owner=org.guide)
    with pytest.raises(ConfirmFirst):
        ask_export("members", {}, actor=actor(holder_of("finance", org)), now=NOW, reason="对账")
