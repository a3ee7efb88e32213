"""Which happening makes, moves or ends which task: this one page."""

from collections import defaultdict

from crm.aftersale.models import Ticket
from crm.events import (
    FittingChanged,
    FriendChanged,
    HeirNamed,
    MemberChanged,
    MemberTagged,
    OrderCorrected,
    OrderExchanged,
    OrderLinkSent,
    OrderPaid,
    OrderReceived,
    OrderReturned,
    TicketChanged,
    VisitChanged,
    VisitsPlanned,
)
from guides.events import (
    AnnouncementSettled,
    AnnouncementUnread,
    MeetingAttended,
    MeetingPlanned,
    PatrolFinding,
    PatrolSubmitted,
    StaffAwayChanged,
    StaffResigned,
    VoteCast,
    VoteOpened,
    WorkLogHandedIn,
    WorkLogsAsked,
)
from tasks.cadences import changes
from tasks.cadences.enrolling import enroll_orders
from tasks.cadences.items import refresh_items
from tasks.duties import rectifying, self_patrols
from tasks.duties.models import Duty
from tasks.duties.services import NewDuty, close_duties, open_duties
from tasks.followups import absences, copying, credit, forgetting, upkeep  # noqa: F401  what members get of theirs, and how they are forgotten
from tasks.followups.services import (
    answer_clicks,
    first_talk,
    fitting_tasks,
    open_care_tasks,
    open_handover_intros,
    order_links,
    ticket_tasks,
    visit_tasks,
    wish_tasks,
)
from tasks.scripts import welcoming
from yejibao.core import clock, outbox
from yejibao.wecom import gateway, inbox
from yejibao.wecom.events import CardClicked, FriendAdded


@outbox.subscribe(OrderPaid)
def start_after_purchase(events: list[OrderPaid]) -> None:
    """A purchase starts, joins or restarts the 3369 cycle, and is credited to the last touch."""
    orders = [event.order_id for event in events]
    enroll_orders(orders, cadence="3369", now=clock.now())  # first: cycles are locked before tasks
    credit.credit_orders(orders, now=clock.now())


@outbox.subscribe(OrderReturned)
def follow_returns(events: list[OrderReturned]) -> None:
    """A return shrinks the cycle's items or cancels it; a cancelled one leaves one care task for the next day."""
    by_day = defaultdict(list)
    for event in events:
        by_day[clock.local_day(clock.parse_iso(event.returned_at))].append(event.order_id)
    for day, orders in by_day.items():
        cancelled = changes.follow_returns(orders, now=clock.now())
        open_care_tasks(cancelled, returned_on=day, now=clock.now())


@outbox.subscribe(OrderExchanged)
def follow_exchanges(events: list[OrderExchanged]) -> None:
    """An exchange replaces the items and moves the third-day question."""
    for event in events:
        changes.follow_exchanges([event.order_id], clock.parse_iso(event.exchanged_at), now=clock.now())


@outbox.subscribe(OrderReceived)
def follow_receipts(events: list[OrderReceived]) -> None:
    """A delivered order counts its days from the day it was signed for."""
    changes.follow_receipts([event.order_id for event in events], now=clock.now())


@outbox.subscribe(OrderCorrected)
def follow_corrections(events: list[OrderCorrected]) -> None:
    """Corrected lines change what the cycle is about."""
    refresh_items(changes.lock_cycles_of([event.order_id for event in events]))


@outbox.subscribe(OrderLinkSent)
def prove_by_order_links(events: list[OrderLinkSent]) -> None:
    """An order that went out in the chat is proof for the task it was begun from."""
    order_links.note_order_links(events)


@outbox.subscribe(TicketChanged)
def follow_tickets(events: list[TicketChanged]) -> None:
    """A ticket is answered first of all, and asked after when it is over; a complaint or return holds selling steps, an
    alteration moves the third day."""
    tickets = [event.ticket_id for event in events]
    ticket_tasks.follow_tickets(tickets, now=clock.now())
    changes.follow_alterations(tickets, now=clock.now())
    members = Ticket.objects.filter(pk__in=tickets).values_list("member_id", flat=True)
    upkeep.hold_for_tickets(list(members), now=clock.now())


@outbox.subscribe(VisitChanged)
def follow_visits(events: list[VisitChanged]) -> None:
    """Who comes is reminded on the day; his answer is proof for the task that asked; who has answered is not asked again.
    Who asks for a time himself waits on one list for a word."""
    visits, now = [event.visit_id for event in events], clock.now()
    visit_tasks.follow_visits(visits, now=now)
    wish_tasks.follow_wishes(visits, now=now)


