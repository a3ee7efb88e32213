"""What guides does when something it listens to has happened."""

from datetime import date, datetime
from uuid import UUID

from guides.approvals.models import Approval
from guides.approvals.services import on_decided
from guides.attendance import leave
from guides.attendance.clockin.corrections import KIND as CLOCK_CORRECTION
from guides.attendance.clockin.corrections import settle_correction
from guides.attendance.clockin.judging import judge_again
from guides.attendance.platform_leave import follow_approvals
from guides.events import PatrolSubmitted, SignInChanged, StaffAwayChanged, StaffLent, StaffMoved, StaffResigned
from guides.helpdesk.services import release
from guides.notices.services import Notice, tell_each
from guides.org.actors import role_names
from guides.org.directory import follow_people
from guides.org.models import RoleAssignment, Staff, Store
from guides.org.queries import managers_of_stores
from guides.patrol.rectify.following import move_from_who_left
from guides.patrol.rectify.services import open_rectifications, submit_rectification
from guides.patrol.reports.services import make_reports
from guides.patrol.telling import tell_red_lines
from yejibao.core import clock, outbox
from yejibao.core.events import DutyFinished
from yejibao.core.scope import Actor
from yejibao.wecom import gateway, inbox
from yejibao.wecom.events import ApprovalChanged, PersonChanged


@inbox.subscribe(PersonChanged)
def follow_address_book(events: list[PersonChanged]) -> None:
    """Who left the company is refused at once and his members get an heir; who was disabled is refused till he is back."""
    follow_people(events)


@outbox.subscribe(StaffLent)
def tell_who_is_lent(events: list[StaffLent]) -> None:
    """The helper hears where she works from-to, and whoever heads that store that she comes."""
    now = clock.now()
    stores = {one.pk: one.short_name for one in Store.objects.filter(pk__in=[event.store_id for event in events])}
    heads = managers_of_stores(list(stores), day=clock.local_day(now))
    told = []
    for event in events:
        days = f"{event.starts_on[5:]} 至 {event.ends_on[5:]}"
        key, place = f"lent:{event.staff_id}:{event.store_id}", stores[event.store_id]
        told.append((event.staff_id, Notice("approval", key, f"{days}去{place}支援", "/me/", role_names()[event.role])))
        if head := heads.get(event.store_id):
            told.append((head, Notice("approval", key, f"{days}有同事来{place}支援", "/m/shifts/")))
    tell_each(told, now=now)


@inbox.subscribe(ApprovalChanged)
def follow_leave_approvals(events: list[ApprovalChanged]) -> None:
    """Leave that passed in the platform's approval app stands in the roster; revoked there, it ends."""
    follow_approvals(events, door=gateway.default(), now=clock.now())


@outbox.subscribe(StaffResigned)
def close_leave_of_leavers(events: list[StaffResigned]) -> None:
    """Nobody decides on the leave of somebody who left."""
    leave.follow_resigned([event.staff_id for event in events], now=clock.now())


@outbox.subscribe(StaffMoved)
def bring_leave_along(events: list[StaffMoved]) -> None:
    """What waits for a decision goes to the new store's manager."""
    leave.follow_moved([event.staff_id for event in events], now=clock.now())


@on_decided(CLOCK_CORRECTION)
def settle_clock_correction(approval: Approval, *, actor: Actor, now: datetime) -> None:
    """What was approved counts as clocked in or out."""
    settle_correction(approval, actor=actor, now=now)


@outbox.subscribe(StaffAwayChanged)
def judge_clock_days_again(events: list[StaffAwayChanged]) -> None:
    """A day that became leave afterwards has no 缺卡 any more."""
    judge_again({(event.staff_id, date.fromisoformat(day)) for event in events for day in event.days}, now=clock.now())


SIGN_IN_WORDS = {
    "account": "企业微信账号换了", "password": "网页密码重新设了", "no_password": "网页密码取消了",
    "no_second_factor": "动态码取消了", "second_factor": "绑定了新的动态码",
}  # fmt: skip


@outbox.subscribe(SignInChanged)
def tell_whose_sign_in_changed(events: list[SignInChanged]) -> None:
    """He hears what was changed and by whom; so do the other administrators, as he may be the one who cannot come in."""
    now = clock.now()
    held = RoleAssignment.objects.filter(RoleAssignment.in_force(clock.local_day(now)), role="sys_admin")
    keepers = list(held.order_by("staff_id").values_list("staff_id", flat=True).distinct())
    names = dict(
        Staff.objects.filter(
            pk__in=[event.staff_id for event in events] + [event.by_id for event in events if event.by_id]
        ).values_list("pk", "name")
    )
    told = []
    for event in events:
        key, what = f"sign_in:{event.staff_id}:{event.what}", SIGN_IN_WORDS[event.what]
        by = f"{names[event.by_id]}办的，" if event.by_id in names else ""
        text = f"{by}不是你要的，马上告诉总部信息中心"
        told.append((event.staff_id, Notice("approval", key, f"你的登录：{what}", "/me/devices/", text)))
        told += [
            (keeper, Notice("approval", key, f"{names[event.staff_id]}的登录：{what}", f"/hq/people/{event.staff_id}/", by.rstrip("，")))
            for keeper in keepers if keeper not in (event.staff_id, event.by_id)
        ]  # fmt: skip
    tell_each(told, now=now)


@outbox.subscribe(PatrolSubmitted)
def follow_patrols(events: list[PatrolSubmitted]) -> None:
    """A patrol that was handed in becomes reports for its departments, and its problems somebody's to mend."""
    now = clock.now()
    for event in events:
        open_rectifications(event.findings, now=now)
        make_reports(event.visit_id, now=now)


@outbox.subscribe(DutyFinished)
def take_what_was_mended(events: list[DutyFinished]) -> None:
    """A finished 巡店整改 brings its finding to the re-check, with the photos."""
    for event in events:
        if event.task_type == "patrol_rectify":
            finding, _, round = event.key.removeprefix("finding:").partition(":")
            submit_rectification(
                int(finding), round=int(round), by_id=event.by_id, note=event.note,
                names=[UUID(name) for name in event.files], at=clock.parse_iso(event.at),
            )  # fmt: skip


@outbox.subscribe(StaffResigned)
def release_questions(events: list[StaffResigned]) -> None:
    """What a colleague at HQ had to answer goes back to his department."""
    for event in events:
        release(event.staff_id, now=clock.now())


@outbox.subscribe(StaffResigned)
def move_what_is_to_mend(events: list[StaffResigned]) -> None:
    """What somebody who left had to mend goes to whoever answers for it in his store."""
    move_from_who_left(now=clock.now(), staff_ids=[event.staff_id for event in events])


@outbox.subscribe(PatrolSubmitted)
def tell_of_red_lines(events: list[PatrolSubmitted]) -> None:
    """A red line scored 1 is the region manager's to know at once."""
    tell_red_lines(events)
