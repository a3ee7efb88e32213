"""Tables of 巡店: what is looked at (`checklists`), who goes where (`visits`), what was found and taught (`findings`)."""

from .checklists import Checklist, ChecklistItem
from .findings import Coaching, Finding, ItemScore, PatrolPhoto, Synced
from .visits import CheckIn, PlannedVisit, Visit, VisitQuerySet

__all__ = [
    "CheckIn",
    "Checklist",
    "ChecklistItem",
    "Coaching",
    "Finding",
    "ItemScore",
    "PatrolPhoto",
    "PlannedVisit",
    "Synced",
    "Visit",
    "VisitQuerySet",
]
