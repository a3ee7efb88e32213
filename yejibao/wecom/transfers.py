"""Customers passed from one member of the corp to another: typed calls on a gateway (wecom-api §5.8).

The platform completes a transfer by itself 24 hours after it was started, unless the customer refuses.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum

from .gateway import Gateway

AT_ONCE = 100  # customers a call
IN_PROGRESS, TOO_OFTEN, TAKER_FULL = (40100, 40129), 40128, 40099


class Status(IntEnum):
    """What became of a transfer that was started."""

    DONE = 1
    WAITING = 2
    REFUSED = 3
    TAKER_FULL = 4


@dataclass(frozen=True)
class Result:
    """One customer of a pair of members. `at` is when he went over."""

    external_userid: str
    status: Status
    at: datetime | None


def start(
    door: Gateway, *, is_resigned: bool, giver: str, taker: str, external_userids: Sequence[str], message: str = ""
) -> dict[str, int]:
    """Start up to 100 transfers; returns the errcode of each, 0 = started. Not repeatable: a second try costs quota.

    `message` (200 characters) greets the customer once he went over; only for members who still work here.
    """
    body: dict[str, object] = {
        "handover_userid": giver, "takeover_userid": taker, "external_userid": list(external_userids),
    }  # fmt: skip
    if message and not is_resigned:
        body["transfer_success_msg"] = message[:200]
    answer = door.post(_path("transfer_customer", is_resigned=is_resigned), body)
    return {str(row["external_userid"]): int(row["errcode"]) for row in answer.get("customer", ())}


def read_results(door: Gateway, *, is_resigned: bool, giver: str, taker: str) -> Iterator[Result]:
    """Return what became of all transfers between two members."""
    cursor = ""
    while True:
        body = {"handover_userid": giver, "takeover_userid": taker} | ({"cursor": cursor} if cursor else {})
        answer = door.post(_path("transfer_result", is_resigned=is_resigned), body)
        for row in answer.get("customer", ()):
            at = int(row.get("takeover_time") or 0)
            yield Result(
                str(row["external_userid"]), Status(int(row["status"])), datetime.fromtimestamp(at, UTC) if at else None
            )
        cursor = str(answer.get("next_cursor") or "")
        if not cursor:
            return


def _path(name: str, *, is_resigned: bool) -> str:
    return f"externalcontact/resigned/{name}" if is_resigned else f"externalcontact/{name}"
