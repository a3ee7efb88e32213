"""What crm does when something it listens to has happened."""

from collections.abc import Sequence
from datetime import datetime

from crm.aftersale import services as aftersale
from crm.aftersale.covering import follow_roster
from crm.benefits import keeping as held
from crm.benefits import services as benefits
from crm.catalogue.outfits import copying as _outfits_copying  # noqa: F401  registers its sections
from crm.catalogue.outfits import forgetting as outfits
from crm.corptags import services as corptags
from crm.events import (
    FriendChanged,
    HeirNamed,
    MemberChanged,
    MembersMerged,
    MemberTagged,
    OrderPaid,
    OrderReturned,
    TicketChanged,
)
from crm.finance import services as finance
from crm.friends import copying as _friends_copying  # noqa: F401  registers its section
from crm.friends import services as friends
from crm.members.services import add_holding, after_merge, before_merge, open_handover, propose_heir, transfers
from crm.orders.checkout import forgetting as _sales_forgetting  # noqa: F401  registers what becomes of its words
from crm.orders.checkout import services as checkout
from crm.orders.checkout.models import Exchange, Sale
from crm.orders.proxy import copying as _proxy_copying  # noqa: F401  registers its section
from crm.orders.proxy import forgetting as parcels
from crm.orders.proxy import services as proxy
from crm.portal import copying as _portal_copying  # noqa: F401  registers its sections
from crm.portal import forgetting as portal
from crm.privacy import card_copying as _card_copying  # noqa: F401  registers its sections
from crm.privacy import forgetting as privacy
from crm.scoring.services import recount_members
from crm.surveys import copying as _surveys_copying  # noqa: F401  registers its section
from crm.surveys import forgetting as surveyed
from crm.tags import services as tags
from crm.tailoring import copying as _tailoring_copying  # noqa: F401  registers its sections
from crm.tailoring import forgetting as measured
from crm.tailoring import services as tailoring
from crm.visits import copying as _visits_copying  # noqa: F401  registers its section
from crm.visits import forgetting as visited
from crm.visits import services as visits
from crm.visits.models import Visit
from crm.wallet import keeping as cards
from crm.wallet import services as wallet
from guides.approvals.models import Approval
from guides.approvals.services import on_decided
from guides.events import StaffAwayChanged, StaffMoved, StaffResigned
from guides.org.actors import actor_for
from guides.org.models import Staff
from yejibao.core import clock, outbox
from yejibao.core.events import DutyFinished
from yejibao.core.scope import Actor
from yejibao.wechatpay.events import LateReturned, PaymentClosed, PaymentLate, PaymentSettled, RefundSettled
from yejibao.wecom import gateway, inbox
from yejibao.wecom.events import CorpTagChanged, FriendAdded, FriendEdited, FriendLost, TransferFailed

for table in ("crm_order", "crm_ticket", "crm_tagchange", "crm_consentrecord", "crm_qualityfinding"):
    add_holding(table)
add_holding(portal.SESSIONS)
add_holding("crm_codevisit")
add_holding(outfits.SHARES)
add_holding(outfits.CHOICES, stays=outfits.SAME_DAY)
add_holding(surveyed.SURVEYS)
for table in ("crm_reservation", "crm_transferrequest", "crm_itemcode", "crm_sale", parcels.ORDERS):
    add_holding(table)
add_holding(visited.VISITS, stays=visited.BOTH_ASKED)
add_holding(measured.MEASURES)
add_holding(measured.FITTINGS)
add_holding("crm_memberparticulars", stays=privacy.HAS_PARTICULARS)
add_holding("crm_memberrequest", stays=privacy.ASKS_THE_SAME)
add_holding("crm_membertag", stays=tags.COLLIDES)
add_holding("crm_wallet", stays=cards.HAS_A_CARD)
add_holding("crm_topup", stays=cards.TOPS_UP)
add_holding("crm_cardholder", stays=cards.IS_REGISTERED)
for table in (held.ENTRIES, held.LOTS, held.LEVELS, held.USES):
    add_holding(table)
add_holding(held.COUPONS, stays=held.SAME_ACT)
before_merge(tags.make_room)
before_merge(tailoring.make_room)
before_merge(surveyed.carry_refusal)
before_merge(held.make_room)
before_merge(cards.make_room)
after_merge(tags.settle_pair)
after_merge(benefits.settle_merged)
friends.after_reading(corptags.note_read)


