"""What the benches of the pages share: people of the brand who are signed in, and web servers to ask for the pages."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from importlib import import_module
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from bench import processes
from bench.brand import MORNING, sql
from bench.figures import Options, interleaved, median, median_ratio, progress
from bench.load import Hits, play
from guides.org.models import OrgUnit, Staff
from guides.org.sign_in import sign_in
from tasks.followups.models import Task
from tasks.review.models import FiguresRun
from tasks.review.services import refresh_days
from yejibao.core import clock
from yejibao.core.management.commands.run_product import web_command

CONNECTIONS = 32


# ---------------------------------------------------------------- people who are signed in


def guides(count: int) -> list[Staff]:
    """Return guides from all over the company, each with her 15 cards."""
    found = list(Staff.objects.filter(role_assignments__role="guide").order_by("pk"))
    return found[:: max(1, len(found) // count)][:count]


def first_tasks(people: Sequence[Staff]) -> list[int]:
    """Return an open task of each, in their order; one guide's is another step than the next one's."""
    cards: dict[int, list[int]] = {}
    for pk, guide in (
        Task.objects.filter(assignee__in=people, state="open").order_by("pk").values_list("pk", "assignee_id")
    ):
        cards.setdefault(guide, []).append(pk)
    return [cards[person.pk][place % len(cards[person.pk])] for place, person in enumerate(people)]


def signed_in(people: Sequence[Staff], *, port: int) -> list[str]:
    """Sign people in by the product's own service; return the cookies their browsers send to a server at that port."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    cookies = []
    with transaction.atomic():
        for person in people:
            request = RequestFactory().get("/")
            request.session = store()
            sign_in(request, person, way="wecom", now=clock.system_now())
            secret = request.META["CSRF_COOKIE"]
            cookies.append(f"yejibao_{port}={request.session.session_key}; csrf_{port}={secret}")
    return cookies


def statements(person: Staff, path: str) -> int:
    """Return how many statements one page costs in this process, the session's among them."""
    client = Client(headers={"accept": "application/json" if path.startswith("/api/") else "text/html"})
    key = signed_in([person], port=0)[0].split("=", 1)[1].split(";")[0]
    client.cookies[settings.SESSION_COOKIE_NAME] = key
    client.get(path)  # the first one also reads what a process keeps
    with CaptureQueriesContext(connection) as asked:
        answer = client.get(path)
    if answer.status_code != 200:
        raise RuntimeError(f"{path}: {answer.status_code}")
    return len(asked)


@contextmanager
def with_cards(person: Staff, count: int) -> Iterator[None]:
    """Let a guide have that many open cards for a block: others' are lent to her, or her own put off."""
    mine = list(Task.objects.filter(assignee=person, state="open").order_by("pk").values_list("pk", flat=True))
    others = Task.objects.filter(state="open").exclude(assignee=person).order_by("pk")
    lent = dict(others.values_list("pk", "assignee_id")[: max(0, count - len(mine))])
    late = MORNING + timedelta(days=300)
    Task.objects.filter(pk__in=lent).update(assignee=person)
    Task.objects.filter(pk__in=mine[count:]).update(hidden_until=late)
    try:
        yield
    finally:
        Task.objects.filter(pk__in=mine[count:]).update(hidden_until=None)
        for pk, assignee in lent.items():
            Task.objects.filter(pk=pk).update(assignee=assignee)


@contextmanager
def twenty_cards(people: Sequence[Staff]) -> Iterator[None]:
    """Let each of these guides have 20 open cards for a block: five of a colleague's are lent to her."""
    lenders = (
        Staff.objects.filter(role_assignments__role="guide")
        .exclude(pk__in=[one.pk for one in people])
        .order_by("pk")[: len(people)]
    )
    borrowed = {lender: person.pk for lender, person in zip(lenders.values_list("pk", flat=True), people, strict=False)}
    found: dict[int, list[int]] = {}
    for pk, lender in (
        Task.objects.filter(assignee_id__in=borrowed, state="open").order_by("pk").values_list("pk", "assignee_id")
    ):
        found.setdefault(lender, []).append(pk)
    for lender, cards in found.items():
        Task.objects.filter(pk__in=cards[:5]).update(assignee_id=borrowed[lender])
    try:
        yield
    finally:
        for lender, cards in found.items():
            Task.objects.filter(pk__in=cards[:5]).update(assignee_id=lender)


