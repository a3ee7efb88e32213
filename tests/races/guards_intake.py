"""Guards of the intake and of the look for bad data."""

from .declaring import guard, lock, on_conflict
from .stories import intake
from .taking_out import sql

GUARDS = [
    guard("intake: a part by one worker", "yejibao/intake/services/batches.py:_held", lock(), intake.a_part_by_two_workers),
    guard("intake: a file once", "yejibao/intake/services/batches.py:upload",
          sql(r"pg_advisory_xact_lock\((\w+\(%s, 7\))\)", r"true OR \1 IS NULL"), intake.a_file_uploaded_twice),
    guard("intake: a row twice is no error", "yejibao/intake/stage.py:Stage.write", on_conflict(), intake.a_card_in_two_posts),
    guard("intake: one matter in the queue", "yejibao/intake/services/refusals.py:settle_rows",
          sql(r"\s+ON CONFLICT \(source_id[\s\S]*$"), intake.a_wrong_row_in_two_posts),
    guard("intake: corrected by one", "yejibao/intake/services/refusals.py:retry_refused", lock(), intake.a_row_corrected_by_two),
    guard("quality: one look at a time", "crm/quality/services.py:look_on", lock(), intake.two_who_look_for_what_is_wrong),
]  # fmt: skip

_LAST = "a row of its own kind, the last writer is right"
REASONS = {
    "crm/catalogue/intake.py:commit_products": "the key refuses a second size",
    "guides/org/intake.py:commit_stores": "the store that follows says whether it is new; the key refuses a second unit",
    "yejibao/intake/services/counting.py:count_days": "counts all anew: the last writer is right",
    "yejibao/intake/services/counting.py:tell_count": _LAST,
    "yejibao/intake/services/refusals.py:claim_refused": _LAST,
    "yejibao/intake/services/refusals.py:close_refused": "closed by the second as well: the same words stand",
    "yejibao/intake/services/sources.py:issue_token": _LAST,
    "yejibao/intake/services/sources.py:save_source": "its row is held and must be as it was seen; the key refuses a second name",
    "yejibao/intake/services/sources.py:change_token": "its row is held and must be as it was seen",
    "yejibao/intake/services/sources.py:file_source": "the key refuses a second",
}
