"""Clock-in and approval, as far as the doctor asks for them: granted or not. The calls themselves come with their rooms."""

from typing import Any

from .state import App, State

OK = {"errcode": 0, "errmsg": "ok"}


def list_checkin_rules(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """Return the corp's clock-in rules."""
    return {**OK, "group": []}


def list_approvals(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers of approvals in a span of time; no cursor is the end."""
    return {**OK, "sp_no_list": []}
