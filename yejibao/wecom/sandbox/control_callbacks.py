"""The control side of callbacks: who is called, what happens in the client, and the weather."""

from typing import Any

from . import things
from .callbacks import OWN, Receiver, Weather
from .control import Rejected
from .state import Fault, State

WEATHER_FAULTS = "weather"


def set_receivers(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Set where apps are called: {"yejibao": {"url": …, "token": …, "aes_key": …}}; null takes one away."""
    for name, row in body.items():
        if row is None:
            state.callbacks.receivers.pop(name, None)
            continue
        state.callbacks.receivers[name] = Receiver(name, str(row["url"]), str(row["token"]), str(row["aes_key"]))
    return list_receivers(state, query, body)


def list_receivers(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Return who is called where; keys stay here."""
    return {"receivers": {name: receiver.url for name, receiver in state.callbacks.receivers.items()}}


async def verify(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Check an address as the console does on saving."""
    receiver = state.callbacks.receivers.get(str(body.get("app", OWN)))
    if receiver is None:
        raise Rejected(404, "no such receiver")
    return {"wrong": await state.callbacks.verify(receiver)}


def emit(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Call an app about anything: {"facts": {"Event": …}, "app": …, "sender": …, "agent_id": …, "at": epoch seconds}."""
    facts = body["facts"]
    if not isinstance(facts, dict) or "Event" not in facts:
        raise Rejected(422, "facts with an Event are wanted")
    number = state.callbacks.emit(
        facts, app=str(body.get("app", OWN)), sender=str(body.get("sender", "sys")), agent_id=body.get("agent_id"),
        at=body.get("at"),
    )  # fmt: skip
    if number is None:
        raise Rejected(404, "no such receiver")
    return {"seq": number}


def list_callbacks(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Return what was called past a number (`after`), how each went, and how many posts are on their way."""
    after = int(query.get("after", 0))
    return {
        "callbacks": [row for row in state.callbacks.records if row["seq"] > after],
        "waiting": state.callbacks.waiting,
    }


def change_thing(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Do something in the client or console: {"kind": "chat", "id": …, "facts": {…}, "gone": false, "tell": true}."""
    if body.get("kind") not in things.TELLERS:
        raise Rejected(422, f"kind is one of {sorted(things.TELLERS)}")
    things.change(
        state, str(body["kind"]), str(body["id"]), dict(body.get("facts") or {}), is_gone=bool(body.get("gone")),
        tells=bool(body.get("tell", True)), detail=str(body.get("detail", "")),
    )  # fmt: skip
    return {}


def get_weather(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Return the weather."""
    return {"weather": vars(state.callbacks.weather), "bad": state.callbacks.weather.is_bad}


def set_weather(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Make the weather bad or fair with one switch ({"bad": true}), or each of its figures alone."""
    try:
        weather = Weather.parse(body)
    except (TypeError, ValueError) as error:
        raise Rejected(422, str(error)) from None
    state.callbacks.weather = weather
    state.faults = [fault for fault in state.faults if fault.why != WEATHER_FAULTS]
    late = {"latency": weather.latency_ms / 2, "jitter": weather.latency_ms / 2}
    for order in (
        {"errcode": -1, "percent": weather.busy_percent} | late if weather.busy_percent else None,
        late if weather.latency_ms else None,
    ):
        if order:
            state.fault_number += 1
            state.faults.append(Fault(id=state.fault_number, why=WEATHER_FAULTS, **order))  # type: ignore[arg-type]
    return get_weather(state, query, body)


def set_delivery(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Change how callbacks are delivered: timeout_seconds, resends, gap_seconds."""
    for name in ("timeout_seconds", "resends", "gap_seconds"):
        if name in body:
            setattr(state.callbacks, name, type(getattr(state.callbacks, name))(body[name]))
    return {}


ROUTES = {
    ("GET", "receivers"): list_receivers,
    ("POST", "receivers"): set_receivers,
    ("POST", "receivers/verify"): verify,
    ("POST", "callback"): emit,
    ("GET", "callbacks"): list_callbacks,
    ("POST", "thing"): change_thing,
    ("GET", "weather"): get_weather,
    ("POST", "weather"): set_weather,
    ("POST", "delivery"): set_delivery,
}
