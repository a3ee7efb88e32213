"""Clock-in: its rules as far as the doctor asks for them, and what was pressed. Approval: granted or not."""

from typing import Any

from .state import App, Refusal, State

OK = {"errcode": 0, "errmsg": "ok"}
PEOPLE_A_CALL, LONGEST_SECONDS = 100, 30 * 86_400
CHECK_IN = {
    "groupname": "门店考勤", "checkin_type": "上班打卡", "exception_type": "", "location_title": "", "location_detail": "",
    "wifiname": "", "notes": "", "wifimac": "", "mediaids": [], "lat": 0, "lng": 0, "deviceid": "", "sch_checkin_time": 0,
    "groupid": 1, "schedule_id": 0, "timeline_id": 0,
}  # fmt: skip


def list_checkin_rules(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """Return the corp's clock-in rules."""
    return {**OK, "group": []}


def list_check_ins(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """Return what these people pressed in a span of time. One unknown person fails the whole call."""
    names, begin, end = body.get("useridlist"), body.get("starttime"), body.get("endtime")
    if not isinstance(names, list) or not 0 < len(names) <= PEOPLE_A_CALL:
        raise Refusal(301023, "invalid useridlist size")
    if not isinstance(begin, int) or not isinstance(end, int) or not 0 <= end - begin <= LONGEST_SECONDS:
        raise Refusal(301024, "invalid time range")
    wanted = {str(name).casefold() for name in names}
    if wanted - state.people.keys():
        raise Refusal(301021, "invalid userid")
    rows = [held["facts"] for held in state.things["check_in"].values()]
    found = [row for row in rows if row["userid"].casefold() in wanted and begin <= row["checkin_time"] <= end]
    return {**OK, "checkindata": sorted(found, key=lambda row: (row["checkin_time"], row["userid"]))}


def press(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Let somebody press in the platform's own 打卡, or miss it: `userid`, `checkin_time`, and what differs from a good one."""
    row = CHECK_IN | body
    key = f"{row['userid']}:{row['checkin_type']}:{row['checkin_time']}"
    state.things["check_in"][key] = {"id": key, "facts": row, "gone": False}
    state.dirty = True
    return {"id": key}


def list_approvals(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers of approvals in a span of time; no cursor is the end."""
    return {**OK, "sp_no_list": []}
