"""All writes of the room."""

from .counting import Outcome, StocktakeClosed, code_of, take_scans
from .deciding import (
    CountedAlone,
    PhonesWait,
    Unsettled,
    approve_stocktake,
    ask_recount,
    close_round,
    go_on_counting,
    may_approve,
    settle_clash,
    settle_late,
)
from .planning import (
    AlreadyRuns,
    cancel_stocktake,
    change_counters,
    create_stocktake,
    expire_stocktakes,
    start_stocktake,
)

__all__ = [
    "AlreadyRuns",
    "CountedAlone",
    "Outcome",
    "PhonesWait",
    "StocktakeClosed",
    "Unsettled",
    "approve_stocktake",
    "ask_recount",
    "cancel_stocktake",
    "change_counters",
    "close_round",
    "code_of",
    "create_stocktake",
    "expire_stocktakes",
    "go_on_counting",
    "may_approve",
    "settle_clash",
    "settle_late",
    "start_stocktake",
    "take_scans",
]