@outbox.subscribe(StaffResigned)
def open_handovers(events: list[StaffResigned]) -> None:
    """Somebody left: propose who takes over the members; the manager has 24 hours to pick somebody else."""
    for event in events:
        propose_heir(event.staff_id, resigned_at=clock.parse_iso(event.resigned_at), now=clock.now())


@outbox.subscribe(StaffResigned)
def pass_codes_on(events: list[StaffResigned]) -> None:
    """Codes of somebody who left add a colleague from the next minute on, not an account that is gone."""
    now = clock.now()
    for person in Staff.objects.filter(pk__in=[event.staff_id for event in events]).order_by("pk"):
        friends.follow_people(now=now, of=person)


@outbox.subscribe(StaffMoved)
def open_store_change_handovers(events: list[StaffMoved]) -> None:
    """A guide changed the store: her members stay with the old one, whose manager plans who takes over and who goes along."""
    for event in events:
        guide = Staff.objects.get(pk=event.staff_id)
        open_handover(
            guide,
            reason="moved_store",
            store_id=event.from_store_id,
            left_at=clock.parse_iso(event.at),
            now=clock.now(),
        )


@outbox.subscribe(StaffAwayChanged)
def cover_tickets(events: list[StaffAwayChanged]) -> None:
    """Leave that begins today brings open tickets to whoever stands in, and home again when it is taken back."""
    now = clock.now()
    today = clock.local_day(now).isoformat()
    if people := sorted({event.staff_id for event in events if today in event.days}):
        follow_roster(now=now, staff_ids=people)


@outbox.subscribe(TicketChanged)
def tag_of_tickets(events: list[TicketChanged]) -> None:
    """What he complains of, and that something is open, stands on his card."""
    aftersale.follow_tickets([event.ticket_id for event in events], now=clock.now())


@outbox.subscribe(StaffAwayChanged)
def find_who_measures(events: list[StaffAwayChanged]) -> None:
    """Somebody is away, or there after all: who measures on those days is looked for anew."""
    tailoring.follow_roster(now=clock.now(), staff_ids={event.staff_id for event in events})


@outbox.subscribe(StaffResigned)
def pass_fittings_on(events: list[StaffResigned]) -> None:
    """Appointments and garments of somebody who left are a colleague's from now on."""
    tailoring.follow_roster(now=clock.now(), staff_ids={event.staff_id for event in events})


@outbox.subscribe(StaffMoved)
def leave_fittings_behind(events: list[StaffMoved]) -> None:
    """So are those of somebody who works in another store now."""
    tailoring.follow_roster(now=clock.now(), staff_ids={event.staff_id for event in events})


@outbox.subscribe(DutyFinished)
def answer_tickets(events: list[DutyFinished]) -> None:
    """The first word of a ticket was said in the chat or on the phone, from the guide's task."""
    for event in events:
        kind, _, number = event.key.partition(":")
        if kind == "ticket":
            speaker = actor_for(Staff.objects.get(pk=event.by_id))
            aftersale.answered_in_chat(int(number), event.note, actor=speaker, at=clock.parse_iso(event.at))


@outbox.subscribe(OrderPaid)
def close_visits(events: list[OrderPaid]) -> None:
    """He bought: the visit he was asked for has come true. Before the departments above credit the order."""
    visits.follow_orders([event.order_id for event in events], now=clock.now())


@outbox.subscribe(OrderReturned)
def reopen_visits(events: list[OrderReturned]) -> None:
    """All of it came back: he came, and bought nothing."""
    visits.follow_returns([event.order_id for event in events if event.is_full], now=clock.now())


@outbox.subscribe(MemberChanged)
def follow_visitors(events: list[MemberChanged]) -> None:
    """Open invitations go to the new guide; who closed his card, or wants to be left alone, is not asked any more."""
    visits.follow_owners([event.member_id for event in events if event.what == "owner"])
    for what in ("closed", "do_not_contact"):
        if gone := [event.member_id for event in events if event.what == what]:
            visits.end_of_members(gone, now=clock.now(), reason=what)


@outbox.subscribe(HeirNamed)
def hand_visits_over(events: list[HeirNamed]) -> None:
    """So do those of a guide who left: nobody may stand in the store unexpected."""
    visits.follow_handovers([event.handover_id for event in events])


