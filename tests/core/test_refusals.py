"""Whoever may not do a thing is told which permission is missing: a 403 names it, whichever room says no."""

from collections.abc import Iterator

from django.urls import get_resolver

from yejibao.core.errors import DomainError, Forbidden

ELSEWHERE = ("tests.", "yejibao.wecom.sandbox", "yejibao.wechatpay.sandbox")


def kinds_of(kind: type[DomainError]) -> Iterator[type[DomainError]]:
    for one in kind.__subclasses__():
        yield one
        yield from kinds_of(one)


def test_every_403_names_the_permission_or_what_is_wrong_with_the_sign_in() -> None:
    get_resolver().url_patterns  # noqa: B018  every room is loaded with its routes
    refusals = [kind for kind in set(kinds_of(DomainError)) if kind.status == 403 and kind is not Forbidden]
    unnamed = {
        f"{kind.__module__}.{kind.__qualname__}: {kind.code}" for kind in refusals
        if not kind.__module__.startswith(ELSEWHERE)
        and (not kind.code.startswith(("perm.", "auth.")) or kind.code == Forbidden.code)
    }  # fmt: skip
    assert unnamed == set() and len(refusals) > 20
