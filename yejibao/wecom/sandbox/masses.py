"""Mass messages and moments: asked of members, confirmed in the client, with the platform's quotas, pages and delays.

They are kept as things of the kinds `mass` and `moment`, so a reset forgets them and a snapshot keeps them.
"""

import secrets
from calendar import monthrange
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from .contacts import _cursor, _place, follow_of
from .state import App, Refusal, State

OK = {"errcode": 0, "errmsg": "ok"}
MASS_TARGETS, MASS_CHATS, MOMENT_SENDERS = 10_000, 2_000, 100_000
JOB_KEPT_SECONDS = 86_400
REMINDERS, REMINDER_SECONDS = 3, 86_400
MOMENTS_MINUTE, MOMENTS_MONTH = 10, 100_000
UNSENT, SENT, NOT_FRIEND, OVER_QUOTA = 0, 1, 2, 3
CHINA = timedelta(hours=8)

Facts = dict[str, Any]


# ---------------------------------------------------------------- mass messages


def add_message(state: State, app: App, body: Facts) -> Facts:
    """externalcontact/add_msg_template: sends nothing, asks members to. Each call makes another one."""
    kind = body.get("chat_type") or "single"
    if kind not in ("single", "group"):
        raise Refusal(40058, "invalid chat_type")
    text, attachments = _content(body)
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


def _content(body: Facts, *, most_text: int = 4000) -> tuple[str, list[Any]]:
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
        wanted = [one for one in wanted if _tagged(state.contacts[one], groups)]
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


def _tagged(contact: Facts, groups: Any) -> bool:
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
    since, until = _span(body, days=31)
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
    return _page(body, rows, "group_msg_list", most=100, usual=50)


def _span(body: Facts, *, days: int) -> tuple[float, float]:
    since, until = float(body.get("start_time") or 0), float(body.get("end_time") or 0)
    if not since or until <= since or until - since > days * 86_400:
        raise Refusal(60267, "invalid time range")
    return since, until


def _page(body: Mapping[str, Any], rows: list[Any], name: str, *, most: int, usual: int) -> Facts:
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
    return _page(body, rows, "task_list", most=1000, usual=500)


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
    return _page(body, rows, "send_list", most=1000, usual=500)


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


# ---------------------------------------------------------------- moments


def add_moment(state: State, app: App, body: Facts) -> Facts:
    """externalcontact/add_moment_task: a job, which makes a moment some seconds later."""
    text, attachments = _content(body)
    if len(text) > 2000:
        raise Refusal(40058, "invalid text size")
    if len({one.get("msgtype") for one in attachments}) > 1:
        raise Refusal(40058, "invalid attachments msgtype")
    if attachments and attachments[0].get("msgtype") in ("video", "link") and len(attachments) > 1:
        raise Refusal(40058, "invalid attachments size")
    now = state.clock.time()
    made = [one["facts"]["create_time"] for one in state.things["moment"].values()]
    if sum(now - at < 60 for at in made) >= MOMENTS_MINUTE:
        raise Refusal(45009, "api freq out of limit")
    if sum(now - at < 30 * 86_400 for at in made) >= MOMENTS_MONTH:
        raise Refusal(41210, "moments of the month used up")
    visible = body.get("visible_range") or {}
    wanted = [str(one).casefold() for one in (visible.get("sender_list") or {}).get("user_list") or ()]
    tags = list((visible.get("external_contact_list") or {}).get("tag_list") or ())
    if len(wanted) > MOMENT_SENDERS:
        raise Refusal(40058, "too many senders")
    people = wanted or list(state.people)
    known = [one for one in people if one in state.people]
    if tags:
        known = [one for one in known if any(_tagged(state.contacts[external], [{"tag_list": tags}])
                                             for external in state.contacts_of.get(one, ()))]  # fmt: skip
    job, moment = secrets.token_urlsafe(24), f"momGCAAA{secrets.token_urlsafe(20)}"
    state.things["moment"][moment] = {
        "id": moment, "gone": False,
        "facts": {
            "jobid": job, "text": text, "attachments": attachments, "tags": tags, "create_time": int(now), "cancelled": False,
            "ready_at": now + state.figures.moment_job_seconds, "tasks": {one: {"publish_status": 0} for one in known},
            "invalid": [one for one in wanted if one not in state.people], "results": {},
        },
    }  # fmt: skip
    state.dirty = True
    return {**OK, "jobid": job}


