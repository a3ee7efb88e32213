"""Tables of the department, for Django to find."""

from .cadences.models import Cadence, CadenceStep, CadenceVersion, Enrollment, EnrollmentCause, Hand
from .duties.models import Duty
from .followups.models import (
    CardClick,
    PendingSend,
    Reach,
    SkipRequest,
    SpotCheck,
    Task,
    TaskEvidence,
    TaskMove,
    TaskNotice,
    Urge,
)
from .review.models import DayMark, FiguresRun, StoreWeek, TaskDay, UnitDay
from .scripts.models import Script, ScriptFavourite, ScriptUse

__all__ = [
    "Cadence",
    "CadenceStep",
    "CadenceVersion",
    "CardClick",
    "DayMark",
    "Duty",
    "Enrollment",
    "EnrollmentCause",
    "FiguresRun",
    "Hand",
    "PendingSend",
    "Reach",
    "Script",
    "ScriptFavourite",
    "ScriptUse",
    "SkipRequest",
    "SpotCheck",
    "StoreWeek",
    "Task",
    "TaskDay",
    "TaskEvidence",
    "TaskMove",
    "TaskNotice",
    "UnitDay",
    "Urge",
]
