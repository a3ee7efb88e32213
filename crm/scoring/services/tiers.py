"""The 631 tiers (models.yaml tier_631): a monthly ranking over the whole brand by what members spent in a year.

Two steps, so that a stopped run goes on: the ranking is made once and kept, then written to the members by ranges of ids.
"""

from datetime import date, datetime, timedelta

from django.db import connection, transaction
from django.db.models import Max

from crm.members.models import Member
from crm.scoring.config import config
from crm.scoring.services.counting import PURCHASE
from crm.scoring.services.runs import advance_run, finish_run, take_run
from yejibao.core import clock


def last_month_end(day: date) -> date:
    """Return the last day of the month before a day: the day the monthly run is about."""
    return day.replace(day=1) - timedelta(days=1)


def cut_sizes(population: int) -> tuple[int, int, int]:
    """Return how many are core, potential and common among a population."""
    core, upper = (population + 9) // 10, (2 * population + 4) // 5
    return core, upper - core, population - upper


def rank_tiers(*, as_of: date, now: datetime, budget: timedelta, batch: int = 20_000) -> dict[str, int]:
    """Compute the tiers as of the end of a local day; a stopped run goes on, a finished one does nothing.

    The tiers stay as they are until the next run, so that guides have stable lists.
    """
    deadline = clock.monotonic() + budget.total_seconds()
    tally = {"ranked": 0, "changed": 0, "is_finished": 0}
    while clock.monotonic() < deadline:
        with transaction.atomic():
            run = take_run("tier_631", as_of=as_of, now=now)
            if run is None:
                break
            if "ranked" not in run.counts:
                tally["ranked"] = _rank(as_of)
                run.counts = {"ranked": tally["ranked"]}
                run.save(update_fields=["counts"])
                continue
            last = Member.objects.filter(pk__gt=run.cursor).order_by("pk")[:batch].aggregate(last=Max("pk"))["last"]
            if last is None:
                finish_run(run, now=now)
                tally["is_finished"] = 1
                break
            changed = _write(as_of, low=run.cursor, high=last, now=now)
            tally["changed"] += changed
            advance_run(run, cursor=last, changed=changed)
    return tally


def _rank(as_of: date) -> int:
    """Rank everybody who spent something in the year, whole brand and inside the main store, with integer cuts."""
    rules = config()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")  # one statement over all members; nightly, nobody waits
        cursor.execute("TRUNCATE crm_tierrank")
        cursor.execute(
            f"""
            WITH year AS (
                SELECT o.member_id, m.main_store_id, sum(o.net_amount_fen) AS fen,
                       count(DISTINCT o.paid_on) AS days, max(o.paid_on) AS last_on
                FROM crm_order o JOIN crm_member m ON m.id = o.member_id
                WHERE o.paid_on BETWEEN %(as_of)s - %(year_days)s AND %(as_of)s AND {PURCHASE}
                GROUP BY o.member_id, m.main_store_id HAVING sum(o.net_amount_fen) > 0
            ), placed AS (
                SELECT member_id, row_number() OVER best AS place, count(*) OVER () AS n,
                       row_number() OVER (PARTITION BY main_store_id ORDER BY fen DESC, days DESC, last_on DESC, member_id)
                           AS store_place,
                       count(*) OVER (PARTITION BY main_store_id) AS store_n
                FROM year WINDOW best AS (ORDER BY fen DESC, days DESC, last_on DESC, member_id)
            )
            INSERT INTO crm_tierrank (member_id, rank, tier, store_tier)
            SELECT member_id, place,
                   CASE WHEN place <= (n + 9) / 10 THEN 'core' WHEN place <= (2 * n + 4) / 5 THEN 'potential'
                        ELSE 'common' END,
                   CASE WHEN store_place <= (store_n + 9) / 10 THEN 'core'
                        WHEN store_place <= (2 * store_n + 4) / 5 THEN 'potential' ELSE 'common' END
            FROM placed
            """,
            {"as_of": as_of, "year_days": rules.year_days, "kinds": list(rules.purchase_kinds)},
        )
        return cursor.rowcount


def _write(as_of: date, *, low: int, high: int, now: datetime) -> int:
    """Write one range of members: ranked ones from the ranking, the others lapsed or unconsumed; only what differs."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH wanted AS (
                SELECT m.id, r.rank,
                       coalesce(r.tier, bought.word) AS tier, coalesce(r.store_tier, bought.word) AS store_tier
                FROM crm_member m LEFT JOIN crm_tierrank r ON r.member_id = m.id
                CROSS JOIN LATERAL (
                    SELECT CASE WHEN r.member_id IS NULL AND EXISTS (
                        SELECT 1 FROM crm_order o WHERE o.member_id = m.id AND o.paid_on <= %(as_of)s AND {PURCHASE}
                    ) THEN 'lapsed' ELSE 'unconsumed' END AS word
                ) bought
                WHERE m.id > %(low)s AND m.id <= %(high)s
            ), differing AS (
                SELECT w.* FROM wanted w JOIN crm_member m ON m.id = w.id
                WHERE (m.tier_631, m.tier_631_rank, m.tier_631_store) IS DISTINCT FROM (w.tier, w.rank, w.store_tier)
                   OR m.tier_631_computed_at IS NULL
                ORDER BY m.id FOR NO KEY UPDATE OF m
            )
            UPDATE crm_member m SET tier_631 = d.tier, tier_631_rank = d.rank, tier_631_store = d.store_tier,
                   tier_631_computed_at = %(now)s
            FROM differing d WHERE m.id = d.id
            """,
            {"as_of": as_of, "low": low, "high": high, "now": now, "kinds": list(config().purchase_kinds)},
        )
        return cursor.rowcount
