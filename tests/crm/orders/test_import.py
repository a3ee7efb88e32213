"""Files of orders: encodings, Excel, column maps, refusals by line, and the public purchase log."""

import csv
import gzip
from collections import Counter
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from django.core.management import CommandError, call_command
from django.db.models import Count

from crm.catalogue.loading import load_catalogue
from crm.members.models import FriendLink, Member
from crm.orders.models import Order, OrderLine
from crm.orders.services import release_orders
from crm.orders.services.cdnow import CdnowMap
from crm.orders.services.maps import fen, moment
from tests.factories.crm import make_member, make_staff, make_store
from yejibao.core.clock import local_day, parse_iso
from yejibao.core.outbox.models import OutboxEvent
from yejibao.intake.tables import Table

pytestmark = pytest.mark.django_db
CDNOW = Path(__file__).resolve().parents[3] / "crm" / "data" / "cdnow_purchases.csv.gz"
TITLES = "单号,门店编码,导购账号,会员号,订单类型,付款时间,行号,品名,尺码,件数,实付金额（元）,是否送礼"
GOOD = [
    "A1,S001,limin,M1,门店,2025-03-01 15:00,1,藏青羊毛套西,175/92A,1,1280.00,否",
    "A1,S001,limin,M1,门店,2025-03-01 15:00,2,白衬衫,40,2,\"1,320.50\",否",
    "A2,S001,limin,M1,商城,2025/3/2 9:05,1,领带,均码,1,99,是",
]  # fmt: skip


