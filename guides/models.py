"""Tables of the department, for Django to find."""

from .announcements.models import Announcement, AnnouncementReceipt
from .approvals.models import Approval, ApprovalStep
from .attendance.clockin.models import ClockCorrection, ClockPunch, ClockRecord, LocationConsent, StoreFence, StoreWifi
from .attendance.leave_models import LeaveRequest
from .attendance.models import Holiday, Shift, ShiftTime
from .drive.models import DriveFile, DriveFolder, DriveUse
from .exports.models import Export, ExportFile
from .footfall.models import Footfall
from .helpdesk.models import AnswerHelped, HelpCategory, HqCall, HqCallMessage, KnowledgeDraft
from .meetings.models import Meeting, MeetingAttendee
from .notices.models import Notification
from .org.models import Dealer, OrgUnit, OrgUnitMove, RoleAssignment, SecondFactor, Staff, Store, StoreChange
from .patrol.figures.models import FiguresDue, PatrolItemMonth, PatrolMonth
from .patrol.models import (
    CheckIn,
    Checklist,
    ChecklistItem,
    Coaching,
    Finding,
    ItemScore,
    PatrolPhoto,
    PlannedVisit,
    Visit,
)
from .patrol.rectify.models import FindingStep, Rectification
from .patrol.reminders.models import PatrolReminder
from .patrol.reports.models import PatrolReport, ReportReader
from .votes.models import Vote, VoteBallot, VoteChoice, VoteOption
from .worklog.models import WorkLog, WorkLogComment, WorkLogDay, WorkLogTemplate

__all__ = [
    "AnswerHelped",
    "DriveFile",
    "DriveFolder",
    "DriveUse",
    "HelpCategory",
    "HqCall",
    "HqCallMessage",
    "KnowledgeDraft",
    "Meeting",
    "MeetingAttendee",
    "Vote",
    "VoteBallot",
    "VoteChoice",
    "VoteOption",
    "FiguresDue",
    "FindingStep",
    "PatrolItemMonth",
    "PatrolMonth",
    "PatrolReminder",
    "PatrolReport",
    "Rectification",
    "ReportReader",
    "Announcement",
    "AnnouncementReceipt",
    "Footfall",
    "Approval",
    "CheckIn",
    "Checklist",
    "ChecklistItem",
    "Coaching",
    "Finding",
    "ItemScore",
    "PatrolPhoto",
    "PlannedVisit",
    "Visit",
    "ApprovalStep",
    "ClockCorrection",
    "ClockPunch",
    "ClockRecord",
    "LocationConsent",
    "StoreFence",
    "StoreWifi",
    "Dealer",
    "Export",
    "ExportFile",
    "Holiday",
    "LeaveRequest",
    "Notification",
    "OrgUnit",
    "OrgUnitMove",
    "RoleAssignment",
    "SecondFactor",
    "Shift",
    "ShiftTime",
    "Staff",
    "Store",
    "StoreChange",
    "WorkLog",
    "WorkLogComment",
    "WorkLogDay",
    "WorkLogTemplate",
]
