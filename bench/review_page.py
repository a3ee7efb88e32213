"""The board of the company over a month, from daily rows; beside the live GROUP BY over the tasks that these rows replace.

The board is that of 10,000 guides, by branch, as HQ opens it: over this many tasks the live count is what one could not
wait for. A region's board (200 guides) costs the same, its live count a fiftieth: `of_live_region` says what is left there.
Tenfold are the tasks of one region, in a quick look those of one area, and its own board is asked before and after.
"""

from bench import brand, desk
from bench.figures import Options, Report, at_least, at_most, median, percentile
from guides.org.models import OrgUnit, Staff

DATABASE = "pages"
KEEP = True
TIMES = 10


def main(options: Options) -> Report:
    """Four connections: a board is opened by few people, and the live count of a month keeps a core for each."""
    size = brand.filled(options)
    company = OrgUnit.objects.filter(level="hq").order_by("pk")[0]
    region = OrgUnit.objects.filter(level="region").order_by("pk")[0]
    grows = OrgUnit.objects.filter(level="area", parent=region).order_by("pk")[0] if options.quick else region
    head = Staff.objects.get(wecom_user_id=f"head-{company.code}")
    with desk.served(product="yejibao.wsgi:application", bare="bench.bare:application") as ports:
        (cookie,) = desk.signed_in([head], port=ports["product"])

        def board(unit: OrgUnit) -> tuple[int, list[tuple[str, str]]]:
            return ports["product"], [(f"/m/review/?unit={unit.pk}&period=month", cookie)]

        def live(unit: OrgUnit) -> tuple[int, list[tuple[str, str]]]:
            return ports["bare"], [(f"/review/{unit.pk}/", "")]

        sides = {"product": board(company), "live": live(company), "region": board(region), "live_region": live(region)}
        seen = desk.ask(options, sides, connections=4, share=0.5)
        small = desk.ask(options, {"board": board(grows)}, connections=4, share=0.5)
        with desk.grown(grows, TIMES):
            grown = desk.ask(options, {"board": board(grows)}, connections=4, share=0.5)
    ratio = seen.ratio(to="live")
    slower = median(small.rates["board"]) / median(grown.rates["board"])
    return Report(
        value=median(seen.rates["product"]), unit="boards/s", limit=median(seen.rates["live"]),
        limit_is="a bare Django view that counts the same month of the same company from the tasks with one GROUP BY",
        ratio=ratio,
        goals=[
            at_least("of the live GROUP BY", ratio, 15), at_most(f"slower with {TIMES} times the tasks", slower, 1.1),
        ],
        more={**seen.more(), "live_ms": round(percentile(seen.hits["live"][0].latencies, 0.5)), "size": size,
              "of_live_region": round(seen.ratio("region", "live_region"), 1)},
    )  # fmt: skip
