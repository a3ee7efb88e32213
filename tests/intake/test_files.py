"""Files: what is read, checked, taken over, and what happens in between."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import xlsxwriter

from bench.planted import member_lines
from crm.members.models import Member
from crm.orders.models import Order
from guides.org.loading import load_org, made_up_org
from yejibao.core import clock
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.models import AuditEntry
from yejibao.core.personal import normal_phone
from yejibao.core.scope import Actor
from yejibao.intake import kinds
from yejibao.intake.keeping import tidy
from yejibao.intake.models import Batch, RefusedRow, StagedRow
from yejibao.intake.queries import row_errors
from yejibao.intake.reading import MOBILE
from yejibao.intake.services import batches, cancel, close_refused, confirm, file_source, go_on, retry_refused, upload
from yejibao.intake.services.batches import FileTooLarge, FileUnreadable

pytestmark = pytest.mark.django_db
LONG = timedelta(minutes=5)
ACTOR = Actor.system("test")


@pytest.fixture(autouse=True)
def world(clock: Any) -> None:
    clock.travel("2026-03-05 12:00")
    load_org(made_up_org(branches=1, regions=1, areas=1, stores=20, staff=60), now=clock.now())


def send(text: str | bytes, *, kind: str = "members", name: str = "file.csv") -> Batch:
    content = text.encode() if isinstance(text, str) else text
    now = clock.now()
    batch, _former = upload(content, name=name, kind=kinds.get(kind), source=file_source(now=now), actor=ACTOR, now=now)
    return batch


def work(batch: Batch) -> Batch:
    go_on(batch.pk, now=clock.now(), budget=LONG)
    batch.refresh_from_db()
    return batch


def take_over(batch: Batch) -> Batch:
    confirm(work(batch), actor=ACTOR)
    return work(batch)


def counts(batch: Batch) -> tuple[int, int, int, int]:
    return batch.created_count, batch.changed_count, batch.same_count, batch.refused_count


def test_planted_faults_are_named_and_nothing_else() -> None:
    lines, named = member_lines(3000, 60, stores=20, guides=30)
    batch = work(send("\n".join(lines)))
    assert (batch.state, counts(batch)) == ("checked", (2940, 0, 0, 60))
    assert Member.objects.count() == 0, "nothing before somebody confirmed"
    confirm(batch, actor=ACTOR)
    batch = work(batch)
    assert (batch.state, counts(batch)) == ("done", (2940, 0, 0, 60))
    assert {row.line: row.errors[0]["field"] for row in RefusedRow.objects.all()} == named
    assert (Member.objects.count(), StagedRow.objects.count()) == (2940, 0)
    first = Member.objects.get(member_no="X0000000")
    assert (first.name, first.gender, first.phone, first.phone_last4) == ("王0", "f", "13800000000", "0000")
    assert (first.birth_year, first.birth_month, first.birth_day) == ("1960", 1, 1)
    assert (first.owner_guide.wecom_user_id, first.main_store.code, first.join_channel) == ("gd0", "s0", "excel")


def test_the_same_file_again_changes_nothing() -> None:
    lines, named = member_lines(300, 15, stores=20, guides=30)
    take_over(send("\n".join(lines)))
    batch = take_over(send("\n".join(lines)))
    assert (batch.state, counts(batch)) == ("done", (0, 0, 285, 15))
    assert RefusedRow.objects.filter(state="open").count() == len(named) == 15
    assert Member.objects.count() == 285


def test_a_file_of_a_till_in_gbk_and_an_excel_file_read_alike(tmp_path: Any) -> None:
    lines, _named = member_lines(5, 0, stores=20, guides=30)
    assert work(send("\n".join(lines).encode("gbk"))).created_count == 5
    path = tmp_path / "members.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        for place, line in enumerate(lines):
            sheet.write_row(place, 0, line.split(","))
    assert counts(take_over(send(path.read_bytes(), name="members.xlsx"))) == (5, 0, 0, 0)
    assert Member.objects.get(member_no="X0000003").name == "王3"


def bomb() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 5_000_000)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        (b"a,b\n1,2\n", "m.csv", "缺少列：会员号、姓名"),
        ("会员号,卡号,姓名\n1,2,3\n".encode(), "m.csv", "这几列说的是同一件事"),
        (b"", "m.csv", "文件是空的"),
        (b"MZ\x90", "m.exe", "请上传 .xlsx 或 .csv 文件"),
        (b"PK\x03\x04nonsense", "m.xlsx", "打不开"),
        (bomb(), "m.xlsx", "解压后大得不正常"),
    ],
)
def test_a_file_nobody_can_read_is_refused_at_once(content: bytes, name: str, says: str) -> None:
    with pytest.raises(FileUnreadable, match=says):
        send(content, name=name)
    assert Batch.objects.count() == 0


def test_a_file_without_rows_says_so() -> None:
    batch = work(send("会员号,姓名\n"))
    assert (batch.state, batch.problem) == ("failed", "文件里只有列名，没有数据")


def test_a_file_too_large_is_not_read() -> None:
    with pytest.raises(FileTooLarge):
        send(b"0" * (20 * 1024 * 1024 + 1))


def test_the_same_file_twice_at_once_is_one_batch() -> None:
    lines, _named = member_lines(5, 0, stores=20, guides=30)
    assert send("\n".join(lines)) == send("\n".join(lines))


def test_a_worker_killed_in_the_middle_is_gone_on_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranges of 100 rows; killed after the second; the staging table emptied besides, as a crash of the database does."""
    lines, named = member_lines(500, 20, stores=20, guides=30)
    monkeypatch.setitem(kinds._kinds, "members", replace(kinds.get("members"), step=100))
    monkeypatch.setattr(batches, "STAGED_AT_ONCE", 150)
    batch = send("\n".join(lines))
    go_on(batch.pk, now=clock.now(), budget=timedelta())
    assert batches._stage(Batch.objects.get(pk=batch.pk), clock.monotonic() + 60)
    confirm(work(batch), actor=ACTOR)
    for _ in range(2):
        assert batches._next_part(Batch.objects.select_related("source").get(pk=batch.pk), now=clock.now())
    batch.refresh_from_db()
    assert (batch.state, batch.hand) == ("committing", 200)
    StagedRow.objects.all().delete()
    batch = work(batch)
    assert (batch.state, counts(batch)) == ("done", (480, 0, 0, 20))
    assert Member.objects.count() == 480
    assert set(RefusedRow.objects.values_list("line", flat=True)) == set(named)


