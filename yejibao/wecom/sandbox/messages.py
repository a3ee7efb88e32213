"""message/send and message/recall, with the platform's silent ways: drops, suppressed duplicates, partial failures."""

import hashlib
import json
from collections import deque
from typing import Any

from .cards import new_code
from .shapes import INTERACTIVE_CARDS, MESSAGE_TYPES, check_content, cut_fields
from .state import App, Refusal, State


def send(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """Accept a message as the platform does and return its answer. Raises Refusal."""
    _check_shape(state, app, body)
    people, invalid, parties, tags = _receivers(state, body)
    unlicensed = [person for person in people if state.people[person].get("licensed", True) is False]
    reachable = [person for person in people if person not in unlicensed] if unlicensed else people
    if not people:
        raise Refusal(81013, "user & party & tag all invalid")
    _check_day(state, len(reachable))

    now = state.clock.time()
    key, until = _duplicate_key(state, app, body, now)
    duplicate_of = _duplicate_of(state, key, now)
    if not duplicate_of:
        _take_task_id(state, app, body)
    number = state.next_sequence()
    msgid = duplicate_of or f"sb{number:x}{hashlib.sha256(f'{app.agentid}/{number}'.encode()).hexdigest()[:24]}"
    if key and not duplicate_of:
        state.duplicates[key] = (until, msgid)
    record = {
        "seq": number, "msgid": msgid, "at": now, "arrived": state.arrived, "api": "message/send", "agentid": app.agentid, "request": body,
        "recipients": people, "invalid": invalid, "unlicensed": unlicensed, "recalled": False, "flags": {},
        "cut": cut_fields(body["msgtype"], body[body["msgtype"]]),
    }  # fmt: skip
    for person in reachable:
        state.minute_peaks[person].add(now)
        if duplicate_of:
            flag = "duplicate"
            state.suppressed += 1
        elif _over_member_limit(state, app, person, now):
            flag = "dropped"
            state.dropped += 1
        else:
            flag = "delivered"
            state.delivered += 1
            state.member_totals[person] += 1
        record["flags"][person] = flag  # type: ignore[index]
        _keep(state, person, record)
    for person in unlicensed:
        record["flags"][person] = "unlicensed"  # type: ignore[index]
        _keep(state, person, record)
    state.invalid += len(invalid)
    if not duplicate_of:
        state.by_msgid[msgid] = record
    state.dirty = True

    answer: dict[str, Any] = {"errcode": 0, "errmsg": "ok", "msgid": msgid}
    if invalid:
        answer["invaliduser"] = "|".join(invalid)
    if parties:
        answer["invalidparty"] = "|".join(parties)
    if tags:
        answer["invalidtag"] = "|".join(tags)
    if unlicensed:
        answer["unlicenseduser"] = "|".join(unlicensed)
    card = body["template_card"] if body["msgtype"] == "template_card" else {}
    if card.get("card_type") in INTERACTIVE_CARDS:
        answer["response_code"] = new_code(state, app, record, card["task_id"])
    return answer


def recall(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """Take a message back within 24 hours. Raises Refusal."""
    msgid = body.get("msgid")
    if not msgid:
        raise Refusal(40063, "msgid missing")
    record = state.by_msgid.get(str(msgid))
    if record is None or record["agentid"] != app.agentid:
        raise Refusal(40058, "invalid msgid")
    if state.clock.time() - record["at"] > state.figures.recall_seconds:
        raise Refusal(42052, "msgid expired")
    if not record["recalled"]:
        record["recalled"] = True
        state.recalled += 1
        state.dirty = True
    return {"errcode": 0, "errmsg": "ok"}


def _check_shape(state: State, app: App, body: dict[str, Any]) -> None:
    if "agentid" not in body:
        raise Refusal(41011, "agentid missing")
    try:
        agentid = int(body["agentid"])
    except (TypeError, ValueError):
        raise Refusal(40056, "invalid agentid") from None
    if agentid not in state.apps:
        raise Refusal(40056, "invalid agentid")
    if agentid != app.agentid:
        raise Refusal(301002, "no privilege to send for this agentid")
    kind = body.get("msgtype")
    if kind not in MESSAGE_TYPES:
        raise Refusal(40008, "invalid message type")
    check_content(state, app, str(kind), body.get(kind), to_all=body.get("touser") == "@all")


def _receivers(state: State, body: dict[str, Any]) -> tuple[list[str], list[str], list[str], list[str]]:
    """Return who it reaches, and the invalid users, parties and tags; all lower-cased."""
    to_user = str(body.get("touser") or "")
    if to_user == "@all":
        return [person for person, row in state.people.items() if row.get("visible", True)], [], [], []
    asked = [part for part in to_user.split("|") if part]
    parties = [part for part in str(body.get("toparty") or "").split("|") if part]
    tags = [part for part in str(body.get("totag") or "").split("|") if part]
    if not (asked or parties or tags):
        raise Refusal(82001, "all receivers are empty")
    if len(asked) > 1000:
        raise Refusal(40032, "too many users")
    if len(parties) > 100:
        raise Refusal(82002, "too many parties")
    people: dict[str, None] = {}
    invalid: list[str] = []
    for name in asked:
        person = name.casefold()
        row = state.people.get(person)
        if row is not None and row.get("visible", True) and row.get("status", 1) in (1, 4):
            people[person] = None
        elif person not in invalid:
            invalid.append(person)
    bad_parties = [part for part in parties if not part.isdigit() or int(part) not in state.departments]
    wanted = (
        {int(part) for part in parties} - {int(part) for part in bad_parties if part.isdigit()} if parties else set()
    )
    if wanted:
        for person, row in state.people.items():
            if wanted.intersection(row["department"]) and row.get("visible", True):
                people[person] = None
    return list(people), invalid, bad_parties, tags


def _check_day(state: State, count: int) -> None:
    day = state.clock.day()
    held, so_far = state.day_count
    so_far = so_far if held == day else 0
    if so_far + count > state.figures.account_cap * state.figures.messages_per_account_day:
        raise Refusal(45009, "api freq out of limit: messages of the day")
    state.day_count = (day, so_far + count)


def _duplicate_key(state: State, app: App, body: dict[str, Any], now: float) -> tuple[bytes, float]:
    """Return the key of this JSON and until when its repetition is suppressed; no key: not asked for."""
    if not body.get("enable_duplicate_check"):
        return b"", 0.0
    figures = state.figures
    try:
        asked = int(body.get("duplicate_check_interval") or figures.duplicate_default_seconds)
    except (TypeError, ValueError):
        asked = figures.duplicate_default_seconds
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    key = hashlib.blake2b(f"{app.agentid}\0{canonical}".encode(errors="surrogatepass"), digest_size=16).digest()
    return key, now + min(asked, figures.duplicate_max_seconds)


def _duplicate_of(state: State, key: bytes, now: float) -> str:
    """Return the msgid of the same request within its interval, or ""."""
    if len(state.duplicates) > 200_000:
        state.duplicates = {held: value for held, value in state.duplicates.items() if value[0] > now}
    until, msgid = state.duplicates.get(key, (0.0, ""))
    return msgid if until > now >= until - state.figures.duplicate_max_seconds else ""


def _take_task_id(state: State, app: App, body: dict[str, Any]) -> None:
    task_id = body["template_card"].get("task_id") if body["msgtype"] == "template_card" else None
    if task_id:
        if (app.agentid, task_id) in state.task_ids:
            raise Refusal(42014, "task_id has been used")
        state.task_ids.add((app.agentid, task_id))


def _over_member_limit(state: State, app: App, person: str, now: float) -> bool:
    hits = state.member_hits[app.agentid, person]
    while hits and not now - 3600 < hits[0] <= now:
        hits.popleft()
    figures = state.figures
    if len(hits) >= figures.member_hour:
        return True
    if len(hits) >= figures.member_minute and hits[-figures.member_minute] > now - 60:
        return True
    hits.append(now)
    return False


def _keep(state: State, person: str, record: dict[str, Any]) -> None:
    items = state.received.get(person)
    if items is None:
        items = state.received[person] = deque(maxlen=state.figures.keep_per_person)
    if len(items) == items.maxlen:
        state.by_msgid.pop(items[0]["msgid"], None)
    items.append(record)
