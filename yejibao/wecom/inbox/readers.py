"""What each kind of callback means, as events (wecom-api §3). Pure: XML in, events out, nothing read or written.

`facts` is the <xml> element as xmltodict gives it: texts, nested elements as dicts, repeated ones as lists, empty ones
None. A field the platform left out is "". What cannot be an event at all raises `NotReadable`.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from yejibao.core.outbox import Event

from .. import events
from .registry import Facts, on

LOST_BY = {"del_external_contact": "guide", "del_follow_user": "member"}


class NotReadable(Exception):
    """A field without which the event says nothing is missing. Carries its name, never its content."""


# ---------------------------------------------------------------- fields


def text(facts: Any, *path: str) -> str:
    """Return a text at a path of elements, "" where there is none."""
    for name in path:
        facts = facts.get(name) if isinstance(facts, dict) else None
    return facts.strip() if isinstance(facts, str) else ""


def need(facts: Any, *path: str) -> str:
    """Return a text that must be there. Raises NotReadable."""
    if not (value := text(facts, *path)) or len(value) > 128:
        raise NotReadable("/".join(path))
    return value


def userid(facts: Any, *path: str) -> str:
    """Return a user id, lower case. Raises NotReadable."""
    return need(facts, *path).casefold()


def number(facts: Any, *path: str) -> int | None:
    """Return a whole number, None where there is none."""
    value = text(facts, *path)
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 18 else None


def many(facts: Any, *path: str) -> list[Any]:
    """Return all elements of a name that may be there once, several times or not at all."""
    for name in path:
        facts = facts.get(name) if isinstance(facts, dict) else None
    return facts if isinstance(facts, list) else [] if facts is None else [facts]


def comma_list(facts: Any, *path: str) -> list[str]:
    return [part.strip() for part in text(facts, *path).split(",") if part.strip()]


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


# ---------------------------------------------------------------- customers

CUSTOMER = "change_external_contact"


def _pair(facts: Facts) -> dict[str, str]:
    return {"userid": userid(facts, "UserID"), "external_userid": need(facts, "ExternalUserID")}


@on(CUSTOMER, "add_external_contact", "add_half_external_contact")
def read_added(facts: Facts, at: str) -> Iterator[Event]:
    yield events.FriendAdded(
        **_pair(facts), at=at, state=text(facts, "State"), welcome_code=text(facts, "WelcomeCode"),
        is_half=text(facts, "ChangeType").casefold() == "add_half_external_contact",
    )  # fmt: skip


@on(CUSTOMER, "edit_external_contact")
def read_edited(facts: Facts, at: str) -> Iterator[Event]:
    yield events.FriendEdited(**_pair(facts), at=at)


@on(CUSTOMER, *LOST_BY)
def read_lost(facts: Facts, at: str) -> Iterator[Event]:
    by = "transfer" if text(facts, "Source") == "DELETE_BY_TRANSFER" else LOST_BY[text(facts, "ChangeType").casefold()]
    yield events.FriendLost(**_pair(facts), at=at, by=by)


@on(CUSTOMER, "transfer_fail")
def read_transfer_failed(facts: Facts, at: str) -> Iterator[Event]:
    yield events.TransferFailed(**_pair(facts), at=at, reason=text(facts, "FailReason"))


@on(CUSTOMER, "msg_audit_approved")
def read_archive_agreed(facts: Facts, at: str) -> Iterator[Event]:
    yield events.ArchiveAgreed(**_pair(facts), at=at, welcome_code=text(facts, "WelcomeCode"))


# ---------------------------------------------------------------- corp tags and customer groups


@on("change_external_tag", "create", "update", "delete", "shuffle")
def read_corp_tag(facts: Facts, at: str) -> Iterator[Event]:
    what = text(facts, "ChangeType").casefold()
    tag_id = text(facts, "Id") if what == "shuffle" else need(facts, "Id")  # all groups were shuffled: no id
    yield events.CorpTagChanged(
        tag_id=tag_id, is_group=what == "shuffle" or text(facts, "TagType") == "tag_group", what=what, at=at,
        strategy_id=text(facts, "StrategyId"),
    )  # fmt: skip


@on("change_external_chat", "create", "update", "dismiss")
def read_chat(facts: Facts, at: str) -> Iterator[Event]:
    detail = text(facts, "UpdateDetail")
    scene = {"add_member": "JoinScene", "del_member": "QuitScene"}.get(detail, "")
    yield events.ChatChanged(
        chat_id=need(facts, "ChatId"), what=text(facts, "ChangeType").casefold(), at=at, detail=detail,
        member_ids=[item for item in many(facts, "MemChangeList", "Item") if isinstance(item, str)],
        scene=number(facts, scene) if scene else None,
    )  # fmt: skip


@on("customer_acquisition", "balance_low", "balance_exhausted", "balance_increased", "quota_expire_soon",
    "link_unavailable", "delete_link", "open_profile", "friend_request", "customer_start_chat",
    "message_from_customer")  # fmt: skip
def read_acquisition(facts: Facts, at: str) -> Iterator[Event]:
    yield events.AcquisitionChanged(
        what=text(facts, "ChangeType").casefold(), at=at, link_id=text(facts, "LinkId"), state=text(facts, "State"),
        userid=text(facts, "UserID").casefold(), external_userid=text(facts, "ExternalUserID"),
    )  # fmt: skip


# ---------------------------------------------------------------- the address book


@on("change_contact", "create_user", "update_user", "delete_user")
def read_person(facts: Facts, at: str) -> Iterator[Event]:
    what = {"create_user": "created", "update_user": "changed", "delete_user": "deleted"}
    yield events.PersonChanged(
        userid=userid(facts, "UserID"), what=what[text(facts, "ChangeType").casefold()], at=at,
        new_userid=text(facts, "NewUserID").casefold(),
        department_ids=[int(part) for part in comma_list(facts, "Department") if part.isascii() and part.isdecimal()],
    )  # fmt: skip


@on("subscribe")
@on("unsubscribe")
def read_range(facts: Facts, at: str) -> Iterator[Event]:
    what = "in_range" if text(facts, "Event").casefold() == "subscribe" else "out_of_range"
    yield events.PersonChanged(userid=userid(facts, "FromUserName"), what=what, at=at)


@on("change_contact", "create_party", "update_party", "delete_party")
def read_department(facts: Facts, at: str) -> Iterator[Event]:
    if (department_id := number(facts, "Id")) is None:
        raise NotReadable("Id")
    yield events.DepartmentChanged(
        department_id=department_id, what=text(facts, "ChangeType").casefold().removesuffix("_party"), at=at,
        parent_id=number(facts, "ParentId"),
    )  # fmt: skip


@on("change_contact", "update_tag")
def read_directory_tag(facts: Facts, at: str) -> Iterator[Event]:
    yield events.DirectoryTagChanged(
        tag_id=need(facts, "TagId"), at=at,
        added_userids=[name.casefold() for name in comma_list(facts, "AddUserItems")],
        removed_userids=[name.casefold() for name in comma_list(facts, "DelUserItems")],
    )  # fmt: skip


# ---------------------------------------------------------------- our app in the client


def _who(facts: Facts) -> dict[str, Any]:
    return {"userid": userid(facts, "FromUserName"), "agent_id": number(facts, "AgentID") or 0}


@on("enter_agent")
def read_entered(facts: Facts, at: str) -> Iterator[Event]:
    yield events.AppEntered(**_who(facts), at=at)


@on("click")
@on("view")
@on("view_miniprogram")
def read_menu(facts: Facts, at: str) -> Iterator[Event]:
    yield events.MenuClicked(
        **_who(facts), what=text(facts, "Event").casefold(), key=text(facts, "EventKey")[:1024], at=at
    )  # fmt: skip


@on("template_card_event")
@on("template_card_menu_event")
def read_card(facts: Facts, at: str) -> Iterator[Event]:
    choices = {
        text(item, "QuestionKey"): [part for part in many(item, "OptionIds", "OptionId") if isinstance(part, str)]
        for item in many(facts, "SelectedItems", "SelectedItem")
    }
    yield events.CardClicked(
        **_who(facts), task_id=need(facts, "TaskId"), key=text(facts, "EventKey")[:1024], at=at,
        card_type=text(facts, "CardType"), response_code=text(facts, "ResponseCode"), choices=choices,
        is_menu=text(facts, "Event").casefold() == "template_card_menu_event",
    )  # fmt: skip


# ---------------------------------------------------------------- livestream, approvals, the app's own standing


@on("living_status_change")
def read_living(facts: Facts, at: str) -> Iterator[Event]:
    if (status := number(facts, "Status")) is None:
        raise NotReadable("Status")
    yield events.LivingChanged(
        living_id=need(facts, "LivingId"), status=status, at=at, userid=text(facts, "FromUserName").casefold()
    )  # fmt: skip


@on("sys_approval_change")
def read_approval(facts: Facts, at: str) -> Iterator[Event]:
    info = facts.get("ApprovalInfo")
    yield events.ApprovalChanged(
        number=text(info, "SpNoStr") or need(info, "SpNo"), origin="sys", status=number(info, "SpStatus") or 0, at=at,
        template_id=text(info, "TemplateId"), applicant=text(info, "Applyer", "UserId").casefold(),
    )  # fmt: skip


@on("open_approval_change")
def read_own_approval(facts: Facts, at: str) -> Iterator[Event]:
    info = facts.get("ApprovalInfo")
    yield events.ApprovalChanged(
        number=need(info, "ThirdNo"), origin="open", status=number(info, "OpenSpStatus") or 0, at=at,
        template_id=text(info, "OpenTemplateId"), applicant=text(info, "ApplyUserId").casefold(),
    )  # fmt: skip


STANDINGS = (
    "inactive_alert", "close_inactive_agent", "reopen_inactive_agent", "low_active_alert", "low_active", "active_restored",
)  # fmt: skip


def read_standing(facts: Facts, at: str) -> Iterable[Event]:
    effect = number(facts, "EffectTime")
    yield events.AppStanding(
        what=text(facts, "Event").casefold(), at=at, agent_id=number(facts, "AgentID") or 0,
        effect_at=_moment(effect) if effect else "",
    )  # fmt: skip


for _standing in STANDINGS:
    on(_standing)(read_standing)
