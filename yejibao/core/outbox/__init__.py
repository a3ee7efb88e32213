"""What leaves a transaction: events to other departments, messages to people.

`OutboxEvent` carries news from a lower department up to another and is handled in the transaction of its done mark.
`OutboxMessage` leaves the house; its states are those of reliability-security §6.
"""

from .events import Event, drain_events, publish, publish_many, subscribe
from .messages import NewMessage, Renderer, enqueue, register_renderer
from .turns import register_lanes

__all__ = [
    "Event",
    "NewMessage",
    "Renderer",
    "drain_events",
    "enqueue",
    "publish",
    "publish_many",
    "register_lanes",
    "register_renderer",
    "subscribe",
]
