"""数据接入: files in, what waits for a correction, what adds up, and who may send."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from io import BytesIO
from typing import Any

import xlsxwriter
from celery import current_app
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from yejibao.core import access, clock, hx, limits, nav
from yejibao.core.errors import DomainError, Forbidden, Invalid, NotFound

from . import kinds
from .kinds import Kind
from .models import Batch, RefusedRow, Source, SourceDay
from .queries import days, errors_file, row_errors, sums_of_open
from .reading import shown_cells, shown_value
from .services import (
    cancel,
    close_refused,
    confirm,
    file_source,
    issue_token,
    retry_refused,
    revoke_token,
    save_source,
    upload,
)

WHO = (*kinds.roles_of_all(), *kinds.KEEPERS)
CARERS = kinds.roles_of_all()
SHOWN, PAGE, RETRIED, COUNTED = 100, 40, 200, 9999
JOB = "yejibao.intake.jobs.go_on_with_batches"


def _kinds(request: HttpRequest) -> list[Kind]:
    return kinds.kinds_of(access.actor_of(request))


def _keys(request: HttpRequest) -> list[str]:
    actor = access.actor_of(request)
    everything = actor.has_role(*kinds.KEEPERS)
    return [kind.key for kind in (kinds.all_kinds() if everything else kinds.kinds_of(actor))]


def _labels() -> dict[str, str]:
    return {kind.key: kind.label for kind in kinds.all_kinds()}


def _wake() -> None:
    transaction.on_commit(partial(current_app.send_task, JOB), robust=True)


# ---------------------------------------------------------------- files


@never_cache
@require_GET
@access.roles(*WHO)
def home(request: HttpRequest) -> HttpResponse:
    """数据接入: upload a file, get a template, see what was uploaded."""
    mine = _kinds(request)
    batches = list(
        Batch.objects.visible_to(access.actor_of(request))
        .filter(way__in=(Batch.Way.FILE, Batch.Way.COMMAND))
        .select_related("source", "by")
        .order_by("-pk")[:20]
    )
    chosen = request.GET.get("kind", "")
    return render(
        request,
        "intake/home.html",
        _tabs(request, "home")
        | {"kinds": mine, "chosen": next((one for one in mine if one.key == chosen), mine[0] if mine else None),
           "batches": [(one, _labels().get(one.kind, one.kind)) for one in batches]},
    )  # fmt: skip


def _tabs(request: HttpRequest, here: str) -> dict[str, Any]:
    actor = access.actor_of(request)
    keeper = actor.has_role(*kinds.KEEPERS)
    carer = actor.has_role(*CARERS)
    return {"here": here, "is_keeper": keeper, "is_carer": carer, "open_count": _badge(request)}


@require_POST
@access.roles(*CARERS)
@limits.by("upload")
def send_file(request: HttpRequest) -> HttpResponse:
    """Take a file in; the page of its batch shows what becomes of it."""
    actor, now = access.actor_of(request), clock.now()
    kind = kinds.find(request.POST.get("kind", ""))
    file = request.FILES.get("file")
    if kind is None or file is None:
        raise Invalid(
            "选好数据种类和文件再上传", errors=[{"field": "file", "code": "input.required", "message": "选一个文件"}]
        )
    if kind not in _kinds(request):
        raise Forbidden(permission="intake.keep")
    batch, former = upload(
        file.read(), name=file.name or "file", kind=kind, source=file_source(now=now), actor=actor, now=now
    )
    _wake()
    if former:
        hx.flash(
            request, f"这个文件 {former.created_at.astimezone(clock.SHANGHAI):%m-%d %H:%M} 导入过，已有的行不会重复"
        )
    return HttpResponseRedirect(reverse("intake:batch", args=[batch.pk]))


def _batch(request: HttpRequest, pk: int) -> Batch:
    found: Batch | None = (
        Batch.objects.visible_to(access.actor_of(request)).select_related("source", "by").filter(pk=pk).first()
    )
    if found is None:
        raise NotFound()
    return found


@never_cache
@require_GET
@access.roles(*CARERS)
def batch(request: HttpRequest, pk: int) -> HttpResponse:
    """One file: how far it is, what would become of its rows, what is wrong with which."""
    found = _batch(request, pk)
    kind = kinds.get(found.kind)
    is_moving = found.state in Batch.MOVING
    errors = row_errors(found, limit=SHOWN) if found.refused_count and not is_moving else []
    facts = {
        "batch": found, "kind": kind, "is_moving": is_moving, "errors": errors[:SHOWN],
        "total": found.row_count if found.state != Batch.State.STAGING else 0,
        "is_committed": found.state in (Batch.State.DONE, Batch.State.COMMITTING, Batch.State.CANCELLED),
    }  # fmt: skip
    if hx.is_htmx(request):
        return render(request, "intake/part_batch.html", facts)
    return render(request, "intake/batch.html", facts | _tabs(request, "home"))


@require_POST
@access.roles(*CARERS)
def decide(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a checked file over, or stop one."""
    found, actor = _batch(request, pk), access.actor_of(request)
    match request.POST.get("act"):
        case "confirm":
            confirm(found, actor=actor)
            _wake()
        case "cancel":
            cancel(found, actor=actor, now=clock.now())
            hx.flash(request, "已取消" if not found.good_count else f"已停下，前面 {found.good_count:,} 行已经导入")
        case _:
            raise Invalid("没有这个操作")
    return HttpResponseRedirect(reverse("intake:batch", args=[pk]))


