"""Mass messages: asked of members, confirmed in the client (confirming.py), with the platform's quotas, pages and delays.

They are kept as things of the kind `mass`, so a reset forgets them and a snapshot keeps them.
"""

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from .contacts import _cursor, _place
from .state import App, Refusal, State

OK = {"errcode": 0, "errmsg": "ok"}
MASS_TARGETS, MASS_CHATS = 10_000, 2_000
REMINDERS, REMINDER_SECONDS = 3, 86_400
UNSENT, SENT, NOT_FRIEND, OVER_QUOTA = 0, 1, 2, 3

Facts = dict[str, Any]


def add_message(state: State, app: App, body: Facts) -> Facts:
    """externalcontact/add_msg_template: sends nothing, asks members to. Each call makes another one."""
    kind = body.get("chat_type") or "single"
    if kind not in ("single", "group"):
        raise Refusal(40058, "invalid chat_type")
    text, attachments = content_of(body)
    sender = str(body.get("sender") or "").casefold()
    if sender and sender not in state.people:
        raise Refusal(60111, "userid not found")
    if kind == "group":
        targets, unusable = _chats(state, body, sender)
    else:
        targets, unusable = _customers(state, body, sender)
    if not targets:
        raise Refusal(41048, "no customer to send")
    now = state.clock.time()
    msgid = f"msgGCAAA{secrets.token_urlsafe(20)}"
    tasks = {userid: {"status": 0} for userid in dict.fromkeys(targets.values())}
    results = {key: {"userid": userid, "status": UNSENT} for key, userid in targets.items()}
    facts = {"chat_type": kind, "text": text, "attachments": attachments, "create_time": int(now), "tasks": tasks,
             "ready_at": now + state.figures.mass_dispatch_seconds, "results": results, "reminders": [], "cancelled": False}  # fmt: skip
    state.things["mass"][msgid] = {"id": msgid, "gone": False, "facts": facts}
    state.dirty = True
    return {**OK, "fail_list": unusable, "msgid": msgid}


def content_of(body: Facts, *, most_text: int = 4000) -> tuple[str, list[Any]]:
    text, attachments = str((body.get("text") or {}).get("content") or ""), list(body.get("attachments") or ())
    if not text and not attachments:
        raise Refusal(40063, "text and attachments empty")
    if len(text.encode()) > most_text:
        raise Refusal(45002, "text too large")
    if len(attachments) > 9:
        raise Refusal(41064, "too many attachments")
    return text, attachments


def _customers(state: State, body: Facts, sender: str) -> tuple[dict[str, str], list[str]]:
    """Return who goes to whom, and the customers it cannot go to."""
    wanted = [str(one) for one in body.get("external_userid") or ()]
    groups = ((body.get("tag_filter") or {}).get("group_list")) or ()
    if not wanted and not sender and not groups:
        raise Refusal(41035, "external_userid, sender and tag_filter are empty")
    if len(wanted) > MASS_TARGETS:
        raise Refusal(40058, "too many external_userid")
    if not wanted:
        names = [sender] if sender else list(state.people)
        wanted = list(dict.fromkeys(one for name in names for one in state.contacts_of.get(name, ())))
        wanted = [one for one in wanted if is_tagged(state.contacts[one], groups)]
    targets: dict[str, str] = {}
    unusable: list[str] = []
    for external in wanted:
        contact = state.contacts.get(external)
        held = [row for row in (contact or {}).get("follow_user", ()) if not row.get("deleted")]
        if sender:
            held = [row for row in held if str(row["userid"]).casefold() == sender]
        held = [row for row in held if str(row["userid"]).casefold() in state.people]
        if not held:
            unusable.append(external)
            continue

        # Without a sender: whoever talked to the customer last, else added him last.
        def lately(row: Facts, external: str = external) -> float:
            lines = state.chats.get((str(row["userid"]).casefold(), external))
            return float(lines[-1]["at"] if lines else row.get("createtime", 0))

        targets[external] = str(max(held, key=lately)["userid"]).casefold()
    return targets, unusable


def is_tagged(contact: Facts, groups: Any) -> bool:
    held = {
        tag.get("tag_id") for row in contact["follow_user"] for tag in row.get("tags", ()) if not row.get("deleted")
    }
    return all(held & set(group.get("tag_list") or ()) for group in groups)


def _chats(state: State, body: Facts, sender: str) -> tuple[dict[str, str], list[str]]:
    if not sender:
        raise Refusal(41009, "sender missing")
    wanted = [str(one) for one in body.get("chat_id_list") or ()]
    if len(wanted) > MASS_CHATS:
        raise Refusal(40058, "too many chats")
    chats = state.things["chat"]
    own = [
        key
        for key, chat in chats.items()
        if str(chat["facts"].get("owner", "")).casefold() == sender and not chat["gone"]
    ]
    wanted = wanted or own
    return {key: sender for key in wanted if key in own}, [key for key in wanted if key not in own]


