"""An announcement to 10,000 people: from the tap on 发布 until the last push is at the stand-in of the platform.

The product's side is all of it: publishing, the receipts in batches with 消息 and the queued pushes beside them, and the
sender's own process that claims, renders, asks the budgets and posts at 50 ms an answer. What binds is the pace we allow
ourselves (WECOM_SENDS_PER_SECOND): so many seconds it takes at least. Then all of them are urged, and then it is taken back
while the pushes of a second one are on their way. What is proved is proved by what the stand-in received.
"""

import time
from collections import Counter
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from bench import brand
from bench.figures import Options, Report, at_most, median, progress
from bench.processes import Processes, started, turn_clock
from bench.push import IN_FLIGHT, LATENCY_MS, heart_is_younger_than, most_in, wait_until
from guides.announcements import queries, services
from guides.announcements.audience import Audience
from guides.announcements.models import Announcement, AnnouncementReceipt
from guides.announcements.services import Draft
from guides.org.actors import actor_for
from guides.org.models import OrgUnit, RoleAssignment, Staff
from yejibao import celery  # noqa: F401  publishing hints at its job, as in the web process
from yejibao.core import clock
from yejibao.core.models import Heartbeat
from yejibao.core.scope import Actor
from yejibao.demo.sandbox_control import SandboxControl
from yejibao.wecom import budgets

BODY = "一、A 区主推抗皱羊毛套西与中长款风衣，模特成套出样；二、橱窗主题「从容入秋」；三、夏季款集中到 C 区。" * 3
MOST_SECONDS = 60.0


