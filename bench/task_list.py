"""The JSON list of 20 tasks: signed in and scoped; beside a plain DRF ModelSerializer list of the same tasks."""

from bench import brand, desk
from bench.figures import Options, Report, at_least, at_most, median

DATABASE = "pages"
KEEP = True
STATEMENTS = 2  # session and scope; the page


def main(options: Options) -> Report:
    size = brand.filled(options)
    people = desk.guides(200)
    with (
        desk.served(product="yejibao.wsgi:application", bare="bench.bare:application") as ports,
        desk.twenty_cards(people),
    ):
        cookies = desk.signed_in(people, port=ports["product"])
        sides = {
            "product": (ports["product"], [("/api/v1/tasks/", cookie) for cookie in cookies]),
            "bare": (ports["bare"], [(f"/tasks/of/{person.pk}/", "") for person in people]),
        }
        seen = desk.ask(options, sides, accept="application/json")
        asked = desk.most_statements(lambda person: "/api/v1/tasks/")
    return Report(
        value=median(seen.rates["product"]), unit="lists/s", limit=median(seen.rates["bare"]),
        limit_is="a plain DRF ModelSerializer list of the same 20, without sign-in, scope or middleware, same server and pool",
        ratio=seen.ratio(),
        goals=[
            at_least("of the plain DRF list", seen.ratio(), 2.5), at_most("p99 ms at 32 in parallel", seen.p99(), 250),
            at_most("statements with 1, 15 and 100 cards", max(asked.values()), STATEMENTS),
        ],
        more={**seen.more(), "statements": asked, "size": size},
    )  # fmt: skip
