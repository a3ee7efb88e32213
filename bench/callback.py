"""Callbacks accepted a second, 20 in parallel, beside a bare view that only decrypts and inserts.

Both stand behind the same web server with as many processes and threads, on the same table with its indexes, and get other
events each time. The product also checks the envelope strictly, refuses declarations, names the kind, encrypts the text at
rest, and goes through the house's middleware.
"""

from collections.abc import Callable
from itertools import count

from django.conf import settings
from django.db import connection

from bench.callback_load import AES_KEY, TOKEN, Hits, play
from bench.figures import Options, Report, at_least, at_most, interleaved, median, median_ratio
from bench.processes import Processes, free_port, started
from yejibao.core.management.commands.run_product import web_command
from yejibao.wecom.inbox.models import InboxEntry

PARALLEL = 20
P99_MS = 1000.0
MOST_A_SECOND = 4000  # events sealed ahead


def main(options: Options) -> Report:
    rounds, seconds = (3, 4) if options.quick else (5, 10)
    kept = 20_000 if options.quick else 1_000_000
    fill(kept)
    with started() as processes:
        sides = {"product": _serve(processes, "product"), "bare": _serve(processes, "bare")}
        hits: dict[str, list[Hits]] = {name: [] for name in sides}
        serial = count()

        def measure(name: str, port: int) -> Callable[[], float]:
            def run() -> float:
                amount = int(seconds * MOST_A_SECOND)
                start = kept + next(serial) * amount
                found = play(port, connections=PARALLEL, seconds=seconds, start=start, count=amount)
                assert not found.bad, f"{found.bad} callbacks were not accepted"
                hits[name].append(found)
                return found.rate

            return run

        for port in sides.values():
            play(port, connections=PARALLEL, seconds=1, start=10**7 + port * 100, count=MOST_A_SECOND)  # warm
        before = InboxEntry.objects.count()
        rates = interleaved(rounds, {name: measure(name, port) for name, port in sides.items()})
        stored = InboxEntry.objects.count() - before
    answered = sum(len(one.latencies) for side in hits.values() for one in side)
    assert stored == answered, f"{answered} were answered, {stored} are stored"
    p99 = median([one.ms(0.99) for one in hits["product"]])
    ratio = median_ratio(rates["product"], rates["bare"])
    return Report(
        value=median(rates["product"]), unit="callbacks/s", limit=median(rates["bare"]),
        limit_is="a bare view behind the same server that only decrypts and inserts", ratio=ratio,
        goals=[at_least("share of the bare view", ratio, 0.6), at_most("p99 ms at 20 in parallel", p99, P99_MS)],
        more={
            "p50_ms": round(median([one.ms(0.5) for one in hits["product"]]), 1), "p99_ms": round(p99, 1),
            "bare_p99_ms": round(median([one.ms(0.99) for one in hits["bare"]]), 1), "rows_before": kept,
        },
    )  # fmt: skip


def _serve(processes: Processes, name: str) -> int:
    port = free_port()
    own = {"WECOM_CALLBACK_TOKEN": TOKEN, "WECOM_CALLBACK_AES_KEY": AES_KEY}
    if name == "bare":
        own["DJANGO_SETTINGS_MODULE"] = "bench.bare_inbox_settings"
    application = "yejibao.wsgi:application" if name == "product" else "bench.bare_inbox:application"
    processes.run(name, web_command("127.0.0.1", port, application=application), **own)
    processes.wait_for(name, f"http://127.0.0.1:{port}/healthz")
    return port


def fill(rows: int) -> None:
    """Let the inbox hold what it holds after months."""
    assert settings.WECOM_CORP_ID == "ww5a9db0c0de5a9db0"
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO wecom_inboxentry (source, digest, kind, received_at, state, priority, attempts, next_at, done_at, error, body)
            SELECT 'yejibao', sha256(n::text::bytea), 'change_external_contact/edit_external_contact', at, 'done', 5, 0, at, at, '', ''
            FROM (SELECT n, now() - (%s - n) * interval '10 seconds' AS at FROM generate_series(1, %s) n) rows
            """,
            [rows, rows],
        )
        cursor.execute("VACUUM (ANALYZE) wecom_inboxentry")
