"""The style pages: every component in every shell, with invented people. For looking, outside production only."""

from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_POST, require_safe

from . import access, clock, hx
from .errors import Conflict

_why = "invented sample data, not routed in production"


def _tasks(now: datetime) -> list[dict[str, Any]]:
    rows = [
        (
            1,
            "王建平",
            "core",
            18,
            "刚买走羊毛双排扣大衣 ¥2,680，还没收到你的致谢和保养提醒",
            "30 分钟回访",
            "话术已备好",
        ),
        (4, "赵启明", "potential", 80, "他的夹克拉链卡住了，40 分钟前提交，你是第一响应人", "售后首响", "建议先安抚"),
        (
            2,
            "周海涛",
            "core",
            60 * 5,
            "后天 45 岁生日，储值还有 ¥1,200，生日券 11 月 30 日到期",
            "生日关怀",
            "附生日券",
        ),
        (3, "李志强", "common", 60 * 6, "周三买的 41 码衬衫穿了 3 天，问一句合不合身", "3 天回访", "可换码"),
        (5, "孙伟", "unconsumed", 60 * 48, "买过秋装、60 天没来店，新到的鹅绒服有他的码", "60 天回访", ""),
        (6, "欧阳建国", "lapsed", -60 * 24 * 2, "买走西裤 3 天，还没问过合不合身", "3 天回访", "话术已备好"),
    ]
    return [
        {
            "id": pk, "url": "#", "chat_url": "#", "member_id": pk, "member_name": name, "tier": tier,
            "due_at": now + timedelta(minutes=left), "why": why, "tag": tag, "note": note, "state": "open",
        }
        for pk, name, tier, left, why, tag, note in rows
    ]  # fmt: skip


def _sample(now: datetime) -> dict[str, Any]:
    names = [(3, "徐静"), (4, "林晓雯"), (2, "马丽"), (1, "郭宇航"), (5, "唐莉"), (6, "沈佳")]
    rates = [(0.96, 0.92, 0.88, 0.81, 0.79), (0.91, 0.86, 0.78, 0.7, 0.66), (0.89, 0.83, 0.74, 0.62, 0.6),
             (0.72, 0.44, 0.51, 0.48, None), (0.85, 0.71, 0.68, 0.55, 0.52), (0.8, 0.66, None, None, None)]  # fmt: skip
    late = {(3, 0): 1, (3, 1): 4, (3, 2): 1, (1, 1): 1}
    return {
        "tasks": _tasks(now),
        "nodes": [
            {"label": "30 分钟", "note": "9:58", "state": "done"}, {"label": "3 天", "note": "现在", "state": "on"},
            {"label": "30 天", "note": "12-21"}, {"label": "60 天", "note": "1-20"}, {"label": "90 天", "note": "2-19"},
        ],
        "script": "⟦王哥⟧，我是晓雯。谢谢您今天选了这件⟦藏青羊毛大衣⟧，您穿真精神！\n回家先挂起来透透气，别急着洗。",
        "heat": [
            {
                "pk": pk, "name": name,
                "cells": [{"rate": rate, "late": late.get((row, at), 0)} for at, rate in enumerate(rates[row])],
            }
            for row, (pk, name) in enumerate(names)
        ],
        "node_names": ["30分", "3天", "30天", "60天", "90天"],
        "trend": [66, 70, 69, 72, 74, 78],
        "trend_late": [22, 19, 17, 16, 14, 9],
        "days": [[31, 36, 29, 34, 33, 30], [5, 4, 6, 3, 2, 1]],
        "day_names": ["周一", "周二", "周三", "周四", "周五", "周六"],
        "stack": [[8, 10, 14, 62, 88, 70, 54, 46, 40, 38, 34, 30, 36, 44, 40, 34, 30, 28, 26, 30, 34, 38, 42, 40],
                  [0, 0, 0, 2, 6, 4, 2, 1, 4, 6, 7, 6, 4, 3, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1],
                  [0, 0, 0, 0, 0, 0, 0, 0, 6, 14, 18, 12, 7, 4, 3, 2, 2, 1, 1, 0, 1, 0, 1, 0]],
        "stack_names": ["9:30", "", "", "", "10:10", "", "", "", "10:50", "", "", "", "11:30", "", "", "", "12:10"],
        "colours": [
            ("纸", "--paper", "页面底"), ("面", "--surface", "卡片"), ("墨", "--ink", "正文"),
            ("墨二", "--ink-2", "次要"),
            ("墨三", "--ink-3", "提示"), ("藏青", "--navy", "主按钮"), ("驼", "--camel", "强调图形"),
            ("朱", "--red", "超时、删除"), ("琥珀", "--amber-fill", "快到点"), ("松", "--green", "发送、完成"),
            ("黛", "--blue", "提示信息"), ("面料", "--hero", "每页一块"),
        ],
        "goods": [
            ("羊毛大衣", "藏青"), ("商务夹克", "黑"), ("休闲夹克", "卡其"), ("单西", "灰"), ("套西", "藏青"),
            ("羽绒服", "绿"),
            ("商务衬衫", "白"), ("休闲衬衫", "蓝"), ("针织衫", "灰"), ("羊绒衫", "棕"), ("POLO", "绿"),
            ("西裤", "炭灰"),
            ("休闲裤", "卡其"), ("牛仔裤", "蓝"), ("皮鞋", "棕"), ("围巾", "酒红"), ("腰带", "棕"), ("皮衣", "黑"),
        ],
    }  # fmt: skip


@access.anonymous(_why)
@require_safe
def components(request: HttpRequest, shell: str = "all") -> HttpResponse:
    """Show the components in one of the shells, or all of them on one wide page."""
    if hx.is_htmx(request):
        return render(request, "dev/drill.html", _sample(clock.now()))
    return render(request, f"dev/{shell}.html", _sample(clock.now()))


@access.anonymous(_why)
@require_POST
def act(request: HttpRequest, outcome: str) -> HttpResponse:
    """Answer a tap as a page would: done with undo, undone, refused, broken."""
    task = _tasks(clock.now())[0]
    if outcome == "refuse":
        raise Conflict("任务刚被处理过")
    if outcome == "break":
        raise RuntimeError("as asked")
    if outcome == "done":
        task["state"] = "done"
    if not hx.is_htmx(request):
        hx.flash(request, "王建平 标记为已回复", undo=request.path.replace("done", "undo") if outcome == "done" else "")
        return redirect("dev-guide")
    response = render(request, "components/task_card.html", {"task": task})
    if outcome == "done":
        undo = request.path.replace("done", "undo")
        hx.toast(response, "王建平 标记为已回复", undo=undo, target="#task-1")
    return response


urlpatterns = [
    path("dev/components/", components, name="dev-components"),
    path("dev/guide/", components, {"shell": "guide"}, name="dev-guide"),
    path("dev/sidebar/", components, {"shell": "sidebar"}, name="dev-sidebar"),
    path("dev/hq/", components, {"shell": "hq"}, name="dev-hq"),
    path("dev/states/", components, {"shell": "states"}, name="dev-states"),
    path("dev/act/<slug:outcome>/", act, name="dev-act"),
]
