"""What Enterprise WeChat tells the house. User ids are lower case, instants ISO 8601 in UTC (whole seconds).

@inbox.subscribe(FriendAdded)                       # yejibao.wecom.inbox; e.g. in crm/handlers.py
def greet(events: list[FriendAdded]) -> None: ...

A subscriber is called by whoever works off the inbox, with no transaction open: it may call the gateway, and opens its own
transaction for what it writes. Events come doubled, late and in any order. So: read the thing again from the platform,
compare `at` with what is known, and be safe to run twice. An exception brings the event back later, five times.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from yejibao.core.outbox import Event

# ---------------------------------------------------------------- customers (change_external_contact)


@dataclass(frozen=True)
class FriendAdded(Event):
    """A customer and a member of the corp became friends. With `is_half` the member has not confirmed yet."""

    topic: ClassVar[str] = "wecom.friend_added"
    userid: str
    external_userid: str
    at: str
    state: str = ""  # of the contact way or acquisition link it came through
    welcome_code: str = ""  # for send_welcome_msg, once, within 20 seconds of `at`; often absent
    is_half: bool = False
    received_at: str = ""  # when the callback reached us


@dataclass(frozen=True)
class FriendEdited(Event):
    """The member changed remark, phones or tags of a customer."""

    topic: ClassVar[str] = "wecom.friend_edited"
    userid: str
    external_userid: str
    at: str


@dataclass(frozen=True)
class FriendLost(Event):
    """They are no friends any more. `by`: member (the customer deleted), guide, or transfer (moved to a colleague).

    Only the last two can be seen in the API: for it a customer who deleted the member stays a contact.
    """

    topic: ClassVar[str] = "wecom.friend_lost"
    userid: str
    external_userid: str
    at: str
    by: str  # member | guide | transfer


@dataclass(frozen=True)
class TransferFailed(Event):
    """A hand-over did not come about. `reason`: customer_refused | customer_limit_exceed."""

    topic: ClassVar[str] = "wecom.transfer_failed"
    userid: str  # who was to take him over
    external_userid: str
    at: str
    reason: str


@dataclass(frozen=True)
class ArchiveAgreed(Event):
    """A customer agreed to the archiving of the chat."""

    topic: ClassVar[str] = "wecom.archive_agreed"
    userid: str
    external_userid: str
    at: str
    welcome_code: str = ""


# ---------------------------------------------------------------- corp tags and customer groups


@dataclass(frozen=True)
class CorpTagChanged(Event):
    """A corp tag or group was created, updated, deleted, or all were put in another order (shuffle, tag_id may be "")."""

    topic: ClassVar[str] = "wecom.corp_tag_changed"
    tag_id: str
    is_group: bool
    what: str  # create | update | delete | shuffle
    at: str
    strategy_id: str = ""


@dataclass(frozen=True)
class ChatChanged(Event):
    """A customer group was created, changed or dissolved. `Mirror("chat", chat_id)` holds what was read then."""

    topic: ClassVar[str] = "wecom.chat_changed"
    chat_id: str
    what: str  # create | update | dismiss
    at: str
    detail: str = ""  # add_member | del_member | change_owner | change_name | change_notice
    member_ids: list[str] = field(default_factory=list)  # who came or went
    scene: int | None = None  # how: JoinScene or QuitScene


# ---------------------------------------------------------------- the address book


@dataclass(frozen=True)
class PersonChanged(Event):
    """A member of the corp came, changed, left; or came into the app's range or went out of it (also when disabled)."""

    topic: ClassVar[str] = "wecom.person_changed"
    userid: str
    what: str  # created | changed | deleted | in_range | out_of_range
    at: str
    new_userid: str = ""
    department_ids: list[int] = field(default_factory=list)  # empty: not told


@dataclass(frozen=True)
class DepartmentChanged(Event):
    """A department of the address book came, moved or went."""

    topic: ClassVar[str] = "wecom.department_changed"
    department_id: int
    what: str  # create | update | delete
    at: str
    parent_id: int | None = None


@dataclass(frozen=True)
class DirectoryTagChanged(Event):
    """The people of a tag of the address book changed."""

    topic: ClassVar[str] = "wecom.directory_tag_changed"
    tag_id: str
    at: str
    added_userids: list[str] = field(default_factory=list)
    removed_userids: list[str] = field(default_factory=list)


# ---------------------------------------------------------------- our app in the client


@dataclass(frozen=True)
class AppEntered(Event):
    """Somebody opened the app."""

    topic: ClassVar[str] = "wecom.app_entered"
    userid: str
    at: str
    agent_id: int = 0


@dataclass(frozen=True)
class MenuClicked(Event):
    """Somebody used the app's menu. `what`: click (key), view (address), view_miniprogram (page)."""

    topic: ClassVar[str] = "wecom.menu_clicked"
    userid: str
    what: str
    key: str
    at: str
    agent_id: int = 0


@dataclass(frozen=True)
class CardClicked(Event):
    """Somebody pressed a button of a template card, or chose from its menu."""

    topic: ClassVar[str] = "wecom.card_clicked"
    userid: str
    task_id: str
    key: str
    at: str
    card_type: str = ""
    response_code: str = ""  # for update_template_card, once, within 72 hours
    choices: dict[str, list[str]] = field(default_factory=dict)  # question -> chosen options
    is_menu: bool = False
    agent_id: int = 0


# ---------------------------------------------------------------- livestream, approvals, the app's own standing


@dataclass(frozen=True)
class LivingChanged(Event):
    """A livestream is reserved (0), live (1), ended (2) or cancelled (4); expired is never told."""

    topic: ClassVar[str] = "wecom.living_changed"
    living_id: str
    status: int
    at: str
    userid: str = ""


@dataclass(frozen=True)
class ApprovalChanged(Event):
    """An approval moved on. `origin`: sys (approval app, number = sp_no) or open (own app, number = thirdNo)."""

    topic: ClassVar[str] = "wecom.approval_changed"
    number: str
    origin: str
    status: int
    at: str
    template_id: str = ""
    applicant: str = ""


@dataclass(frozen=True)
class AcquisitionChanged(Event):
    """Something happened to an acquisition link or its balance."""

    topic: ClassVar[str] = "wecom.acquisition_changed"
    what: str
    at: str
    link_id: str = ""
    state: str = ""
    userid: str = ""
    external_userid: str = ""


@dataclass(frozen=True)
class AppStanding(Event):
    """The platform warns about, pauses or reopens the app: inactive_alert, close_inactive_agent, low_active …"""

    topic: ClassVar[str] = "wecom.app_standing"
    what: str
    at: str
    agent_id: int = 0
    effect_at: str = ""
