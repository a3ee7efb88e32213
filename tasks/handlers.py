"""Which happening makes, moves or ends which task: this one page."""

from collections import defaultdict

from crm.aftersale.models import Ticket
from crm.events import (
    FriendChanged,
    HeirNamed,
    MemberChanged,
    MemberTagged,
    OrderCorrected,
    OrderExchanged,
    OrderPaid,
    OrderReceived,
    OrderReturned,
    TicketChanged,
)
from guides.events import StaffAwayChanged, StaffResigned
from tasks.cadences import changes
from tasks.cadences.enrolling import enroll_orders
from tasks.cadences.items import refresh_items
from tasks.followups import copying, credit, forgetting, upkeep  # noqa: F401  what members get of theirs, and how they are forgotten
from tasks.followups.services import answer_clicks, first_talk, open_care_tasks, open_handover_intros
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


@outbox.subscribe(TicketChanged)
def follow_tickets(events: list[TicketChanged]) -> None:
    """A complaint or return holds selling steps, an alteration moves the third day."""
    tickets = [event.ticket_id for event in events]
    changes.follow_alterations(tickets, now=clock.now())
    members = Ticket.objects.filter(pk__in=tickets).values_list("member_id", flat=True)
    upkeep.hold_for_tickets(list(members), now=clock.now())


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


@outbox.subscribe(HeirNamed)
def hand_over(events: list[HeirNamed]) -> None:
    """The heir introduces himself first, then the held work goes on."""
    for event in events:
        now = clock.now()
        upkeep.hand_to_heir(event.handover_id, now=now)
        open_handover_intros(event.handover_id, now=now)


@outbox.subscribe(StaffAwayChanged)
def cover_absences(events: list[StaffAwayChanged]) -> None:
    """Rest days and leave move open work to the backup, or let it wait."""
    for event in events:
        upkeep.cover_absence(event.staff_id, event.days, now=clock.now())
