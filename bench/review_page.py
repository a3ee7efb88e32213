"""The board of a region over a month, from daily rows; beside the live GROUP BY over the tasks that these rows replace."""

from bench import desk
from bench.figures import Options, Report, at_least, at_most, median, median_ratio, percentile
from guides.org.models import OrgUnit, Staff

DATABASE = "pages"
KEEP = True
TIMES = 10


def main(options: Options) -> Report:
    """Four connections: a board is opened by few people, and the live count of a month keeps a core for each."""
    size = desk.filled(options)
    region = OrgUnit.objects.filter(level="region").order_by("pk")[0]
    head = Staff.objects.get(wecom_user_id=f"head-{region.code}")
    with desk.served(product="yejibao.wsgi:application", bare="bench.bare:application") as ports:
        (cookie,) = desk.signed_in([head], port=ports["product"])
        sides = {
            "product": (ports["product"], [(f"/m/review/?unit={region.pk}&period=month", cookie)]),
            "live": (ports["bare"], [(f"/review/{region.pk}/", "")]),
        }
        seen = desk.ask(options, sides, connections=4)
        with desk.grown(region, TIMES):
            grown = desk.ask(options, sides, connections=4)
    ratio = seen.ratio(to="live")
    slower = median_ratio(seen.rates["product"], grown.rates["product"])
    return Report(
        value=median(seen.rates["product"]), unit="boards/s", limit=median(seen.rates["live"]),
        limit_is="a bare Django view that counts the same month of the same region from the tasks with one GROUP BY",
        ratio=ratio,
        goals=[
            at_least("of the live GROUP BY", ratio, 15), at_most(f"slower with {TIMES} times the tasks", slower, 1.1),
        ],
        more={**seen.more(), "live_ms": round(percentile(seen.hits["live"][0].latencies, 0.5)), "size": size,
              "of_live_with_tasks_grown": round(grown.ratio(to="live"), 1)},
    )  # fmt: skip