def read_job(state: State, app: App, query: Mapping[str, str]) -> Facts:
    """externalcontact/get_moment_task_result: 24 hours long."""
    now = state.clock.time()
    held = next((one for one in state.things["moment"].values() if one["facts"]["jobid"] == query.get("jobid")), None)
    if held is None or now - held["facts"]["create_time"] > JOB_KEPT_SECONDS:
        raise Refusal(40058, "invalid jobid")
    facts = held["facts"]
    if now < facts["ready_at"]:
        return {**OK, "status": 2, "type": "add_moment_task", "result": {}}
    result: Facts = {"errcode": 0, "errmsg": "ok", "moment_id": held["id"],
                     "invalid_sender_list": {"user_list": facts["invalid"], "department_list": []},
                     "invalid_external_contact_list": {"tag_list": []}}  # fmt: skip
    if not facts["tasks"]:
        result |= {"errcode": 41048, "errmsg": "no sender", "moment_id": ""}
    return {**OK, "status": 3, "type": "add_moment_task", "result": result}


def list_moments(state: State, app: App, body: Facts) -> Facts:
    """externalcontact/get_moment_list: 30 days at most, 20 a page."""
    since, until = _span(body, days=30)
    rows = []
    for one in state.things["moment"].values():
        facts = one["facts"]
        if not since <= facts["create_time"] <= until or state.clock.time() < facts["ready_at"] or not facts["tasks"]:
            continue
        row = {"moment_id": one["id"], "create_time": facts["create_time"], "create_type": 0,
               "visible_type": 0 if facts["tags"] else 1, "text": {"content": facts["text"]}}  # fmt: skip
        for attachment in facts["attachments"]:
            kind = str(attachment.get("msgtype"))
            if kind == "image":
                row.setdefault("image", []).append({"media_id": attachment["image"]["media_id"]})
            else:
                row[kind] = attachment.get(kind)
        rows.append(row)
    return _page(body, rows, "moment_list", most=20, usual=20)


def _moment(state: State, body: Facts) -> Facts:
    if not body.get("moment_id"):
        raise Refusal(41059, "moment_id missing")
    held = state.things["moment"].get(str(body["moment_id"]))
    if held is None or held["gone"]:
        raise Refusal(41060, "invalid moment_id")
    facts: Facts = held["facts"]
    if state.clock.time() < facts["ready_at"]:
        raise Refusal(41079, "the moment is being dispatched, try later")
    return facts


def list_moment_tasks(state: State, app: App, body: Facts) -> Facts:
    """externalcontact/get_moment_task: who was asked, and who has published it."""
    rows = [{"userid": userid, **task} for userid, task in _moment(state, body)["tasks"].items()]
    return _page(body, rows, "task_list", most=1000, usual=500)


def list_moment_results(state: State, app: App, body: Facts) -> Facts:
    """externalcontact/get_moment_send_result: which customers of a member can see it."""
    facts, userid = _moment(state, body), str(body.get("userid") or "").casefold()
    rows = [{"external_userid": key} for key, result in facts["results"].items() if result["userid"] == userid]
    return _page(body, rows, "customer_list", most=5000, usual=3000)


def list_moment_audience(state: State, app: App, body: Facts) -> Facts:
    """externalcontact/get_moment_customer_list: the customers it was meant for."""
    facts, userid = _moment(state, body), str(body.get("userid") or "").casefold()
    rows = [{"external_userid": one, "userid": userid} for one in _audience(state, facts, userid)]
    return _page(body, rows, "customer_list", most=1000, usual=500)


def read_comments(state: State, app: App, body: Facts) -> Facts:
    """externalcontact/get_moment_comments: nobody comments here."""
    _moment(state, body)
    return {**OK, "comment_list": [], "like_list": []}


def cancel_moment(state: State, app: App, body: Facts) -> Facts:
    """externalcontact/cancel_moment_task."""
    _moment(state, body)["cancelled"] = True
    state.dirty = True
    return dict(OK)


def _audience(state: State, facts: Facts, userid: str) -> list[str]:
    groups = [{"tag_list": facts["tags"]}] if facts["tags"] else []
    return [one for one in state.contacts_of.get(userid, ()) if _tagged(state.contacts[one], groups)]


# ---------------------------------------------------------------- what people do in the client


