"""The cards of 今日 as HTML, drawn without the template engine: a list of fifteen is most of what the page costs.

    draw_cards(section.cards, Look(now=now, is_quiet=False, opens="09:30"))

Everything a person wrote is escaped here; the markup is that of the look (cheat sheet, "one task").
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from html import escape

from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe

from yejibao.core import words
from yejibao.core.templatetags import yjb

from .labels import ON_ITS_PAGE
from .models import Task
from .queries.day import Card


@dataclass(frozen=True)
class Look:
    """What all cards of a page have in common."""

    now: datetime
    is_quiet: bool  # nothing may be sent now
    opens: str  # when that ends
    due: dict[datetime, str] = field(default_factory=dict)  # many cards fall due at the same moment

    def countdown(self, due_at: datetime) -> str:
        if due_at not in self.due:
            self.due[due_at] = yjb.countdown(due_at, self.now, "end")
        return self.due[due_at]


@cache
def above(view: str) -> str:
    """Return what stands before a task's number in an address: a reverse() for each card would cost more than the card."""
    return reverse(view, args=[0]).removesuffix("0/")


@cache
def _icon(name: str, classes: str) -> str:
    return yjb.icon(name, classes)


def draw_cards(cards: Iterable[Card], look: Look) -> SafeString:
    """Return the cards of a section."""
    return mark_safe("".join([_card(card, look) for card in cards]))


def _card(t: Card, look: Look) -> str:
    name, label, url = escape(t.name), escape(t.label), f"{above('tasks:task')}{t.pk}/"
    also = "".join(
        [
            f'<div class="also"><span class="tag">顺带</span><span class="ell">{escape(more.label)}</span>'
            f"{look.countdown(more.due_at)}</div>"
            for more in t.also
        ]
    )
    return f"""<article class="task {t.urgency}" id="task-{t.pk}">
<span class="av {yjb.avatar_class(t.member_id)}" aria-hidden="true">{escape(yjb.surname(t.name))}</span>
<a class="grow plain" href="{url}"><div class="t1"><b class="ell">{name}</b>{yjb.tier(t.tier)}{look.countdown(t.due_at)}</div><div class="why">{escape(t.why)}</div><div class="meta"><span class="tag {t.tone}">{label}</span><span class="ell">{"点开回他一声" if t.task_type in ON_ITS_PAGE else _HOW.get(t.channel, "当面加好友")}</span></div>{also}</a>
<div class="acts"><a class="ib more-acts" href="{url}menu/" hx-get="{url}menu/" hx-target="#sheet-body" data-sheet="{name} · {label}" aria-label="{name}的更多操作">{_icon("ellipsis", "i-22")}</a>
{_button(t, name, url, look)}</div>
</article>
"""


_HOW: dict[str, str] = {Task.Channel.WECOM: "话术已备好", Task.Channel.CALL: "打电话"}


def _button(t: Card, name: str, url: str, look: Look) -> str:
    """Return the round button: the green one goes to the member and is off in the quiet hours."""
    if t.task_type in ON_ITS_PAGE:
        return f'<a class="ib ib-b" href="{url}" aria-label="回{name}一声">{_icon("calendar-check", "i-22")}</a>'
    if t.channel == Task.Channel.CALL:
        return f'<a class="ib ib-call" href="{url}" aria-label="给{name}打电话">{_icon("phone", "i-22")}</a>'
    if not t.is_chat:
        return f'<a class="ib ib-b" href="{url}" aria-label="当面加{name}好友">{_icon("user-round-plus", "i-22")}</a>'
    icon = _icon("message-circle", "i-22")
    if look.is_quiet:
        return f'<span class="ib ib-send off" role="img" aria-label="免打扰时段，{look.opens} 后可以发给{name}">{icon}</span>'
    return (
        f'<a class="ib ib-send" href="{url}#send" data-chat="{above("tasks:api-task")}{t.pk}/send/" '
        f'aria-label="去和{name}聊天，话术已填好">{icon}</a>'
    )


def draw_lines(cards: Iterable[Card], look: Look) -> SafeString:
    """Return the lines of a fold: 稍后, 已完成 or 没赶上, each with what is known of its end."""
    return mark_safe("".join([_line(card, look) for card in cards]))


def _line(t: Card, look: Look) -> str:
    if t.state == Task.State.OPEN:
        end = words.short_moment(t.hidden_until, look.now)
    elif t.state == Task.State.DONE:
        end = words.clock_time(t.ended_at)
    else:
        end = f"{words.short_moment(t.expire_at, look.now)} 到期"
    came = f'<span class="tag green">{escape(t.outcome_name)}</span>' if t.outcome_name else ""
    return (
        f'<a class="cell" href="{above("tasks:task")}{t.pk}/"><span class="av av-36 {yjb.avatar_class(t.member_id)}" aria-hidden="true">'
        f'{escape(yjb.surname(t.name))}</span><span class="grow"><b class="m">{escape(t.name)}</b> '
        f'<span class="fs13 muted">{escape(t.label)}</span></span>{came}<span class="fs13 muted nowrap">{end}</span></a>'
    )