def most_statements(path_of: Callable[[Staff], str]) -> dict[str, int]:
    """Return how many statements a page costs with 1, 15 and 100 cards on the list."""
    person, found = guides(1)[0], {}
    for count in (1, 15, 100):
        with with_cards(person, count):
            found[str(count)] = statements(person, path_of(person))
    return found


@contextmanager
def grown(unit: OrgUnit, times: int) -> Iterator[None]:
    """Let a unit have that many times its closed tasks for a block, its figures counted by the product's job."""
    last = Task.objects.order_by("-pk").values_list("pk", flat=True)[0]
    columns = ", ".join(
        f.column for f in Task._meta.concrete_fields if f.column not in ("id", "dedupe_key", "enrollment_id")
    )
    copied = f"INSERT INTO tasks_task ({columns}) SELECT {columns} FROM tasks_task t JOIN (SELECT s.id AS of_store FROM guides_store s JOIN guides_orgunit o ON o.id = s.unit_id WHERE o.path LIKE %(path)s) u ON u.of_store = t.store_id CROSS JOIN generate_series(2, %(times)s) WHERE t.state <> 'open'"  # fmt: skip
    try:
        progress(f"{sql(copied, path=f'{unit.path}%', times=times):,} tasks more")
        _recount()
        yield
    finally:
        sql("DELETE FROM tasks_task WHERE id > %(last)s", last=last)
        _recount()


def _recount() -> None:
    """Bring the figures up to date and the tables' statistics with them."""
    refresh_days(now=MORNING)
    FiguresRun.objects.update_or_create(pk=1, defaults={"ran_at": MORNING})
    sql("VACUUM (ANALYZE) tasks_task, tasks_taskday, tasks_unitday, tasks_daymark")


# ---------------------------------------------------------------- turns


@dataclass(frozen=True)
class Seen:
    """What rounds of load found: answers a second by side, and the product's latencies."""

    rates: dict[str, list[float]]
    hits: dict[str, list[Hits]]

    def ratio(self, side: str = "product", to: str = "bare") -> float:
        return median_ratio(self.rates[side], self.rates[to])

    def p99(self, side: str = "product") -> float:
        return median([one.ms(0.99) for one in self.hits[side]])

    def more(self, side: str = "product") -> dict[str, Any]:
        return {
            "p50_ms": round(median([one.ms(0.5) for one in self.hits[side]])), "p99_ms": round(self.p99(side)),
            "bytes": round(self.hits[side][0].bytes_each),
            "rounds": {name: [round(rate, 1) for rate in rates] for name, rates in self.rates.items()},
        }  # fmt: skip


def ask(
    options: Options,
    sides: dict[str, tuple[int, Sequence[tuple[str, str]]]],
    *,
    accept: str = "text/html",
    connections: int = CONNECTIONS,
    share: float = 1,
) -> Seen:
    """Ask every side in turn for some seconds, three rounds at least, after a warm-up. Raises where one answers no 200.

    `share` shortens the turns where there are many sides.
    """
    seconds, rounds = (4.0 * share, 3) if options.quick else (8.0 * share, 5)
    hits: dict[str, list[Hits]] = {name: [] for name in sides}

    def turn(name: str) -> float:
        port, requests = sides[name]
        found = play(port, requests, connections=connections, seconds=seconds, accept=accept)
        if found.bad:
            raise RuntimeError(f"{name}: {found.statuses}")
        hits[name].append(found)
        return found.rate

    for port, requests in sides.values():
        play(port, requests, connections=connections, seconds=2, accept=accept)
    return Seen(interleaved(rounds, {name: partial(turn, name) for name in sides}), hits)


# ---------------------------------------------------------------- servers


@contextmanager
def served(**applications: str) -> Iterator[dict[str, int]]:
    """Run web servers as the product runs its own, one for each `name="module:application"`; yield their ports.

    Only `product` has the product's settings; the others are the bare views of bench.bare.
    """
    with processes.started() as running:
        processes.turn_clock(MORNING)
        ports = {name: processes.free_port() for name in applications}
        for name, application in applications.items():
            command = web_command("127.0.0.1", ports[name], application=application)
            module = "yejibao.settings" if name == "product" else "bench.bare_settings"
            url = f"http://127.0.0.1:{ports[name]}"
            # As in production, but that one person may ask for what a whole company asks for.
            running.run(
                name, command, DJANGO_SETTINGS_MODULE=module, PUBLIC_BASE_URL=url, LOG_LEVEL="INFO",
                REQUESTS_PER_MINUTE="1000000",
            )  # fmt: skip
            running.wait_for(name, f"{url}/healthz")
        yield ports
