"""The guards of coupons and points: a stock is not oversold, a coupon and a point are used once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection

from .declaring import alone, condition, guard, lock, on_conflict, skipping
from .stories import benefits as b
from .taking_out import sql, unique

COUPONS, HANDING, LEDGER = (f"crm/benefits/services/{name}.py" for name in ("coupons", "handing", "ledger"))
BATCHES = "crm/benefits/services/batches.py"


@dataclass
class check:
    """Drop a check constraint; what it kept out is cleared away again."""

    table: str
    name: str
    met: int = 1

    @contextmanager
    def taken(self, place: str) -> Iterator[None]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s", [self.name])
            (rule,) = cursor.fetchone()
            cursor.execute(f"ALTER TABLE {self.table} DROP CONSTRAINT {self.name}")
            try:
                yield
            finally:
                cursor.execute(f"TRUNCATE {self.table} CASCADE")
                cursor.execute(f"ALTER TABLE {self.table} ADD CONSTRAINT {self.name} {rule}")


# An account that is being changed holds up who only wants to make it: the insert waits for the row as well.
NO_INSERT = sql(
    r'^INSERT INTO "crm_pointsaccount"[\s\S]*$', lambda found: "SELECT " + ", ".join(["%s"] * found[0].count("%s"))
)

GUARDS = [
    guard("coupons: never oversold", f"{COUPONS}:TAKE_ONE",
          (condition(r"b\.stock_count IS NULL OR b\.taken_count < b\.stock_count"), check("crm_couponbatch", "coupon_batch_not_oversold")),
          b.many_for_the_last_coupons),
    guard("coupons: a tap once", f"{COUPONS}:take_one", (unique("crm_coupon", "coupon_member_key"), unique("crm_coupon", "coupon_member_nth")),
          b.two_taps_of_one_member),
    guard("coupons: as many as one may have", f"{COUPONS}:take_one", unique("crm_coupon", "coupon_member_nth"), b.two_claims_of_one_member),
    guard("coupons: an audience counts the claims", f"{COUPONS}:issue", (lock(), check("crm_couponbatch", "coupon_batch_not_oversold")),
          b.an_audience_while_members_claim),
    guard("coupons: one sale", f"{COUPONS}:_move", condition(r'"crm_coupon"\."state" = %s'), b.two_sales_want_one_coupon),
    guard("coupons: one a sale", f"{COUPONS}:_move", unique("crm_coupon", "coupon_one_per_order"), b.one_sale_takes_two_coupons),
    guard("coupons: given back once", f"{COUPONS}:give_back", lock(), b.a_return_told_twice),
    guard("coupons: ended beside each other", f"{COUPONS}:EXPIRE", skipping(), b.two_nights_end_coupons),
    guard("coupons: a guide's share", f"{HANDING}:_take_of_shares", (lock(), check("crm_couponquota", "coupon_quota_kept")), b.two_guides_and_the_last_of_their_store),
    guard("coupons: a share is made once", f"{HANDING}:_take_of_shares", on_conflict(), b.the_first_share_of_a_guide_made_twice),
    guard("coupons: the first of a day", f"{HANDING}:ONE_MORE_TODAY",
          sql(r"ON CONFLICT[\s\S]*?(?=RETURNING)"), b.the_first_coupon_of_a_day_counted_twice),
    guard("coupons: one worker an audience", "crm/benefits/services/audiences.py:go_on_with_issues", skipping(), b.two_workers_give_one_audience),
    guard("coupons: stopped once", f"{BATCHES}:stop_batch",
          (lock(), check("crm_couponbatch", "coupon_batch_not_oversold"), check("crm_couponquota", "coupon_quota_kept")), b.stopped_twice),
    guard("coupons: a share is set once", f"{BATCHES}:set_quota", unique("crm_couponquota", "coupon_quota_unit"), b.a_share_set_by_two),
    guard("coupons: HQ's stock for branches", f"{BATCHES}:_cut",
          (condition(r'"crm_couponbatch"\."taken_count" <= \("crm_couponbatch"\."stock_count" - %s\)'),
           condition(r'"crm_couponquota"\."used_count" <= \("crm_couponquota"\."limit_count" - %s\)'),
           check("crm_couponbatch", "coupon_batch_not_oversold"), check("crm_couponquota", "coupon_quota_kept")),
          b.two_shares_of_one_stock),
    guard("points: spent once", f"{LEDGER}:open_books", (lock(), NO_INSERT, alone("crm.benefits.services.points", "lock_members")), b.points_spent_by_two_tills),
    guard("points: an order earns once", f"{LEDGER}:open_books", (lock(), NO_INSERT, unique("crm_pointslot", "points_lot_of_order"), unique("crm_pointsentry", "points_entry_key")),
          b.an_order_settled_by_two),
    guard("benefits: the last free care", "crm/benefits/services/levels.py:use_free_care", unique("crm_benefituse", "benefit_use_nth"), b.the_last_free_care),
]  # fmt: skip

REASONS = {
    "crm/benefits/services/birthdays.py:house_batch": "of two nights at once the second waits for the batch of the first and finds its coupons",
    "crm/benefits/services/batches.py:settle_asked": "inside the decision of one approval, which its own lock makes one",
    "crm/benefits/services/proof.py:prove_points": "the later of two proofs of a night stands",
}