def test_a_file_can_be_stopped_and_what_is_in_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    lines, _named = member_lines(300, 0, stores=20, guides=30)
    monkeypatch.setitem(kinds._kinds, "members", replace(kinds.get("members"), step=100))
    batch = send("\n".join(lines))
    confirm(work(batch), actor=ACTOR)
    batches._next_part(Batch.objects.select_related("source").get(pk=batch.pk), now=clock.now())
    batch.refresh_from_db()
    cancel(batch, actor=ACTOR, now=clock.now())
    assert (batch.state, batch.good_count, Member.objects.count()) == ("cancelled", 100, 100)
    assert (StagedRow.objects.count(), work(batch).state) == (0, "cancelled")
    with pytest.raises(Conflict):
        confirm(batch, actor=ACTOR)


def test_orders_by_file_are_tried_first_and_then_taken_over() -> None:
    lines, _named = member_lines(3, 0, stores=20, guides=30)
    take_over(send("\n".join(lines)))
    titles = "单号,门店编码,导购账号,会员号,订单类型,付款时间,行号,品名,件数,实付金额（元）"
    rows = [
        "A1,s0,gd0,X0000001,门店,2026-03-01 15:00,1,套西,1,1280.00",
        "A1,s0,gd0,X0000001,门店,2026-03-01 15:00,2,衬衫,1,320.50",
        "A2,s0,gd0,X0000002,门店,2026-03-02 15:00,1,套西,1,1280.00",
        "A3,s99,gd0,X0000002,门店,2026-03-02 15:00,1,套西,1,1280.00",
        "A4,s0,gd0,X0000002,门店,2026-03-02 15:00,1,套西,1,1e3",
        "A1,s0,gd0,X0000001,门店,2026-03-01 15:00,1,套西,1,1.00",
    ]
    batch = work(send("\n".join([titles, *rows]), kind="orders"))
    assert (batch.state, counts(batch), Order.objects.count()) == ("checked", (2, 0, 0, 3), 0)
    found = [(one.line, one.key, one.field, one.message) for one in row_errors(batch, limit=10)]
    assert found == [
        (5, "A3", "门店编码", "没有这家门店"),
        (6, "A4", "实付金额", "金额以分为单位，只能是整数，不能写 1.5 或 1e3"),
        (7, "A1", "单号", "和第 2 行重复，内容又不一样；以先出现的为准"),
    ]
    confirm(batch, actor=ACTOR)
    assert counts(work(batch)) == (2, 0, 0, 3)
    assert list(Order.objects.order_by("number").values_list("number", "paid_fen")) == [("A1", 160050), ("A2", 128000)]


def test_a_corrected_row_is_taken_over_and_one_that_is_not_stays() -> None:
    lines, _named = member_lines(3, 0, stores=20, guides=30)
    lines[1] = lines[1].replace("13800000000", "1380000000")
    take_over(send("\n".join(lines)))
    row = RefusedRow.objects.get()
    assert retry_refused(row, values={"phone": "123"}, actor=ACTOR, now=clock.now()).outcome == "refused"
    row.refresh_from_db()
    assert (row.state, row.tries) == ("open", 2)
    assert retry_refused(row, values={"phone": "13800000000"}, actor=ACTOR, now=clock.now()).outcome == "created"
    row.refresh_from_db()
    assert (row.state, Member.objects.count()) == ("fixed", 3)
    assert Member.objects.get(member_no="X0000000").phone == "13800000000"
    with pytest.raises(Conflict):
        retry_refused(row, values={}, actor=ACTOR, now=clock.now())


def test_a_row_is_closed_with_a_reason() -> None:
    lines, _named = member_lines(30, 3, stores=20, guides=30)
    take_over(send("\n".join(lines)))
    ids = list(RefusedRow.objects.values_list("pk", flat=True))
    with pytest.raises(Invalid):
        close_refused(ids, reason=" ", actor=ACTOR, now=clock.now())
    assert close_refused(ids, reason="旧卡，不要了", actor=ACTOR, now=clock.now()) == 3
    assert close_refused(ids, reason="旧卡，不要了", actor=ACTOR, now=clock.now()) == 0
    told = AuditEntry.objects.get(action="intake.row_closed")
    assert told.after == {"count": 3, "ids": sorted(ids)}, "each of them, however many"
    clock.travel(clock.now() + timedelta(days=31))
    assert tidy(now=clock.now())["rows"] == 3


def test_the_short_way_to_a_phone_says_what_the_long_one_says() -> None:
    for prefix in range(130, 200):
        text = f"{prefix}00132075"
        if MOBILE.fullmatch(text):
            assert normal_phone(text) == text, text
