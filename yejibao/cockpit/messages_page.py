"""没发出去的消息: single messages and news between departments that failed, wait or hang, each with what one may do about it.

推送健康 speaks of causes and of many at once; here one looks one up. What is sent is the sender's, so nothing can be edited.
"""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from guides.org.models import Staff
from yejibao.core import access, desk, nav, personal
from yejibao.core.audit_words import action_words
from yejibao.core.errors import Conflict, DomainError, NotFound
from yejibao.core.models import AuditEntry, OutboxEvent, OutboxMessage
from yejibao.core.outbox import deciding, events

from . import push_health
from .causes import CAUSE, cause_of
from .pages import REASONS, ROLES

State = OutboxMessage.State
PAGE = 50
SHOWN = {
    State.FAILED: "推送失败", State.PARKED: "待人工确认", State.UNKNOWN: "结果不明", State.PENDING: "排队和重试",
}  # fmt: skip


@never_cache
@require_GET
@access.roles(*ROLES)
def page(request: HttpRequest) -> HttpResponse:
    """Messages of one state, newest first; narrowed by kind and by the recipient's account."""
    get = request.GET
    state, kind, to = get.get("state", State.FAILED), get.get("kind", ""), get.get("to", "").strip().casefold()[:64]
    if state not in SHOWN:
        raise NotFound()
    before = desk.number(get.get("before"))
    rows = OutboxMessage.objects.filter(state=state).annotate(cause=CAUSE).defer("body_bytes").order_by("-pk")
    rows = rows.filter(kind=kind) if kind else rows
    rows = rows.filter(recipient=to) if to else rows
    found = list((rows.filter(pk__lt=before) if before else rows)[: PAGE + 1])
    people = {
        one.wecom_user_id: one
        for one in Staff.objects.filter(wecom_user_id__in={row.recipient for row in found})
        .select_related("store").defer("phone", "password")
    }  # fmt: skip
    narrowed = {name: value for name, value in {"state": state, "kind": kind, "to": to}.items() if value}
    context = {
        "lines": [(row, _who(people.get(row.recipient)), push_health.KINDS.get(row.kind, "其他"), cause_of(row.cause))
                  for row in found[:PAGE]],
        "state": state, "states": SHOWN.items(), "kind": kind, "kinds": push_health.KINDS.items(), "to": to,
        "next_url": f"?{urlencode(narrowed | {'before': found[PAGE - 1].pk})}" if len(found) > PAGE else "",
        "nav_current": "messages", "tab": "messages",
    }  # fmt: skip
    return render(request, "cockpit/messages.html", context)


def _who(person: Staff | None) -> str:
    if person is None:
        return "查无此人"
    return f"{personal.mask_name(person.name)}{f'（{person.store.short_name}）' if person.store else ''}"


@never_cache
@require_GET
@access.roles(*ROLES)
def message(request: HttpRequest, pk: int) -> HttpResponse:
    return _message(request, pk)


def _message(request: HttpRequest, pk: int, refusal: DomainError | None = None) -> HttpResponse:
    row: Any = get_object_or_404(OutboxMessage.objects.annotate(cause=CAUSE), pk=pk)
    person = Staff.objects.select_related("store").filter(wecom_user_id=row.recipient).first()
    acts = AuditEntry.objects.filter(resource=OutboxMessage._meta.label, resource_id=str(pk)).order_by("-pk")[:10]
    context = {
        "row": row, "who": _who(person), "kind": push_health.KINDS.get(row.kind, "其他"), "cause": cause_of(row.cause),
        "title": push_health.title_of(row), "later": OutboxMessage.objects.filter(retry_of=row).values_list("pk", flat=True),
        "can_decide": row.state in (State.FAILED, State.PARKED), "can_park": row.state in (State.PENDING, State.UNKNOWN),
        "has_trouble": row.state in SHOWN, "reasons": REASONS, "nav_current": "messages",
        "acts": [(act, action_words(act.action)) for act in acts],
        "refusal": desk.sentence(refusal) if refusal else "",
    }  # fmt: skip
    return render(request, "cockpit/message.html", context, status=refusal.status if refusal else 200)


@require_POST
@access.roles(*ROLES)
def park(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop one message that has not left."""
    get_object_or_404(OutboxMessage.objects.only("pk"), pk=pk)
    reason = request.POST.get("reason", "")

    def work() -> dict[str, Any]:
        if not deciding.park_many([pk], actor=access.actor_of(request), reason=reason):
            raise Conflict("正在发，或者已经发了，叫不停")
        return {}

    _answer, refusal = desk.attempt(request, {"message": pk, "reason": reason}, work)
    if refusal is not None:
        return _message(request, pk, refusal)
    push_health.forget_matters()
    return desk.done(request, "叫停了，等人重发或关闭", reverse("cockpit:message", args=[pk]))


# ---------------------------------------------------------------- news between departments


@never_cache
@require_GET
@access.roles(*ROLES)
def news(request: HttpRequest) -> HttpResponse:
    """News set aside, oldest first: kind, tries, sort of error; never its text."""
    return _news(request)


def _news(request: HttpRequest, refusal: DomainError | None = None) -> HttpResponse:
    after = desk.number(request.GET.get("after"))
    rows = OutboxEvent.objects.filter(done_at=None, parked_at__isnull=False).order_by("pk")
    found = list((rows.filter(pk__gt=after) if after else rows).defer("payload")[: PAGE + 1])
    context = {
        "lines": [(row, push_health.TOPICS.get(row.topic, "其他"), row.error.partition(":")[0]) for row in found[:PAGE]],
        "next_url": f"?after={found[PAGE - 1].pk}" if len(found) > PAGE else "", "nav_current": "messages", "tab": "news",
        "refusal": desk.sentence(refusal) if refusal else "",
    }  # fmt: skip
    return render(request, "cockpit/news.html", context, status=refusal.status if refusal else 200)


@require_POST
@access.roles(*ROLES)
def retry_one(request: HttpRequest, pk: int) -> HttpResponse:
    """Hand one piece of news to its departments again."""
    get_object_or_404(OutboxEvent.objects.only("pk"), pk=pk)

    def work() -> dict[str, Any]:
        if not events.retry_events([pk], actor=access.actor_of(request)):
            raise Conflict("这条刚被处理过")
        return {}

    _answer, refusal = desk.attempt(request, {"event": pk}, work)
    if refusal is not None:
        return _news(request, refusal)
    push_health.forget_matters()
    return desk.done(request, "再交给部门办了，半分钟内有结果", reverse("cockpit:news"))


nav.add(
    "hq",
    key="messages",
    label="没发出去的消息",
    icon="mail",
    url="cockpit:messages",
    order=86,
    group="系统",
    roles=ROLES,
)