def main(options: Options) -> Report:
    asked = options.parse("announce", ("--people", {"type": int, "default": 2_000 if options.quick else 10_000}),
                          ("--rounds", {"type": int, "default": 2 if options.quick else 3}))  # fmt: skip
    stores = max(1, asked.people * 3 // 13)  # each has a manager beside its guides
    brand.fill(guides=asked.people - stores, stores=stores, done_a_day=0, orders_a_day=0.02)
    with started() as processes:
        bench = Bench(processes)
        rounds = [bench.round() for _ in range(asked.rounds)]
        urged = bench.urge()
        late = bench.withdraw()
        board = bench.board()
    people = rounds[0]["people"]
    seconds = median([one["seconds"] for one in rounds])
    return Report(
        value=seconds, unit=f"s for {people:,} people", limit=people / budgets.per_second(),
        limit_is=f"{budgets.per_second():,} messages a second, the pace we allow ourselves; {LATENCY_MS} ms an answer, {IN_FLIGHT} in flight",
        goals=[
            at_most("seconds until the last push", max(one["seconds"] for one in rounds), MOST_SECONDS),
            at_most("people without a push", sum(one["missing"] for one in rounds), 0),
            at_most("people told twice", sum(one["twice"] for one in rounds), 0),
            at_most("calls in any second", max(one["most"] for one in rounds), budgets.per_second()),
            at_most("pushes a second after withdrawing", late["after"], 0),
        ],
        more={
            "rounds": [{name: one[name] for name in ("seconds", "receipts_s", "people")} for one in rounds],
            "urged": urged, "withdrawn": late, "board_ms": board,
        },
    )  # fmt: skip


class Bench:
    """The processes, and a publisher of HQ."""

    def __init__(self, processes: Processes) -> None:
        self.processes = processes
        turn_clock(brand.MORNING.replace(hour=3))  # 11 o'clock in Shanghai: nobody's quiet hours
        self.sandbox: SandboxControl = processes.sandbox()
        self.sandbox.call(
            "POST",
            "world",
            body={"people": [{"userid": one} for one in Staff.objects.values_list("wecom_user_id", flat=True)]},
        )
        self.sandbox.call("POST", "settings", body={"account_cap": 1_000_000})
        self.sandbox.call("POST", "fault", body={"api": "message/send", "latency": LATENCY_MS})
        hq = OrgUnit.objects.get(level="hq")
        person = Staff.objects.create(wecom_user_id="bench-retail", name="梁斌", display_name="梁斌", unit=hq)
        RoleAssignment.objects.create(staff=person, role="hq_retail", unit=hq)
        self.publisher = actor_for(person)
        self.branches = list(OrgUnit.objects.filter(level="branch").values_list("pk", flat=True))
        # There is no beat in this run: without a sign of life of the tick the sender would run it, and do its work as well.
        brand.sql(
            "INSERT INTO core_heartbeat (name, at, facts) VALUES (%(name)s, clock_timestamp() + interval '1 day', '{}')"
            " ON CONFLICT (name) DO UPDATE SET at = excluded.at",
            name=f"{Heartbeat.JOB}{settings.SENDER_WAKE_TICK}",
        )
        processes.start("sender", "run_sender")
        begun = time.time()
        wait_until(lambda: heart_is_younger_than(begun), 60)

    def draft(self) -> Announcement:
        wanted = Audience(units=self.branches, roles=["guide", "store_manager"])
        held = services.begin(actor=self.publisher, now=clock.now())
        content = Draft(
            title="秋季第一波段上新陈列指引",
            body=BODY,
            level="important",
            audience=wanted,
            needs_confirm=True,
            deadline_hours=12,
        )
        return services.save_draft(held, content, seen=held.version, actor=self.publisher, now=clock.now())

    def round(self) -> dict[str, Any]:
        """Publish one and wait until everybody's push has arrived."""
        held = self.draft()
        self.sandbox.call("DELETE", "received")
        began = time.time()
        services.publish(held, seen=held.version, actor=self.publisher, now=clock.now())
        services.spread(now=clock.now(), budget=timedelta(seconds=120))
        receipts = time.time() - began
        people = set(
            AnnouncementReceipt.objects.filter(announcement=held).values_list("staff__wecom_user_id", flat=True)
        )
        wait_until(lambda: waiting(held) == 0, 180)
        seconds = time.time() - began  # all are answered for: the last has arrived a little before
        received = self.received()
        arrivals = sorted(one["arrived"] for one in received)
        told = Counter(one["recipients"][0] for one in received)
        progress(f"{len(people):,} people: receipts {receipts:.1f} s, the last push after {seconds:.1f} s")
        return {
            "seconds": round(seconds, 2), "receipts_s": round(receipts, 2), "people": len(people), "missing": len(people - set(told)),
            "twice": sum(count - 1 for count in told.values()), "most": most_in(arrivals, 1.0),
        }  # fmt: skip

    def urge(self) -> dict[str, float]:
        """Urge all who have not read the last one: nobody has."""
        held = Announcement.objects.order_by("-pk")[0]
        began = time.perf_counter()
        result = services.urge(held, actor=Actor.system(), now=clock.now())
        return {"people": result.sent, "queued_s": round(time.perf_counter() - began, 2)}

    def withdraw(self) -> dict[str, float]:
        """Take one back while its pushes are on their way: what has not left does not leave."""
        wait_until(lambda: pending() == 0, 180)
        held = self.draft()
        services.publish(held, seen=held.version, actor=self.publisher, now=clock.now())
        services.spread(now=clock.now(), budget=timedelta(seconds=120))
        began = time.perf_counter()
        services.withdraw(held, actor=self.publisher, now=clock.now(), reason="测量")
        taken = time.perf_counter() - began
        time.sleep(1.5)  # what was in flight arrives
        self.sandbox.call("DELETE", "received")
        wait_until(lambda: waiting(held) == 0, 180)
        return {"seconds": round(taken, 3), "after": len(self.received())}

    def board(self) -> dict[str, float]:
        """How long the board's statements take over everybody."""
        held, hq = Announcement.objects.filter(state="published").order_by("-pk")[0], OrgUnit.objects.get(level="hq")
        found = {}
        for name, work in {
            "units": lambda: queries.board_of(held, hq),
            "names": lambda: queries.names_page(held, self.publisher, unit=hq, state="left"),
            "pushed": lambda: queries.pushed(held),
        }.items():
            began = time.perf_counter()
            work()
            found[name] = round(1000 * (time.perf_counter() - began), 1)
        return found

    def received(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = self.sandbox.call("GET", "received")["messages"]
        return messages


def waiting(held: Announcement) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM core_outboxmessage WHERE subject = %s AND state IN ('pending', 'claimed', 'unknown')",
            [held.key],
        )
        return int(cursor.fetchone()[0])


def pending() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM core_outboxmessage WHERE state IN ('pending', 'claimed', 'unknown')")
        return int(cursor.fetchone()[0])
