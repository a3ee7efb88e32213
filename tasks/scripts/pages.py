"""话术库: find words, keep favourites and own wordings, take one into a task."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tasks.followups.models import Task
from yejibao.core import access, clock, hx, nav
from yejibao.core.errors import Invalid
from yejibao.core.scope import Actor

from .models import ScriptFavourite
from .queries import RECOMMENDED, Wish, library
from .services import OWN_UP_TO, delete_own_words, keep_own_words, set_favourite
from .words import NODE_LABELS, PRODUCT_LABELS, TOPICS, VARIABLE_LABELS, with_labels

PAGE = 20
TABS = {"all": "全部", "fav": "收藏", "mine": "我的"}
WHO = ("guide", "store_manager")
# What a guide may let the system fill in: always known when she writes to a buyer.
INSERTABLE = ("member_name", "guide_name", "store_name", "item_name", "size", "last_item_name")


@require_GET
@access.roles(*WHO)
def scripts(request: HttpRequest) -> HttpResponse:
    """The library, or what a search, a tab or the next page changes of it."""
    actor = access.actor_of(request)
    task = _task(request, actor)
    wish = _wish(request, task)
    now = clock.now()
    found = library(wish, actor=actor, guide=request.user, now=now, task=task)  # type: ignore[arg-type]
    page = _number(request.GET.get("page", "")) or 1
    shown = found.cards[(page - 1) * PAGE : page * PAGE]
    rest = max(0, len(found.cards) - page * PAGE)
    context = {
        "wish": wish,
        "task": task,
        "topics": _topics(wish, task),
        "nodes": _nodes(wish, task) if wish.topic == "3369" else [],
        "tabs": [
            {"key": key, "name": name, "count": found.counts[key], "url": _url(wish, task, tab=key)}
            for key, name in TABS.items()
        ],
        "cards": shown,
        "rest": rest,
        "next_url": _url(wish, task, page=page + 1) if rest else "",
        "counted_at": found.counted_at,
        "write_url": _link("tasks:script-own-new", task=task, node=wish.node or (task.node if task else "")),
        "clear_url": _url(wish, task, words=""),
        "task_url": task_url(task) if task else "",
        "now": now,
    }
    if hx.is_htmx(request):
        return render(request, "scripts/cards.html" if page > 1 else "scripts/found.html", context)
    return render(request, "scripts/library.html", context)


@require_POST
@access.roles(*WHO)
def favourite(request: HttpRequest, key: str) -> HttpResponse:
    """Tap the star."""
    actor = access.actor_of(request)
    stands = set_favourite(key, actor=actor, is_favourite=request.POST.get("on") == "1", now=clock.now())
    said = "收藏了，以后排在前面" if stands else "取消收藏了"
    if hx.is_htmx(request):
        answer = render(request, "scripts/star.html", {"card": {"key": key, "is_favourite": stands, "title": ""}})
        return hx.toast(answer, said)
    hx.flash(request, said)
    return HttpResponseRedirect(reverse("tasks:scripts"))


@require_http_methods(["GET", "POST"])
@access.roles(*WHO)
def own_words(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """Write a wording of one's own, or change it."""
    actor = access.actor_of(request)
    mine = get_object_or_404(ScriptFavourite.objects.visible_to(actor), pk=pk, script_key="") if pk else None
    task = _task(request, actor)
    text = request.POST.get("text", with_labels(mine.text) if mine else "")
    node = request.POST.get("node", mine.node if mine else _known(request.GET.get("node", ""), NODE_LABELS))
    faults: list[dict[str, Any]] = []
    if request.method == "POST":
        try:
            keep_own_words(actor=actor, text=text, node=node, mine=mine, now=clock.now())
        except Invalid as refusal:
            faults = refusal.errors
        else:
            hx.flash(request, "存好了")
            return HttpResponseRedirect(_back(task))
    context = {
        "mine": mine,
        "text": text,
        "node": node,
        "faults": faults,
        "nodes": {"": "什么时候都行", **NODE_LABELS},
        "insertable": [VARIABLE_LABELS[name] for name in INSERTABLE],
        "up_to": OWN_UP_TO,
        "task": task,
        "back_url": _back(task),
    }
    return render(request, "scripts/own.html", context, status=422 if faults else 200)


