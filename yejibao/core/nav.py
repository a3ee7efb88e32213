"""Where one can go. Rooms add their places, shells show them: a shell imports no room.

    nav.add("guide", key="today", label="今日", icon="list-checks", url="tasks:today", order=10, badge=open_count)

Areas: `guide` and `manager` (tab bars), `hq` (side nav of the PC shell), `sidebar` (tools under the chat toolbar page),
`tools` (tool grid on 我的), `me` (the lines below it). A place whose URL name does not resolve is left out, so only
what works is shown.
"""

import contextlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, wraps

import redis
from django.core.cache import cache as shared
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from .scope import Actor

KEPT_SECONDS = 60
Badge = Callable[[HttpRequest], int | None]


@dataclass(frozen=True)
class Place:
    """One entry of a navigation. `roles` (any of) and `permission` narrow who sees it; neither = everybody."""

    key: str
    label: str
    icon: str
    url: str
    order: int = 50
    group: str = ""
    roles: tuple[str, ...] = ()
    permission: str = ""
    badge: Badge | None = None
    loud: bool = True  # a red count; False: a grey one

    def open_to(self, actor: Actor | None) -> bool:
        if not self.roles and not self.permission:
            return True
        if actor is None:
            return False
        if actor.working_role:  # 切换身份 changes the menu; what a page then lets one do is the union of all roles
            return actor.working_role in self.roles or self.permission in actor.working_permissions
        return (bool(self.roles) and actor.has_role(*self.roles)) or (
            bool(self.permission) and actor.may(self.permission)
        )


@dataclass(frozen=True)
class Entry:
    """A place as one request sees it."""

    key: str
    label: str
    icon: str
    href: str
    group: str
    current: bool
    count: int | None
    loud: bool


_areas: dict[str, dict[str, Place]] = defaultdict(dict)


def add(area: str, *, key: str, label: str, icon: str, url: str, **options: object) -> None:
    """Add a place, or replace the one with the same key."""
    _areas[area][key] = Place(key=key, label=label, icon=icon, url=url, **options)  # type: ignore[arg-type]


def kept(badge: Badge) -> Badge:
    """Return a badge that counts anew for a person once a minute: HQ's menu has many numbers, on every page."""

    @wraps(badge)
    def count(request: HttpRequest) -> int | None:
        actor: Actor = request.actor  # type: ignore[attr-defined]
        key = f"nav:{badge.__module__}.{badge.__name__}:{actor.staff_id}:{actor.working_role}"
        with contextlib.suppress(redis.RedisError):
            if (found := shared.get(key)) is not None:
                return found or None
        counted = badge(request)
        with contextlib.suppress(redis.RedisError):
            shared.set(key, counted or 0, KEPT_SECONDS)
        return counted

    return count


@cache
def _href(url: str) -> str:
    """Return an address by its name or as it stands. Raises NoReverseMatch."""
    return url if url.startswith("/") else reverse(url)


def entries(area: str, request: HttpRequest, *, current: str = "") -> list[Entry]:
    """Return what this request's person may go to, in order; the longest matching path is where he is.

    A page that sets `request.leaves_out_counts` gets no numbers beside the places: it must stand where they fail.
    """
    actor: Actor | None = getattr(request, "actor", None)
    is_brief = getattr(request, "leaves_out_counts", False)
    found: list[tuple[Place, str]] = []
    places = _areas[area].values()
    begins = {group: min(one.order for one in places if one.group == group) for group in {one.group for one in places}}
    # A group stands together where its first place is, and what has none before all groups.
    for place in sorted(places, key=lambda one: (bool(one.group), begins[one.group], one.group, one.order)):
        if place.open_to(actor):
            try:
                found.append((place, _href(place.url)))
            except NoReverseMatch:
                continue
    if not current:
        here = [(len(href), place.key) for place, href in found if request.path.startswith(href)]
        current = max(here)[1] if here else ""
    return [
        Entry(
            key=place.key,
            label=place.label,
            icon=place.icon,
            href=href,
            group=place.group,
            current=place.key == current,
            count=place.badge(request) if place.badge and not is_brief else None,
            loud=place.loud,
        )
        for place, href in found
    ]
