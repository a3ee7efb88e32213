"""What members do in the client with the mass messages and moments they are asked for."""

from calendar import monthrange
from datetime import UTC, datetime, timedelta

from .contacts import follow_of
from .masses import NOT_FRIEND, OVER_QUOTA, SENT, Facts
from .moments import audience_of
from .state import State

CHINA = timedelta(hours=8)


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
                 "targets": len(results) if kind == "mass" else len(audience_of(state, facts, userid)),
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
        for external in audience_of(state, facts, userid):
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
