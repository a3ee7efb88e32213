"""Customers passed on: 24 hours of waiting, refusals, full takers, twice in 90 days (wecom-api §5.8)."""

from typing import Any

from .state import App, Refusal, State

OK = {"errcode": 0, "errmsg": "ok"}
AT_ONCE, PAGE = 100, 1000
LEFT = 5  # status of somebody who left
WAITING, DONE, REFUSED, FULL = 2, 1, 3, 4


def start_on_job(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """externalcontact/transfer_customer."""
    return _start(state, body, is_resigned=False)


def start_resigned(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """externalcontact/resigned/transfer_customer."""
    return _start(state, body, is_resigned=True)


def read_on_job(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """externalcontact/transfer_result."""
    return _results(state, body, is_resigned=False)


def read_resigned(state: State, app: App, body: dict[str, Any]) -> dict[str, Any]:
    """externalcontact/resigned/transfer_result."""
    return _results(state, body, is_resigned=True)


def refuse(state: State, external_userid: str) -> int:
    """Let a customer say no to whoever is to take him over; returns how many transfers ended by it."""
    complete(state)
    refused = 0
    for one in state.transfers:
        if one["external_userid"] == external_userid and one["status"] == WAITING:
            one["status"] = REFUSED
            refused += 1
            state.callbacks.emit(
                {"Event": "change_external_contact", "ChangeType": "transfer_fail", "FailReason": "customer_refused",
                 "UserID": one["taker"], "ExternalUserID": external_userid}
            )  # fmt: skip
    state.dirty = True
    return refused


def complete(state: State) -> None:
    """Let those go over whose 24 hours are up."""
    now, moved = state.clock.time(), False
    for one in state.transfers:
        if one["status"] == WAITING and now - one["started"] >= state.figures.transfer_seconds:
            one["status"], one["at"], moved = DONE, now, True
            _move(state, one)
            if not one["is_resigned"]:
                state.callbacks.emit(
                    {"Event": "change_external_contact", "ChangeType": "del_external_contact", "UserID": one["giver"],
                     "ExternalUserID": one["external_userid"], "Source": "DELETE_BY_TRANSFER"}
                )  # fmt: skip
    if moved:
        state.index_contacts()


def _start(state: State, body: dict[str, Any], *, is_resigned: bool) -> dict[str, Any]:
    giver, taker = str(body.get("handover_userid", "")).casefold(), str(body.get("takeover_userid", "")).casefold()
    wanted = body.get("external_userid")
    if not isinstance(wanted, list) or not 0 < len(wanted) <= AT_ONCE:
        raise Refusal(40058, "external_userid: 1 to 100")
    if giver == taker:
        raise Refusal(40130, "handover and takeover are the same")
    taking = state.people.get(taker)
    if taking is None or taking.get("status") == LEFT or taking.get("external_right", True) is False:
        raise Refusal(84074, "no permission of external contact")
    giving = state.people.get(giver)
    has_left = giving is None or giving.get("status") == LEFT
    if is_resigned and not has_left:
        raise Refusal(40097, "handover user has not resigned")
    if not is_resigned and has_left:
        raise Refusal(60111, "userid not found")
    complete(state)
    rows = [
        {"external_userid": str(one), "errcode": _start_one(state, giver, taker, str(one), is_resigned)}
        for one in wanted
    ]
    state.dirty = True
    return {**OK, "customer": rows}


def _start_one(state: State, giver: str, taker: str, external: str, is_resigned: bool) -> int:
    now = state.clock.time()
    contact = state.contacts.get(external)
    if contact is None:
        return 40096
    held = {str(row["userid"]).casefold() for row in contact["follow_user"] if not row.get("deleted")}
    if giver not in held:
        return 40131
    former = [one for one in state.transfers if one["external_userid"] == external]
    if any(one["status"] == WAITING for one in former):
        return 40129
    lately = [one for one in former if not one["is_resigned"] and now - one["started"] < 90 * 86_400]
    if not is_resigned and len(lately) >= 2:
        return 40128
    is_full = len(state.contacts_of.get(taker, ())) >= state.figures.contacts_each
    state.transfers.append(
        {"giver": giver, "taker": taker, "external_userid": external, "is_resigned": is_resigned, "started": now,
         "at": 0, "status": FULL if is_full else WAITING}
    )  # fmt: skip
    return 40099 if is_full else 0


def _results(state: State, body: dict[str, Any], *, is_resigned: bool) -> dict[str, Any]:
    complete(state)
    giver, taker = str(body.get("handover_userid", "")).casefold(), str(body.get("takeover_userid", "")).casefold()
    rows = [
        {"external_userid": one["external_userid"], "status": one["status"], "takeover_time": int(one["at"])}
        for one in state.transfers
        if (one["giver"], one["taker"], one["is_resigned"]) == (giver, taker, is_resigned)
    ]
    begin = int(str(body.get("cursor") or "0").removeprefix("t") or 0)
    more = {"next_cursor": f"t{begin + PAGE}"} if len(rows) > begin + PAGE else {}
    return {**OK, "customer": rows[begin : begin + PAGE], **more}


def _move(state: State, one: dict[str, Any]) -> None:
    followers = state.contacts[one["external_userid"]]["follow_user"]
    for row in followers:
        if str(row["userid"]).casefold() == one["giver"]:
            row["deleted"] = True
    if not any(str(row["userid"]).casefold() == one["taker"] and not row.get("deleted") for row in followers):
        kept: dict[str, Any] = next((row for row in followers if str(row["userid"]).casefold() == one["giver"]), {})
        followers.append(
            {**kept, "userid": one["taker"], "createtime": int(one["at"]), "deleted": False, "add_way": 202}
        )
