"""What crm tells the world. Instants are ISO 8601 in UTC, dates ISO."""

from dataclasses import dataclass
from typing import ClassVar

from yejibao.core.outbox import Event


@dataclass(frozen=True)
class OrderPaid(Event):
    """An order with all its lines reached the system (once per order; also for orders that do not qualify)."""

    topic: ClassVar[str] = "crm.order_paid"
    order_id: int


@dataclass(frozen=True)
class OrderReturned(Event):
    """Goods of an order came back. `is_full`: nothing paid is left."""

    topic: ClassVar[str] = "crm.order_returned"
    order_id: int
    is_full: bool
    returned_at: str


@dataclass(frozen=True)
class OrderExchanged(Event):
    """Items of an order were exchanged for others."""

    topic: ClassVar[str] = "crm.order_exchanged"
    order_id: int
    exchanged_at: str


@dataclass(frozen=True)
class OrderReceived(Event):
    """A delivered order was signed for (签收)."""

    topic: ClassVar[str] = "crm.order_received"
    order_id: int
    received_at: str


@dataclass(frozen=True)
class OrderCorrected(Event):
    """The till sent a paid order again with other facts (lines, amount, guide); not its time or member."""

    topic: ClassVar[str] = "crm.order_corrected"
    order_id: int


@dataclass(frozen=True)
class TicketChanged(Event):
    """An after-sale ticket was opened, moved on or closed."""

    topic: ClassVar[str] = "crm.ticket_changed"
    ticket_id: int


@dataclass(frozen=True)
class FittingChanged(Event):
    """An appointment to be measured, or what is made from it, moved on, to another time, or into other hands."""

    topic: ClassVar[str] = "crm.fitting_changed"
    fitting_id: int


@dataclass(frozen=True)
class MemberChanged(Event):
    """A member was closed, opted out, asked not to be contacted, or changed owner; or his friend was not passed on."""

    topic: ClassVar[str] = "crm.member_changed"
    member_id: int
    what: str  # closed | corrected | do_not_contact | opt_out | owner | not_transferred | phone_consent | profiling


@dataclass(frozen=True)
class FriendChanged(Event):
    """A WeCom relation came or went. `state` is FriendLink.state."""

    topic: ClassVar[str] = "crm.friend_changed"
    member_id: int
    guide_id: int
    state: str
    at: str


@dataclass(frozen=True)
class HeirNamed(Event):
    """The members of a guide who left got new guides, or some of them others once more."""

    topic: ClassVar[str] = "crm.heir_named"
    handover_id: int


@dataclass(frozen=True)
class MembersMerged(Event):
    """Two members turned out to be one person, or (`is_undone`) that was taken back. The rows have changed hands already."""

    topic: ClassVar[str] = "crm.members_merged"
    kept_id: int
    gone_id: int
    is_undone: bool = False


@dataclass(frozen=True)
class MemberTagged(Event):
    """What counts of a member's tag changed. `source` is who said so (tags.yaml: sources)."""

    topic: ClassVar[str] = "crm.member_tagged"
    member_id: int
    tag: str  # its key
    source: str
    staff_id: int | None
    at: str


@dataclass(frozen=True)
class VisitChanged(Event):
    """An invitation was made, answered, moved or ended, or the member came or bought."""

    topic: ClassVar[str] = "crm.visit_changed"
    visit_id: int


@dataclass(frozen=True)
class VisitsPlanned(Event):
    """A part of a manager's list was planned, or called back: the visits of the group with ids from `first_id` to `last_id`."""

    topic: ClassVar[str] = "crm.visits_planned"
    group_id: int
    first_id: int
    last_id: int


@dataclass(frozen=True)
class OrderLinkSent(Event):
    """A guide's order went to its member in her chat: the link to look at it and pay."""

    topic: ClassVar[str] = "crm.order_link_sent"
    proxy_id: int
    member_id: int
    guide_id: int
    sent_at: str