def list_messages(state: State, app: App, body: Facts) -> Facts:
    """externalcontact/get_groupmsg_list_v2: a month at most, by page; a limit above 100 becomes 50."""
    since, until = span_of(body, days=31)
    kind = body.get("chat_type")
    if kind not in ("single", "group"):
        raise Refusal(40058, "invalid chat_type")
    wants = int(body.get("filter_type") or 0)
    rows = [
        {"msgid": one["id"], "create_time": one["facts"]["create_time"], "create_type": 0,
         "text": {"content": one["facts"]["text"]}, "attachments": one["facts"]["attachments"]}
        for one in state.things["mass"].values()
        if one["facts"]["chat_type"] == kind and since <= one["facts"]["create_time"] <= until and wants in (0, 2)
        and not body.get("creator")
    ]  # fmt: skip
    return page_of(body, rows, "group_msg_list", most=100, usual=50)


def span_of(body: Facts, *, days: int) -> tuple[float, float]:
    since, until = float(body.get("start_time") or 0), float(body.get("end_time") or 0)
    if not since or until <= since or until - since > days * 86_400:
        raise Refusal(60267, "invalid time range")
    return since, until


def page_of(body: Mapping[str, Any], rows: list[Any], name: str, *, most: int, usual: int) -> Facts:
    limit = int(body.get("limit") or usual)
    limit = usual if limit > most else limit
    start = _place(body.get("cursor"), name)
    following = _cursor(name, start + limit) if start + limit < len(rows) else ""
    return {**OK, name: rows[start : start + limit], "next_cursor": following}


def _message(state: State, body: Facts, *, dispatched: bool = True) -> Facts:
    if not body.get("msgid"):
        raise Refusal(41046, "msgid missing")
    held = state.things["mass"].get(str(body["msgid"]))
    if held is None:
        raise Refusal(41047, "invalid msgid")
    facts: Facts = held["facts"]
    if dispatched and state.clock.time() < facts["ready_at"]:
        raise Refusal(41063, "the message is being dispatched, try later")
    return facts


def list_tasks(state: State, app: App, body: Facts) -> Facts:
    """externalcontact/get_groupmsg_task: who was asked, and who has sent it."""
    facts = _message(state, body)
    rows = [{"userid": userid, **task} for userid, task in facts["tasks"].items()]
    return page_of(body, rows, "task_list", most=1000, usual=500)


def list_results(state: State, app: App, body: Facts) -> Facts:
    """externalcontact/get_groupmsg_send_result: what became of it for the customers of one member; groups only if sent to."""
    facts = _message(state, body)
    userid = str(body.get("userid") or "").casefold()
    if userid not in facts["tasks"]:
        raise Refusal(40003, "invalid userid")
    name = "chat_id" if facts["chat_type"] == "group" else "external_userid"
    rows = [
        {name: key, **result} for key, result in facts["results"].items()
        if result["userid"] == userid and (name == "external_userid" or result["status"] == SENT)
    ]  # fmt: skip
    return page_of(body, rows, "send_list", most=1000, usual=500)


def remind(state: State, app: App, body: Facts) -> Facts:
    """externalcontact/remind_groupmsg_send: three times in 24 hours."""
    facts = _message(state, body)
    if facts["cancelled"]:
        raise Refusal(41093, "the message has been cancelled")
    now = state.clock.time()
    if sum(now - at < REMINDER_SECONDS for at in facts["reminders"]) >= REMINDERS:
        raise Refusal(41094, "remind too often")
    facts["reminders"].append(now)
    state.dirty = True
    return dict(OK)


def cancel(state: State, app: App, body: Facts) -> Facts:
    """externalcontact/cancel_groupmsg_send: what nobody has confirmed yet is not asked for any more."""
    facts = _message(state, body, dispatched=False)
    if facts["cancelled"]:
        raise Refusal(41093, "the message has been cancelled")
    facts["cancelled"] = True
    state.dirty = True
    return dict(OK)


WRITES: dict[str, Callable[[State, App, Facts], Facts]] = {
    "externalcontact/add_msg_template": add_message,
    "externalcontact/get_groupmsg_list_v2": list_messages,
    "externalcontact/get_groupmsg_task": list_tasks,
    "externalcontact/get_groupmsg_send_result": list_results,
    "externalcontact/remind_groupmsg_send": remind,
    "externalcontact/cancel_groupmsg_send": cancel,
}