@outbox.subscribe(VisitsPlanned)
def ask_to_come(events: list[VisitsPlanned]) -> None:
    """A part of a manager's list becomes tasks of the members' guides; a list that was stopped takes them back."""
    for event in events:
        part = (event.group_id, event.first_id, event.last_id)
        visit_tasks.call_back(*part, now=clock.now())
        visit_tasks.open_invites(*part, now=clock.now())


@outbox.subscribe(FittingChanged)
def follow_fittings(events: list[FittingChanged]) -> None:
    """Who comes to be measured is reminded on the day; how far his garment is, is said to him by whom he knows."""
    fitting_tasks.follow_fittings([event.fitting_id for event in events], now=clock.now())


@outbox.subscribe(MemberChanged)
def follow_members(events: list[MemberChanged]) -> None:
    """A closed account ends everything; who refused the heir is the manager's; opt-outs are read when a step is sent."""
    closed = [event.member_id for event in events if event.what == "closed"]
    if closed:
        changes.cancel_members(closed, now=clock.now())
    quiet = [event.member_id for event in events if event.what == "do_not_contact"]
    if quiet:
        upkeep.skip_do_not_contact(quiet, now=clock.now())
    handed = [event.member_id for event in events if event.what == "owner"]
    if handed:
        upkeep.follow_refusals(handed, now=clock.now())
    stuck = [event.member_id for event in events if event.what == "not_transferred"]
    if stuck:
        upkeep.follow_untransferred(stuck, now=clock.now())


@outbox.subscribe(FriendChanged)
def follow_friends(events: list[FriendChanged]) -> None:
    """A new friend is evidence of the first touch and wants a first talk; a lost one changes the way to reach him."""
    now = clock.now()
    for event in events:
        upkeep.follow_friends(event.member_id, event.guide_id, event.state, now=now)
    first_talk.open_first_talks(events, now=now)


@outbox.subscribe(MemberTagged)
def follow_tags(events: list[MemberTagged]) -> None:
    """What a guide learned of a new friend closes the first talk."""
    first_talk.follow_tags(events, now=clock.now())


@inbox.subscribe(FriendAdded)
def greet_friends(events: list[FriendAdded]) -> None:
    """A new friend is greeted within 20 seconds: after crm has noted him, on the inbox's urgent lane."""
    welcoming.greet_friends(events)


@inbox.subscribe(CardClicked)
def answer_cards(events: list[CardClicked]) -> None:
    """A button of a card in the chat does what the button on the page does, and the card says what came of it."""
    answer_clicks(events, door=gateway.default())


@outbox.subscribe(StaffResigned)
def hold_for_heir(events: list[StaffResigned]) -> None:
    """Open work of a guide who left is held until an heir is named."""
    for event in events:
        upkeep.hold_resigned(event.staff_id, now=clock.now())
    wish_tasks.place_wishes([event.staff_id for event in events], now=clock.now())


@outbox.subscribe(HeirNamed)
def hand_over(events: list[HeirNamed]) -> None:
    """The heir introduces himself first, then the held work goes on."""
    for event in events:
        now = clock.now()
        upkeep.hand_to_heir(event.handover_id, now=now)
        open_handover_intros(event.handover_id, now=now)
        wish_tasks.place_handed(event.handover_id, now=now)


@outbox.subscribe(StaffAwayChanged)
def cover_absences(events: list[StaffAwayChanged]) -> None:
    """Rest days and leave move open work to the backup, or let it wait; taken back, they bring it home again."""
    for event in events:
        upkeep.cover_absence(event.staff_id, event.days, now=clock.now())
        absences.bring_back(event.staff_id, event.days, now=clock.now())
    wish_tasks.place_wishes([event.staff_id for event in events], now=clock.now())


@outbox.subscribe(AnnouncementUnread)
def ask_to_read(events: list[AnnouncementUnread]) -> None:
    """Who has an announcement to read finds it among the store's duties."""
    duties = [
        NewDuty(
            person, "announcement_read", f"announcement:{event.announcement_id}", event.title,
            f"/g/announcements/{event.announcement_id}/", clock.parse_iso(event.due_at), clock.parse_iso(event.expire_at), event.why,
        )
        for event in events
        for person in event.staff_ids
    ]  # fmt: skip
    open_duties(duties, now=clock.now())


