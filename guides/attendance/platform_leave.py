"""Leave asked for in the platform's own approval app: passed there, it stands here; revoked there, it ends here.

The event says only that something moved, and comes doubled and late, so the approval is read again (wecom-api §7.2). What
holds a control `Vacation` is a leave, whatever its template.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import transaction

from guides.notices.services import Notice, tell_each
from guides.org.models import Staff
from yejibao.core import audit, clock
from yejibao.core.scope import Actor
from yejibao.wecom.errors import GatewayError
from yejibao.wecom.events import ApprovalChanged
from yejibao.wecom.gateway import Gateway

from . import leave_words as words
from .calendar import NOON
from .leave import end_leave, enter_days, hold, stamp
from .leave_deciders import approvers_of
from .leave_models import LeaveRequest

log = logging.getLogger(__name__)

PASSED, TAKEN_BACK = 2, (4, 6, 7)  # sp_status; 3 refused there never stood here
UNKNOWN_NUMBER = 301025
NAMES = {
    "年假": "annual", "事假": "personal", "病假": "sick", "调休": "swap", "婚假": "marriage", "陪产": "paternity",
    "产假": "maternity", "丧假": "bereavement",
}  # fmt: skip  # the first that is part of the option's text; 陪产 stands before 产假


@dataclass(frozen=True)
class Told:
    """What an approval of the platform says about a leave."""

    number: str
    status: int
    userid: str
    kind: str
    begins: datetime
    ends: datetime
    by_halves: bool
    approver: str

    @property
    def starts_at_noon(self) -> bool:
        local = self.begins.astimezone(clock.SHANGHAI)
        return local.hour >= 12 if self.by_halves else local.time() >= NOON

    @property
    def ends_at_noon(self) -> bool:
        local = self.ends.astimezone(clock.SHANGHAI)
        return local.hour < 12 if self.by_halves else local.time() <= NOON

    @property
    def days(self) -> tuple[date, date]:
        return clock.local_day(self.begins), clock.local_day(self.ends)


def follow_approvals(events: list[ApprovalChanged], *, door: Gateway, now: datetime) -> int:
    """Read what moved in the approval app and bring the leaves among it here. Returns how many changed something."""
    changed = 0
    for number in dict.fromkeys(event.number for event in events if event.origin == "sys"):
        try:
            answer = door.post("oa/getapprovaldetail", {"sp_no": number})
        except GatewayError as refusal:
            if refusal.code == UNKNOWN_NUMBER:
                continue
            raise
        if told := read_leave(answer.get("info") or {}):
            changed += follow_leave(told, now=now)
    return changed


def read_leave(info: Mapping[str, Any]) -> Told | None:
    """Return what an approval says about a leave; None where it is none, or lacks what a leave needs."""
    contents = (info.get("apply_data") or {}).get("contents") or []
    value = next((one.get("value") or {} for one in contents if one.get("control") == "Vacation"), {})
    vacation = value.get("vacation") or {}
    span = (vacation.get("attendance") or {}).get("date_range") or {}
    userid = str((info.get("applyer") or {}).get("userid") or "").casefold()
    try:
        begins, ends = (datetime.fromtimestamp(int(span[name]), UTC) for name in ("new_begin", "new_end"))
        status = int(info.get("sp_status") or 0)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    if not userid or ends < begins:
        return None
    options = (vacation.get("selector") or {}).get("options") or [{}]
    said = "".join(str(part.get("text") or "") for part in options[0].get("value") or [])
    kind = next((key for name, key in NAMES.items() if name in said), "other")
    return Told(
        str(info.get("sp_no")), status, userid, kind, begins, ends, str(span.get("type")) == "halfday", _approver(info)
    )


def _approver(info: Mapping[str, Any]) -> str:
    """Return who said yes last."""
    for record in reversed(info.get("sp_record") or []):
        for one in reversed(record.get("details") or []):
            if one.get("sp_status") == PASSED:
                return str((one.get("approver") or {}).get("userid") or "").casefold()
    return ""


@transaction.atomic
def follow_leave(told: Told, *, now: datetime) -> bool:
    """Let a passed leave stand in the roster, once, or end one that was revoked. Returns whether that changed anything."""
    known = LeaveRequest.objects.filter(platform_number=told.number).first()
    if told.status in TAKEN_BACK:
        if known is None or known.state != LeaveRequest.State.APPROVED or known.last_on < clock.local_day(now):
            return False
        back_on = max(known.starts_on, clock.local_day(now))
        end_leave(known, back_on=back_on, actor=Actor.system("wecom"), now=now)
        return True
    person = Staff.objects.employed().filter(wecom_user_id=told.userid, store__isnull=False).first()
    if told.status != PASSED or known is not None or person is None:
        return False
    person = hold(person)
    if LeaveRequest.objects.filter(platform_number=told.number).exists():  # the same event twice at once
        return False
    first, last = told.days
    others = LeaveRequest.objects.standing().filter(staff=person).touching(first, last + timedelta(days=1))
    if stands := others.filter(state=LeaveRequest.State.APPROVED).first():
        log.warning("leave of the approval app overlaps one of ours", extra={"number": told.number, "leave": stands.pk})
        _tell_overlap(stands, person, now=now)
        return False
    for waiting in others:  # decided over there, nobody decides here any more
        stamp(waiting, state=LeaveRequest.State.WITHDRAWN, decided_at=now)
        words.settle(waiting, now=now)
    decider = Staff.objects.filter(wecom_user_id=told.approver).values_list("pk", flat=True).first()
    is_one_day = first == last
    request = LeaveRequest.objects.create(
        staff=person, kind=told.kind, starts_on=first, ends_on=last, reason="企业微信审批",
        starts_at_noon=told.starts_at_noon, ends_at_noon=told.ends_at_noon and not (is_one_day and told.starts_at_noon),
        state=LeaveRequest.State.APPROVED, asked_at=now, decided_at=now, decided_by_id=decider,
        backup_id=person.backup_guide_id, platform_number=told.number,
    )  # fmt: skip
    stamp(request, replaced=enter_days(request, person, actor=Actor.system("wecom"), now=now))
    audit.record(Actor.system("wecom"), "leave.approved", request, after={"number": told.number})
    words.tell_asker(request, now=now)
    return True


def _tell_overlap(stands: LeaveRequest, person: Staff, *, now: datetime) -> None:
    said = f"{person.name}在企业微信审批里又请了假，和这张重了"
    notice = Notice("approval", f"leave:{stands.pk}", said, f"/m/leave/{stands.pk}/", "要改先把这张取消")
    tell_each([(head, notice) for head in approvers_of(person, day=clock.local_day(now))], now=now)
