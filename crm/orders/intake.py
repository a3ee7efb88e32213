"""Orders and returns as kinds of the intake: rows with items, judged and stored by the one `ingest_orders`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _

from yejibao.core import reindexing
from yejibao.core.personal import blind_index, decrypt, encrypt, mask_name, mask_phone
from yejibao.intake import kinds
from yejibao.intake.kinds import Field, Kind, Part, RawRow, ReadRow, clean
from yejibao.intake.stage import Stage
from yejibao.intake.tables import Table

from .models import Order
from .services import MAX_ROWS, ingest_orders, ingest_returns
from .services.importing import TITLES
from .services.maps import load_map
from .services.people import ERASED, marks_of
from .services.rows import RowResult, named_member

SEALED = "intake_stagedrow.order"  # a row names its member: it waits encrypted, whole
KINDS = {str(label): value for value, label in Order.Kind.choices}
FIELDS = (  # those a person may correct in the error queue; the API's row is FeedOrder
    Field("number", "单号", form="code", required=True),
    Field("store", "门店编码", form="code", required=True),
    Field("guide", "导购账号", form="code"),
    Field("member", "会员号或手机号", form="code", mask="phone"),
    Field("kind", "订单类型", form="choice", choices=KINDS, required=True),
    Field("paid_at", "付款时间", required=True),
    Field("paid_fen", "整单实付（元）", form="fen", help="有商品行时等于各行之和，可以空着"),
)
GOODS = (
    Field("line_no", "行号", form="whole"),
    Field("sku", "款色码", form="code", most=32),
    Field("item_name", "品名"),
    Field("color", "颜色", most=16),
    Field("size", "尺码", most=16),
    Field("quantity", "件数", form="whole"),
    Field("paid_fen", "实付（元）", form="fen"),
)
PARTS = (  # its lists, as a person may correct them
    Part("lines", "商品", GOODS),
    Part("returns", "退货", (Field("number", "退货单号", form="code"), Field("at", "退货时间"))),
    Part(
        "returns.*.lines", "退的商品，第",
        (Field("line_no", "行号", form="whole"), Field("quantity", "件数", form="whole"), Field("refund_fen", "退款（元）", form="fen")),
    ),
    Part("exchanges", "换货", (Field("number", "换货单号", form="code"), Field("at", "换货时间"), Field("line_no", "换下的行号", form="whole"))),
)  # fmt: skip


def read_order(values: Any) -> ReadRow:
    """Return an order row as it is: what is right and wrong in it `ingest_orders` says."""
    number = values.get("number") if isinstance(values, dict) else None
    key = number.strip() if isinstance(number, str) and clean(number) == number and len(number) <= 64 else ""
    text = json.dumps(values)
    return ReadRow(key, {"sealed": encrypt(text, column=SEALED), "digest": blind_index(text, purpose="order")})


def open_order(cells: Mapping[str, Any]) -> Any:
    return json.loads(decrypt(cells["sealed"], column=SEALED)) if "sealed" in cells else {}


def show_order(cells: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a person needs to find the sale in the till; the member masked."""
    row = open_order(cells)
    if not isinstance(row, dict):
        return []
    found = [("单号", row.get("number")), ("门店", row.get("store")), ("导购", row.get("guide"))]
    member = row.get("member")
    if isinstance(member, dict):
        found += [("会员号", member.get("member_no")), ("会员手机号", mask_phone(str(member.get("phone") or "")))]
        found += [("会员姓名", mask_name(str(member.get("name") or "")))]
    elif member:
        found.append(("会员", mask_phone(str(member))))
    found += [("付款时间", str(row.get("paid_at") or "").replace("T", " ")), ("订单类型", row.get("kind"))]
    lines = row.get("lines")
    if isinstance(lines, list):
        fen: list[Any] = [line.get("paid_fen") for line in lines if isinstance(line, dict)]
        found.append(("商品", f"{len(lines)} 行"))
        if all(type(one) is int for one in fen):
            found.append(("实付金额", f"{sum(fen) / 100:,.2f}"))
    return [(label, str(value)) for label, value in found if value not in (None, "")]


def _schema() -> Any:
    from .api import FeedOrder

    return FeedOrder


def rows_of(table: Table) -> Iterator[RawRow]:
    """Return the orders of a file in our own layout; rows that follow each other with one number are its items."""
    for order in load_map("export").orders(table):
        yield RawRow(order.line, order.row, order.fault, lines=tuple(order.lines))


def _go(stage: Stage) -> None:
    places, rows = [], []
    for place, cells in stage.payloads():
        places.append(place)
        rows.append(open_order(cells))
    results: list[RowResult] = []
    for first in range(0, len(rows), MAX_ROWS):
        results += ingest_orders(
            rows[first : first + MAX_ROWS],
            source=stage.source,
            now=stage.now,
            hold=stage.hold,
            is_dry_run=stage.is_dry_run,
        )
    stage.note((place, one.result, one.errors) for place, one in zip(places, results, strict=True))
    _name_refused(
        stage, [(place, row, one) for place, row, one in zip(places, rows, results, strict=True) if one.errors]
    )