@never_cache
@require_GET
@access.roles(*CARERS)
def batch_errors(request: HttpRequest, pk: int) -> HttpResponse:
    """All that is wrong with a file, as a file."""
    found = _batch(request, pk)
    response = HttpResponse(errors_file(row_errors(found, limit=200_000)), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="refused-{found.pk}.csv"'
    return response


@require_GET
@access.roles(*CARERS)
def template(request: HttpRequest, key: str) -> HttpResponse:
    """An Excel file with the right titles, a sample row and what each column takes."""
    kind = next((one for one in _kinds(request) if one.key == key), None)
    if kind is None:
        raise NotFound()
    response = HttpResponse(
        _template(kind), content_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    )
    response["Content-Disposition"] = f'attachment; filename="{kind.key}.xlsx"'
    return response


FORMS = {
    "text": "文字", "code": "编码，不能有空格", "whole": "整数", "fen": "金额，元", "day": "日期，如 2026-03-01",
    "moment": "时间，如 2026-03-01 15:00", "birthday": "1988-05-20，不知道年份写 05-20", "flag": "是 或 否", "phone": "手机号",
}  # fmt: skip


def _template(kind: Kind) -> bytes:
    content = BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True, "strings_to_formulas": False}) as book:
        text, head = book.add_format({"num_format": "@"}), book.add_format({"bold": True, "num_format": "@"})
        sheet, notes = book.add_worksheet(kind.label), book.add_worksheet("填写说明")
        rows = kind.template or (
            tuple(one.label for one in kind.fields),
            tuple(_sample(one) for one in kind.fields),
        )
        sheet.set_column(0, len(rows[0]) - 1, 18, text)
        for place, row in enumerate(rows):
            sheet.write_row(place, 0, row, head if place == 0 else text)
        notes.set_column(0, 0, 18)
        notes.set_column(1, 2, 40)
        notes.write_row(0, 0, ("列", "填什么", "说明"), head)
        for place, one in enumerate(kind.fields, 1):
            takes = "、".join(one.choices) if one.form == "choice" else FORMS.get(one.form, "文字")
            notes.write_row(place, 0, (one.label + ("（必填）" if one.required else ""), takes, one.help))
    return content.getvalue()


def _sample(one: kinds.Field) -> str:
    value = kinds.example_of(one)
    if one.form == "moment":
        return "2026-03-01 15:00"
    if one.form == "fen" and isinstance(value, int):
        return f"{value / 100:.2f}"
    return (
        shown_value(kinds.Field(one.name, one.label, one.form, choices=one.choices, mask="none"), value)
        if one.required or one.example != ""
        else ""
    )


# ---------------------------------------------------------------- rows that were refused


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
        one["kind_label"] = _labels().get(one["kind"], one["kind"])
        one["cause"] = causes().get(one["code"], one["code"])
    facts = {
        "rows": [_row_facts(row) for row in found[:PAGE]], "sums": sums, "filters": filters,
        "next": found[PAGE - 1].pk if len(found) > PAGE else None, "mine": bool(request.GET.get("mine")),
    }  # fmt: skip
    return render(request, "intake/refused.html", facts | _tabs(request, "refused"))


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
    """One refused row: correct what is wrong and try again, or close it with a reason."""
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
        values = {
            one.name: request.POST[one.name] for one in kind.fields
            if one.name in request.POST and (request.POST[one.name] or not (one.seal or one.mask))
        }  # fmt: skip
        answer = retry_refused(row, values=values, actor=actor, now=clock.now())
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
        _tabs(request, "refused") | _row_facts(row) | {"fields": fields, "cells": shown_cells(kind, row.cells), "unit": kind},
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
    """Try the rows of one cause again, now that what they lacked is there; or close them with a reason."""
    actor, now = access.actor_of(request), clock.now()
    rows = RefusedRow.objects.visible_to(actor).filter(
        state=RefusedRow.State.OPEN, kind=request.POST.get("kind", ""), code=request.POST.get("code", ""),
        source__name=request.POST.get("source", ""),
    )  # fmt: skip
    found = list(rows.order_by("pk").select_related("source")[:RETRIED])
    if request.POST.get("act") == "close":
        count = close_refused([row.pk for row in found], reason=request.POST.get("reason", ""), actor=actor, now=now)
        hx.flash(request, f"关闭了 {count:,} 行")
    else:
        good = 0
        for row in found:
            try:
                good += retry_refused(row, values={}, actor=actor, now=now).outcome != "refused"
            except DomainError:  # somebody else was at it
                continue
        hx.flash(request, f"重试了 {len(found):,} 行，补上 {good:,} 行" if found else "没有要重试的")
    return HttpResponseRedirect(reverse("intake:refused"))


