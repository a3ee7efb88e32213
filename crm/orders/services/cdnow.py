"""The CDNOW purchase log (Fader & Hardie 2001) as orders of the organisation at hand.

The file has customer, day, quantity and amount; all else follows from the customer id by this fixed rule, so that the
result is the same on every machine with the same stores, guides and catalogue. With N the id as a number:

* order number: customer id - date - n-th order of that customer and day in file order (`00002-19970112-2`)
* amount: `amount_cents` x 10, read as fen
* store: number N mod S of the S stores that have guides, in order of their codes
* guide and owner: number (N div S) mod G of that store's G guides, in order of their WeCom user ids
* time of day: 10:00 plus (N x 37) mod 690 minutes, so 10:00-21:29; each further order of a day 7 minutes later
* member number: the customer id; phone 199000 and the id; name from two lists; women where N mod 10 = 9
* WeCom friend of his guide from the first purchase: where (N x 61) mod 100 < 80
* agreed to calls: where (N x 29) mod 100 < 70
* item: number (31 N + day number + 17 n) mod M of the M style-colours in order of their codes; a size he keeps
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from crm.catalogue.models import StyleColor
from guides.org.models import RoleAssignment, Staff
from yejibao.core.clock import SHANGHAI
from yejibao.intake.tables import FileRefused, Table, TableRow

from .maps import FileOrder

COLUMNS = ("customer_id", "date", "quantity", "amount_cents")
SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金"
GIVEN = (
    "建国", "志强", "伟", "海波", "俊杰", "明辉", "国栋", "立群", "振华", "文博", "子轩", "浩然", "晓东", "永刚", "卫民",
    "家豪", "宏伟", "少华", "向阳", "天宇", "景行", "思远", "学军", "东升", "绍祺", "维新", "启明", "泽楷", "敬之", "长河", "锐",
)  # fmt: skip
GIVEN_OF_WOMEN = ("敏", "雅琴", "丽华", "婷", "晓燕", "思琪", "静怡", "雪梅", "慧", "若兰", "佳宁")
SIZES = {
    "165/84A-190/104A": ("170/88A", "175/92A", "180/96A", "185/100A"), "38-44": ("39", "40", "41", "42"),
    "29-40": ("30", "32", "33", "34"), "38-45": ("41", "42", "43", "44"), "105-125": ("110", "115", "120", "125"),
}  # fmt: skip


class CdnowMap:
    """Turns the log into orders; `name` is what --map calls it."""

    name = "cdnow"
    is_sorted_by_customer = True

    def orders(self, table: Table) -> Iterator[FileOrder]:
        """Return an order per row of the log. Raises FileRefused where the file or the organisation does not fit."""
        missing = [title for title in COLUMNS if title not in table.titles]
        if missing:
            raise FileRefused(f"缺少列：{'、'.join(missing)}")
        places = _places()
        styles = list(StyleColor.objects.order_by("sku_code").values_list("sku_code", "size_range"))
        before, nth = ("", ""), 0
        for row in table:
            key = (row.cells["customer_id"], row.cells["date"])
            before, nth = key, nth + 1 if key == before else 1
            yield _order(row, nth, places, styles)


def _places() -> list[tuple[str, list[str]]]:
    """Return store codes with their guides' user ids, both in order."""
    held = (
        RoleAssignment.objects.filter(role="guide", unit__store__isnull=False, staff__state__in=Staff.MAY_SIGN_IN)
        .order_by("unit__store__code", "staff__wecom_user_id")
        .values_list("unit__store__code", "staff__wecom_user_id")
        .distinct()
    )
    places: dict[str, list[str]] = {}
    for code, user in held:
        places.setdefault(code, []).append(user)
    if not places:
        raise FileRefused("还没有门店和导购，请先建好组织（bin/run 会建演示组织）")
    return list(places.items())


def _order(row: TableRow, nth: int, places: list[tuple[str, list[str]]], styles: list[tuple[str, str]]) -> FileOrder:
    customer, text = row.cells["customer_id"], row.cells["date"]
    number = f"{customer}-{text.replace('-', '')}-{nth}"
    try:
        day, n = date.fromisoformat(text), int(customer)
        quantity, fen = int(row.cells["quantity"]), int(row.cells["amount_cents"]) * 10
    except ValueError:
        return FileOrder(
            row.line, {"number": number}, customer, cells=row.cells, fault="客户号、日期、件数或金额不是数字"
        )
    store, guides = places[n % len(places)]
    guide = guides[n // len(places) % len(guides)]
    line: dict[str, Any] = {"line_no": 1, "quantity": quantity, "paid_fen": fen}
    if styles:
        line["sku"], sizes = styles[(31 * n + day.toordinal() + 17 * nth) % len(styles)]
        line["size"] = SIZES[sizes][n % 4] if sizes in SIZES else "均码"
    minutes = n * 37 % 690 + 7 * (nth - 1)
    feed_row = {
        "number": number,
        "store": store,
        "guide": guide,
        "member": _member(customer, n, store, guide),
        "kind": "retail",
        "paid_at": (datetime.combine(day, time(10), SHANGHAI) + timedelta(minutes=minutes)).isoformat(),
        "lines": [line],
    }
    return FileOrder(row.line, feed_row, customer, lines=[row.line], cells=row.cells, fault=row.fault)


def _member(customer: str, n: int, store: str, guide: str) -> dict[str, Any]:
    is_woman = n % 10 == 9
    given = GIVEN_OF_WOMEN if is_woman else GIVEN
    return {
        "member_no": customer,
        "phone": f"199000{n:05}",
        "name": SURNAMES[n * 7 % len(SURNAMES)] + given[n // 10 % len(given)],
        "gender": "f" if is_woman else "m",
        "owner_guide": guide,
        "main_store": store,
        "phone_consent": n * 29 % 100 < 70,
        "friend_external_id": f"wmcd{n:08}" if n * 61 % 100 < 80 else "",
    }
