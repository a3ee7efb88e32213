"""The guards of stocktakes: a scan once, one count a store, nobody settles what is being approved."""

from .declaring import again, guard, lock, on_conflict
from .stories import counting
from .taking_out import unique

_ROOM = "crm/catalogue/stocktake"

GUARDS = [
    guard("stocktake: begun once", f"{_ROOM}/services/planning.py:start_stocktake", lock(), counting.two_who_begin),
    guard("stocktake: one runs in a store", f"{_ROOM}/services/planning.py:start_stocktake",
          unique("crm_stocktake", "stocktake_one_runs"), counting.two_begin_in_one_store),
    guard("stocktake: a scan once", f"{_ROOM}/services/counting.py:_TAKE", on_conflict(), counting.a_batch_brought_twice_at_once),
    guard("stocktake: a phone is one row", f"{_ROOM}/services/counting.py:take_scans", again(), counting.two_pages_of_one_phone),
    guard("stocktake: settled or approved", f"{_ROOM}/services/deciding.py:_locked", lock(),
          counting.what_came_late_is_counted_as_it_is_approved),
    guard("stocktake: ends once", f"{_ROOM}/services/planning.py:expire_stocktakes", lock(), counting.two_beats_end_an_old_one),
]  # fmt: skip

_HELD = "under the lock of its stocktake"
REASONS = {
    f"{_ROOM}/counts.py:freeze_book": "a size the feed named and no list had; whoever makes it second finds the first's",
    f"{_ROOM}/counts.py:count_lines": _HELD,
    f"{_ROOM}/services/planning.py:cancel_stocktake": "the guarded step of move_to decides; the lock waits for batches on their way",
    f"{_ROOM}/services/planning.py:change_counters": "the last list of names is right",
    f"{_ROOM}/services/deciding.py:ask_recount": _HELD,
    f"{_ROOM}/services/deciding.py:settle_clash": _HELD,
}
