"""Mass messages that members of the corp confirm in their client: typed calls on a gateway (wecom-api §5.6).

Creating one sends nothing and is not repeatable: `yejibao.wecom.mass` keeps the account of what was asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from .gateway import Gateway

MOST_CUSTOMERS, MOST_CHATS = 10_000, 2_000  # of one call
MOST_ATTACHMENTS, TEXT_BYTES = 9, 4_000
PAGE, LIST_PAGE = 1_000, 100
NOBODY_REACHABLE, CANCELLED, TOO_MANY_REMINDERS, DISPATCHING = 41048, 41093, 41094, 41063
UNKNOWN_SEND = (41046, 41047)


class Outcome(IntEnum):
    """What became of a mass message for one customer."""

    WAITING = 0
    SENT = 1
    NOT_A_FRIEND = 2
    QUOTA_USED = 3


@dataclass(frozen=True)
class Created:
    """A mass message was made. `unusable` are those it cannot go to."""

    msgid: str
    unusable: tuple[str, ...]


@dataclass(frozen=True)
class Listed:
    """A mass message as the platform's list shows it."""

    msgid: str
    created_at: datetime
    is_corp: bool  # made by the corp, in the console or by an app
    text: str
    attachments: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class SenderState:
    """Whether a member has confirmed. `userid` is lower-cased."""

    userid: str
    has_sent: bool
    at: datetime | None


@dataclass(frozen=True)
class TargetState:
    """What became of it for one customer, or one group."""

    target: str
    userid: str
    outcome: Outcome
    at: datetime | None


def create(
    door: Gateway, *, targets: Sequence[str], sender: str = "", is_group: bool = False, text: str = "",
    attachments: Sequence[dict[str, Any]] = (),
) -> Created:  # fmt: skip
    """Ask members to send something to customers, or to groups. Once: a second call is a second message."""
    body: dict[str, Any] = {"chat_type": "group" if is_group else "single"}
    body["chat_id_list" if is_group else "external_userid"] = list(targets)
    if sender:
        body["sender"] = sender
    answer = door.post("externalcontact/add_msg_template", body | content_of(text, attachments))
    return Created(str(answer["msgid"]), tuple(str(one) for one in answer.get("fail_list") or ()))


def content_of(text: str, attachments: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what is said, as both kinds of calls want it."""
    return ({"text": {"content": text}} if text else {}) | ({"attachments": list(attachments)} if attachments else {})


def list_page(
    door: Gateway, *, since: datetime, until: datetime, is_group: bool = False, cursor: str = ""
) -> tuple[list[Listed], str]:
    """Return mass messages of the corp made in a stretch of time (a month at most), and the next cursor, "" at the end."""
    answer = door.post(
        "externalcontact/get_groupmsg_list_v2",
        {"chat_type": "group" if is_group else "single", "start_time": int(since.timestamp()), "limit": LIST_PAGE,
         "end_time": int(until.timestamp()), "filter_type": 0} | ({"cursor": cursor} if cursor else {}),
    )  # fmt: skip
    rows = [
        Listed(str(row["msgid"]), datetime.fromtimestamp(int(row["create_time"]), UTC), not int(row.get("create_type") or 0),
               str((row.get("text") or {}).get("content") or ""), tuple(row.get("attachments") or ()))
        for row in answer.get("group_msg_list") or ()
    ]  # fmt: skip
    return rows, str(answer.get("next_cursor") or "")


def sender_page(door: Gateway, msgid: str, *, cursor: str = "") -> tuple[list[SenderState], str]:
    """Return who was asked to send it and who has; 41063 while it is still being handed out."""
    answer = door.post(
        "externalcontact/get_groupmsg_task",
        {"msgid": msgid, "limit": PAGE} | ({"cursor": cursor} if cursor else {}),
    )
    rows = [
        SenderState(str(row["userid"]).casefold(), int(row.get("status") or 0) == 2, moment(row.get("send_time")))
        for row in answer.get("task_list") or ()
    ]
    return rows, str(answer.get("next_cursor") or "")


def target_page(door: Gateway, msgid: str, *, userid: str, cursor: str = "") -> tuple[list[TargetState], str]:
    """Return what became of it for the customers of one member; for groups only those it was sent to."""
    answer = door.post(
        "externalcontact/get_groupmsg_send_result",
        {"msgid": msgid, "userid": userid, "limit": PAGE} | ({"cursor": cursor} if cursor else {}),
    )
    rows = [
        TargetState(str(row.get("external_userid") or row.get("chat_id")), userid, Outcome(int(row.get("status") or 0)),
                    moment(row.get("send_time")))
        for row in answer.get("send_list") or ()
    ]  # fmt: skip
    return rows, str(answer.get("next_cursor") or "")


def remind(door: Gateway, msgid: str) -> None:
    """Remind those who have not confirmed; three times in 24 hours, then 41094. Not repeatable."""
    door.post("externalcontact/remind_groupmsg_send", {"msgid": msgid})


def cancel(door: Gateway, msgid: str) -> None:
    """Stop what nobody has confirmed yet; 41093 where it was stopped before."""
    door.post("externalcontact/cancel_groupmsg_send", {"msgid": msgid})


def moment(seconds: object) -> datetime | None:
    """Return an instant of the platform, None for 0 or nothing."""
    number = int(str(seconds or 0))
    return datetime.fromtimestamp(number, UTC) if number else None
