"""A full sweep over 100,000 customers by page, written and linked, against the same pages fetched and thrown away.

The product's side is `sync_friends`: eight pages under way, each written with its cursor in one transaction, members linked by
phone. The limit asks for the same pages with as many under way and keeps nothing. Calls are counted where they arrive, and
held against the platform's budget: how many contacts an hour of it would bring.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from django.db import connection
from django.utils import timezone

from bench.figures import Options, Report, at_least, at_most, interleaved, median, median_ratio, progress
from bench.processes import started
from yejibao.core.scope import Actor

API = "externalcontact/batch/get_by_user"
LATENCY_MS = 50
AT_ONCE = 8
PAGE = 100
OVERHEAD = 1.15  # calls above contacts / 100: each part ends with a page that is not full
BUDGET_HOUR = 150_000


def main(options: Options) -> Report:
    from crm.friends.services import start_sync, sync_friends
    from crm.members.models import FriendLink
    from yejibao.wecom import contacts, gateway
    from yejibao.wecom.syncing.models import SyncRun

    asked = options.parse(
        "sync", ("--contacts", {"type": int, "default": 5_000 if options.quick else 100_000}),
        ("--guides", {"type": int, "default": 500 if options.quick else 10_000}),
        ("--rounds", {"type": int, "default": 3}),
    )  # fmt: skip
    people = _fill(asked.guides)
    with started() as processes:
        control = processes.sandbox()
        control.call("POST", "world", body={"people": [{"userid": name, "name": name} for name in people]})
        control.call("POST", "crowd", body={"count": asked.contacts})
        control.call(
            "POST", "settings", body={"basic_minute": 10_000_000, "basic_hour": 10_000_000, "contact_concurrency": 100}
        )
        control.call("POST", "fault", body={"api": "externalcontact/*", "latency": LATENCY_MS})
        door = gateway.default()
        calls: list[int] = []

        def sweep() -> float:
            _forget()
            before = _called(control)
            run = start_sync(door=door, actor=Actor.system("bench"), now=timezone.now())
            rate = _rate(asked.contacts, lambda: _through(door, sync_friends, run))
            calls.append(_called(control) - before)
            held = FriendLink.objects.filter(state="friend").count()
            assert held == asked.contacts, f"{held} of {asked.contacts} friends"
            return rate

        def fetched() -> float:
            parts = [people[start : start + PAGE] for start in range(0, len(people), PAGE)]

            def through(part: list[str]) -> int:
                count, cursor = 0, ""
                while True:
                    page = contacts.read_page(door, part, cursor)
                    count, cursor = count + len(page.customers), page.cursor
                    if not cursor:
                        return count

            def all_of_it() -> None:
                with ThreadPoolExecutor(AT_ONCE) as pool:
                    assert sum(pool.map(through, parts)) == asked.contacts

            return _rate(asked.contacts, all_of_it)

        rates = interleaved(asked.rounds, {"product": sweep, "fetched only": fetched})
        linked = SyncRun.objects.order_by("-pk").values_list("counts", flat=True)[0].get("linked", 0)
    ideal = asked.contacts / PAGE
    value = median(rates["product"])
    return Report(
        value=value, unit="contacts/s", limit=median(rates["fetched only"]),
        limit_is=f"the same pages fetched and thrown away, {AT_ONCE} under way, {LATENCY_MS} ms an answer",
        ratio=median_ratio(rates["product"], rates["fetched only"]),
        goals=[
            at_most("calls / full pages", median(calls) / ideal, OVERHEAD),
            at_least("contacts an hour within the platform's budget", BUDGET_HOUR * asked.contacts / median(calls), 10_000_000),
        ],
        more={
            "contacts": asked.contacts, "guides": asked.guides, "calls": round(median(calls)), "linked_by_phone": linked,
            "minutes_of_budget": round(median(calls) / 10_000, 2),
        },
    )  # fmt: skip


def _through(door: object, sync_friends: Callable[..., dict[str, int]], run: object) -> None:
    while True:
        sync_friends(door=door, seconds=600, at_once=AT_ONCE)
        run.refresh_from_db()  # type: ignore[attr-defined]
        if run.state != "running":  # type: ignore[attr-defined]
            assert run.state == "done", run.last_error  # type: ignore[attr-defined]
            return
        time.sleep(0.5)


def _rate(count: int, work: Callable[[], None]) -> float:
    started_at = time.perf_counter()
    work()
    return count / (time.perf_counter() - started_at)


def _called(control: object) -> int:
    return int(control.stats()["calls"].get(API, 0))  # type: ignore[attr-defined]


def _fill(guides: int) -> list[str]:
    from bench import world
    from guides.org.models import Staff

    now = timezone.now()
    world.company(stores=max(1, guides * 3 // 10), guides=guides, now=now)
    world.members(20_000)
    with connection.cursor() as cursor:  # every fifth customer's phone is a member's
        cursor.execute("UPDATE crm_member SET phone_index = ''")
        cursor.execute("DELETE FROM crm_friendlink")
    _give_phones()
    progress("members have their phones")
    return list(
        Staff.objects.filter(role_assignments__role="guide").order_by("pk").values_list("wecom_user_id", flat=True)
    )


def _give_phones() -> None:
    """Give members the phones the crowd's remarks carry, as far as they reach."""
    from crm.members.models import Member
    from yejibao.core.personal import blind_index

    ids = list(Member.objects.order_by("pk").values_list("pk", flat=True)[:10_000])
    indexes = [blind_index(f"138{number * 10:08}", purpose="phone") for number in range(len(ids))]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE crm_member m SET phone_index = p.idx FROM unnest(%s::bigint[], %s::text[]) AS p(id, idx) WHERE m.id = p.id",
            [ids, indexes],
        )
        cursor.execute("ANALYZE crm_member")


def _forget() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE crm_friendlink, crm_contact, core_outboxevent, wecom_syncrun CASCADE")
        cursor.execute("DELETE FROM crm_memberidentity WHERE kind IN ('external_user_id', 'unionid')")
