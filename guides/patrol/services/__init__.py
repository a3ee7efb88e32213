"""All writes on visits, by subject: beginning, syncing with a phone, handing in, planning."""

from .planning import PlanRefused, drop_planned, plan_visits
from .submitting import NotComplete, submit_visit
from .syncing import VisitClosed, sync_visit
from .visiting import ROOM, Arrival, NoReason, NotYourStore, drop_visit, start_visit

__all__ = [
    "ROOM",
    "Arrival",
    "NoReason",
    "NotComplete",
    "NotYourStore",
    "PlanRefused",
    "VisitClosed",
    "drop_planned",
    "drop_visit",
    "plan_visits",
    "start_visit",
    "submit_visit",
    "sync_visit",
]
