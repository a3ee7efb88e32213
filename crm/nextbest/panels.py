"""下一步 on a member's card, at HQ and beside the chat: one thing to do, why, and one tap."""

from datetime import datetime
from html import escape
from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString

from crm.members.customers import Customer
from yejibao.core import access
from yejibao.core.flat import token_field
from yejibao.core.panels import Answer, panel
from yejibao.core.templatetags import yjb

from .facts import READS, facts_of
from .rules import Action, Choice, choose

MAY_DO = ("guide", "store_manager")


@panel("member", order=12, name="next", reads=READS)
@panel("hq-member", order=10, name="next", reads=READS)
def next_panel(request: HttpRequest, *, customer: Customer, now: datetime, **_: Any) -> Answer:
    """下一步做什么, or what keeps it back."""
    if customer.member is None or not customer.may_see_card:
        return None
    facts = facts_of(request, customer, now=now)
    return _draw(request, choose(facts), customer, facts.work.url)


@panel("sidebar", order=18, name="next", reads=READS)
def next_beside_chat(request: HttpRequest, *, customer: Customer, now: datetime, **_: Any) -> Answer:
    """Beside the chat only what is not said there already: a ticket and the task at hand have their own panels."""
    if customer.member is None or not customer.may_see_card:
        return None
    facts = facts_of(request, customer, now=now)
    choice = choose(facts)
    if choice.action is None or choice.action.rule in ("task", "ticket"):
        return None
    return _draw(request, choice, customer, facts.work.url)


def _draw(request: HttpRequest, choice: Choice, customer: Customer, take_url: str) -> SafeString | None:
    if choice.action:
        inside = _action(request, choice.action, customer, take_url)
    elif choice.held:
        inside = f'<div class="row-t g6">{yjb.icon("moon", "i-18 muted")}<span class="grow fs14 sub">先不打扰：{escape(choice.held)}</span></div>'
    else:
        return None
    return SafeString(
        f'<section class="card mt3" id="next-card" data-panel="next" aria-label="下一步">{inside}</section>'
    )


def _action(request: HttpRequest, action: Action, customer: Customer, take_url: str) -> str:
    actor, button = access.actor_of(request), ""
    note = f'<span class="fs13 muted">{escape(action.note)}</span>' if action.note else ""
    may_do = actor.has_role(*MAY_DO)
    if may_do and action.url:
        style, label = (" btn-p", escape(action.label)) if action.is_for_me else ("", "看一眼")
        button = f'<a class="btn btn-sm{style}" href="{escape(action.url)}">{label}</a>'
    elif may_do and action.can_take:
        is_own = customer.member is not None and customer.member.owner_guide_id == actor.staff_id
        button = (
            f'<form method="post" action="{take_url}">{token_field(request)}<input type="hidden" name="rule" value="{action.rule}">'
            f'<button class="btn btn-p btn-sm" data-busy="…" data-needs-net>{escape(action.label) if is_own else "派给导购"}</button></form>'
        )
    return (
        f'<div class="row g6"><span class="tag camel">{yjb.icon("sparkles", "i-12")}下一步</span>{note}</div>\n'
        f'<div class="row mt2"><p class="grow fs15" id="next-why">{escape(action.reason)}</p>{button}</div>'
    )
