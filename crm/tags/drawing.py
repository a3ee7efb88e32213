"""标签 on a member's page and beside the chat, drawn flat: what is known, what to confirm, what to ask, one tap each."""

from collections.abc import Sequence
from html import escape

from django.http import HttpRequest
from django.utils.safestring import SafeString

from crm.members.models import Member
from yejibao.core import flat
from yejibao.core.templatetags import yjb

from .desk import Desk, Idea, Question, Row

KNOWN_SHOWN = 12


def draw_tags(request: HttpRequest, member: Member, desk: Desk, *, may_edit: bool) -> SafeString:
    """Return the panel."""
    editor = flat.address("crm:member-tags", member.public_id)
    way_in = f'hx-get="{editor}" hx-target="#sheet-body" hx-swap="innerHTML" data-sheet="{escape(member.called)}的标签"'
    more = ideas = ""
    if may_edit:
        what = f"还差 {desk.missing} 个" if desk.missing else "编辑"
        more = f'<a class="more" href="{editor}" {way_in}>{what} {yjb.icon("chevron-right", "i-16")}</a>'
        ideas = _ideas(request, member, desk, editor, way_in)
    return SafeString(
        f'<section class="sec side-sec" id="tags-card" data-panel="tags" aria-label="标签" hx-get="{editor}?panel=1" '
        'hx-trigger="tags:changed from:body" hx-target="this" hx-swap="outerHTML">\n'
        f'<div class="sec-h"><h2>标签</h2>{more}</div>\n{_known(desk)}\n{ideas}</section>'
    )


def _known(desk: Desk) -> str:
    known = desk.known
    if known:
        said = "".join([f'<span class="tag">{escape(row.said)}</span>' for row in known[:KNOWN_SHOWN]])
        rest = len(known) - KNOWN_SHOWN
        more = f'<span class="fs13 muted">还有 {rest} 个</span>' if rest > 0 else ""
        return f'<div class="row wrap g6">{said}{more}</div>'
    if not desk.rows:
        return '<p class="fs14 sub">标签还没装好，总部装好就能填。</p>'
    return '<p class="fs14 sub">还没有人给他填过，聊到了点一下就记住。</p>'


def _ideas(request: HttpRequest, member: Member, desk: Desk, editor: str, way_in: str) -> str:
    if not desk.seen and not desk.asked:
        return ""
    seen = ""
    if desk.seen:
        chips = "".join([_idea(request, member, idea) for idea in desk.seen])
        seen = f'<div class="fs13 sub">从购买里看出来的，点一下确认</div><div class="chips mt2">{chips}</div>'
    asked = [
        f'<div class="fs13 sub{" mt3" if seen or place else ""}">问一句：{escape(one.row.name)}</div>'
        f'<div class="chips mt2">{_answers(request, member, one)}<a class="chip side-own" href="{editor}#tag-{one.row.key}" '
        f"{way_in}>{'别的' if one.answers else '填一下'}</a></div>\n"
        for place, one in enumerate(desk.asked)
    ]
    return f'<div class="inset mt2 side-ideas">\n{seen}\n{"".join(asked)}</div>'


def _idea(request: HttpRequest, member: Member, idea: Idea) -> str:
    return _form(request, member, idea.row, [(idea.value, idea.said)], "data-tap")


def _answers(request: HttpRequest, member: Member, one: Question) -> str:
    values = [(answer, answer) for answer in one.answers]
    return _form(request, member, one.row, values, f'class="chips" data-tap="{one.row.value_type}"') if values else ""


def _form(request: HttpRequest, member: Member, row: Row, values: Sequence[tuple[str, str]], more: str) -> str:
    """Return a form with a button for each (value, label)."""
    url = flat.address("crm:member-tag", member.public_id, row.key)
    buttons = [
        f'<button class="chip dash" hx-post="{url}" hx-target="#tags-card" hx-swap="outerHTML" name="put" '
        f'value="{escape(value)}" data-needs-net>{yjb.icon("plus", "i-14")}{escape(label)}</button>'
        for value, label in values
    ]
    return f'<form method="post" action="{url}" {more}>{flat.token_field(request)}{"".join(buttons)}</form>'