def _name_refused(stage: Stage, refused: Sequence[tuple[int, Any, RowResult]]) -> None:
    """Note with refused rows whom they name, as marks, for the day he is forgotten; who was already is taken out of them."""
    noted = []
    for place, row, result in refused:
        if result.code == ERASED:
            noted.append({"place": place, "cells": read_order(row | {"member": None}).cells})
        elif isinstance(row, dict) and (member := named_member(row.get("member"))):
            noted.append({"place": place, "cells": {"who": sorted(marks_of(member))}})
    if noted:
        stage.run(
            """
            UPDATE intake_stagedrow s SET cells = s.cells || n.cells
            FROM jsonb_to_recordset(%s::jsonb) AS n (place int, cells jsonb) WHERE s.batch = %s AND s.place = n.place
            """,
            [json.dumps(noted), stage.batch_id],
        )


def marks_anew(cells: dict[str, Any]) -> None:
    """Put the marks of whom a refused row names under the index key of now (core/reindexing.py)."""
    if "who" in cells and "sealed" in cells:
        row = open_order(cells)
        if isinstance(row, dict) and (member := named_member(row.get("member"))):
            cells["who"] = sorted(marks_of(member))


reindexing.inside("intake_refusedrow", "cells", marks_anew)
reindexing.inside("intake_stagedrow", "cells", marks_anew, keys=("batch", "place"))


def check(stage: Stage) -> None:
    """Try the orders and keep nothing; when they are taken over the same rules speak again."""
    if stage.is_dry_run:
        _go(stage)


def commit(stage: Stage) -> None:
    if not stage.is_dry_run:
        _go(stage)


kinds.register(
    Kind(
        key="orders",
        label=str(_("订单")),
        roles=("hq_operator", "hq_crm", "hq_retail"),
        fields=FIELDS,
        schema=_schema,
        natural_key=("number",),
        check=check,
        commit=commit,
        unit="张单",
        step=MAX_ROWS,
        read=read_order,
        rows_of=rows_of,
        reopen=open_order,
        shown=show_order,
        titles=TITLES,
        parts=PARTS,
        about="金额已摊完优惠、不含运费；退货、换货、签收、作废随原单号再送一次。字段同 feed_orders。",
        template=(
            ("单号", "门店编码", "导购账号", "会员号", "手机号", "姓名", "订单类型", "付款时间", "行号", "款色码", "尺码", "件数",
             "实付金额（元）", "退货单号", "退货时间"),
            ("S001-20260301-0007", "S001", "limin", "M0001", "", "", "门店", "2026-03-01 15:00", "1", "25FXF101-NV",
             "175/92A", "1", "2380.00", "", ""),
        ),
        sample={
            "number": "S001-20260301-0007", "store": "S001", "guide": "limin", "member": "M0001", "kind": "retail",
            "paid_at": "2026-03-01T15:00:00+08:00",
            "lines": [{"sku": "25FXF101-NV", "size": "175/92A", "quantity": 1, "paid_fen": 238000}],
        },
    )
)  # fmt: skip


# ---------------------------------------------------------------- returns on their own


def check_returns(stage: Stage) -> None:
    """Refuse returns of orders this source never sent."""
    stage.refuse(
        "o.id IS NULL", "order", "order.unknown", "没有这张原单",
        joins=f"LEFT JOIN crm_order o ON o.source = {stage.literal(stage.source)} AND o.number = s.cells->>'order'",
    )  # fmt: skip
    stage.refuse(
        "o.status = 'void'", "order", "order.is_void", "原单已作废，不能再退",
        joins=f"JOIN crm_order o ON o.source = {stage.literal(stage.source)} AND o.number = s.cells->>'order'",
    )  # fmt: skip
    if stage.is_dry_run:
        commit_returns(stage)


def commit_returns(stage: Stage) -> None:
    rows = list(stage.payloads())
    results = ingest_returns(
        [cells for _place, cells in rows], source=stage.source, now=stage.now, is_dry_run=stage.is_dry_run
    )
    stage.note((place, one.result, one.errors) for (place, _cells), one in zip(rows, results, strict=True))


kinds.register(
    Kind(
        key="returns",
        label=str(_("退货")),
        roles=("hq_operator", "hq_crm", "hq_retail"),
        fields=(
            Field("number", "退货单号", form="code", required=True, example="S001-20260308-R001"),
            Field(
                "order", "原单号", form="code", required=True, aliases=("订单号", "单号"), example="S001-20260301-0007"
            ),
            Field("returned_at", "退货时间", form="moment", required=True, example="2026-03-08T11:20:00+08:00"),
            Field("line_no", "行号", form="whole", low=1, high=32767, help="不填就是剩下的全退"),
            Field("quantity", "退货件数", form="whole", low=1, high=9999, aliases=("件数",)),
            Field("refund_fen", "退款金额（元）", form="fen", aliases=("退款金额",), help="这一行退的钱，分"),
        ),
        natural_key=("order", "number", "line_no"),
        check=check_returns,
        commit=commit_returns,
        unit="行",
        step=MAX_ROWS,
        about="退的是同一来源送过的订单；一张退货单退几行就送几行。",
    )
)
