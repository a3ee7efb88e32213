"""The page part of `growth`: what one page costs with 100, 1,000 and 10,000 guides. Empties the database it is run in."""

from typing import Any

from bench import desk
from bench.load import play
from guides.org.models import Staff

SECONDS = 4.0


def page_rows(guides: tuple[int, ...] = (100, 1_000, 10_000)) -> list[dict[str, Any]]:
    """Return a row a size: milliseconds of a page asked by one browser at a time (median), and how many tasks there are."""
    return [_row(count) for count in guides]


def _row(count: int) -> dict[str, Any]:
    stores = max(60, count * 3 // 10)
    desk.fill(guides=count, stores=stores, done_a_day=5, orders_a_day=1)
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
        return {"guides": count, "tasks": (5 * desk.DAYS + desk.CARDS) * count} | {
            name: _median(port, requests, name) for name, requests in asked.items()
        }


def _median(port: int, requests: list[tuple[str, str]], name: str) -> float:
    accept = "application/json" if name == "list_ms" else "text/html"
    play(port, requests, connections=1, seconds=2, accept=accept)
    hits = play(port, requests, connections=1, seconds=SECONDS, accept=accept)
    if hits.bad:
        raise RuntimeError(f"{name}: {hits.statuses}")
    return round(hits.ms(0.5), 1)
