"""The page part of growth: what one page costs with 100, 1,000 and 10,000 guides."""

from typing import Any

from bench import brand, desk
from bench.figures import Options, Report, at_most
from bench.load import play
from guides.org.models import Staff

SECONDS = 4.0
PAGES = ("today", "task", "list", "review")


def main(options: Options) -> Report:
    rows = [_row(count) for count in ((100, 1_000) if options.quick else (100, 1_000, 10_000))]
    first, last = rows[0], rows[-1]
    times = {name: last[f"{name}_ms"] / first[f"{name}_ms"] for name in PAGES}
    return Report(
        value=last["today_ms"], unit=f"ms of 今日 with {last['guides']:,} guides", limit=first["today_ms"],
        limit_is=f"the same page with {first['guides']} guides",
        goals=[at_most(f"{name}, times that of {first['guides']} guides", times[name], 1.5) for name in PAGES],
        more={"tables": [_table(rows)]},
    )  # fmt: skip


def _row(count: int) -> dict[str, Any]:
    stores = max(60, count * 3 // 10)
    brand.fill(guides=count, stores=stores, done_a_day=5, orders_a_day=1)
    people = desk.guides(min(count, 200))
    head = Staff.objects.filter(role_assignments__role="region_manager").order_by("pk")[0]
    with desk.served(product="yejibao.wsgi:application") as ports:
        port = ports["product"]
        cookies = desk.signed_in(people, port=port)
        (of_head,) = desk.signed_in([head], port=port)
        tasks = desk.first_tasks(people)
        asked = {
            "today_ms": [("/g/today/", cookie) for cookie in cookies],
            "task_ms": [(f"/g/tasks/{pk}/", cookie) for pk, cookie in zip(tasks, cookies, strict=True)],
            "list_ms": [("/api/v1/tasks/", cookie) for cookie in cookies],
            "review_ms": [("/m/review/?period=month", of_head)],
        }
        return {"guides": count, "tasks": (5 * brand.DAYS + brand.CARDS) * count} | {
            name: _median(port, requests, name) for name, requests in asked.items()
        }


def _table(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "title": "One page, asked by one browser at a time (median, ms).",
        "head": ["guides", "tasks", "今日", "a task", "JSON list", "review of a region"],
        "rows": [
            [f"{row['guides']:,}", f"{row['tasks']:,}", *(row[f"{name}_ms"] for name in PAGES)] for row in rows
        ],
    }  # fmt: skip


def _median(port: int, requests: list[tuple[str, str]], name: str) -> float:
    accept = "application/json" if name == "list_ms" else "text/html"
    play(port, requests, connections=1, seconds=2, accept=accept)
    hits = play(port, requests, connections=1, seconds=SECONDS, accept=accept)
    if hits.bad:
        raise RuntimeError(f"{name}: {hits.statuses}")
    return round(hits.ms(0.5), 1)
