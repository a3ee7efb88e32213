"""集成: how the house is joined to the world outside, which addresses one gives there, and which secrets are set."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from yejibao.core import access, clock, nav, panels, secret_marks
from yejibao.wecom.gateway import configured_app
from yejibao.wecom.inbox.models import InboxEntry
from yejibao.wecom.models import Credential

from . import health

ROLES = ("sys_admin",)
RECENT = 20_000  # callbacks looked through for the last of each receiver
PARTS = ("wecom", "inbox", "inbox-process", "orders")  # of the health page; one that is not there is left out


@dataclass(frozen=True)
class Address:
    """What one enters in somebody else's console."""

    name: str
    url: str
    where: str
    is_set: bool
    last_at: datetime | None = None


@dataclass(frozen=True)
class Token:
    """An access token in force, as far as a page may tell: never its text."""

    name: str
    expires_at: datetime | None
    changed_at: datetime | None

    def is_alive(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at > now


def _tokens() -> list[Token]:
    app = configured_app()
    names = {app.key("token"): "应用令牌", app.key("ticket/corp"): "网页票据", app.key("ticket/agent"): "应用票据"}
    rows = {row.key: row for row in Credential.objects.filter(key__in=names).defer("value")}
    return [Token(name, rows[key].expires_at, rows[key].changed_at) for key, name in names.items() if key in rows]


def _addresses() -> list[Address]:
    """Return the addresses others call; of the receivers those that are set up, and our own app's in any case."""
    newest = InboxEntry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    recent = InboxEntry.objects.filter(pk__gt=newest - RECENT)  # ids come in the order of time; no source has an index
    seen = dict(recent.values_list("source").annotate(last=Max("received_at")).order_by())
    names = list(dict.fromkeys(["yejibao", *settings.WECOM_CALLBACKS]))
    found = [
        Address(
            "接收消息（应用）" if name == "yejibao" else f"接收事件（{name}）", _full("wecom:callback", name),
            "应用 → 接收消息 → 设置 API 接收" if name == "yejibao" else "管理工具 → 通讯录同步 → 接收事件服务器",
            name in settings.WECOM_CALLBACKS, seen.get(name),
        )
        for name in names
    ]  # fmt: skip
    base = settings.PUBLIC_BASE_URL
    return [
        *found,
        Address("应用主页", f"{base}/g/today/", "应用 → 应用主页", True),
        Address("聊天工具栏", f"{base}/g/sidebar/", "客户联系 → 聊天工具 → 聊天工具栏", True),
        Address("网页授权域名", base.split("://", 1)[-1], "应用 → 网页授权及 JS-SDK", True),
    ]


def _full(name: str, *args: str) -> str:
    try:
        return f"{settings.PUBLIC_BASE_URL}{reverse(name, args=args)}"
    except NoReverseMatch:
        return f"{settings.PUBLIC_BASE_URL}/wecom/callback/{args[0]}/"


@never_cache
@require_GET
@access.roles(*ROLES)
def page(request: HttpRequest) -> HttpResponse:
    now, system_now = clock.now(), clock.system_now()
    context = {
        "lines": health.read_lines(now, only=PARTS), "addresses": _addresses(), "secrets": secret_marks.secrets(),
        "tokens": [(one, one.is_alive(system_now)) for one in _tokens()], "corp": settings.WECOM_CORP_ID,
        "agent": settings.WECOM_AGENT_ID, "host": settings.WECOM_API_BASE.split("/cgi-bin")[0], "system_now": system_now,
        "is_sandbox": bool(settings.WECOM_SANDBOX_CONTROL), "panels": panels.render("integrations", request, now=now),
        "nav_current": "integrations",
    }  # fmt: skip
    return render(request, "cockpit/integrations.html", context)


nav.add(
    "hq", key="integrations", label="集成", icon="link", url="cockpit:integrations", order=89, roles=ROLES, group="系统"
)
