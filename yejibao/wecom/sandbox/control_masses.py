"""The control side of mass messages: what a member is asked to confirm, and that she does."""

from typing import Any

from . import confirming
from .control import Rejected
from .state import State


def list_waiting(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Return what a member (`userid`) was asked to send, the newest first."""
    return {"masses": confirming.waiting_of(state, query.get("userid", "").casefold()), "now": state.clock.time()}


def confirm(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Send it: {"id", "userid"}, with `only` to some of the customers; without `userid` everybody who was asked does."""
    number, only = str(body.get("id") or ""), body.get("only")
    held = state.things["mass"].get(number) or state.things["moment"].get(number)
    if held is None:
        raise Rejected(404, "no such message")
    people = [str(body["userid"]).casefold()] if body.get("userid") else list(held["facts"]["tasks"])
    try:
        reached = [confirming.confirm(state, number, one, only)["reached"] for one in people]
    except KeyError:
        raise Rejected(404, "not asked") from None
    except ValueError as error:
        raise Rejected(409, str(error)) from None
    return {"reached": sum(reached)}


ROUTES = {("GET", "masses"): list_waiting, ("POST", "masses/confirm"): confirm}
