"""What people are told about findings: in 消息, and by push through the app."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from guides.notices.pushing import tell_and_push
from guides.notices.services import Notice

KIND = "rectification"


def page_of(finding_id: int) -> str:
    return f"/m/patrol/findings/{finding_id}/"


def notice(finding_id: int, title: str, text: str = "", *, key: str = "") -> Notice:
    """Return what somebody is told about one finding; told again it takes the place of what he has not read."""
    return Notice(KIND, key or f"finding:{finding_id}", title, page_of(finding_id), text)


def tell(told: Sequence[tuple[int, Notice]], *, now: datetime) -> int:
    """Tell each his own, with one push a person and thing."""
    return tell_and_push(_once(told), now=now)


def _once(told: Iterable[tuple[int, Notice]]) -> list[tuple[int, Notice]]:
    """Leave out what would be said twice to one person."""
    return list({(staff, one.key): (staff, one) for staff, one in told}.values())
