"""Template cards after they were sent: a member presses a button, the app changes the card, once for each code it was given."""

import secrets
from typing import Any

from .shapes import INTERACTIVE_CARDS, check_card
from .state import App, Refusal, State


def new_code(state: State, app: App, record: dict[str, Any], task_id: str) -> str:
    """Return a response_code: for one change of the card, within 72 hours."""
    code = secrets.token_urlsafe(48)
    now = state.clock.time()
    if len(state.response_codes) > 100_000:
        state.response_codes = {key: row for key, row in state.response_codes.items() if row["until"] > now}
    state.response_codes[code] = {
        "agentid": app.agentid, "task_id": task_id, "msgid": record["msgid"], "used": False,
        "until": now + state.figures.response_code_seconds,
    }  # fmt: skip
    return code


def update(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """message/update_template_card: gives the receivers another card, or greys its buttons. Raises Refusal."""
    if body.get("agentid") is None:
        raise Refusal(41011, "agentid missing")
    if body["agentid"] != app.agentid:
        raise Refusal(42015, "agentid does not match")
    card, words = body.get("template_card"), (body.get("button") or {}).get("replace_name")
    if not words and not isinstance(card, dict):
        raise Refusal(40063, "some parameters are empty: button or template_card")
    people = [str(name).casefold() for name in body.get("userids") or ()]
    if not (people or body.get("atall") or body.get("partyids") or body.get("tagids")):
        raise Refusal(82001, "all receivers are empty")
    if len(people) > 1000:
        raise Refusal(40032, "too many users")
    if isinstance(card, dict):
        check_card(card)
    held = state.response_codes.get(str(body.get("response_code") or ""))
    if held is None or held["used"] or held["until"] <= state.clock.time():
        raise Refusal(60140, "invalid response_code")
    if held["agentid"] != app.agentid:
        raise Refusal(42015, "response_code of another app")
    record = state.by_msgid.get(held["msgid"])
    if record is None:
        raise Refusal(42016, "task_id unknown")
    held["used"] = True
    receivers = [name for name, flag in record["flags"].items() if flag == "delivered"]
    reached = receivers if body.get("atall") else [name for name in people if name in receivers]
    for name in reached:
        state_of = record.setdefault("cards", {}).setdefault(name, {})
        state_of |= {"card": card, "grey": words or (card or {}).get("replace_text") or ""}
        state_of["changed"] = state.next_sequence()
        state_of["changes"] = state_of.get("changes", 0) + 1
    state.dirty = True
    answer: dict[str, Any] = {"errcode": 0, "errmsg": "ok"}
    if invalid := [name for name in people if name not in receivers]:
        answer["invaliduser"] = "|".join(invalid)
    return answer


def card_of(record: dict[str, Any], userid: str) -> dict[str, Any] | None:
    """Return the card as this person has it now, None for a message that is none."""
    body = record["request"]
    if body["msgtype"] != "template_card":
        return None
    card: dict[str, Any] = (record.get("cards", {}).get(userid) or {}).get("card") or body["template_card"]
    return card


def press(
    state: State, userid: str, seq: int, key: str, choices: dict[str, list[str]] | None = None
) -> tuple[int | None, str]:
    """Let a member press a button that calls back. Returns the callback's number and its response_code, or None and why not."""
    record = next((row for row in state.received.get(userid, ()) if row["seq"] == seq), None)
    if record is None or record["flags"].get(userid) != "delivered" or record["recalled"]:
        return None, "no such card"
    card, held = card_of(record, userid), record.get("cards", {}).get(userid) or {}
    if card is None or card.get("card_type") not in INTERACTIVE_CARDS:
        return None, "no such card"
    buttons = [*card.get("button_list", ()), *([card["submit_button"]] if card.get("submit_button") else [])]
    if held.get("grey") or not any(one.get("key") == key and one.get("type", 0) == 0 for one in buttons):
        return None, "no such button"
    app = state.apps[record["agentid"]]
    facts: dict[str, Any] = {
        "Event": "template_card_event", "EventKey": key, "TaskId": card["task_id"], "CardType": card["card_type"],
        "ResponseCode": new_code(state, app, record, card["task_id"]),
    }  # fmt: skip
    if choices:
        facts["SelectedItems"] = {
            "SelectedItem": [
                {"QuestionKey": question, "OptionIds": {"OptionId": options}} for question, options in choices.items()
            ]
        }
    number = state.callbacks.emit(facts, sender=str(state.people[userid]["userid"]), agent_id=app.agentid)
    return (number, facts["ResponseCode"]) if number else (None, "no receiver")
