"""The routes as the URLconf has them. Nothing here names one: a new route is found by itself."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RegexPattern, RoutePattern

from yejibao.core.access import Rule

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ABSENT = {"uuid": "00000000-0000-4000-8000-000000000000"}  # by converter; a number for all others
ABSENT_NUMBER = "987654321"


@dataclass(frozen=True)
class Route:
    """One pattern of the URLconf with its view. `template` is the path with `{name}` for each argument."""

    template: str
    arguments: tuple[tuple[str, str], ...]  # (name, converter)
    view: Any

    @property
    def label(self) -> str:
        return f"{self.template} -> {self.view.__module__}.{getattr(self.view, '__qualname__', self.view)}"

    @property
    def drf_class(self) -> Any:
        return getattr(self.view, "cls", None)

    @property
    def methods(self) -> tuple[str, ...]:
        if actions := getattr(self.view, "actions", None):
            return tuple(method for method in METHODS if method.lower() in actions)
        if self.drf_class:
            return tuple(method for method in METHODS if hasattr(self.drf_class, method.lower()))
        return METHODS  # a function view says no by 405

    @property
    def telling_methods(self) -> tuple[str, ...]:
        """Without those that a function view does not tell from POST; the stranger tries them all."""
        return self.methods if self.drf_class else ("GET", "POST")

    def rule(self, method: str) -> Rule | None:
        if self.drf_class is None:
            return getattr(self.view, "access", None)
        rule = getattr(self.view, "initkwargs", {}).get("access", getattr(self.drf_class, "access", None))
        if isinstance(rule, dict):
            name = (getattr(self.view, "actions", None) or {}).get(method.lower(), method.lower())
            rule = rule.get(name, rule.get("*"))
        return rule

    def asks(self, method: str) -> Rule:
        """Return the declaration of a route that has one."""
        rule = self.rule(method)
        assert isinstance(rule, Rule), f"{self.label} declares no access"
        return rule

    @property
    def absent(self) -> dict[str, str]:
        """Return for each argument what no row has."""
        return {name: ABSENT.get(converter, ABSENT_NUMBER) for name, converter in self.arguments}

    def path(self, **values: str) -> str:
        return self.template.format(**(self.absent | values))


def routes() -> list[Route]:
    return list(_walk(get_resolver(), "/", ()))


def _walk(resolver: URLResolver, prefix: str, arguments: tuple[tuple[str, str], ...]) -> Iterator[Route]:
    for entry in resolver.url_patterns:
        part, own = _read(entry.pattern)
        if isinstance(entry, URLPattern):
            yield Route(prefix + part, arguments + own, entry.callback)
        else:
            yield from _walk(entry, prefix + part, arguments + own)


def _read(pattern: Any) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return a pattern's part of the path and its arguments."""
    if isinstance(pattern, RoutePattern):
        own = tuple(
            (name, type(converter).__name__.removesuffix("Converter").lower())
            for name, converter in pattern.converters.items()
        )
        return re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", str(pattern)), own
    assert isinstance(pattern, RegexPattern)
    text = re.sub(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)", r"{\1}", str(pattern)).lstrip("^").removesuffix("$")
    text = text.removesuffix(r"\Z").replace(r"\.", ".").replace("/?", "/")
    return text, tuple((name, "regex") for name in re.findall(r"{(\w+)}", text))


ROUTES = routes()
