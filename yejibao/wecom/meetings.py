"""Meetings and shared files of the platform: typed calls on a gateway (wecom-api §7.4, §7.5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .errors import GatewayError
from .gateway import Gateway
from .messages import trim, trim_bytes

TITLE_CHARS, TITLE_BYTES = 20, 40
INVITED = 100
LEAST_SECONDS, MOST_SECONDS = 300, 86_399
MADE_ALREADY = (400301, 400302)  # the same meeting within five minutes: the platform's own guard
PAGE = 1_000
FOLDER = 1  # file_type


@dataclass(frozen=True)
class Call:
    """What the platform knows of a meeting; who joined, for how many seconds."""

    is_over: bool
    code: str
    link: str
    joined: dict[str, int]


def create(
    door: Gateway, *, admin: str, title: str, starts_at: datetime, seconds: int, text: str = "", place: str = "",
    invited: Sequence[str] = (),
) -> str:  # fmt: skip
    """Reserve a meeting and return its id. Guarded by the platform against a second one; raises GatewayError."""
    body: dict[str, Any] = {
        "admin_userid": admin, "title": trim_bytes(trim(title, TITLE_CHARS), TITLE_BYTES),
        "meeting_start": int(starts_at.timestamp()), "meeting_duration": max(LEAST_SECONDS, min(seconds, MOST_SECONDS)),
        "settings": {"remind_scope": 1, "allow_enter_before_host": True},
    }  # fmt: skip
    body |= {"description": text} if text else {}
    body |= {"location": place} if place else {}
    # One userid that is wrong fails all of it, and more than a hundred are not taken: the others come by the link.
    body |= {"invitees": {"userid": list(invited[:INVITED])}} if invited else {}
    return str(door.post("meeting/create", body)["meetingid"])


def read(door: Gateway, meeting_id: str) -> Call:
    """Return how a meeting stands and who joined so far."""
    answer = door.post("meeting/get_info", {"meetingid": meeting_id})
    members = (answer.get("attendees") or {}).get("member") or ()
    return Call(
        int(answer.get("status") or 1) >= 3, str(answer.get("meeting_code") or ""), str(answer.get("meeting_link") or ""),
        {str(one["userid"]).casefold(): int(one.get("cumulative_time") or 0) for one in members if int(one.get("status") or 2) == 1},
    )  # fmt: skip


def cancel(door: Gateway, meeting_id: str) -> None:
    """Call off a meeting that has not begun."""
    door.post("meeting/cancel", {"meetingid": meeting_id})


@dataclass(frozen=True)
class DriveEntry:
    """A file of a 微盘 space."""

    file_id: str
    name: str
    size: int
    changed_at: int  # seconds since 1970


def list_files(door: Gateway, space_id: str) -> list[DriveEntry]:
    """Return the files at the top of a space, folders left out; a thousand a call. A free corp has 1,000 calls a month."""
    found: list[DriveEntry] = []
    start = 0
    while True:
        answer = door.post(
            "wedrive/file_list",
            {"spaceid": space_id, "fatherid": space_id, "sort_type": 6, "start": start, "limit": PAGE},
        )
        rows = (answer.get("file_list") or {}).get("item") or ()
        found += [
            DriveEntry(
                str(row["fileid"]),
                str(row.get("file_name") or ""),
                int(row.get("file_size") or 0),
                int(row.get("mtime") or 0),
            )
            for row in rows
            if int(row.get("file_type") or 0) != FOLDER
        ]
        if not answer.get("has_more"):
            return found
        start = int(answer.get("next_start") or start + PAGE)


def share_file(door: Gateway, file_id: str) -> str:
    """Return the address at which a file opens in the client."""
    return str(door.post("wedrive/file_share", {"fileid": file_id})["share_url"])


__all__ = ["Call", "DriveEntry", "GatewayError", "cancel", "create", "list_files", "read", "share_file"]
