"""设置: the brand's values with their limits and history, which editions of rules and models hold, and which secrets are set."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import NoReverseMatch, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from crm.scoring.config import config as scoring_config
from crm.scoring.models import ScoringRun
from guides.org.actors import role_book
from guides.org.confirming import recently_confirmed
from tasks.cadences.models import CadenceVersion
from yejibao.core import access, clock, desk, nav, tunables
from yejibao.core.errors import DomainError, Invalid, NotFound
from yejibao.core.models import SettingChange
from yejibao.core.scope import Actor

ROLES = ("sys_admin", "hq_operator", "hq_crm")


@dataclass(frozen=True)
class Edition:
    """A versioned rule or model as it holds now."""

    name: str
    version: str
    since: datetime | None
    by: str
    url: str


def _editions() -> list[Edition]:
    """Return the editions in force; where one is changed stands beside it."""
    found = []
    for row in (
        CadenceVersion.objects.filter(state="published").select_related("cadence", "published_by").order_by("pk")
    ):
        by = row.published_by.name if row.published_by else "系统"
        found.append(Edition(f"{row.cadence.name}回访规则", f"第 {row.number} 版", row.published_at, by, "tasks:rules"))
    ran = (
        ScoringRun.objects.filter(finished_at__isnull=False)
        .order_by("-finished_at")
        .values_list("finished_at", flat=True)
    )
    found.append(
        Edition("会员等级、分层、生命周期模型", f"第 {scoring_config().version} 版", ran.first(), "随发布更新", "")
    )
    found.append(Edition("岗位与权限表", f"第 {role_book()['version']} 版", None, "随发布更新", "guides:roles"))
    return found


def _address(name: str) -> str:
    try:
        return reverse(name) if name else ""
    except NoReverseMatch:
        return ""


@never_cache
@require_GET
@access.roles(*ROLES)
def page(request: HttpRequest) -> HttpResponse:
    now = clock.now()
    groups: dict[str, list[tunables.Standing]] = {}
    for one in tunables.standings(tunables.known(), now=now):
        groups.setdefault(one.tunable.group, []).append(one)
    context = {
        "groups": groups.items(), "editions": [(one, _address(one.url)) for one in _editions()], "nav_current": "settings",
    }  # fmt: skip
    return render(request, "cockpit/settings.html", context)


@never_cache
@require_GET
@access.roles(*ROLES)
def setting(request: HttpRequest, key: str) -> HttpResponse:
    return _setting(request, _found(key))


def _found(key: str) -> tunables.Tunable:
    tunable = tunables.find(key)
    if tunable is None:
        raise NotFound()
    return tunable


def _setting(request: HttpRequest, tunable: tunables.Tunable, refusal: DomainError | None = None) -> HttpResponse:
    now, actor = clock.now(), access.actor_of(request)
    rows = tunables.history(tunable)
    context = {
        "one": tunables.standings([tunable], now=now)[0], "may": actor.may(tunable.permission), "now": now,
        "history": [(row, tunable.words(int(row.value)), row.withdrawn_at is None and row.starts_at > now) for row in rows],
        "refusal": desk.sentence(refusal) if refusal else "", "post": request.POST, "nav_current": "settings",
    }  # fmt: skip
    return render(request, "cockpit/setting.html", context, status=refusal.status if refusal else 200)


@require_POST
@access.roles(*ROLES)
@recently_confirmed
def change(request: HttpRequest, key: str) -> HttpResponse:
    """Let another value hold, now or from a moment on."""
    tunable, post, actor = _found(key), request.POST, access.actor_of(request)

    def work() -> dict[str, Any]:
        _change(tunable, post, actor)
        return {}

    _answer, refusal = desk.attempt(request, {name: post.get(name, "") for name in FIELDS}, work)
    if refusal is not None:
        return _setting(request, tunable, refusal)
    return desk.done(request, f"{tunable.name}改好了", reverse("cockpit:setting", args=[key]))


FIELDS = ("value", "starts_at", "reason", "seen")


def _change(tunable: tunables.Tunable, post: Any, actor: Actor) -> None:
    text, moment = post.get("value", "").strip(), post.get("starts_at", "").strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise Invalid(errors=[{"field": "value", "code": "number", "message": "填一个整数"}])
    try:
        begins = clock.parse_iso(moment) if moment else None
    except (ValueError, OverflowError):
        raise Invalid(errors=[{"field": "starts_at", "code": "moment", "message": "看不懂的时间，请重新选"}]) from None
    tunables.change(
        tunable, value=int(text), starts_at=begins, seen=desk.chosen(post.get("seen")), actor=actor,
        reason=post.get("reason", ""), now=clock.now(),
    )  # fmt: skip


@require_POST
@access.roles(*ROLES)
@recently_confirmed
def withdraw(request: HttpRequest, key: str, number: int) -> HttpResponse:
    """Take back a change that waits for its moment."""
    tunable = _found(key)
    row: SettingChange = get_object_or_404(SettingChange, key=key, number=number)

    def work() -> dict[str, Any]:
        tunables.withdraw(row, actor=access.actor_of(request), now=clock.now())
        return {}

    _answer, refusal = desk.attempt(request, {"number": number}, work)
    if refusal is not None:
        return _setting(request, tunable, refusal)
    return desk.done(request, "撤回了，还是原来的值", reverse("cockpit:setting", args=[key]))


nav.add(
    "hq", key="settings", label="设置", icon="settings", url="cockpit:settings", order=89, roles=ROLES, group="系统"
)
