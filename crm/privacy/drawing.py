"""联系和授权 on a member's card, drawn flat: what is kept of him behind a tap, what he allows, at HQ which wording he agreed to."""

from collections.abc import Sequence
from datetime import datetime
from html import escape

from django.utils.safestring import SafeString

from crm.members.models import Member
from yejibao.core import words
from yejibao.core.flat import address
from yejibao.core.templatetags import yjb

from .queries import Consent, Kept
from .services.consents import CHANNELS


def draw_privacy(
    member: Member,
    kept: Sequence[Kept],
    consents: Sequence[Consent],
    *,
    may_reveal: bool,
    may_note: bool,
    now: datetime,
) -> SafeString:
    """Return the panel."""
    called, change = escape(member.called), ""
    if may_note:
        sheet = _sheet(address("crm:member-allows", member.public_id), f"{called}同意什么")
        change = f'<a class="more" {sheet}>修改同意</a>'
    rows = "".join([_kept(one, member, called, may_reveal=may_reveal) for one in kept])
    if not member.phone:
        rows += '<div class="cell"><b class="m">没留手机号</b></div>'
    unprofiled = " · 不看个性化推荐" if member.no_profiling else ""
    return SafeString(
        '<section class="sec side-sec" id="privacy" aria-label="联系和授权"><div class="sec-h"><h2>联系和授权</h2>'
        f'{change}</div>\n<div class="card flush">{rows}\n'
        f'<div class="cell fs14"><span class="grow sub">{_receives(member)}{unprofiled}</span></div>\n'
        f"{''.join([_consent(one, now) for one in consents])}</div></section>"
    )


def _sheet(url: str, title: str) -> str:
    return f'href="{url}" hx-get="{url}" hx-target="#sheet-body" data-sheet="{title}"'


def _kept(one: Kept, member: Member, called: str, *, may_reveal: bool) -> str:
    below, button = one.label, ""
    if one.key == "phone":
        below = "可以打电话" if member.phone_consent else "没有同意电话联系"
    if may_reveal:
        sheet = _sheet(address("crm:member-reveal", member.public_id, one.key), f"看{called}的{one.label}")
        button = f'<a class="btn btn-sm" {sheet}>{yjb.icon("eye", "i-16")}看{one.label}</a>'
    return (
        f'<div class="cell"><span class="grow"><b class="m num">{escape(one.masked)}</b>'
        f'<span class="fs13 muted" style="display:block">{below}</span></span>{button}</div>'
    )


def _receives(member: Member) -> str:
    """Say what marketing reaches him."""
    if member.do_not_contact:
        return "说过别再打扰"
    refused = [str(name) for key, name in CHANNELS.items() if key in member.marketing_opt_out]
    if len(refused) == len(CHANNELS):
        return "不收营销消息"
    return f"不收：{'、'.join(refused)}" if refused else "可以发新品和活动"


def _consent(one: Consent, now: datetime) -> str:
    said, record = "没有记录", one.record
    if record is not None:
        said = "不同意"
        if one.is_given:
            version = f"第 {record.text.version} 版{'，已有新版' if one.is_outdated else ''}" if record.text else ""
            said = f"同意{version}"
        said += f" · {words.short_day(record.at, now)} · {record.get_channel_display()}"
    return f'<div class="cell fs14"><span class="grow">{escape(one.name)}</span><span class="muted fs13">{said}</span></div>'
