"""Routes are looked for where they begin: a page among those of its own place, not among all six hundred.

    urlpatterns = [by_place(path("", include("tasks.urls")), path("", include("crm.urls")), …)]

Django asks one route after the other, which costs a page deep in the list more than reading its session. A place is the
first two words of an address, `g/members`. Which route answers is what Django says: their order stays.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from django.urls import URLPattern, URLResolver
from django.urls.resolvers import ResolverMatch, RoutePattern

Place = tuple[str, ...]
WORDS = 2


class ByPlace(URLResolver):
    """All routes, and for each place a resolver of those that may fit there."""

    @cached_property
    def _places(self) -> dict[Place, URLResolver | None]:
        return dict.fromkeys([(), *_beginnings(self)])

    def resolve(self, path: Any) -> ResolverMatch:
        place = tuple(str(path).split("/", WORDS)[:WORDS])
        while place not in self._places:
            place = place[:-1]
        found = self._places[place]
        if found is None:
            found = self._places[place] = _narrowed(self, place)
        return found.resolve(path)


def by_place(*routes: URLPattern | URLResolver) -> ByPlace:
    """Return the routes as one."""
    return ByPlace(RoutePattern("", is_endpoint=False), list(routes))


def _beginnings(one: URLPattern | URLResolver, before: str = "") -> Iterator[Place]:
    """Yield how the addresses of a route begin: its first words, as far as they are written in it."""
    written, argument, _ = str(one.pattern).partition("<") if isinstance(one.pattern, RoutePattern) else ("", "<", "")
    words = (before + written).split("/")
    if argument:
        yield tuple(words[:-1][:WORDS])  # the last one goes on with what is not written
    elif isinstance(one, URLResolver):
        for inside in one.url_patterns:
            yield from _beginnings(inside, before + written)
    else:
        yield tuple(words[:WORDS])


def _narrowed(whole: URLResolver, place: Place, before: str = "") -> URLResolver:
    """Return a resolver of those routes that may fit an address of this place."""
    inside = before + str(whole.pattern)
    kept = [
        _narrowed(one, place, inside) if isinstance(one, URLResolver) else one
        for one in whole.url_patterns
        if any(place[: len(begins)] == begins for begins in _beginnings(one, inside))
    ]
    return URLResolver(whole.pattern, kept, whole.default_kwargs, whole.app_name, whole.namespace)