# ---------------------------------------------------------------- reconciliation and sources


@never_cache
@require_GET
@access.roles(*WHO)
def reconciliation(request: HttpRequest) -> HttpResponse:
    """对账: told, received, taken over and refused, by source and day."""
    now = clock.now()
    only = request.GET.get("all") != "1"
    found = days(_keys(request), now=now, since=clock.local_day(now) - timedelta(days=31), only_breaks=only)
    lines = [(one, _labels().get(one.kind, one.kind)) for one in found]
    breaks = sum(one.is_break for one in found)
    return render(
        request, "intake/days.html", _tabs(request, "days") | {"lines": lines, "only": only, "breaks": breaks}
    )


@never_cache
@require_GET
@access.roles(*WHO)
def sources(request: HttpRequest) -> HttpResponse:
    """来源: which systems may send what, who looks after them, how much they may send."""
    return render(request, "intake/sources.html", _source_facts(request))


def _source_facts(request: HttpRequest, **more: Any) -> dict[str, Any]:
    found = Source.objects.visible_to(access.actor_of(request)).select_related("owner").order_by("name")
    last = {
        (row["source"]): row["day"]
        for row in SourceDay.objects.filter(received__gt=0)
        .order_by("source", "-day")
        .distinct("source")
        .values("source", "day")
    }
    labels = _labels()
    lines = [(one, "、".join(labels.get(key, key) for key in one.kinds), last.get(one.pk)) for one in found]
    return _tabs(request, "sources") | {"lines": lines, "all_kinds": kinds.all_kinds()} | more


@require_POST
@access.roles(*kinds.KEEPERS)
def edit_source(request: HttpRequest) -> HttpResponse:
    """Make or change a source, give it a new token (shown once), or stop it."""
    actor, now, post = access.actor_of(request), clock.now(), request.POST
    name = post.get("name", "").strip()
    match post.get("act"):
        case "token":
            if not Source.objects.filter(name=name).exists():
                raise NotFound()
            token = issue_token(name, now=now, actor=actor)
            return render(request, "intake/sources.html", _source_facts(request, token=token, token_of=name))
        case "stop":
            if not revoke_token(name, actor=actor):
                raise NotFound()
            hx.flash(request, f"{name} 已停用")
        case _:
            save_source(
                name=name, label=post.get("label", "").strip(), may_send=post.getlist("kinds"),
                posts_per_minute=_number(post.get("posts_per_minute")), rows_per_day=_number(post.get("rows_per_day")),
                tells_counts=post.get("tells_counts") == "on", owner_id=_owner(post.get("owner", "")), actor=actor, now=now,
            )  # fmt: skip
            hx.flash(request, f"{name} 已保存")
    return HttpResponseRedirect(reverse("intake:sources"))


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else 0


def _owner(userid: str) -> int | None:
    userid = userid.strip().lower()
    if not userid:
        return None
    people = Source._meta.get_field("owner").related_model
    found = people._default_manager.filter(wecom_user_id=userid).values_list("pk", flat=True).first()  # type: ignore[union-attr]
    if found is None:
        raise Invalid(
            "没有这个人", errors=[{"field": "owner", "code": "input.unknown", "message": "没有这个企业微信账号"}]
        )
    return int(found)


def _badge(request: HttpRequest) -> int | None:
    rows = RefusedRow.objects.visible_to(access.actor_of(request)).filter(state=RefusedRow.State.OPEN)
    return rows.order_by()[:COUNTED].count() or None


nav.add(
    "hq",
    key="intake",
    label="数据接入",
    icon="download",
    url="intake:home",
    order=62,
    roles=WHO,
    badge=_badge,
    loud=False,
)
