"""Routes by place: they answer as Django does when it asks one after the other."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, include, path
from django.urls.resolvers import RegexPattern

from yejibao.core.routing import by_place
from yejibao.urls import routes

FILLED = {"uuid": "7f3b1c52-9d0e-4a86-b1f4-2c6e8a905d17", "int": "7", "slug": "abc", "path": "a/b"}
ODD = ("/", "//", "/g", "/g/", "/g//", "/g/nothing/", "/nothing", "/nothing/at/all/", "/g/members", "/static/x.css")


def one_after_the_other(*given: Any) -> URLResolver:
    return URLResolver(RegexPattern(r"^/"), list(given))


def addresses(routes: list[Any], before: str = "/") -> Iterator[str]:
    for one in routes:
        written = before + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from addresses(one.url_patterns, written)
        else:
            yield re.sub(r"<(?:(\w+):)?\w+>", lambda found: FILLED.get(found[1] or "", "ab-c"), written)


def answer(resolver: URLResolver, address: str) -> Any:
    try:
        found = resolver.resolve(address)
    except Resolver404:
        return None
    return found.func, found.args, found.kwargs, found.view_name, found.namespaces


def test_each_address_of_the_product_is_answered_by_the_same_route() -> None:
    plain, product = one_after_the_other(*routes), get_resolver()
    known = list(addresses(routes))
    assert len(known) > 400
    differing = [one for one in [*known, *ODD] if answer(plain, one) != answer(product, one)]
    assert differing == []


def view(request: Any, **_: Any) -> None: ...


def test_what_fits_several_places_keeps_its_turn() -> None:
    inner: list[URLPattern | URLResolver] = [
        path("b/<int:n>/", view, name="number"),
        path("<slug:any>/", view, name="any"),
    ]
    given = [
        path("a/<slug:first>/", view, name="first"), path("a/", include((inner, "inner"))), path("a/b/", view, name="late"),
        path("<path:rest>", view, name="rest"),
    ]  # fmt: skip
    plain, quick = one_after_the_other(*given), one_after_the_other(by_place(*given))
    for address in ("/a/b/", "/a/b/7/", "/a/c/", "/a/c/d/", "/a", "/x/y/", "/"):
        assert answer(plain, address) == answer(quick, address), address
    assert quick.resolve("/a/b/").url_name == "first" and quick.resolve("/a/b/7/").view_name == "inner:number"
    with pytest.raises(Resolver404):
        one_after_the_other(by_place(*given[:3])).resolve("/x/")
