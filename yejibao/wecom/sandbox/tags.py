"""Corp tags: groups and tags with the platform's limits, who has been marked with what, and the acts in console and client.

They are kept as things (`tag_group`, `tag`): {"id", "facts": {"group_name"|"name", "group_id", "order", "create_time",
"app": who made it, 0 the console}, "gone"}. Calls of an app tell nobody, unless `api_tells` is set (wecom-api §5.3, §13.1).
"""

import json
import secrets
from typing import Any

from . import contacts
from .state import App, Refusal, State

OK = {"errcode": 0, "errmsg": "ok"}
NAME_MOST, ORDER_ENDS = 30, 2**32
BAD_ID, NAME_TAKEN, NAME_LENGTH, TOO_MANY, TOO_MANY_ON_ONE, NO_RIGHT = 40068, 40071, 40072, 40126, 40144, 81011
MARK = "externalcontact/mark_tag"
EDITED = {"Event": "change_external_contact", "ChangeType": "edit_external_contact"}


# ---------------------------------------------------------------- what the platform answers


def list_corp_tags(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """Return tag groups; `group_id` wins over `tag_id`, neither is all. No paging. Deleted ones are left out."""
    if body.get("group_id"):
        wanted = {str(key) for key in body["group_id"]}
        return {**OK, "tag_group": [_group(state, row) for row in _alive(state, "tag_group") if row["id"] in wanted]}
    if body.get("tag_id"):
        only = {str(key) for key in body["tag_id"]}
        holding = {_group_of(tag) for tag in _alive(state, "tag") if tag["id"] in only}
        groups = [_group(state, row, only) for row in _alive(state, "tag_group") if row["id"] in holding]
        return {**OK, "tag_group": groups}
    return {**OK, "tag_group": [_group(state, row) for row in _alive(state, "tag_group")]}


def add_corp_tag(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """Add tags to a group, by its id or name; a name that exists is reused. Answers with the new tags only."""
    rows = body.get("tag")
    if not isinstance(rows, list) or not rows:
        raise Refusal(40063, "tag is empty")
    names = list(dict.fromkeys(_name(row.get("name")) for row in rows))
    group = _group_to_fill(state, body)
    taken = {tag["facts"].get("name") for tag in _tags_of(state, group["id"])} if group else set()
    if taken & set(names):
        raise Refusal(NAME_TAKEN, "tag name already exists")
    if sum(1 for _ in _alive(state, "tag")) + len(names) > state.figures.corp_tags_most:
        raise Refusal(TOO_MANY, "too many corp tags")
    is_new = group is None
    if group is None:
        facts = {"group_name": _name(body.get("group_name")), "order": _order(body.get("order"))}
        group = _make(state, "tag_group", app.agentid, facts)
    orders = {str(row["name"]).strip(): _order(row.get("order")) for row in rows}
    made = [
        _make(state, "tag", app.agentid, {"name": name, "group_id": group["id"], "order": orders.get(name, 0)})
        for name in names
    ]
    for thing, kind in [(group, "tag_group")] * is_new + [(tag, "tag") for tag in made]:
        _tell_if_wanted(state, thing, kind, "create")
    return {**OK, "tag_group": _group(state, group, {tag["id"] for tag in made})}


def edit_corp_tag(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """Rename or move a tag or group of the app's own."""
    kind, thing = _own(state, app, body.get("id"))
    facts = thing["facts"]
    if body.get("name"):
        name = _name(body["name"])
        field = "group_name" if kind == "tag_group" else "name"
        beside = _alive(state, kind) if kind == "tag_group" else _tags_of(state, _group_of(thing))
        if any(row["facts"].get(field) == name for row in beside if row["id"] != thing["id"]):
            raise Refusal(NAME_TAKEN, "name already exists")
        facts[field] = name
    if "order" in body:
        facts["order"] = _order(body["order"])
    state.dirty = True
    _tell_if_wanted(state, thing, kind, "update")
    return dict(OK)


def delete_corp_tags(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """Delete tags and groups of the app's own, from the customers too; a group goes with its last tag."""
    ids = [*(body.get("tag_id") or ()), *(body.get("group_id") or ())]
    if not ids:
        raise Refusal(40063, "tag_id and group_id are empty")
    for kind, thing in [_own(state, app, one) for one in ids]:
        end(state, kind, thing["id"], tells=state.figures.api_tells)
    return dict(OK)


def mark_tag(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """Add and remove tags of one customer of one member. Marking twice is like once."""
    add, remove = ([str(one) for one in body.get(name) or ()] for name in ("add_tag", "remove_tag"))
    if not add and not remove:
        raise Refusal(40063, "add_tag and remove_tag are empty")
    _contact, follow = contacts.pair_of(state, body)
    alive = {tag["id"] for tag in _alive(state, "tag")}
    if unknown := {*add, *remove} - alive:
        raise Refusal(BAD_ID, f"invalid tag id: {len(unknown)}")
    pair = (str(follow["userid"]).casefold(), str(body["external_userid"]))
    held = {tag["tag_id"]: tag for tag in follow["tags"] if tag.get("tag_id")}
    after = (set(held) | set(add)) - set(remove)
    if len(after) > state.figures.tags_each:
        raise Refusal(TOO_MANY_ON_ONE, "too many tags on this customer")
    _write(follow, after)
    state.dirty = True
    if state.figures.api_tells:
        state.callbacks.emit(EDITED | {"UserID": follow["userid"], "ExternalUserID": pair[1]})
    return dict(OK)


def pair_in(raw: bytes) -> tuple[str, str]:
    """Return whom a call of mark_tag is about, before it is answered."""
    try:
        body = json.loads(raw)
        return str(body["userid"]).casefold(), str(body["external_userid"])
    except (ValueError, KeyError, TypeError):
        return "", ""


def shown(state: State, follow: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the tags of a relation as externalcontact/get shows them: with their names of now, the member's own too."""
    rows = []
    for tag in follow.get("tags", ()):
        thing = state.things["tag"].get(str(tag.get("tag_id", "")))
        if thing is None:
            rows.append(tag)
            continue
        group = state.things["tag_group"].get(_group_of(thing), {"facts": {}})
        rows.append({"group_name": group["facts"].get("group_name", ""), "tag_name": thing["facts"].get("name", ""),
                     "tag_id": thing["id"], "type": 1})  # fmt: skip
    return rows


# ---------------------------------------------------------------- what people do in the client and the console


def make_in_console(state: State, group_name: str, names: list[str]) -> dict[str, Any]:
    """Let an administrator make a group with tags, or add to one; the apps are called about each."""
    known = next((row for row in _alive(state, "tag_group") if row["facts"].get("group_name") == group_name), None)
    group = known or _make(state, "tag_group", 0, {"group_name": group_name, "order": 0})
    made = [_make(state, "tag", 0, {"name": name, "group_id": group["id"], "order": 0}) for name in names]
    for thing, kind in [(group, "tag_group")] * (known is None) + [(tag, "tag") for tag in made]:
        _tell(state, thing, kind, "create")
    return _group(state, group, {tag["id"] for tag in made})


def end(state: State, kind: str, key: str, *, tells: bool = True) -> None:
    """Delete a tag or group; with a group its tags go without a word, and a group goes with its last tag. Raises KeyError."""
    thing = state.things[kind][key]
    gone = _tags_of(state, key) if kind == "tag_group" else [thing]
    for one in [*gone, thing]:
        one["gone"] = True
    ids = {tag["id"] for tag in gone}
    for contact in state.contacts.values():
        for follow in contact["follow_user"]:
            follow["tags"] = [tag for tag in follow["tags"] if tag.get("tag_id") not in ids]
    if tells:
        _tell(state, thing, kind, "delete")
    if kind == "tag" and not _tags_of(state, _group_of(thing)) and _group_of(thing) in state.things["tag_group"]:
        group = state.things["tag_group"][_group_of(thing)]
        group["gone"] = True
        if tells:
            _tell(state, group, "tag_group", "delete")
    state.dirty = True


def mark_in_client(state: State, userid: str, external: str, *, add: list[str], remove: list[str]) -> list[str]:
    """Let a member mark his customer in the client; the app is told that something changed. Returns the ids he has now.

    Raises KeyError where they are no friends, or there is no such tag.
    """
    follow = contacts.follow_of(state.contacts[external], userid.casefold())
    if follow is None or follow.get("deleted") or {*add} - {tag["id"] for tag in _alive(state, "tag")}:
        raise KeyError("no friends, or no such tag")
    held = {tag["tag_id"] for tag in follow["tags"] if tag.get("tag_id")}
    after = (held | set(add)) - set(remove)
    if after != held:
        _write(follow, after)
        state.dirty = True
        state.callbacks.emit(EDITED | {"UserID": userid.casefold(), "ExternalUserID": external})
    return sorted(after)


def all_groups(state: State) -> list[dict[str, Any]]:
    """Return every group with its tags, as console and client list them."""
    return [_group(state, row) for row in _alive(state, "tag_group")]


# ---------------------------------------------------------------- small things


def _alive(state: State, kind: str) -> list[dict[str, Any]]:
    rows = [row for row in state.things[kind].values() if not row["gone"]]
    return sorted(rows, key=lambda row: -int(row["facts"].get("order", 0)))  # the larger first


def _group_of(tag: dict[str, Any]) -> str:
    return str(tag["facts"].get("group_id", ""))


def _tags_of(state: State, group_id: str) -> list[dict[str, Any]]:
    return [tag for tag in _alive(state, "tag") if _group_of(tag) == group_id]


def _group(state: State, group: dict[str, Any], only: set[str] | None = None) -> dict[str, Any]:
    inside = [
        {"id": tag["id"], "name": "", "create_time": 0, "order": 0} | _public(tag["facts"])
        for tag in _tags_of(state, group["id"])
        if only is None or tag["id"] in only
    ]
    facts = {"group_id": group["id"], "group_name": "", "create_time": 0, "order": 0} | _public(group["facts"])
    return facts | {"tag": inside}


def _public(facts: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in facts.items() if key not in ("app", "group_id")}


def _make(state: State, kind: str, app: int, facts: dict[str, Any]) -> dict[str, Any]:
    key = f"et{secrets.token_urlsafe(22)}"
    thing = {"id": key, "facts": facts | {"create_time": int(state.clock.time()), "app": app}, "gone": False}
    state.things[kind][key] = thing
    state.dirty = True
    return thing


def _group_to_fill(state: State, body: dict[str, Any]) -> dict[str, Any] | None:
    if body.get("group_id"):
        group = state.things["tag_group"].get(str(body["group_id"]))
        if group is None or group["gone"]:
            raise Refusal(BAD_ID, "invalid group id")
        return group
    name = _name(body.get("group_name"))
    return next((row for row in _alive(state, "tag_group") if row["facts"].get("group_name") == name), None)


def _own(state: State, app: App, key: Any) -> tuple[str, dict[str, Any]]:
    """Return a living tag or group of this app's own."""
    if not key:
        raise Refusal(40063, "id is empty")
    for kind in ("tag", "tag_group"):
        thing = state.things[kind].get(str(key))
        if thing is not None and not thing["gone"]:
            if thing["facts"].get("app", 0) != app.agentid:
                raise Refusal(NO_RIGHT, "no privilege to edit this tag")
            return kind, thing
    raise Refusal(BAD_ID, "invalid tag or group id")


def _name(value: Any) -> str:
    name = str(value or "").strip()
    if not 0 < len(name) <= NAME_MOST:
        raise Refusal(NAME_LENGTH, "tag name length")
    return name


def _order(value: Any) -> int:
    order = int(value or 0)
    if not 0 <= order < ORDER_ENDS:
        raise Refusal(40058, "order out of range")
    return order


def _write(follow: dict[str, Any], ids: set[str]) -> None:
    own = [tag for tag in follow["tags"] if not tag.get("tag_id")]  # the member's personal tags stay
    follow["tags"] = own + [{"tag_id": one, "type": 1} for one in sorted(ids)]


def _tell_if_wanted(state: State, thing: dict[str, Any], kind: str, what: str) -> None:
    if state.figures.api_tells:
        _tell(state, thing, kind, what)


def _tell(state: State, thing: dict[str, Any], kind: str, what: str) -> None:
    state.callbacks.emit({"Event": "change_external_tag", "Id": thing["id"], "TagType": kind, "ChangeType": what})


WRITES = {
    "externalcontact/get_corp_tag_list": list_corp_tags,
    "externalcontact/add_corp_tag": add_corp_tag,
    "externalcontact/edit_corp_tag": edit_corp_tag,
    "externalcontact/del_corp_tag": delete_corp_tags,
    MARK: mark_tag,
}
