"""回调收件箱: what the platform told us, what nobody wanted or could take. The list and the replay are beside (inbox_replay)."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from yejibao.core import access, clock, hx, nav, words
from yejibao.core.errors import NotFound
from yejibao.wecom.inbox import queries
from yejibao.wecom.syncing.models import SyncRun

ROLES = ("hq_operator", "sys_admin")
RANGES = {"1": (1, "24 小时"), "7": (7, "7 天"), "30": (30, "30 天")}

# What people call the kinds; one without a name stands with its code alone.
EVENTS = {
    "change_external_contact": "客户", "change_external_chat": "客户群", "change_external_tag": "企业标签",
    "customer_acquisition": "获客助手", "change_contact": "通讯录", "message": "成员发来的消息",
}  # fmt: skip
CHANGES = {
    "add_external_contact": "加了好友", "add_half_external_contact": "加了好友（待确认）", "edit_external_contact": "改了备注或标签",
    "del_external_contact": "导购删除客户", "del_follow_user": "客户删除导购", "transfer_fail": "转接没成",
    "msg_audit_approved": "同意会话存档", "create": "新建", "update": "变更", "dismiss": "解散", "delete": "删除",
    "shuffle": "重新排序", "create_user": "新成员", "update_user": "成员变更", "delete_user": "删除成员",
    "create_party": "新部门", "update_party": "部门变更", "delete_party": "删除部门", "update_tag": "成员标签变更",
    "balance_low": "额度不多了", "balance_exhausted": "额度用完", "balance_increased": "额度增加",
    "quota_expire_soon": "额度快到期", "link_unavailable": "链接不可用", "delete_link": "链接被删除",
    "open_profile": "打开名片", "friend_request": "申请加好友", "customer_start_chat": "开始聊天",
    "message_from_customer": "客户发消息", "text": "文字", "image": "图片", "voice": "语音",
}  # fmt: skip
WHOLE = {
    "subscribe": "进入应用可见范围", "unsubscribe": "离开应用可见范围", "enter_agent": "打开应用", "location": "上报位置",
    "click": "点菜单", "view": "点菜单打开网页", "view_miniprogram": "点菜单打开小程序", "template_card_event": "点卡片按钮",
    "template_card_menu_event": "点卡片菜单", "living_status_change": "直播状态", "sys_approval_change": "审批进展",
    "open_approval_change": "自建应用审批进展", "inactive_alert": "应用快被停用", "close_inactive_agent": "应用被停用",
    "reopen_inactive_agent": "应用已恢复", "low_active_alert": "应用活跃度低", "low_active": "应用被限制",
    "active_restored": "限制已解除", "batch_job_result": "批量任务完成", "upload_media_job_finish": "素材上传完成",
}  # fmt: skip
REFUSALS = {
    "signature": "签名不对", "receiver": "不是发给我们企业的", "parameters": "参数缺少或重复", "base64": "密文不是 Base64",
    "length": "长度不对", "padding": "补位不对", "short": "内容太短", "size": "内容长度不对", "utf8": "编码不是 UTF-8",
    "doctype": "带了 DTD", "xml": "不是 XML", "envelope": "信封不对", "too_large": "太大", "cut_off": "没发完就断了",
}  # fmt: skip
WHY = {
    "unknown kind": "不认识这一类",
    "nobody listens": "这一类还没有部门要",
    "the worker was lost": "处理的进程中途没了",
}


def kind_words(kind: str) -> str:
    """Return 客户 · 加了好友."""
    event, _, change = kind.partition("/")
    parts = [EVENTS.get(event, ""), CHANGES.get(change, "")] if change else [WHOLE.get(event, "")]
    return " · ".join(part for part in parts if part) or ("读不懂的内容" if not kind else "不认识的事件")


def why_words(error: str) -> str:
    """Return why an entry waits for a person; the platform's codes and our errors' names stay as they are."""
    if error.startswith("missing "):
        return f"少了 {error.removeprefix('missing ')}"
    return WHY.get(error, error or "内容不是能处理的事件")


@dataclass(frozen=True)
class Reconciled:
    """The last sweep over the platform's lists, and how many rows it found to differ from ours."""

    name: str
    run: SyncRun
    differing: int


def _reconciled() -> list[Reconciled]:
    last = {run.kind: run for run in SyncRun.objects.order_by("kind", "-started_at", "-pk").distinct("kind")}
    return [
        Reconciled(
            str(name), last[kind], sum(int(last[kind].counts.get(key) or 0) for key in ("new", "changed", "lost"))
        )
        for kind, name in SyncRun.Kind.choices
        if kind in last
    ]


# ---------------------------------------------------------------- the page


@never_cache
@require_GET
@access.roles(*ROLES)
def page(request: HttpRequest) -> HttpResponse:
    """The whole page; asked by htmx every half minute, only its middle."""
    range_ = request.GET.get("range", "1")
    if range_ not in RANGES:
        raise NotFound()
    now = clock.now()
    days, range_name = RANGES[range_]
    rows = queries.kinds_since(now - timedelta(days=days))
    standing = queries.standing(now=now)
    entries, more = queries.list_trouble()
    refused = queries.refused(now)
    context = {
        "range": range_, "ranges": [(key, name) for key, (_, name) in RANGES.items()], "range_name": range_name,
        "rows": [(row, kind_words(row.kind)) for row in rows], "total": sum(row.total for row in rows),
        "done": sum(row.done for row in rows), "standing": standing, "lag": standing.lag_seconds(now),
        "lines": [(entry, kind_words(entry.kind), why_words(entry.error)) for entry in entries],
        "next_url": f"{reverse('cockpit:inbox-lines')}?before={more}" if more else "",
        "refused": sum(refused.values()), "reasons": _reasons(refused), "warnings": queries.warnings(),
        "reconciled": _reconciled(), "nav_current": "inbox",
    }  # fmt: skip
    return render(request, "cockpit/part_inbox.html" if hx.is_htmx(request) else "cockpit/inbox.html", context)


def _reasons(refused: dict[str, int]) -> str:
    """Return 签名不对 12、信封不对 1."""
    largest = sorted(refused.items(), key=lambda item: -item[1])[:2]
    return "、".join(f"{REFUSALS.get(reason, reason)} {words.count(number)}" for reason, number in largest)


@never_cache
@require_GET
@access.roles(*ROLES)
def lines(request: HttpRequest) -> HttpResponse:
    """More of the entries that want a person."""
    entries, more = queries.list_trouble(before=number(request.GET, "before"))
    context = {
        "lines": [(entry, kind_words(entry.kind), why_words(entry.error)) for entry in entries],
        "next_url": f"{request.path}?before={more}" if more else "", "nav_current": "inbox",
    }  # fmt: skip
    return render(request, "cockpit/part_inbox_lines.html", context)


def number(facts: Any, name: str) -> int | None:
    text = facts.get(name, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 18):
        raise NotFound()
    return int(text)


nav.add("hq", key="inbox", label="回调收件箱", icon="inbox", url="cockpit:inbox", order=87, group="系统", roles=ROLES)
