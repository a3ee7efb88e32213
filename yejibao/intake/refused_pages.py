"""待处理: rows that were refused, by cause; one is corrected here, or closed with a reason."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from yejibao.core import access, clock, hx
from yejibao.core.errors import DomainError, NotFound

from . import editing, kinds
from .models import RefusedRow
from .page_parts import CARERS, labels, tabs
from .queries import sums_of_open
from .reading import shown_cells, shown_value
from .services import claim_refused, close_refused, retry_refused

PAGE, RETRIED = 40, 200


@never_cache
@require_GET
@access.roles(*CARERS)
def refused(request: HttpRequest) -> HttpResponse:
    """待处理: refused rows by cause, each with its owner; a cause opens its rows."""
    actor = access.actor_of(request)
    keys = [kind.key for kind in kinds.kinds_of(actor)]
    rows = RefusedRow.objects.visible_to(actor).filter(state=RefusedRow.State.OPEN).select_related("source", "owner")
    filters = {name: request.GET[name] for name in ("kind", "source", "code") if request.GET.get(name)}
    if "kind" in filters:
        rows = rows.filter(kind=filters["kind"])
    if "source" in filters:
        rows = rows.filter(source__name=filters["source"])
    if "code" in filters:
        rows = rows.filter(code=filters["code"])
    if request.GET.get("mine"):
        rows = rows.filter(owner_id=actor.staff_id)
    after = request.GET.get("after", "")
    if after.isdigit():
        rows = rows.filter(pk__lt=int(after))
    found = list(rows.order_by("-pk")[: PAGE + 1])
    sums = sums_of_open(keys)
    for one in sums:
        one["kind_label"] = labels().get(one["kind"], one["kind"])
        one["cause"] = causes().get(one["code"], one["code"])
    facts = {
        "rows": [_row_facts(row) for row in found[:PAGE]], "sums": sums, "filters": filters,
        "next": found[PAGE - 1].pk if len(found) > PAGE else None, "mine": bool(request.GET.get("mine")),
    }  # fmt: skip
    return render(request, "intake/refused.html", facts | tabs(request, "refused"))


def causes() -> dict[str, str]:
    """Return what people call a code where many rows share it."""
    return {
        "input.required": "必填没填", "input.malformed": "读不懂", "input.out_of_range": "超出范围", "input.too_long": "太长",
        "input.choice": "不在可选项里", "input.phone": "手机号不对", "input.unknown": "多余的字段", "intake.repeated": "编号重复",
        "store.unknown": "没有这家门店", "main_store.unknown": "没有这家门店", "owner_guide.unknown": "没有这位导购",
        "sku.unknown": "没有这个款色", "order.store_unknown": "没有这家门店", "order.guide_unknown": "没有这位导购",
        "order.member_unknown": "没有这位会员", "order.unknown": "没有原单", "member.card_closed": "卡已注销或合并",
        "order.amount_mismatch": "金额对不上", "order.duplicate_in_file": "单号重复", "order.duplicate_in_batch": "单号重复",
        "order.time_in_future": "时间在将来", "order.member_ambiguous": "手机号对应多位会员", "order.kind_unknown": "订单类型不认识",
    }  # fmt: skip


def _row_facts(row: RefusedRow) -> dict[str, Any]:
    kind = kinds.find(row.kind)
    errors = [(kind.title(one["field"]) if kind else one["field"], one["message"]) for one in row.errors]
    return {"row": row, "kind": kind.label if kind else row.kind, "errors": errors}


@never_cache
@require_http_methods(["GET", "POST"])
@access.roles(*CARERS)
def refused_row(request: HttpRequest, pk: int) -> HttpResponse:
    """One refused row: correct what is wrong and try again, look after it, or close it with a reason."""
    actor = access.actor_of(request)
    row = (
        RefusedRow.objects.visible_to(actor)
        .select_related("source", "owner", "batch", "settled_by")
        .filter(pk=pk)
        .first()
    )
    if row is None:
        raise NotFound()
    kind = kinds.get(row.kind)
    if request.method == "POST":
        if request.POST.get("act") == "close":
            close_refused([row.pk], reason=request.POST.get("reason", ""), actor=actor, now=clock.now())
            hx.flash(request, "已关闭")
            return HttpResponseRedirect(reverse("intake:refused"))
        if request.POST.get("act") == "claim":
            claim_refused([row.pk], actor=actor)
            hx.flash(request, "归你了")
            return HttpResponseRedirect(reverse("intake:refused-row", args=[row.pk]))
        values = {
            one.name: request.POST[one.name] for one in kind.fields
            if one.name in request.POST and (request.POST[one.name] or not (one.seal or one.mask))
        }  # fmt: skip
        parts = {name: text for name, text in request.POST.items() if isinstance(text, str) and "." in name}
        answer = retry_refused(row, values=values, parts=parts, actor=actor, now=clock.now())
        if answer.outcome != "refused":
            hx.flash(request, "已补上")
            return HttpResponseRedirect(reverse("intake:refused"))
        hx.flash(request, f"还是不对：{answer.errors[0]['message']}")
        again = RefusedRow.objects.filter(batch__source=row.source, kind=row.kind, state="open").order_by(
            "-refused_at", "-pk"
        )
        return HttpResponseRedirect(reverse("intake:refused-row", args=[(again.first() or row).pk]))
    wrong = {one["field"] for one in row.errors}
    values = row.cells
    if kind.reopen:
        opened = kind.reopen(row.cells)
        values = opened if isinstance(opened, dict) else {}
    fields = [
        {
            "one": one, "is_wrong": one.name in wrong, "is_personal": bool(one.seal or one.mask),
            "value": _typed(one, values.get(one.name)), "shown": _masked(one, values.get(one.name)),
        }
        for one in kind.fields
    ]  # fmt: skip
    return render(
        request, "intake/row.html",
        tabs(request, "refused") | _row_facts(row) | {"is_mine": row.owner_id == actor.staff_id, "fields": fields, "cells": shown_cells(kind, row.cells), "unit": kind,
            "groups": editing.groups(kind, values, wrong=wrong),
        },
    )  # fmt: skip


def _masked(one: kinds.Field, value: Any) -> str:
    return shown_value(one, value) if isinstance(value, str | int | bool) else ""


def _typed(one: kinds.Field, value: Any) -> str:
    """Return a value as a person would type it; personal ones are never sent to the page."""
    if one.seal or one.mask or not isinstance(value, str | int | bool):
        return ""
    if one.form == "fen" and type(value) is int:
        return f"{value / 100:.2f}"
    return shown_value(one, value)


@require_POST
@access.roles(*CARERS)
def settle_cause(request: HttpRequest) -> HttpResponse:
    """Try the rows of one cause again, now that what they lacked is there; take them over; or close them with a reason."""
    actor, now = access.actor_of(request), clock.now()
    rows = RefusedRow.objects.visible_to(actor).filter(
        state=RefusedRow.State.OPEN, kind=request.POST.get("kind", ""), code=request.POST.get("code", ""),
        source__name=request.POST.get("source", ""),
    )  # fmt: skip
    found = list(rows.order_by("pk").select_related("source")[:RETRIED])
    if request.POST.get("act") == "close":
        count = close_refused([row.pk for row in found], reason=request.POST.get("reason", ""), actor=actor, now=now)
        hx.flash(request, f"关闭了 {count:,} 行")
    elif request.POST.get("act") == "claim":
        hx.flash(request, f"{claim_refused([row.pk for row in found], actor=actor):,} 行归你了")
    else:
        good = 0
        for row in found:
            try:
                good += retry_refused(row, values={}, actor=actor, now=now).outcome != "refused"
            except DomainError:  # somebody else was at it
                continue
        hx.flash(request, f"重试了 {len(found):,} 行，补上 {good:,} 行" if found else "没有要重试的")
    return HttpResponseRedirect(reverse("intake:refused"))
