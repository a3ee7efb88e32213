"""The other side of the stand-in: who lives in it, what goes wrong, what it got. JSON under /control/."""

import secrets
from collections import deque
from datetime import datetime
from typing import Any

from . import cards, office, transfers
from .state import Fault, State


class Rejected(Exception):
    """A control request that makes no sense; becomes HTTP 4xx with a sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def reset(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Forget everything."""
    state.reset(seed=int(body.get("seed", 1)))
    return {}


def world(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Add people, departments, contacts, apps."""
    return state.set_world(body)


def get_world(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Return who lives here."""
    return {
        "people": list(state.people.values()),
        "departments": list(state.departments.values()),
        "contacts": list(state.contacts.values()),
        "apps": sorted(state.apps),
    }


def settings(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Change limits by their names in `Figures`."""
    for name, value in body.items():
        if not hasattr(state.figures, name):
            raise Rejected(422, f"no such figure: {name}")
        setattr(state.figures, name, type(getattr(state.figures, name))(value))
    if state.calls.maxlen != state.figures.keep_calls:
        state.calls = deque(state.calls, maxlen=state.figures.keep_calls)
    return {"figures": vars(state.figures)}


def add_fault(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Order a misbehaviour; later ones come after earlier ones of the same call."""
    try:
        fault = Fault.parse(state.fault_number + 1, body)
    except (TypeError, ValueError) as error:
        raise Rejected(422, str(error)) from None
    state.fault_number += 1
    state.faults.append(fault)
    return {"id": fault.id}


def list_faults(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Return the orders and how often each has hit."""
    return {"faults": [vars(fault) | {"spent": fault.spent} for fault in state.faults]}


def delete_faults(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """End one (`?id=`), those of one call (`?api=`) or all."""
    before = len(state.faults)
    if "id" in query:
        state.faults = [fault for fault in state.faults if str(fault.id) != query["id"]]
    elif "api" in query:
        state.faults = [fault for fault in state.faults if fault.api != query["api"]]
    else:
        state.faults = []
    return {"removed": before - len(state.faults)}


def set_clock(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Set the time: {"now": ISO or epoch seconds or null, "running": false}."""
    state.clock.set(_moment(body.get("now")), running=bool(body.get("running")))
    return {"now": state.clock.time()}


def get_clock(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Return the time here."""
    return {"now": state.clock.time()}


def expire_tokens(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """End all tokens early: they answer 42001, with `forget` 40014."""
    return {"expired": state.expire_tokens(forget=bool(body.get("forget")))}


def received(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Return the messages that came: of one person (`userid`), from a moment on (`since`), past a number (`after`).

    Of one person also those whose card was changed past that number, with the card as he has it (`card`, `grey`).
    """
    person = query.get("userid", "").casefold()
    since = moment.timestamp() if (moment := _moment(query.get("since") or None)) else None
    after, limit = int(query.get("after", 0)), int(query.get("limit", 0))
    if person:
        records = list(state.received.get(person, ()))
    else:
        unique = {record["seq"]: record for items in state.received.values() for record in items}
        records = [unique[number] for number in sorted(unique)]
    rows = []
    for record in records:
        held = record.get("cards", {}).get(person) or {}
        if max(record["seq"], held.get("changed", 0)) <= after or since is not None and record["at"] < since:
            continue
        row = dict(record)
        if person:
            row |= {"flag": record["flags"][person], "changed": held.get("changed", 0), "grey": held.get("grey", "")}
            row["card"] = cards.card_of(record, person)
        else:
            flags = set(record["flags"].values())
            row["flag"] = flags.pop() if len(flags) == 1 else "mixed"
        rows.append(row)
    return {"messages": rows[-limit:] if limit else rows, "now": state.clock.time()}


def forget_received(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Forget the messages and what suppresses their duplicates; people, tokens and faults stay."""
    state.forget_messages()
    return {}


def calls(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Return the latest calls of any kind, of one API with `?api=`."""
    return {"calls": [row for row in state.calls if not query.get("api") or row["api"] == query["api"]]}


def stats(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Return what was counted since the last reset; `peak` figures are maxima over every sliding window."""
    return {
        "calls": dict(state.counts),
        "errors": {api: dict(codes) for api, codes in state.errors.items()},
        "peak_per_second": {api: peak.most for api, peak in state.second_peaks.items()},
        "members": {
            person: {"delivered": state.member_totals.get(person, 0), "peak_per_minute": peak.most}
            for person, peak in state.minute_peaks.items()
        },
        "member_peak_per_minute": max((peak.most for peak in state.minute_peaks.values()), default=0),
        "delivered": state.delivered, "suppressed": state.suppressed, "dropped": state.dropped,
        "invalid": state.invalid, "recalled": state.recalled, "now": state.clock.time(),
    }  # fmt: skip


def reset_stats(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Count from zero."""
    state.reset_stats()
    return {}


def make_code(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Make the one-time code with which a member (`userid`) or customer (`external_userid`) comes back."""
    code = secrets.token_urlsafe(32)
    held: dict[str, Any] = {"used": False, "expires_at": state.clock.time() + state.figures.code_seconds}
    if body.get("userid"):
        row = state.people.get(str(body["userid"]).casefold())
        if row is None:
            raise Rejected(404, "no such person")
        held["userid"] = row["userid"]
    elif body.get("external_userid"):
        held["external_userid"] = str(body["external_userid"])
    else:
        raise Rejected(422, "userid missing")
    if len(state.codes) > 10_000:
        state.codes = {key: row for key, row in state.codes.items() if row["expires_at"] > state.clock.time()}
    state.codes[code] = held
    return {"code": code}


def say(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Add a line to the chat of a member of the corp and a customer; both sides see it."""
    userid, external = str(body.get("userid") or "").casefold(), str(body.get("external_userid") or "")
    if userid not in state.people or external not in state.contacts:
        raise Rejected(404, "no such person")
    if not state.follows(userid, external):
        raise Rejected(409, "not friends")
    sender = body.get("from", "guide")
    text, attachments = str(body.get("text") or ""), list(body.get("attachments") or ())
    if sender not in ("guide", "member"):
        raise Rejected(422, "from is guide or member")
    if not (text or attachments):
        raise Rejected(422, "text or attachments missing")
    number = state.next_sequence()
    line = {
        "seq": number,
        "at": state.clock.time(),
        "from": sender,
        "text": text,
        "attachments": attachments,
        "msgid": f"chat{number}",
    }
    lines = state.chats[userid, external]
    lines.append(line)
    del lines[: -state.figures.keep_per_person]
    state.dirty = True
    return {"message": line}


def chat(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Return a chat, past a number with `after`; without `external_userid` the last line of each chat."""
    userid, external = query.get("userid", "").casefold(), query.get("external_userid", "")
    if external:
        after = int(query.get("after", 0))
        lines = state.chats.get((userid, external), [])
        return {"messages": [line for line in lines if line["seq"] > after], "friends": state.follows(userid, external)}
    last = [
        {"external_userid": pair[1], **lines[-1]} for pair, lines in state.chats.items() if pair[0] == userid and lines
    ]
    return {"chats": sorted(last, key=lambda line: -line["seq"])}


def refuse_transfer(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Let a customer refuse to be passed on."""
    return {"refused": transfers.refuse(state, str(body["external_userid"]))}


def press_button(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Press a button of a card that came: {"userid": …, "seq": …, "key": …, "choices": {…}}; the app is called back."""
    userid = str(body["userid"]).casefold()
    number, said = cards.press(state, userid, int(body["seq"]), str(body["key"]), body.get("choices"))
    if number is None:
        raise Rejected(404 if said == "no such card" else 409, said)
    return {"callback": number, "response_code": said}


def _moment(value: Any) -> datetime | None:
    if value is None:
        return None
    try:
        return datetime.fromtimestamp(float(value)).astimezone()
    except (TypeError, ValueError):
        pass
    try:
        return datetime.fromisoformat(str(value)).astimezone()
    except ValueError:
        raise Rejected(422, "a moment is ISO 8601 or epoch seconds") from None


ROUTES = {
    ("POST", "reset"): reset,
    ("GET", "world"): get_world,
    ("POST", "world"): world,
    ("POST", "settings"): settings,
    ("GET", "fault"): list_faults,
    ("POST", "fault"): add_fault,
    ("DELETE", "fault"): delete_faults,
    ("GET", "faults"): list_faults,
    ("DELETE", "faults"): delete_faults,
    ("GET", "clock"): get_clock,
    ("POST", "clock"): set_clock,
    ("POST", "expire_tokens"): expire_tokens,
    ("GET", "received"): received,
    ("POST", "card/press"): press_button,
    ("DELETE", "received"): forget_received,
    ("GET", "calls"): calls,
    ("GET", "stats"): stats,
    ("DELETE", "stats"): reset_stats,
    ("POST", "code"): make_code,
    ("GET", "chat"): chat,
    ("POST", "chat"): say,
    ("POST", "transfer/refuse"): refuse_transfer,
    ("POST", "check_in"): office.press,
}