def waiting_of(state: State, userid: str) -> list[Facts]:
    """Return what a member is asked to confirm, the newest first."""
    now, rows = state.clock.time(), []
    for kind in ("mass", "moment"):
        for one in state.things[kind].values():
            facts = one["facts"]
            task = facts["tasks"].get(userid)
            if task is None or now < facts["ready_at"]:
                continue
            results = [result for result in facts["results"].values() if result["userid"] == userid]
            is_sent = bool(task.get("status") or task.get("publish_status"))
            rows.append(
                {"id": one["id"], "kind": kind, "text": facts["text"], "attachments": len(facts["attachments"]),
                 "at": facts["create_time"], "is_sent": is_sent, "is_cancelled": facts["cancelled"] and not is_sent,
                 "targets": len(results) if kind == "mass" else len(_audience(state, facts, userid)),
                 "reached": sum(result["status"] == SENT for result in results),
                 "reminders": len(facts.get("reminders", ()))}
            )  # fmt: skip
    return sorted(rows, key=lambda row: -row["at"])


def confirm(state: State, number: str, userid: str, only: list[str] | None = None) -> Facts:
    """Let a member send what she was asked to, to all or to some. Raises KeyError for what is none, ValueError once cancelled."""
    kind = "moment" if number in state.things["moment"] else "mass"
    facts = state.things[kind][number]["facts"]
    task, now = facts["tasks"][userid], int(state.clock.time())
    if facts["cancelled"]:
        raise ValueError("cancelled")
    if task.get("status") or task.get("publish_status"):
        return {"reached": 0}
    state.dirty = True
    if kind == "moment":
        task["publish_status"] = 1
        for external in _audience(state, facts, userid):
            if (userid, external) not in state.left:
                facts["results"][external] = {"userid": userid, "status": SENT}
        return {"reached": sum(result["userid"] == userid for result in facts["results"].values())}
    task |= {"status": 2, "send_time": now}
    reached = 0
    for key, result in facts["results"].items():
        if result["userid"] != userid or only is not None and key not in only:
            continue
        result |= {"status": _deliver(state, facts, key, userid, now), "send_time": now}
        reached += result["status"] == SENT
    return {"reached": reached}


def _deliver(state: State, facts: Facts, key: str, userid: str, now: int) -> int:
    is_group = facts["chat_type"] == "group"
    if not is_group:
        contact = state.contacts.get(key)
        follow = follow_of(contact, userid) if contact else None
        if follow is None or follow.get("deleted") or (userid, key) in state.left:
            return NOT_FRIEND
    local = datetime.fromtimestamp(now, UTC) + CHINA
    month = f"{local:%Y-%m}"
    counted = state.things["mass_month"].setdefault(f"{month}/{key}", {"id": key, "gone": False, "facts": {"sent": 0}})
    most = state.figures.mass_month_most or monthrange(local.year, local.month)[1]
    if counted["facts"]["sent"] >= most:
        return OVER_QUOTA
    counted["facts"]["sent"] += 1
    if not is_group:
        sequence = state.next_sequence()
        state.chats[userid, key].append(
            {"seq": sequence, "at": now, "from": "guide", "text": facts["text"], "attachments": facts["attachments"],
             "msgid": f"chat{sequence}", "is_mass": True}
        )  # fmt: skip
    return SENT


READS: dict[str, Callable[[State, App, Mapping[str, str]], Facts]] = {
    "externalcontact/get_moment_task_result": read_job
}
WRITES: dict[str, Callable[[State, App, Facts], Facts]] = {
    "externalcontact/add_msg_template": add_message,
    "externalcontact/get_groupmsg_list_v2": list_messages,
    "externalcontact/get_groupmsg_task": list_tasks,
    "externalcontact/get_groupmsg_send_result": list_results,
    "externalcontact/remind_groupmsg_send": remind,
    "externalcontact/cancel_groupmsg_send": cancel,
    "externalcontact/add_moment_task": add_moment,
    "externalcontact/get_moment_list": list_moments,
    "externalcontact/get_moment_task": list_moment_tasks,
    "externalcontact/get_moment_customer_list": list_moment_audience,
    "externalcontact/get_moment_send_result": list_moment_results,
    "externalcontact/get_moment_comments": read_comments,
    "externalcontact/cancel_moment_task": cancel_moment,
}