@outbox.subscribe(DutyFinished)
def note_invited(events: list[DutyFinished]) -> None:
    """A guide asked him, from her task: the invitation of a manager's list has reached him."""
    for event in events:
        kind, _, number = event.key.partition(":")
        if kind == "visit" and (visit := Visit.objects.filter(pk=int(number)).first()):
            speaker = actor_for(Staff.objects.get(pk=event.by_id))
            visits.note_told(visit, actor=speaker, now=clock.parse_iso(event.at))


@outbox.subscribe(MembersMerged)
def recount_merged(events: list[MembersMerged]) -> None:
    """Purchases changed hands: count both again."""
    now = clock.now()
    ids = {pk for event in events for pk in (event.kept_id, event.gone_id)}
    recount_members(sorted(ids), as_of=clock.local_day(now), now=now)


# ---------------------------------------------------------------- sales


@outbox.subscribe(PaymentSettled)
def settle_sales(events: list[PaymentSettled]) -> None:
    """WeChat has the money for a sale, for what an exchange costs more, or for the work on a garment: it is paid."""
    for event in events:
        if event.purpose == "sale":
            checkout.settle_payment(
                Sale.objects.get(pk=int(event.subject)),
                pay_order_id=event.pay_order_id,
                transaction_id=event.transaction_id,
                now=clock.now(),
            )
        elif event.purpose == "exchange":
            checkout.settle_exchange_payment(
                Exchange.objects.get(pk=int(event.subject)), pay_order_id=event.pay_order_id, transaction_id=event.transaction_id,
                now=clock.now(),
            )  # fmt: skip
        elif event.purpose == "care":
            aftersale.settle_fee(
                int(event.subject),
                pay_order_id=event.pay_order_id,
                transaction_id=event.transaction_id,
                now=clock.now(),
            )


@outbox.subscribe(PaymentClosed)
def drop_payments(events: list[PaymentClosed]) -> None:
    """Nobody will pay this order: the cashier may try another way until the sale itself ends."""
    for event in events:
        if event.purpose == "sale":
            checkout.drop_payment(Sale.objects.get(pk=int(event.subject)), pay_order_id=event.pay_order_id)
        elif event.purpose == "exchange":
            row = Exchange.objects.get(pk=int(event.subject))
            checkout.drop_exchange_payment(row, pay_order_id=event.pay_order_id)


@outbox.subscribe(RefundSettled)
def settle_refunds(events: list[RefundSettled]) -> None:
    """Money of a return, an exchange or a compensation reached the member by WeChat."""
    for event in events:
        if event.purpose in ("sale", "exchange"):
            checkout.settle_refund(event.pay_refund_id, now=clock.now())
        elif event.purpose == "care":
            aftersale.settle_fee_back(
                int(event.subject), pay_refund_id=event.pay_refund_id, amount_fen=event.amount_fen, provider_txn=event.refund_id,
                now=clock.now(),
            )  # fmt: skip


@on_decided("order.refund")
@on_decided("order.refund_large")
def go_on_with_refunds(approval: Approval, *, actor: Actor, now: datetime) -> None:
    """Money that goes back was approved, or was not."""
    checkout.go_on_with_refund(approval, actor=actor, now=now)


@on_decided("pay_refund.end")
def go_on_with_stuck_refunds(approval: Approval, *, actor: Actor, now: datetime) -> None:
    """Another way for a refund that WeChat cannot bring back was agreed to, or not."""
    finance.settle_decision(approval, actor=actor, now=now)


@on_decided("coupon.batch")
def start_coupons(approval: Approval, *, actor: Actor, now: datetime) -> None:
    """A batch of coupons was agreed to, or not."""
    benefits.settle_asked(approval, actor=actor, now=now)


# ---------------------------------------------------------------- tags go to the chats


@outbox.subscribe(MemberTagged)
def write_tags_to_chats(events: list[MemberTagged]) -> None:
    """What counts of a member's tag changed: it is written to the chat of his guide, soon and together."""
    corptags.follow_tags(events, now=clock.now())


@outbox.subscribe(FriendChanged)
def write_tags_to_new_friends(events: list[FriendChanged]) -> None:
    """A friend came, was passed on, or was found to be a member: both sides tell each other what they know of him."""
    corptags.follow_friends(events, now=clock.now())


