"""Meetings and 微盘 of the stand-in: what is made here is kept, control says who joined and which files there are."""

from typing import Any

from .state import App, Refusal, State

OK = {"errcode": 0, "errmsg": "ok"}
TITLE_CHARS, TITLE_BYTES = 20, 40
SAME_WITHIN = 300
WAITING, OVER, CANCELLED = 1, 3, 4


def create_meeting(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """Reserve a meeting, once: the same again within five minutes is refused."""
    admin, title, start = str(body.get("admin_userid") or ""), str(body.get("title") or ""), body.get("meeting_start")
    if admin.casefold() not in state.people:
        raise Refusal(400021, "invalid admin_userid")
    if not title or len(title) > TITLE_CHARS or len(title.encode()) > TITLE_BYTES:
        raise Refusal(400020, "invalid title")
    if not isinstance(start, int) or start <= state.clock.time():
        raise Refusal(400024, "invalid meeting_start")
    if not 300 <= int(body.get("meeting_duration") or 0) <= 86_399:
        raise Refusal(400025, "invalid meeting_duration")
    invited = (body.get("invitees") or {}).get("userid") or []
    if len(invited) > 100 or any(str(one).casefold() not in state.people for one in invited):
        raise Refusal(400021, "invalid invitees")
    for held in state.things["meeting"].values():
        facts = held["facts"]
        if (facts["admin"], facts["title"], facts["start"]) == (admin, title, start) and not facts["cancelled"]:
            raise Refusal(400301, "same meeting")
    number = len(state.things["meeting"]) + 1
    key = f"hymeeting{number:04}"
    state.things["meeting"][key] = {
        "id": key, "gone": False,
        "facts": {"admin": admin, "title": title, "start": start, "cancelled": False, "joined": {}, "over": False, "number": number},
    }  # fmt: skip
    state.dirty = True
    return {**OK, "meetingid": key, "excess_users": []}


def read_meeting(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """Tell how a meeting stands."""
    facts = _meeting(state, body)
    status = CANCELLED if facts["cancelled"] else OVER if facts["over"] else WAITING
    member = [
        {"userid": userid, "status": 1, "cumulative_time": seconds}
        for userid, seconds in sorted(facts["joined"].items())
    ]
    return {
        **OK, "title": facts["title"], "status": status, "meeting_code": f"{600_000_000 + facts['number']}",
        "meeting_link": f"https://meeting.tencent.com/dm/yj{facts['number']:04}", "attendees": {"member": member},
    }  # fmt: skip


def cancel_meeting(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """Call a meeting off."""
    _meeting(state, body)["cancelled"] = True
    state.dirty = True
    return dict(OK)


def _meeting(state: State, body: dict[str, Any]) -> dict[str, Any]:
    held = state.things["meeting"].get(str(body.get("meetingid") or ""))
    if held is None:
        raise Refusal(400302, "no such meeting")
    facts: dict[str, Any] = held["facts"]
    return facts


def list_drive(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """List a space."""
    space = str(body.get("spaceid") or "")
    rows = [held["facts"] for held in state.things["drive_file"].values() if held["facts"]["spaceid"] == space]
    if not rows and space not in {held["facts"]["spaceid"] for held in state.things["drive_file"].values()}:
        raise Refusal(640001, "no such space")
    start, limit = int(body.get("start") or 0), int(body.get("limit") or 50)
    part = sorted(rows, key=lambda row: row["fileid"])[start : start + limit]
    more = start + limit < len(rows)
    return {**OK, "has_more": more, "next_start": start + limit, "file_list": {"item": part}}


def share_drive(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """Return where a file opens."""
    file_id = str(body.get("fileid") or "")
    if file_id not in state.things["drive_file"]:
        raise Refusal(640004, "no such file")
    return {**OK, "share_url": f"https://drive.weixin.qq.com/s?k={file_id}"}


# ---------------------------------------------------------------- control


def join(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Let people join a meeting: `meetingid`, `joined` as seconds by userid; `over` ends it."""
    facts = _meeting(state, body)
    facts["joined"] |= {str(name): int(seconds) for name, seconds in (body.get("joined") or {}).items()}
    facts["over"] = bool(body.get("over", facts["over"]))
    state.dirty = True
    return {"joined": len(facts["joined"])}


def put_file(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Put a file into a space: `spaceid`, `fileid`, `file_name`, `file_size`, `mtime`; or take it away with `gone`."""
    key = str(body["fileid"])
    if body.get("gone"):
        state.things["drive_file"].pop(key, None)
    else:
        facts = {"fatherid": body["spaceid"], "file_type": 2, "file_size": 1, "mtime": 0, "file_name": key} | body
        state.things["drive_file"][key] = {"id": key, "facts": facts, "gone": False}
    state.dirty = True
    return {"fileid": key}


WRITES = {
    "meeting/create": create_meeting,
    "meeting/get_info": read_meeting,
    "meeting/cancel": cancel_meeting,
    "wedrive/file_list": list_drive,
    "wedrive/file_share": share_drive,
}
ROUTES = {("POST", "meetings/join"): join, ("POST", "drive/file"): put_file}