@pytest.fixture(autouse=True)
def world(clock: Any) -> None:
    clock.travel("2025-03-05 12:00")
    store = make_store(code="S001")
    make_member(member_no="M1", owner=make_staff(store=store, wecom_user_id="limin"))


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Return a function that imports a text or bytes (or a file) and gives back what the command says."""

    def command(content: Any, *options: Any, name: str = "orders.csv") -> str:
        path = content if isinstance(content, Path) else tmp_path / name
        if isinstance(content, str):
            path.write_bytes(content.encode())
        elif isinstance(content, bytes):
            path.write_bytes(content)
        out = StringIO()
        call_command("import_orders", str(path), *map(str, options), stdout=out, stderr=StringIO())
        return out.getvalue().strip()

    return command


def text(*rows: str, titles: str = TITLES) -> str:
    return "\n".join([titles, *rows]) + "\n"


def summary(created: int = 0, same: int = 0, changed: int = 0, refused: int = 0, head: str = "导入完成") -> str:
    total = created + same + changed + refused
    return f"{head}：共 {total:,} 张，新建 {created:,}，没有变化 {same:,}，更新 {changed:,}，拒收 {refused:,}"


def amounts() -> list[tuple[str, str, int, int]]:
    return list(
        Order.objects.order_by("number").annotate(n=Count("lines")).values_list("number", "kind", "paid_fen", "n")
    )


TWO_ORDERS = [("A1", "retail", 260050, 2), ("A2", "mall", 9900, 1)]


# ---------------------------------------------------------------- reading


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
def test_encodings_of_tills(run: Any, encoding: str) -> None:
    assert run(text(*GOOD).encode(encoding)) == summary(created=2)
    assert amounts() == TWO_ORDERS
    assert OrderLine.objects.get(order__number="A2").item_name == "领带"
    order = Order.objects.get(number="A2")
    assert (order.is_gift, order.paid_at, order.source) == (True, parse_iso("2025-03-02 09:05"), "export")


def test_compressed_and_other_delimiters(run: Any) -> None:
    assert run(gzip.compress(text(*GOOD).encode("gbk")), name="orders.csv.gz") == summary(created=2)
    rows = [",".join(["B1", *GOOD[2].split(",")[1:]])]
    assert run(text(*rows).replace(",", "\t")) == summary(created=1)
    assert run(text("C1," + GOOD[2].partition(",")[2]).replace(",", ";")) == summary(created=1)


def test_excel_reads_ids_and_phones_as_text(run: Any, tmp_path: Path) -> None:
    make_member(member_no="20001", phone="13800132075")
    path = tmp_path / "orders.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        when = book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        sheet.write_row(0, 0, ["单号", "门店编码", "手机号", "付款时间", "实付金额（元）", "件数", "是否送礼"])
        for line, (number, phone) in enumerate([(20250301001, 13800132075), (12345678901234567890, "M1")], 1):
            sheet.write_row(line, 0, [number, "S001", phone])
            sheet.write_datetime(line, 3, parse_iso("2025-03-01 23:00").replace(tzinfo=None), when)
            sheet.write_row(line, 4, [258.5, 1, True])
    assert run(path) == summary(created=1, refused=1)
    order = Order.objects.get()
    assert (order.number, order.paid_fen, order.is_gift) == ("20250301001", 25850, True)
    assert order.member and order.member.phone == "13800132075"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (text(*GOOD, titles=TITLES.replace("品名", "单号")), "列名重复：「单号」（第 1、8 列）"),
        (text(*GOOD, titles=TITLES.replace("品名", "订单号")), "请只留一列：单号、订单号"),
        (text(*GOOD, titles=TITLES.replace("付款时间", "时间")), "缺少列：付款时间"),
        (text(*GOOD, titles=TITLES.replace("实付金额（元）", "钱")), "缺少列：实付金额（元）"),
        (b"", "文件是空的"),
        (b"\n\n", "第一行应该是列名"),
        (b"\xff\xff\x80\x81\xff,1\n", "认不出文件的编码"),
        (gzip.compress(text(*GOOD).encode())[:-9], "压缩文件不完整"),
        (b"PK\x03\x04 but not a workbook", "Excel 文件打不开"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(run: Any, content: Any, says: str) -> None:
    with pytest.raises(CommandError, match=says.replace("（", ".").replace("）", ".")):
        run(content)
    assert Order.objects.count() == 0


def test_a_missing_file_and_an_unknown_map_are_named(run: Any, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="找不到文件"):
        run(tmp_path / "nothing.csv")
    with pytest.raises(CommandError, match="没有列名对照表 sap"):
        run(text(*GOOD), "--map", "sap")


def test_a_map_of_ones_own(run: Any, tmp_path: Path) -> None:
    own = tmp_path / "till.yaml"
    own.write_text(
        "columns: {number: Bon, paid_at: Zeit, paid_fen: Cent, note: [Notiz, Bemerkung]}\n"
        "defaults: {store: S001, kind: retail}\n"
    )
    assert run("Bon,Zeit,Cent,Bemerkung\n7,2025-03-01 10:00,12800,ok\n", "--map", own) == summary(created=1)
    order = Order.objects.get()
    assert (order.source, order.paid_fen, order.guide_note, order.member) == ("till", 12800, "ok", None)
    for text_of_map in ("columns: {numbr: Bon}", "columns: [a]", "{", "columns: {number: Bon, store: L, paid_at: Z}"):
        own.write_text(text_of_map)
        with pytest.raises(CommandError, match="对照表"):
            run("Bon\n7\n", "--map", own)


# ---------------------------------------------------------------- refusing


def test_bad_rows_are_refused_by_line_and_the_others_kept(run: Any, tmp_path: Path) -> None:
    bad = [
        "B1,S999,limin,M1,门店,2025-03-01 15:00,1,套西,175/92A,1,1280,否",
        "B2,S001,limin,M1,以物易物,2025-03-01 15:00,1,套西,175/92A,1,1280,否",
        "B3,S001,limin,M1,门店,明天,1,套西,175/92A,1,1280,否",
        "B4,S001,limin,M1,门店,2025-03-01 15:00,1,套西,175/92A,1,1280.005,否",
        "B5,S001,limin,M1,门店,2025-03-01 15:00,1,套西,175/92A,1,-1280,否",
        "B6,S001,limin,M1,门店,2025-03-01 15:00,1,套西,175/92A,1,1280,大概",
        "B7,S001,limin,M1,门店,2025-03-01 15:00,1,套西,175/92A,1,1280,否,多出来",
        "=cmd(),S001,limin,M9,门店,2025-03-01 15:00,1,套西,175/92A,1,1280,否",
        "A1,S001,limin,M1,门店,2025-03-01 15:00,1,套西,175/92A,1,1,否",
        "B8,S001,limin,M1,门店,2025-03-01 15:00,1,套西,175/92A,1,1280,否",
        "B8,S001,limin,M1,门店,2025-03-01 15:00,2,套西,175/92A,1,1e3,否",
        ",S001,limin,M1,门店,2025-03-01 15:00,2,套西,175/92A,1,5,否",
    ]
    path = tmp_path / "refused.csv"
    assert run(text(*GOOD, *bad), "--refused", path) == summary(created=2, refused=11)
    assert amounts() == TWO_ORDERS
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["行号", "单号", "字段", "原因代码", "原因"]
    assert [(row[0], row[1], row[3]) for row in rows[1:]] == [
        ("5", "B1", "order.store_unknown"),
        ("6", "B2", "order.kind_unknown"),
        ("7", "B3", "input.malformed"),
        ("8", "B4", "input.malformed"),
        ("9", "B5", "input.out_of_range"),
        ("10", "B6", "input.malformed"),
        ("11", "B7", "input.malformed"),
        ("12", "'=cmd()", "order.member_unknown"),
        ("13", "A1", "order.duplicate_in_file"),
        ("15", "B8", "input.malformed"),
        ("16", "", "input.required"),
    ]
    assert [row[2] for row in rows[1:5]] == ["门店", "订单类型", "付款时间", "实付金额"]


def test_importing_again_changes_nothing_and_a_return_is_a_change(run: Any) -> None:
    assert run(text(*GOOD)) == summary(created=2)
    assert run(text(*GOOD)) == summary(same=2)
    titles = TITLES + ",退货单号,退货时间,退货件数,退款金额（元）"
    rows = [GOOD[0] + ",,,,", GOOD[1] + ",R1,2025-03-04 11:00,1,660.25", GOOD[2] + ",,,,"]
    assert run(text(*rows, titles=titles)) == summary(same=1, changed=1)
    assert Order.objects.get(number="A1").net_amount_fen == 194025
    assert run(text(*rows, titles=titles)) == summary(same=2)


def test_a_dry_run_names_the_bad_rows_and_keeps_nothing(run: Any) -> None:
    says = run(text(*GOOD, "B1,S999" + GOOD[0][7:]), "--dry-run")
    assert says == summary(created=2, refused=1, head="检查完成（没有保存）")
    assert (Order.objects.count(), OutboxEvent.objects.count()) == (0, 0)


@pytest.mark.parametrize(
    ("typed", "read"),
    [("1280", 128000), ("1,280.5", 128050), ("￥99.90", 9990), ("-3", -300), ("1.005", "1.005"), ("1e3", "1e3"),
     ("12,80", "12,80"), ("", "")],
)  # fmt: skip
def test_yuan_become_fen_or_stay_as_typed(typed: str, read: Any) -> None:
    assert fen(typed) == read


def test_times_of_tills_become_iso() -> None:
    typed = ["2025/3/1 15:00", "2025-03-01 15:00:07", "2025年3月1日 15:00", "2025-03-01T15:00:00Z", "bald"]
    assert [moment(one) for one in typed] == [
        "2025-03-01T15:00:00",
        "2025-03-01T15:00:07",
        "2025-03-01T15:00:00",
        "2025-03-01T15:00:00Z",
        "bald",
    ]


# ---------------------------------------------------------------- the public purchase log


@pytest.fixture
def org() -> None:
    load_catalogue()
    for code in ("S002", "S003"):
        store = make_store(code=code)
        for place in range(2):
            make_staff(store=store, wecom_user_id=f"guide-{code.lower()}-{place}")


LOG = """customer_id,date,quantity,amount_cents
00001,1997-01-01,1,1177
00002,1997-01-12,1,1200
00002,1997-01-12,5,7700
00019,1997-01-13,1,0
"""


def test_the_log_becomes_orders_by_its_rule(run: Any, org: None) -> None:
    assert run(LOG, "--map", "cdnow", "--hold") == summary(created=4)
    facts = Order.objects.order_by("number").values_list(
        "number", "paid_fen", "member__member_no", "store__code", "guide__wecom_user_id"
    )
    assert list(facts) == [
        ("00001-19970101-1", 11770, "00001", "S002", "guide-s002-0"),
        ("00002-19970112-1", 12000, "00002", "S003", "guide-s003-0"),
        ("00002-19970112-2", 77000, "00002", "S003", "guide-s003-0"),
        ("00019-19970113-1", 0, "00019", "S002", "guide-s002-0"),
    ]
    first, second = Order.objects.filter(member__member_no="00002").order_by("number")
    assert first.paid_at == parse_iso("1997-01-12 11:14")
    assert second.paid_at == parse_iso("1997-01-12 11:21")
    member = Member.objects.get(member_no="00001")
    assert (member.name, member.phone, member.owner_guide.wecom_user_id, member.phone_consent) == (  # type: ignore[union-attr]
        "赵建国",
        "19900000001",
        "guide-s002-0",
        True,
    )
    assert FriendLink.objects.filter(member=member).count() == 1
    assert Member.objects.get(member_no="00019").gender == "f"
    assert OutboxEvent.objects.count() == 0
    assert run(LOG, "--map", "cdnow", "--hold") == summary(same=4)
    assert release_orders(until=parse_iso("1997-01-12 11:14"), now=parse_iso("1997-01-12 11:14")) == 2


def test_the_log_needs_an_organisation(run: Any) -> None:
    Member.objects.all().update(owner_guide=None)
    from guides.org.models import RoleAssignment

    RoleAssignment.objects.all().delete()
    with pytest.raises(CommandError, match="还没有门店和导购"):
        run(LOG, "--map", "cdnow")


def test_the_first_customers_of_the_log_come_in_whole(run: Any, org: None) -> None:
    assert run(CDNOW, "--map", "cdnow", "--hold", "--limit-customers", 50) == summary(created=218)
    assert Member.objects.filter(join_channel="cdnow").count() == 50
    assert not Order.objects.exclude(paid_at__hour__range=(10, 22)).exists()
    assert Counter(local_day(at) == day for at, day in Order.objects.values_list("paid_at", "paid_on")) == {True: 218}
    assert Order.objects.filter(paid_on__lt=date(1997, 1, 1)).count() == 0


def test_the_counts_of_the_log_come_out(org: None) -> None:
    """69,659 rows by 23,570 customers: 80 without an amount, 2,814 small, 66,765 full on 64,928 days of customers."""
    numbers: set[str] = set()
    customers: set[str] = set()
    days: set[tuple[str, str]] = set()
    kinds: Counter[str] = Counter()
    for order in CdnowMap().orders(Table(CDNOW)):
        assert not order.fault
        numbers.add(order.row["number"])
        customers.add(order.customer)
        fen = order.row["lines"][0]["paid_fen"]
        kinds["zero" if fen == 0 else "small" if fen < 9900 else "full"] += 1
        if fen >= 9900:
            days.add((order.customer, order.row["paid_at"][:10]))
    assert (len(numbers), len(customers), len(days)) == (69659, 23570, 64928)
    assert kinds == {"zero": 80, "small": 2814, "full": 66765}
