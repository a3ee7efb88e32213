"""Who reads which callback, and who listens to what it means.

Two steps. A reader, here at the door, turns the XML of one kind into events (`yejibao.wecom.events`). Subscribers, in the
departments above, act on the events. Nobody above ever sees XML, and this floor knows no business.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from yejibao.core.outbox import Event

E = TypeVar("E", bound=Event)
Facts = Mapping[str, Any]  # the <xml> element as xmltodict reads it
Reader = Callable[[Facts, str], Iterable[Event]]
Subscriber = Callable[[list[Any]], None]

_readers: dict[str, Reader] = {}
_subscribers: dict[type[Event], list[Subscriber]] = defaultdict(list)


def kind_name(event: str, change: str = "") -> str:
    """Return the name of a kind: `change_external_contact/add_external_contact`; the platform does not tell case apart."""
    return "/".join(part.strip().casefold() for part in (event, change) if part.strip())


def on(event: str, *changes: str) -> Callable[[Reader], Reader]:
    """Name the reader of an event, or of its ChangeTypes."""

    def register(reader: Reader) -> Reader:
        for change in changes or ("",):
            _readers[kind_name(event, change)] = reader
        return reader

    return register


def subscribe(*event_classes: type[E]) -> Callable[[Callable[[list[E]], None]], Callable[[list[E]], None]]:
    """Register who is told of these events, a list of one class at a time.

    Called with no transaction open, at least once for each event, in no order: see `yejibao.wecom.events`.
    """

    def register(subscriber: Callable[[list[E]], None]) -> Callable[[list[E]], None]:
        for event_class in event_classes:
            if subscriber not in _subscribers[event_class]:
                _subscribers[event_class].append(subscriber)
        return subscriber

    return register


def reader_of(kind: str) -> Reader | None:
    """Return who reads a kind; None for one nobody here has heard of."""
    return _readers.get(kind)


def subscribers_of(event_class: type[Event]) -> list[Subscriber]:
    """Return who listens to an event."""
    return list(_subscribers.get(event_class, ()))


def known_kinds() -> list[str]:
    """Return the kinds that have a reader."""
    return sorted(_readers)
