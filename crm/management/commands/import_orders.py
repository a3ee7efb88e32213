"""Import orders from a CSV or Excel file."""

import sys
from argparse import ArgumentParser
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection
from tqdm import tqdm

from crm.orders.services.importing import FileRefused, Refusal, RefusalFile, import_orders, open_map
from yejibao.core import clock

WORDS = {"created": "新建", "same": "没有变化", "changed": "更新", "refused": "拒收"}
SHOWN = 5
MANY = 1000  # rows after which the planner's picture of the tables is wrong


class Command(BaseCommand):
    help = (
        "导入订单文件（CSV 支持 UTF-8、GBK 和 .gz；Excel 取第一张表）。重复导入不会重复记账。"
        "自带列名对照表 export（我们导出的格式）和 cdnow（公开的真实购买记录）。"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path)
        parser.add_argument("--map", default="export", metavar="NAME|FILE.yaml", help="列名对照表，缺省 export")
        parser.add_argument("--source", metavar="NAME", help="来源名称，与单号一起决定一张单；缺省同对照表名")
        parser.add_argument("--dry-run", action="store_true", help="只检查，不保存")
        parser.add_argument("--refused", type=Path, metavar="FILE", help="把拒收的行写到这个 CSV")
        parser.add_argument("--hold", action="store_true", help="先收着不生效，留给 replay 按付款时间放出")
        parser.add_argument("--limit-customers", type=int, metavar="N", help="只取文件里前 N 位客户的订单")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        shown: list[Refusal] = []
        try:
            order_map = open_map(options["map"])
            source = (options["source"] or order_map.name)[:32]
            with ExitStack() as stack:
                notes = None
                if options["refused"]:
                    notes = stack.enter_context(closing(RefusalFile(options["refused"])))
                total = path.stat().st_size if path.is_file() else None
                bar = stack.enter_context(
                    tqdm(total=total, unit="B", unit_scale=True, desc="导入订单", disable=None, file=sys.stderr)
                )

                def refuse(refusal: Refusal) -> None:
                    if notes:
                        notes.add(refusal)
                    if len(shown) < SHOWN:
                        shown.append(refusal)

                def progress(position: int, counts: Counter[str]) -> None:
                    bar.update(position - bar.n)
                    bar.set_postfix_str(f"{counts.total():,} 张，拒收 {counts['refused']:,}", refresh=False)

                counts = import_orders(
                    path,
                    order_map=order_map,
                    source=source,
                    now=clock.now(),
                    hold=options["hold"],
                    is_dry_run=options["dry_run"],
                    customers=options["limit_customers"],
                    on_refusal=refuse,
                    on_progress=progress,
                )
        except FileRefused as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"文件读写出错：{error.strerror or error}") from error
        except OperationalError as error:
            raise CommandError(f"数据库没有完成这一批，前面的已保存；再运行一次就会接着导入（{error}）") from error
        if counts["created"] + counts["changed"] >= MANY and not options["dry_run"]:
            _tell_the_planner()
        self._report(counts, shown, options)

    def _report(self, counts: Counter[str], shown: list[Refusal], options: dict[str, Any]) -> None:
        for refusal in shown:
            where = f"第 {refusal.line} 行 {refusal.number}".rstrip()
            what = f"{refusal.title}：{refusal.reason}" if refusal.title else refusal.reason
            self.stderr.write(f"× {where}，{what}")
        if counts["refused"] > len(shown):
            self.stderr.write(f"… 拒收共 {counts['refused']:,} 张")
        if counts["refused"] and options["refused"]:
            self.stderr.write(f"拒收的行已写入 {options['refused']}")
        elif counts["refused"]:
            self.stderr.write("加 --refused FILE 可以得到全部拒收的行")
        head = "检查完成（没有保存）" if options["dry_run"] else "导入完成"
        tally = "，".join(f"{word} {counts[key]:,}" for key, word in WORDS.items())
        self.stdout.write(f"{head}：共 {counts.total():,} 张，{tally}")


def _tell_the_planner() -> None:
    """Count the tables anew: autovacuum comes a minute later, and the engine may be asked for all of it at once."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE crm_member, crm_order, crm_orderline")
