"""The control side of corp tags: what an administrator does in the console, and a member to his customer in the client."""

from typing import Any

from . import tags
from .control import Rejected
from .state import State


def list_groups(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Return all groups with their tags; with `userid` and `external_userid` also the ids this customer has of her."""
    marked: list[str] = []
    if query.get("external_userid"):
        marked = _marked(state, query.get("userid", ""), query["external_userid"])
    return {"tag_group": tags.all_groups(state), "marked": marked}


def make(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Make tags in the console: {"group_name": …, "names": […]}."""
    names = [str(name) for name in body.get("names") or ()]
    if not body.get("group_name") or not names:
        raise Rejected(422, "group_name and names are wanted")
    return {"group": tags.make_in_console(state, str(body["group_name"]), names)}


def delete(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Delete a tag or group in the console: {"id": …}."""
    key = str(body.get("id") or "")
    for kind in ("tag", "tag_group"):
        if key in state.things[kind]:
            tags.end(state, kind, key)
            return {}
    raise Rejected(404, "no such tag")


def mark(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Mark a customer as the member does in the client: {"userid", "external_userid", "add": [ids], "remove": [ids]}."""
    add, remove = ([str(one) for one in body.get(name) or ()] for name in ("add", "remove"))
    userid, external = str(body.get("userid") or ""), str(body.get("external_userid") or "")
    try:
        return {"marked": tags.mark_in_client(state, userid, external, add=add, remove=remove)}
    except KeyError:
        raise Rejected(409, "not friends, or no such tag") from None


def _marked(state: State, userid: str, external: str) -> list[str]:
    contact = state.contacts.get(external)
    follows = contact["follow_user"] if contact else ()
    row = next((one for one in follows if str(one["userid"]).casefold() == userid.casefold()), None)
    if row is None or row.get("deleted"):
        raise Rejected(409, "not friends")
    return [tag["tag_id"] for tag in row["tags"] if tag.get("tag_id")]


ROUTES = {
    ("GET", "tags"): list_groups,
    ("POST", "tags"): make,
    ("POST", "tags/delete"): delete,
    ("POST", "tags/mark"): mark,
}
