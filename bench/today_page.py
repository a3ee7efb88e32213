"""今日 as HTML: signed in, scoped, 15 cards; beside a bare Django view with one indexed query on the same server."""

from bench import brand, desk
from bench.figures import Options, Report, at_least, at_most, median

DATABASE = "pages"
KEEP = True
STATEMENTS = 3  # session and scope; the month's sales; the day


def main(options: Options) -> Report:
    size = brand.filled(options)
    people = desk.guides(200)
    with desk.served(product="yejibao.wsgi:application", bare="bench.bare:application") as ports:
        cookies = desk.signed_in(people, port=ports["product"])
        seen = desk.ask(options, {
            "product": (ports["product"], [("/g/today/", cookie) for cookie in cookies]),
            "bare": (ports["bare"], [(f"/task/{pk}/", "") for pk in desk.first_tasks(people)]),
        })  # fmt: skip
        asked = desk.most_statements(lambda person: "/g/today/")
    return Report(
        value=median(seen.rates["product"]), unit="pages/s", limit=median(seen.rates["bare"]),
        limit_is="a bare Django view with one indexed ORM query, no middleware, same server and pool",
        ratio=seen.ratio(),
        goals=[
            at_least("of the bare view", seen.ratio(), 0.3), at_most("p99 ms at 32 in parallel", seen.p99(), 250),
            at_most("statements with 1, 15 and 100 cards", max(asked.values()), STATEMENTS),
        ],
        more={**seen.more(), "statements": asked, "size": size},
    )  # fmt: skip