@require_POST
@access.roles(*WHO)
def own_words_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Throw a wording of one's own away."""
    actor = access.actor_of(request)
    task = _task(request, actor)
    delete_own_words(get_object_or_404(ScriptFavourite.objects.visible_to(actor), pk=pk, script_key=""), actor=actor)
    hx.flash(request, "删掉了")
    return HttpResponseRedirect(_back(task))


# ---------------------------------------------------------------- what the address says


def _task(request: HttpRequest, actor: Actor) -> Task | None:
    """Return the task she came from; one out of sight is like none at all: 404."""
    number = request.GET.get("task", "")
    if not number:
        return None
    return get_object_or_404(Task.objects.visible_to(actor).with_people(), pk=_number(number))


def _wish(request: HttpRequest, task: Task | None) -> Wish:
    asked = request.GET
    topic = asked.get("topic", RECOMMENDED if task and not asked.get("q") else "")
    return Wish(
        words=" ".join(asked.get("q", "").split())[:50],
        topic=topic if topic in TOPICS or (topic == RECOMMENDED and task) else "",
        node=_known(asked.get("node", ""), NODE_LABELS),
        product=_known(asked.get("product", ""), PRODUCT_LABELS),
        tab=_known(asked.get("tab", ""), TABS) or "all",
    )


def _known(word: str, words: dict[str, str]) -> str:
    return word if word in words else ""


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 18 else 0


def _url(wish: Wish, task: Task | None, **changes: Any) -> str:
    """Return the address of the library with one thing changed."""
    asked = {
        "task": task.pk if task else "",
        "q": wish.words,
        "topic": wish.topic,
        "node": wish.node,
        "product": wish.product,
        "tab": "" if wish.tab == "all" else wish.tab,
        "page": "",
    }
    changed = asked | {"q" if key == "words" else key: value for key, value in changes.items()}
    if changed["tab"] == "all":
        changed["tab"] = ""
    kept = {key: value for key, value in changed.items() if value != "" or (key == "topic" and task)}
    return reverse("tasks:scripts") + (f"?{urlencode(kept)}" if kept else "")


def _link(name: str, *, task: Task | None, **asked: str) -> str:
    kept = {key: value for key, value in {"task": str(task.pk) if task else "", **asked}.items() if value}
    return reverse(name) + (f"?{urlencode(kept)}" if kept else "")


def _back(task: Task | None) -> str:
    return _url(Wish(tab="mine"), task)


def task_url(task: Task) -> str:
    """Return the task's page; with `?script=KEY` it opens with that script filled in."""
    return f"/g/tasks/{task.pk}/"


def _topics(wish: Wish, task: Task | None) -> list[dict[str, Any]]:
    first = {RECOMMENDED: f"推荐给{task.member.called}"} if task else {}
    names = first | {"": "全部"} | {key: name for key, (name, _) in TOPICS.items()}
    return [
        {"name": name, "url": _url(wish, task, topic=key, node=""), "is_on": key == wish.topic}
        for key, name in names.items()
    ]


def _nodes(wish: Wish, task: Task | None) -> list[dict[str, Any]]:
    names = {"": "全部", "m30": "30 分钟", "d3": "3 天", "d30": "30 天", "d60": "60 天", "d90": "90 天"}
    return [{"name": name, "url": _url(wish, task, node=key), "is_on": key == wish.node} for key, name in names.items()]


nav.add("tools", key="scripts", label="话术库", icon="book-open", url="tasks:scripts", order=30, roles=WHO)
nav.add("sidebar", key="scripts", label="话术", icon="message-square-text", url="tasks:scripts", order=10)
