"""The control side of customers: somebody scans a code, either side ends it, a guide edits a remark, many come at once."""

from typing import Any

from . import contacts
from .control import Rejected
from .state import State


def list_ways(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Return the codes there are."""
    return {"ways": list(state.ways.values())}


def scan(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Scan a code: {"config_id": …} and, where wanted, external_userid, name, unionid, userid (whom of several)."""
    wanted = {key: str(body[key]) for key in ("external_userid", "name", "unionid", "userid") if body.get(key)}
    try:
        return contacts.scan(state, str(body.get("config_id") or ""), **wanted)
    except KeyError:
        raise Rejected(404, "no such code") from None


def befriend(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Add a friend without a code (a search by phone, say)."""
    userid, external = str(body.get("userid") or "").casefold(), str(body.get("external_userid") or "")
    if userid not in state.people or not external:
        raise Rejected(404, "no such person")
    is_new = contacts.befriend(
        state, userid, external, name=str(body.get("name") or ""), unionid=str(body.get("unionid") or ""),
        way_state=str(body.get("state") or ""), add_way=int(body.get("add_way", 2)), tells=bool(body.get("tell", True)),
        welcomes=bool(body.get("welcome", True)),
    )  # fmt: skip
    return {"is_new": is_new}


def part(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """End a relation: {"userid", "external_userid", "by": member | guide}."""
    if body.get("by") not in ("member", "guide"):
        raise Rejected(422, "by is member or guide")
    try:
        contacts.part(
            state, str(body.get("userid") or "").casefold(), str(body.get("external_userid") or ""), by=body["by"],
            source=str(body.get("source") or ""),
        )  # fmt: skip
    except KeyError:
        raise Rejected(409, "not friends") from None
    return {}


def edit(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Edit remark, description, remark_mobiles or tags as the guide does in the client."""
    try:
        contacts.edit(
            state, str(body.get("userid") or "").casefold(), str(body.get("external_userid") or ""),
            {key: body[key] for key in ("remark", "description", "remark_mobiles", "tags") if key in body},
        )  # fmt: skip
    except KeyError:
        raise Rejected(409, "not friends") from None
    return {}


def crowd(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Fill the lists of all who live here with `count` customers, evenly and silently; phones in every tenth remark."""
    people = sorted(state.people)
    count = int(body.get("count", 0))
    if not people or not 0 < count <= 1_000_000:
        raise Rejected(422, "people and a count are wanted")
    now = int(state.clock.time())
    for number in range(count):
        external = f"wmcrowd{number:08}"
        phones = [f"138{number % 100_000_000:08}"] if number % 10 == 0 else []
        state.contacts[external] = {
            "external_contact": {"external_userid": external, "name": f"客户{number}", "type": 1, "gender": 1, "avatar": "",
                                 "unionid": f"oUcrowd{number:08}"},
            "follow_user": [
                {"userid": people[number % len(people)], "remark": f"客户{number}", "description": "", "createtime": now - number % 86400,
                 "tags": [], "remark_mobiles": phones, "oper_userid": people[number % len(people)], "add_way": 1}
            ],
        }  # fmt: skip
        state.contacts_of[people[number % len(people)]].append(external)
    return {"contacts": len(state.contacts)}


def kill_cursors(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Let the cursors that were handed out die (50100)."""
    state.cursor_age += 1
    return {}


def list_welcome_codes(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Return the welcome codes that were handed out."""
    return {"codes": state.welcome_codes}


def get_contact(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Return one customer as he is kept."""
    contact = state.contacts.get(query.get("external_userid", ""))
    if contact is None:
        raise Rejected(404, "no such customer")
    return {"contact": contact}


ROUTES = {
    ("GET", "ways"): list_ways,
    ("POST", "scan"): scan,
    ("POST", "friend"): befriend,
    ("POST", "unfriend"): part,
    ("POST", "remark"): edit,
    ("POST", "crowd"): crowd,
    ("POST", "cursors/die"): kill_cursors,
    ("GET", "contact"): get_contact,
    ("GET", "welcome_codes"): list_welcome_codes,
}
