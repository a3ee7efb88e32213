"""Groups, livings, approvals: what is read again after a callback, and the acts in the client that change it (also of corp
tags, whose calls are in `tags.py`)."""

from collections.abc import Mapping
from typing import Any

from .callbacks import CONTACTS
from .state import App, Refusal, State

OK = {"errcode": 0, "errmsg": "ok"}
LEFT, DISABLED = 5, 2


# ---------------------------------------------------------------- what the platform answers


def get_chat(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """Return a customer group."""
    chat = _thing(state, "chat", body.get("chat_id"), missing=41011, unknown=40050)
    if chat["gone"]:
        raise Refusal(49008, "chat has been dismissed")
    return {**OK, "group_chat": {"chat_id": chat["id"], "name": "", "owner": "", "member_list": [], **chat["facts"]}}


def get_living(state: State, app: App, query: Mapping[str, str]) -> dict[str, Any]:
    """Return a livestream."""
    living = _thing(state, "living", query.get("livingid"), missing=40063, unknown=92000)
    return {**OK, "living_info": {"theme": "", "status": 0, "anchor_userid": "", **living["facts"]}}


def get_approval(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """Return an approval of the approval app."""
    approval = _thing(state, "approval", body.get("sp_no"), missing=301025, unknown=301025)
    return {**OK, "info": {"sp_no": approval["id"], "sp_status": 1, **approval["facts"]}}


def get_own_approval(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """Return an approval of the engine in the own app."""
    approval = _thing(state, "own_approval", body.get("thirdNo"), missing=301025, unknown=301025)
    return {**OK, "data": {"ThirdNo": approval["id"], "OpenSpstatus": 1, **approval["facts"]}}


def get_department(state: State, app: App, query: Mapping[str, str]) -> dict[str, Any]:
    """Return one department."""
    text = query.get("id", "")
    if not text.isdigit() or int(text) not in state.departments:
        raise Refusal(60123, "invalid party id")
    return {**OK, "department": state.departments[int(text)]}


def _thing(state: State, kind: str, key: Any, *, missing: int, unknown: int) -> dict[str, Any]:
    if not key:
        raise Refusal(missing, "id missing")
    thing = state.things[kind].get(str(key))
    if thing is None:
        raise Refusal(unknown, "not found")
    return thing


# ---------------------------------------------------------------- what people do in the client and the console


def change(state: State, kind: str, key: str, facts: dict[str, Any], *, is_gone: bool = False, tells: bool = True,
           detail: str = "") -> None:  # fmt: skip
    """Create, change or end a thing as a person would; the apps are called about it. Raises KeyError for no such kind."""
    tell = TELLERS[kind]
    if kind == "person":
        known, before = key.casefold() in state.people, dict(state.people.get(key.casefold(), {}))
        if is_gone:
            state.people.pop(key.casefold(), None)
        else:
            state.set_world({"people": [before | facts | {"userid": key}]})
        thing: dict[str, Any] = {"id": key, "facts": facts, "before": before, "gone": is_gone}
    elif kind == "department":
        known = int(key) in state.departments
        if is_gone:
            state.departments.pop(int(key), None)
        else:
            state.set_world({"departments": [state.departments.get(int(key), {}) | facts | {"id": int(key)}]})
        thing = {"id": key, "facts": facts, "gone": is_gone}
    else:
        held = state.things[kind]
        known = key in held
        thing = held.setdefault(key, {"id": key, "facts": {}, "gone": False})
        thing["facts"] |= facts
        thing["gone"] = is_gone
    state.dirty = True
    if tells:
        tell(state, thing, "gone" if is_gone else "changed" if known else "new", detail)


def _tell_chat(state: State, chat: dict[str, Any], what: str, detail: str) -> None:
    name = {"new": "create", "changed": "update", "gone": "dismiss"}[what]
    more = {"UpdateDetail": detail} if what == "changed" and detail else {}
    state.callbacks.emit({"Event": "change_external_chat", "ChatId": chat["id"], "ChangeType": name} | more)


def _tell_tag(state: State, tag: dict[str, Any], what: str, detail: str) -> None:
    kind = "tag_group" if tag["id"] in state.things["tag_group"] else "tag"
    name = detail or {"new": "create", "changed": "update", "gone": "delete"}[what]
    state.callbacks.emit({"Event": "change_external_tag", "Id": tag["id"], "TagType": kind, "ChangeType": name})


def _tell_living(state: State, living: dict[str, Any], what: str, detail: str) -> None:
    facts = living["facts"]
    if facts.get("status") != 3:  # expired is never told
        state.callbacks.emit(
            {"Event": "living_status_change", "LivingId": living["id"], "Status": int(facts.get("status", 0))},
            sender=str(facts.get("anchor_userid", "")), agent_id=state.default_app[0],
        )  # fmt: skip


def _tell_approval(state: State, approval: dict[str, Any], what: str, detail: str) -> None:
    facts = approval["facts"]
    info = {"SpNo": approval["id"], "SpNoStr": approval["id"], "SpStatus": int(facts.get("sp_status", 1)),
            "TemplateId": "3TkaH5KFbrG9heEQWLJjhgpFwmqAFB4dLEnapaB7aaa", "StatuChangeEvent": 2}  # fmt: skip
    state.callbacks.emit({"Event": "sys_approval_change", "ApprovalInfo": info}, agent_id=3010040)


def _tell_own_approval(state: State, approval: dict[str, Any], what: str, detail: str) -> None:
    info = {
        "ThirdNo": approval["id"],
        "OpenSpStatus": int(approval["facts"].get("OpenSpstatus", 1)),
        "OpenTemplateId": "1",
    }
    state.callbacks.emit({"Event": "open_approval_change", "ApprovalInfo": info}, agent_id=state.default_app[0])


def _tell_person(state: State, person: dict[str, Any], what: str, detail: str) -> None:
    """The assistant of the address book hears of people; the app only who comes into its range or goes out of it."""
    facts, before, key = person["facts"], person["before"], person["id"]
    book = {"Event": "change_contact", "UserID": key}
    if what == "new":
        departments = ",".join(map(str, facts.get("department", [1])))
        state.callbacks.emit(book | {"ChangeType": "create_user", "Department": departments}, app=CONTACTS)
    elif what == "gone":
        state.callbacks.emit(book | {"ChangeType": "delete_user"}, app=CONTACTS)
    elif "department" in facts and facts["department"] != before.get("department"):
        departments = ",".join(map(str, facts["department"]))
        state.callbacks.emit(book | {"ChangeType": "update_user", "Department": departments}, app=CONTACTS)

    def in_range(row: dict[str, Any]) -> bool:
        return bool(row) and row.get("visible", True) and row.get("status", 1) not in (LEFT, DISABLED)

    after = {} if what == "gone" else before | facts | {"userid": key}
    if in_range(before) != in_range(after):
        name = "subscribe" if in_range(after) else "unsubscribe"
        state.callbacks.emit({"Event": name, "EventKey": ""}, sender=key, agent_id=state.default_app[0])


def _tell_department(state: State, department: dict[str, Any], what: str, detail: str) -> None:
    name = {"new": "create_party", "changed": "update_party", "gone": "delete_party"}[what]
    parent = {} if what == "gone" else {"ParentId": int(state.departments[int(department["id"])]["parentid"])}
    state.callbacks.emit(
        {"Event": "change_contact", "ChangeType": name, "Id": int(department["id"])} | parent, app=CONTACTS
    )


TELLERS = {
    "chat": _tell_chat, "tag": _tell_tag, "tag_group": _tell_tag, "living": _tell_living, "approval": _tell_approval,
    "own_approval": _tell_own_approval, "person": _tell_person, "department": _tell_department,
}  # fmt: skip
READS = {"living/get_living_info": get_living, "department/get": get_department}
WRITES = {
    "externalcontact/groupchat/get": get_chat,
    "oa/getapprovaldetail": get_approval,
    "corp/getopenapprovaldata": get_own_approval,
}
