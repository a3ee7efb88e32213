"""The task page as HTML: signed in, scoped, its guide has 15 cards; beside a bare Django view with one indexed query on the same server."""

from bench import brand, desk
from bench.figures import Options, Report, at_least, at_most, median

DATABASE = "pages"
KEEP = True
STATEMENTS = 4  # session and scope; the task and what is around it; the member's wardrobe; his last purchase


def main(options: Options) -> Report:
    size = brand.filled(options)
    people = desk.guides(200)
    with desk.served(product="yejibao.wsgi:application", bare="bench.bare:application") as ports:
        cookies = desk.signed_in(people, port=ports["product"])
        tasks = desk.first_tasks(people)
        seen = desk.ask(options, {
            "product": (ports["product"], [(f"/g/tasks/{pk}/", cookie) for pk, cookie in zip(tasks, cookies, strict=True)]),
            "bare": (ports["bare"], [(f"/task/{pk}/", "") for pk in tasks]),
        })  # fmt: skip
        asked = desk.most_statements(lambda person: f"/g/tasks/{desk.first_tasks([person])[0]}/")
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