@outbox.subscribe(MemberChanged)
def write_tags_to_new_owners(events: list[MemberChanged]) -> None:
    """A member has another guide: what is known of him goes to her chat."""
    corptags.follow_members((event.member_id for event in events if event.what == "owner"), now=clock.now())


@outbox.subscribe(MembersMerged)
def write_tags_of_merged(events: list[MembersMerged]) -> None:
    """Tags changed hands: the friends of both are looked at."""
    corptags.follow_members((pk for event in events for pk in (event.kept_id, event.gone_id)), now=clock.now())


@outbox.subscribe(MemberChanged)
def end_sessions_of_closed(events: list[MemberChanged]) -> None:
    """A card was closed: nobody is signed in with it any more. Each request looks at the card too."""
    for event in events:
        if event.what == "closed":
            portal.end_sessions_of(event.member_id)


# ---------------------------------------------------------------- money


@outbox.subscribe(PaymentSettled)
def credit_top_ups(events: list[PaymentSettled]) -> None:
    """The money of a top-up is there: the card is credited, once; what fits no top-up goes back to the payer."""
    for event in events:
        if event.purpose == "top_up":
            wallet.settle_paid(
                pay_order_id=event.pay_order_id, subject=event.subject, transaction_id=event.transaction_id,
                amount_fen=event.amount_fen, now=clock.now(),
            )  # fmt: skip


@outbox.subscribe(OrderPaid)
def end_proxy_orders(events: list[OrderPaid]) -> None:
    """What a guide had sent was paid: she hears it."""
    proxy.note_paid([event.order_id for event in events], now=clock.now())


# ---------------------------------------------------------------- the platform's events


@inbox.subscribe(FriendAdded)
def note_friends(events: list[FriendAdded]) -> None:
    """Somebody became a friend: note it with the code he came through; who he is gets read next."""
    friends.follow_added(events)


@inbox.subscribe(FriendEdited)
def read_friends(events: list[FriendEdited]) -> None:
    """A guide changed remark, phone or tags: read it again now; what the platform does not tell now is tried later."""
    friends.follow_edited(events)
    corptags.note_edits(events)
    changed, door = [event.external_userid for event in events], gateway.default()
    friends.read_customers(changed, door=door, now=clock.now())
    corptags.settle_friends(door=door, only=changed, seconds=8)


@inbox.subscribe(CorpTagChanged)
def read_corp_tags(events: list[CorpTagChanged]) -> None:
    """Somebody changed groups or tags in the console: read the list again; what is ours is put right within minutes."""
    corptags.follow_list(events, door=gateway.default(), now=clock.now())


@inbox.subscribe(FriendLost)
def end_friends(events: list[FriendLost]) -> None:
    """Either side deleted the other; the tasks department hears of it and acts on open work."""
    friends.follow_lost(events)


@inbox.subscribe(TransferFailed)
def settle_transfers(events: list[TransferFailed]) -> None:
    """A member refused his new guide, or the new guide has no room."""
    for event in events:
        transfers.note_failure(
            external_userid=event.external_userid, taker=event.userid, reason=event.reason, now=clock.now()
        )


# ---------------------------------------------------------------- last: money that nobody above has booked


@outbox.subscribe(PaymentLate)
def book_late_money(events: list[PaymentLate]) -> None:
    """Money came in for an order that was closed: it stands in suspense until it is back with the payer."""
    for event in events:
        finance.book_unclaimed(event.pay_order_id, event.amount_fen, event.transaction_id, now=clock.now())


@outbox.subscribe(PaymentSettled)
def book_unclaimed_money(events: list[PaymentSettled]) -> None:
    """So does what fitted neither sale nor top-up; its handlers have asked for the refund already."""
    for event in events:
        finance.book_unclaimed(event.pay_order_id, event.amount_fen, event.transaction_id, now=clock.now())


@outbox.subscribe(LateReturned)
def book_late_money_back(events: list[LateReturned]) -> None:
    """What stood in suspense has reached the payer again."""
    _book_returned(events)


@outbox.subscribe(RefundSettled)
def book_unclaimed_money_back(events: list[RefundSettled]) -> None:
    """So has what fitted neither sale nor top-up."""
    _book_returned(events)


def _book_returned(events: Sequence[LateReturned | RefundSettled]) -> None:
    for event in events:
        finance.book_returned(event.pay_refund_id, event.amount_fen, event.refund_id, now=clock.now())
