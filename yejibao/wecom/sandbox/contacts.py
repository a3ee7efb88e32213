"""Customers: codes that add them, the welcome within 20 seconds, lists by page, remarks; and the acts of guide and customer."""

import base64
import secrets
from collections.abc import Callable
from typing import Any

from .state import App, Refusal, State

OK = {"errcode": 0, "errmsg": "ok"}
QR, TEMPORARY_DAYS = 2, 14
PAGE_MOST, PAGE_USUAL, WAYS_MOST, WAYS_USUAL = 100, 50, 1000, 100
LIST_STARTS = 1625932800  # list_contact_way knows what was made after 2021-07-10


# ---------------------------------------------------------------- codes (联系我)


def add_way(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """Make a code. Each call makes another one."""
    kind, scene = body.get("type"), body.get("scene")
    if kind not in (1, 2):
        raise Refusal(41039, "invalid contact way type")
    if scene not in (1, QR):
        raise Refusal(41040, "invalid contact way scene")
    users = _users(state, body, kind)
    if len(str(body.get("remark") or "")) > 30 or len(str(body.get("state") or "")) > 30:
        raise Refusal(41042, "remark or state too long")
    if len(state.ways) >= state.figures.ways_most:
        raise Refusal(41045, "too many contact ways")
    config_id = secrets.token_hex(16)
    way = {
        "config_id": config_id, "type": kind, "scene": scene, "style": body.get("style", 1),
        "remark": str(body.get("remark") or ""), "skip_verify": bool(body.get("skip_verify", True)),
        "state": str(body.get("state") or ""), "user": users, "party": list(body.get("party") or ()),
        "create_time": int(state.clock.time()),
    }  # fmt: skip
    if scene == QR:
        way["qr_code"] = f"{state.own_url}/qr/{config_id}.png"
    state.ways[config_id] = way
    state.dirty = True
    return {**OK, "config_id": config_id, **({"qr_code": way["qr_code"]} if scene == QR else {})}


def get_way(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """Return a code."""
    return {**OK, "contact_way": {key: value for key, value in _way(state, body).items() if key != "create_time"}}


def list_ways(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """Return config ids of codes made in a stretch of time, by page."""
    now = state.clock.time()
    since = max(float(body.get("start_time") or now - 90 * 86400), LIST_STARTS)
    until = float(body.get("end_time") or now)
    found = [key for key, way in state.ways.items() if since <= way["create_time"] <= until]
    limit = min(int(body.get("limit") or WAYS_USUAL), WAYS_MOST)
    start = _place(body.get("cursor"), "ways")
    rows = found[start : start + limit]
    following = _cursor("ways", start + limit) if start + limit < len(found) else ""
    return {**OK, "contact_way": [{"config_id": key} for key in rows], "next_cursor": following}


def update_way(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """Overwrite who stands behind a code. Type and scene stay."""
    way = _way(state, body)
    if "user" in body or "party" in body:
        way["user"] = _users(state, body, way["type"])
        way["party"] = list(body.get("party") or ())
    for key in ("remark", "state", "skip_verify"):
        if key in body:
            way[key] = body[key]
    state.dirty = True
    return dict(OK)


def delete_way(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """End a code."""
    del state.ways[_way(state, body)["config_id"]]
    state.dirty = True
    return dict(OK)


def _way(state: State, body: dict[str, Any]) -> dict[str, Any]:
    if not body.get("config_id"):
        raise Refusal(41043, "config_id missing")
    way = state.ways.get(str(body["config_id"]))
    if way is None:
        raise Refusal(41044, "contact way not found")
    return way


def _users(state: State, body: dict[str, Any], kind: int) -> list[str]:
    users = [str(value) for value in body.get("user") or ()]
    if kind == 1 and len(users) != 1:
        raise Refusal(41041, "single contact way needs exactly one user")
    if not users and not body.get("party"):
        raise Refusal(41037, "user and party missing")
    if len(users) > 100:
        raise Refusal(41038, "too many users")
    for name in users:
        row = state.people.get(name.casefold())
        if row is None:
            raise Refusal(40003, "invalid userid")
        if row.get("external_right", True) is False:
            raise Refusal(84074, "no permission of external contact")
        if row.get("status", 1) != 1:
            raise Refusal(41054, "user not activated")
    return users


# ---------------------------------------------------------------- lists, remarks, the welcome


def list_by_users(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """Return the customers of up to 100 members by page; a limit above 100 is clamped, a dead cursor is 50100."""
    names = body.get("userid_list")
    if not isinstance(names, list) or not names:
        raise Refusal(41009, "userid_list missing")
    if len(names) > 100:
        raise Refusal(40032, "too many userids")
    unknown = [name for name in names if str(name).casefold() not in state.people]
    if unknown and len(unknown) == len(names):
        raise Refusal(60111, "userid not found")
    limit = min(int(body.get("limit") or PAGE_USUAL), PAGE_MOST)
    mark = f"users/{state.cursor_age}/{len(names)}"
    start = _place(body.get("cursor"), mark)
    rows: list[dict[str, Any]] = []
    seen = 0
    for name in names:
        held = state.contacts_of.get(str(name).casefold(), ())
        if seen + len(held) <= start:
            seen += len(held)
            continue
        for external in held[max(0, start - seen) :]:
            if len(rows) == limit:
                break
            rows.append(_row(state, external, str(name).casefold()))
        seen += len(held)
        if len(rows) == limit:
            break
    total = sum(len(state.contacts_of.get(str(name).casefold(), ())) for name in names)
    reached = start + len(rows)
    return {**OK, "external_contact_list": rows, "next_cursor": _cursor(mark, reached) if reached < total else ""}


def _row(state: State, external: str, userid: str) -> dict[str, Any]:
    contact = state.contacts[external]
    follow = follow_of(contact, userid)
    info = {key: value for key, value in (follow or {}).items() if key not in ("tags", "deleted")}
    info["tag_id"] = [tag["tag_id"] for tag in (follow or {}).get("tags", ()) if tag.get("tag_id")]
    return {"external_contact": contact["external_contact"], "follow_info": info}


def remark(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """Change what a member notes of a customer; called by an app it tells nobody."""
    _contact, follow = pair_of(state, body)
    known = {"remark": 20, "description": 150, "remark_company": 20, "remark_mobiles": 0, "remark_pic_mediaid": 0}
    wanted = {key: body[key] for key in known if key in body}
    if not wanted:
        raise Refusal(40063, "some parameters are empty")
    for key, most in known.items():
        if most and len(str(wanted.get(key) or "")) > most:
            raise Refusal(40058, f"{key} too long")
    _note(follow, wanted)
    state.dirty = True
    return dict(OK)


def _note(follow: dict[str, Any], wanted: dict[str, Any]) -> None:
    if "remark_mobiles" in wanted:
        follow["remark_mobiles"] = [str(value) for value in wanted["remark_mobiles"] if value]
    if "remark_company" in wanted:
        follow["remark_corp_name"] = wanted["remark_company"]
    follow |= {key: wanted[key] for key in ("remark", "description") if key in wanted}


def send_welcome(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """Greet with a code: within 20 seconds of the event, once, and not after they have talked."""
    code = str(body.get("welcome_code") or "")
    if not code:
        raise Refusal(41049, "welcome_code missing")
    text = str((body.get("text") or {}).get("content") or "")
    attachments = list(body.get("attachments") or ())
    if not text and not attachments:
        raise Refusal(40063, "text and attachments empty")
    if len(text.encode()) > 4000 or len(attachments) > 9:
        raise Refusal(40058, "text too long or too many attachments")
    held = state.welcome_codes.get(code)
    now = state.clock.time()
    if held is None or now > held["expires_at"]:
        raise Refusal(41050, "invalid or expired welcome_code")
    pair = (held["userid"], held["external_userid"])
    if held["used"] or any(line["at"] >= held["issued_at"] for line in state.chats[pair][-20:]):
        raise Refusal(41051, "already chatted or welcome message sent")
    held["used"] = True
    number = state.next_sequence()
    line = {"seq": number, "at": now, "from": "guide", "text": text, "attachments": attachments, "msgid": f"chat{number}",
            "is_welcome": True}  # fmt: skip
    state.chats[pair].append(line)
    state.dirty = True
    return dict(OK)


def pair_of(state: State, body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a customer and how the member keeps him; refuses as the platform does."""
    userid, external = str(body.get("userid") or "").casefold(), str(body.get("external_userid") or "")
    if not userid:
        raise Refusal(41009, "userid missing")
    if not external:
        raise Refusal(41035, "external_userid missing")
    if userid not in state.people:
        raise Refusal(60111, "userid not found")
    contact = state.contacts.get(external)
    if contact is None:
        raise Refusal(40096, "invalid external userid")
    follow = follow_of(contact, userid)
    if follow is None or follow.get("deleted"):
        raise Refusal(84061, "not external contact")
    return contact, follow


def follow_of(contact: dict[str, Any], userid: str) -> dict[str, Any] | None:
    """Return how a member (lower case) keeps a customer, also when it has ended."""
    return next((row for row in contact["follow_user"] if str(row["userid"]).casefold() == userid), None)


def _cursor(mark: str, place: int) -> str:
    return base64.urlsafe_b64encode(f"{mark}:{place}".encode()).decode()


def _place(cursor: Any, mark: str) -> int:
    if not cursor:
        return 0
    try:
        said, _, place = base64.urlsafe_b64decode(str(cursor).encode()).decode().rpartition(":")
        if said != mark:
            raise ValueError
        return int(place)
    except ValueError:
        raise Refusal(50100, "invalid cursor") from None


# ---------------------------------------------------------------- what people do in the client


def scan(state: State, config_id: str, *, external_userid: str = "", name: str = "", unionid: str = "",
         userid: str = "") -> dict[str, Any]:  # fmt: skip
    """Let somebody scan a code: he becomes the friend of one of those behind it. Raises KeyError for a code that is gone."""
    way = state.ways[config_id]
    users = [one.casefold() for one in way["user"] if one.casefold() in state.people]
    if not users:
        raise KeyError("nobody stands behind this code")
    chosen = userid.casefold() if userid.casefold() in users else state.random.choice(users)
    external = external_userid or f"wm{secrets.token_urlsafe(23)}"
    is_new = befriend(state, chosen, external, name=name, unionid=unionid, way_state=way["state"], add_way=1)
    return {"userid": chosen, "external_userid": external, "is_new": is_new}


def befriend(state: State, userid: str, external: str, *, name: str = "", unionid: str = "", way_state: str = "",
             add_way: int = 1, tells: bool = True, welcomes: bool = True) -> bool:  # fmt: skip
    """Make a customer and a member friends and tell the app; False if they were friends already."""
    now = int(state.clock.time())
    contact = state.contacts.get(external)
    if contact is None:
        facts = {
            "external_userid": external,
            "name": name or "微信用户",
            "unionid": unionid or f"oU{secrets.token_urlsafe(20)}",
        }
        contact = state.contacts[external] = {
            "external_contact": {"type": 1, "gender": 0, "avatar": "", **facts}, "follow_user": [],
        }  # fmt: skip
    follow = follow_of(contact, userid)
    if follow is not None and not follow.get("deleted") and (userid, external) not in state.left:
        return False
    if follow is not None:
        contact["follow_user"].remove(follow)
    contact["follow_user"].append(
        {"userid": userid, "remark": contact["external_contact"]["name"], "description": "", "createtime": now, "tags": [],
         "remark_mobiles": [], "oper_userid": external, "add_way": add_way,
         **({"state": way_state} if way_state else {})}
    )  # fmt: skip
    if external not in state.contacts_of[userid]:
        state.contacts_of[userid].append(external)
    state.dirty = True
    state.left.discard((userid, external))
    if tells:
        facts = {"Event": "change_external_contact", "ChangeType": "add_external_contact", "UserID": userid,
                 "ExternalUserID": external}  # fmt: skip
        if way_state:
            facts["State"] = way_state
        if welcomes:
            code = f"CALLBACK_{secrets.token_urlsafe(24)}"
            state.welcome_codes[code] = {
                "userid": userid, "external_userid": external, "issued_at": now, "used": False,
                "expires_at": now + state.figures.welcome_seconds, "made_at": state.clock.time(),
            }  # fmt: skip
            facts["WelcomeCode"] = code
            _forget_codes(state, now)
        state.callbacks.emit(facts)
    return True


def _forget_codes(state: State, now: int) -> None:
    if len(state.welcome_codes) > 5000:
        alive = {key: row for key, row in state.welcome_codes.items() if row["expires_at"] > now - 600}
        state.welcome_codes.clear()
        state.welcome_codes.update(alive)


def part(state: State, userid: str, external: str, *, by: str, source: str = "") -> None:
    """End a relation: the customer deletes the member (the API goes on showing him), or the member the customer.

    Raises KeyError where there is none.
    """
    contact = state.contacts[external]
    follow = follow_of(contact, userid.casefold())
    if follow is None or follow.get("deleted") or (userid.casefold(), external) in state.left:
        raise KeyError("no friends")
    facts = {"Event": "change_external_contact", "UserID": userid, "ExternalUserID": external}
    if by == "member":
        state.left.add((userid.casefold(), external))
        state.callbacks.emit(facts | {"ChangeType": "del_follow_user"})
    else:
        follow["deleted"] = True
        state.contacts_of[userid.casefold()] = [one for one in state.contacts_of[userid.casefold()] if one != external]
        state.callbacks.emit(facts | {"ChangeType": "del_external_contact"} | ({"Source": source} if source else {}))
    state.dirty = True


def edit(state: State, userid: str, external: str, what: dict[str, Any]) -> None:
    """Let a member change remark, phones or tags in the client; the app is told that something changed. Raises KeyError."""
    follow = follow_of(state.contacts[external], userid.casefold())
    if follow is None or follow.get("deleted"):
        raise KeyError("no friends")
    _note(follow, what)
    if "tags" in what:
        follow["tags"] = list(what["tags"])
    state.dirty = True
    state.callbacks.emit(
        {
            "Event": "change_external_contact",
            "ChangeType": "edit_external_contact",
            "UserID": userid,
            "ExternalUserID": external,
        }
    )


Call = Callable[[State, App, dict[str, Any]], dict[str, Any]]
WRITES: dict[str, Call] = {
    "externalcontact/add_contact_way": add_way,
    "externalcontact/get_contact_way": get_way,
    "externalcontact/list_contact_way": list_ways,
    "externalcontact/update_contact_way": update_way,
    "externalcontact/del_contact_way": delete_way,
    "externalcontact/batch/get_by_user": list_by_users,
    "externalcontact/remark": remark,
    "externalcontact/send_welcome_msg": send_welcome,
}
