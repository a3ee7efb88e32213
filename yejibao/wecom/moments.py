"""Moments that members of the corp confirm in their client: typed calls on a gateway (wecom-api §5.7).

Creating one is a job on the platform's side and not repeatable: `yejibao.wecom.mass` keeps the account of what was asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .gateway import Gateway
from .groupsends import Listed, Outcome, SenderState, TargetState, content_of

MOST_SENDERS = 100_000
TEXT_CHARACTERS = 2_000
LIST_PAGE, PAGE, RESULT_PAGE = 20, 1_000, 5_000
UNKNOWN_MOMENT = (41059, 41060, 41061, 41062, 41067)


@dataclass(frozen=True)
class Making:
    """How far the platform's job is. `moment_id` is there once it is done well, `errcode` says why not."""

    is_done: bool
    moment_id: str
    errcode: int
    unusable_senders: tuple[str, ...]


def create(
    door: Gateway, *, senders: Sequence[str], tag_ids: Sequence[str] = (), text: str = "",
    attachments: Sequence[dict[str, Any]] = (),
) -> str:  # fmt: skip
    """Ask members to publish a moment; returns the job's id, good for 24 hours. Once: a second call is a second moment."""
    visible: dict[str, Any] = {"sender_list": {"user_list": list(senders)}} if senders else {}
    if tag_ids:
        visible["external_contact_list"] = {"tag_list": list(tag_ids)}
    body = content_of(text, attachments) | ({"visible_range": visible} if visible else {})
    return str(door.post("externalcontact/add_moment_task", body)["jobid"])


def read_making(door: Gateway, job_id: str) -> Making:
    """Return how far the job is."""
    answer = door.get("externalcontact/get_moment_task_result", jobid=job_id)
    result = answer.get("result") or {}
    unusable = (result.get("invalid_sender_list") or {}).get("user_list") or ()
    return Making(
        int(answer.get("status") or 0) == 3, str(result.get("moment_id") or ""), int(result.get("errcode") or 0),
        tuple(str(one).casefold() for one in unusable),
    )  # fmt: skip


def list_page(door: Gateway, *, since: datetime, until: datetime, cursor: str = "") -> tuple[list[Listed], str]:
    """Return moments of the corp made in a stretch of time (30 days at most), and the next cursor, "" at the end."""
    answer = door.post(
        "externalcontact/get_moment_list",
        {"start_time": int(since.timestamp()), "end_time": int(until.timestamp()), "filter_type": 0, "limit": LIST_PAGE}
        | ({"cursor": cursor} if cursor else {}),
    )
    rows = [
        Listed(str(row["moment_id"]), datetime.fromtimestamp(int(row["create_time"]), UTC), not int(row.get("create_type") or 0),
               str((row.get("text") or {}).get("content") or ""), _attachments(row))
        for row in answer.get("moment_list") or ()
    ]  # fmt: skip
    return rows, str(answer.get("next_cursor") or "")


def _attachments(row: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return them in the form they were created in; the platform lists them by kind."""
    images = [{"msgtype": "image", "image": {"media_id": one.get("media_id")}} for one in row.get("image") or ()]
    others = [{"msgtype": kind, kind: row[kind]} for kind in ("video", "link") if row.get(kind)]
    return (*images, *others)


def sender_page(door: Gateway, moment_id: str, *, cursor: str = "") -> tuple[list[SenderState], str]:
    """Return who was asked to publish it and who has; when they did is not told."""
    answer = door.post(
        "externalcontact/get_moment_task",
        {"moment_id": moment_id, "limit": PAGE} | ({"cursor": cursor} if cursor else {}),
    )
    rows = [
        SenderState(str(row["userid"]).casefold(), int(row.get("publish_status") or 0) == 1, None)
        for row in answer.get("task_list") or ()
    ]
    return rows, str(answer.get("next_cursor") or "")


def target_page(door: Gateway, moment_id: str, *, userid: str, cursor: str = "") -> tuple[list[TargetState], str]:
    """Return which customers of one member can see it."""
    answer = door.post(
        "externalcontact/get_moment_send_result",
        {"moment_id": moment_id, "userid": userid, "limit": RESULT_PAGE} | ({"cursor": cursor} if cursor else {}),
    )
    rows = [
        TargetState(str(row["external_userid"]), userid, Outcome.SENT, None)
        for row in answer.get("customer_list") or ()
    ]
    return rows, str(answer.get("next_cursor") or "")


def audience_page(door: Gateway, moment_id: str, *, userid: str, cursor: str = "") -> tuple[list[str], str]:
    """Return the customers a member chose, whether or not they can see it."""
    answer = door.post(
        "externalcontact/get_moment_customer_list",
        {"moment_id": moment_id, "userid": userid, "limit": PAGE} | ({"cursor": cursor} if cursor else {}),
    )
    return [str(row["external_userid"]) for row in answer.get("customer_list") or ()], str(
        answer.get("next_cursor") or ""
    )


def cancel(door: Gateway, moment_id: str) -> None:
    """Stop it for those who have not published it yet."""
    door.post("externalcontact/cancel_moment_task", {"moment_id": moment_id})