@outbox.subscribe(AnnouncementSettled)
def settle_reading(events: list[AnnouncementSettled]) -> None:
    """What was read is done, what was taken back is wanted of nobody. Events of one announcement are closed together."""
    readers: defaultdict[int, list[int]] = defaultdict(list)
    withdrawn = []
    for event in events:
        if event.staff_ids:
            readers[event.announcement_id] += event.staff_ids
        else:
            withdrawn.append(event.announcement_id)
    for announcement, people in sorted(readers.items()):
        close_duties("announcement_read", f"announcement:{announcement}", assignees=people, now=clock.now())
    for announcement in withdrawn:
        key = f"announcement:{announcement}"
        close_duties("announcement_read", key, now=clock.now(), state=Duty.State.CANCELLED)


@outbox.subscribe(PatrolFinding)
def follow_findings(events: list[PatrolFinding]) -> None:
    """A problem of a patrol is somebody's duty until it is mended; sent back or handed on, it is a new one."""
    rectifying.follow(events, now=clock.now())


@outbox.subscribe(WorkLogsAsked)
def ask_for_work_logs(events: list[WorkLogsAsked]) -> None:
    """Who works today finds the day's log among the store's duties."""
    duties = [
        NewDuty(
            person, "work_log", f"work_log:{event.day}", "写今天的工作日志", "/g/worklog/", clock.parse_iso(event.due_at),
            clock.parse_iso(event.closes_at), "数字已经填好，写两句就能交",
        )
        for event in events
        for person in event.staff_ids
    ]  # fmt: skip
    open_duties(duties, now=clock.now())


@outbox.subscribe(WorkLogHandedIn)
def settle_work_logs(events: list[WorkLogHandedIn]) -> None:
    """A log that was handed in is wanted no more."""
    writers = defaultdict(list)
    for event in events:
        writers[event.day].append(event.staff_id)
    for day, people in sorted(writers.items()):
        close_duties("work_log", f"work_log:{day}", assignees=people, now=clock.now())


@outbox.subscribe(VoteOpened)
def ask_to_vote(events: list[VoteOpened]) -> None:
    """Who has a ballot finds it among the store's duties until the vote ends."""
    duties = [
        NewDuty(person, "vote", f"vote:{event.vote_id}", event.title, f"/g/votes/{event.vote_id}/", ends_at, ends_at)
        for event in events
        for ends_at in [clock.parse_iso(event.deadline_at)]
        for person in event.staff_ids
    ]
    open_duties(duties, now=clock.now())


@outbox.subscribe(VoteCast)
def settle_votes(events: list[VoteCast]) -> None:
    """Who has voted is done; a vote that was taken back is wanted of nobody."""
    _settle("vote", [(f"vote:{event.vote_id}", event.staff_id) for event in events])


@outbox.subscribe(MeetingPlanned)
def ask_to_meet(events: list[MeetingPlanned]) -> None:
    """Who is asked to a meeting finds it among the store's duties until it is over."""
    duties = [
        NewDuty(
            person, "meeting_attend", f"meeting:{event.meeting_id}", event.title, f"/g/meetings/{event.meeting_id}/",
            clock.parse_iso(event.starts_at), clock.parse_iso(event.ends_at), "到时候签到",
        )
        for event in events
        for person in event.staff_ids
    ]  # fmt: skip
    open_duties(duties, now=clock.now())


@outbox.subscribe(MeetingAttended)
def settle_meetings(events: list[MeetingAttended]) -> None:
    """Who signed in was there; a meeting that was called off is wanted of nobody."""
    _settle("meeting_attend", [(f"meeting:{event.meeting_id}", event.staff_id) for event in events])


def _settle(task_type: str, done: list[tuple[str, int]]) -> None:
    """Close duties by (key, person); person 0 takes it back from all."""
    people = defaultdict(list)
    for key, person in done:
        people[key].append(person)
    for key, ids in sorted(people.items()):
        if 0 in ids:
            close_duties(task_type, key, now=clock.now(), state=Duty.State.CANCELLED)
        else:
            close_duties(task_type, key, assignees=ids, now=clock.now())


@outbox.subscribe(PatrolSubmitted)
def follow_self_patrols(events: list[PatrolSubmitted]) -> None:
    """A self patrol that was handed in is this week's of its manager."""
    self_patrols.follow(events, now=clock.now())
