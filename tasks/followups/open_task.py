"""The page of a task that is to be done, drawn without the template engine: next to 今日 it is the page a guide opens most.

    open_task.head(sheet), then what a template adds for a few kinds, then open_task.rest(sheet), or past(sheet)

Everything a person wrote is escaped here. Done and ended tasks are drawn by their templates, with `member_strip` and `traces`.
"""

from dataclasses import dataclass
from datetime import datetime
from html import escape
from urllib.parse import quote

from django.urls import reverse
from django.utils.html import json_script
from django.utils.safestring import SafeString, mark_safe

from tasks.scripts.ranking import Offered
from yejibao.core import drawing, words
from yejibao.core.templatetags import yjb

from .cards import above
from .models import SkipRequest, Task
from .queries.story import Item, Story


@dataclass(frozen=True)
class Choice:
    """The scripts on offer and the one shown."""

    offers: list[Offered]
    chosen: Offered | None
    after: Offered | None  # 换一条
    place: int  # of the chosen one, from 1
    tones: list[tuple[str, str]]  # none where there is no choice
    is_editing: bool


@dataclass(frozen=True)
class Sheet:
    """What the page shows."""

    story: Story
    choice: Choice
    now: datetime
    opens: str
    elapsed: int | None  # of the first touch's window, in percent
    is_mine: bool
    may_open_card: bool
    by_hand: bool
    csrf_token: str  # the one of the page: each new one costs something

    @property
    def url(self) -> str:
        return f"{above('tasks:task')}{self.story.task.pk}/"

    @property
    def hidden(self) -> str:
        """What each form carries."""
        return f'<input type="hidden" name="csrfmiddlewaretoken" value="{self.csrf_token}">{yjb.idem_field()}'


# ---------------------------------------------------------------- who and why


def head(sheet: Sheet) -> SafeString:
    """Return the title, the banners and the card of the member."""
    story, now = sheet.story, sheet.now
    task, urgency = story.task, words.urgency(story.task.due_at, now)
    hidden = task.hidden_until
    later = (
        f'<span class="tag">{yjb.icon("alarm-clock", "i-14")}稍后 {words.short_moment(hidden, now)}</span>'
        if hidden and hidden > now
        else ""
    )
    by = f"<span>· {words.short_moment(task.due_at, now).replace('今天 ', '')} 前</span>" if urgency == "now" else ""
    elapsed = yjb.progress(sheet.elapsed, 100, "red", "时间已过") if sheet.elapsed else ""
    return mark_safe(f"""<header class="task-head"><div class="row"><span class="tag {words.tone(urgency)}">{escape(story.label)}</span>{later}<span class="end row g6 fs13 nowrap {words.due_class(task.due_at, now)}">{yjb.countdown(task.due_at, now, "fs13")}{by}</span></div>
<h1 class="serif fs24 mt1">{escape(story.headline)}</h1>{elapsed}</header>
{_banners(sheet)}
<section class="card" aria-label="会员和缘由" id="who">
{member_strip(story, may_open_card=sheet.may_open_card)}
<hr class="stitch">
{_why(story)}
{_carried_over(story.carry_over)}
</section>
""")


def _banners(sheet: Sheet) -> str:
    task, asked, said = sheet.story.task, sheet.story.skip_request, ""
    if not sheet.is_mine:
        said = _banner("gray", "eye", f"这是{escape(task.assignee.name)}的任务，你在看")
    if asked and asked.state == SkipRequest.State.ASKED:
        said += _banner("amber", "hourglass", f"已申请跳过（{escape(asked.reason)}），等店长批")
    elif asked and asked.state == SkipRequest.State.REFUSED:
        said += _banner("amber", "info", f"店长没同意跳过{f'：{escape(asked.answer)}' if asked.answer else ''}")
    return said


def _banner(tone: str, icon: str, text: str) -> str:
    return f'<div class="banner {tone} mb3">{yjb.icon(icon, "i-18")}<span class="grow">{text}</span></div>'


def member_strip(story: Story, *, may_open_card: bool) -> SafeString:
    """Return who he is in two lines, with the way to his card where it may be opened."""
    member, worn = story.member, story.wardrobe
    known = f"上衣 {escape(worn.size_top)} · " if worn.size_top else ""
    known += f"裤 {escape(worn.size_bottom)} · " if worn.size_bottom else ""
    known += f"近一年 {worn.times} 次 {words.yuan(worn.fen)}" if worn.times else "近一年没买过"
    inside = (
        f'<span class="av {yjb.avatar_class(member.pk)} " aria-hidden="true">{escape(yjb.surname(member.name))}</span>'
        f'<div class="grow"><div class="row g6 wrap"><b class="fs17">{escape(member.name)}</b>'
        f'<span class="sub fs14">{escape(member.called)}</span>{yjb.tier(member.tier_631)}</div><div class="fs13 sub">{known}</div></div>'
    )
    if not may_open_card:
        return mark_safe(f'<div class="row g-12">{inside}</div>')
    card = reverse("crm:member", args=[member.public_id])
    return mark_safe(
        f'<a class="row plain g-12" href="{card}">{inside}<span class="muted">{yjb.icon("chevron-right")}</span></a>'
    )


def _why(story: Story) -> str:
    hero, bought = story.hero, escape(story.bought)
    picture = drawing.garment(hero.shape, hero.color, 44, 52, hero.name) if hero else ""
    if hero:
        bought += f"，{words.yuan(hero.fen)}" if bought and hero.fen else ""
        bought += f" · {escape(hero.size)}" if hero.size else ""
    if len(story.items) > 1:
        bought += f" · 还有 {_names(story.items[1:3])}{'等' if len(story.items) > 3 else ''}"
    return (
        f'<div class="row g-12">{picture}<div class="grow fs14" id="why"><b class="m">{escape(story.task.why)}</b>'
        f'<div class="muted fs13">{bought}</div></div></div>'
    )


def _carried_over(items: list[Item]) -> str:
    if not items:
        return ""
    return f'<div class="row g6 fs13 sub mt2">{yjb.icon("history", "i-16")}<span>上次的 {_names(items[:2])} 也一起问问</span></div>'


def _names(items: list[Item]) -> str:
    return "、".join([escape(one.full_name) for one in items])


# ---------------------------------------------------------------- what to say


def rest(sheet: Sheet) -> SafeString:
    """Return the words, why now, what comes after, and the bar with the button."""
    story = sheet.story
    trail = yjb.trail(story.trail) if story.trail else ""
    chips = "".join([f'<span class="chip">{escape(name)}</span>' for _, name in story.chips])
    after = "打完再填" if story.task.channel == Task.Channel.CALL else "发送后再填，点一下就行"
    return mark_safe(f"""{_say(sheet)}
{_section("为什么是现在", trail)}
<section class="sec waiting" aria-disabled="true"><div class="sec-h"><h2>结果</h2><span class="fs13 muted">{after}</span></div><div class="chips">{chips}</div></section>
{_section("留痕", traces(story, sheet.now))}
{_bar(sheet) if sheet.is_mine else ""}
""")


def past(sheet: Sheet) -> SafeString:
    """Return what happened, for a task without words: what it is about stands above, with its own buttons."""
    return mark_safe(_section("留痕", traces(sheet.story, sheet.now)))


def _section(title: str, inside: str) -> str:
    if not inside:
        return ""
    return f'<section class="sec"><div class="sec-h"><h2>{title}</h2></div><div class="card">{inside}</div></section>'


_TITLES: dict[str, str] = {Task.Channel.CALL: "电话里可以这样说", Task.Channel.IN_STORE: "当面可以这样说"}
_ON_RECORD: dict[str, str] = {
    Task.Channel.CALL: "通话结果记下来就算做完，看号码会留记录",
    Task.Channel.IN_STORE: "加上好友系统自己认出来，不用截图",
}


def _say(sheet: Sheet) -> str:
    task, choice = sheet.story.task, sheet.choice
    filled = '<span class="fs13 muted">称呼、货品已替你填好</span>' if choice.chosen else ""
    words_of = _script(sheet, choice.chosen) if choice.chosen else _own_words(sheet)
    offers = json_script(
        [{"key": one.key, "text": one.text, "marked": one.marked, "tone": one.tone} for one in choice.offers], "offers"
    )
    return f"""<section class="sec tight" id="script" aria-label="话术">
<div class="sec-h"><h2>{_TITLES.get(task.channel, "话术")}</h2>{filled}<a class="more" href="{reverse("tasks:scripts")}?task={task.pk}">话术库 {yjb.icon("chevron-right", "i-16")}</a></div>
{words_of}
{offers}
{_also(sheet.story.also)}
{_by_hand(sheet) if task.channel == Task.Channel.WECOM and sheet.is_mine else ""}
<div class="row g6 fs13 muted mt3">{yjb.icon("shield-check", "i-16")}{_ON_RECORD.get(task.channel, "发送后自动留痕，不用截图")}</div>
</section>"""


def _form(sheet: Sheet, key: str) -> str:
    pk = sheet.story.task.pk
    return (
        f'<form id="send" class="say mt2" method="post" action="{sheet.url}send/" data-api="{above("tasks:api-task")}{pk}/send/">'
        f'{sheet.hidden}<input type="hidden" name="script_key" value="{key}">'
    )


_CURRENT = ' aria-current="page"'


def _script(sheet: Sheet, chosen: Offered) -> str:
    choice, key = sheet.choice, quote(chosen.key)
    shown, edited = (" hidden", "") if choice.is_editing else ("", " hidden")
    tones = "".join(
        [
            f'<a href="?tone={tone}" data-tone="{tone}"{_CURRENT if tone == chosen.tone else ""}>{name}</a>'
            for tone, name in choice.tones
        ]
    )
    tones = f'<nav class="seg" aria-label="话术语气">{tones}</nav>' if tones else ""
    another = (
        f'<a class="btn btn-sm" href="?script={quote(choice.after.key)}" data-another>{yjb.icon("refresh-cw", "i-16")}换一条 '
        f'<span class="muted num" data-place>{choice.place}/{len(choice.offers)}</span></a>'
        if choice.after
        else ""
    )
    return f"""{tones}
{_form(sheet, escape(chosen.key))}
<div class="chatbox"><div class="bub"{shown}><p id="script-text">{yjb.script_marks(chosen.marked)}</p></div><textarea name="text" aria-label="改话术" maxlength="2000"{edited}>{escape(chosen.text)}</textarea></div>
<div class="row mt2 wrap"><a class="btn btn-sm" href="?edit=1&amp;script={key}" data-edit>{yjb.icon("pencil", "i-16")}<span>改一改</span></a>{another}<span class="fs13 muted" data-edited hidden>改过，只存在这台手机上</span></div>
</form>"""


def _own_words(sheet: Sheet) -> str:
    return (
        '<div class="card"><p class="fs14 sub">这一步还没有合适的话术，自己写一句也行。</p></div>'
        f'{_form(sheet, "")}<textarea name="text" aria-label="写一句" maxlength="2000" required></textarea></form>'
    )


def _also(others: list[Task]) -> str:
    if not others:
        return ""
    rows = "".join(
        [
            f'<label class="ck-l also-row"><input type="checkbox" class="sr" name="also" value="{one.pk}" form="claim">'
            f'<span class="ck sq">{yjb.icon("check", "i-14")}</span><span class="grow fs14">{escape(one.why)}</span></label>'
            for one in others
        ]
    )
    return f'<div class="inset mt3" id="also"><div class="fs13 muted">顺带提醒：一起说到了就勾上，算一起做完</div>{rows}</div>'


def _by_hand(sheet: Sheet) -> str:
    story, chosen = sheet.story, sheet.choice.chosen
    pending, key = story.pending, escape(chosen.key) if chosen else ""
    text = escape((pending.text if pending else "") or (chosen.text if chosen else ""))
    ready = "话术已备好"
    if pending:
        ready = f"{words.short_moment(pending.created_at, sheet.now)} 已备好，聊天里打开业绩宝点一下就发"
    return f"""<div class="card mt3" id="by-hand"{"" if sheet.by_hand else " hidden"}>
<div class="banner red mb3" data-failed hidden role="alert">{yjb.icon("triangle-alert", "i-18")}<span class="grow"><span data-sentence></span>，话术还在</span></div>
<p class="fs14"><b class="m">{ready}</b></p><p class="fs13 muted mt1">打不开聊天，就复制了自己去粘贴，发完点「我发了」。</p>
<div class="row mt3"><button type="button" class="btn grow" data-copy-script data-copy-text="{text}">{yjb.icon("copy", "i-18")}复制话术</button>
<form id="claim" class="grow" method="post" action="{sheet.url}claimed/" hx-post="{sheet.url}claimed/" hx-target="#task-page" hx-select="#task-page" hx-swap="outerHTML">{sheet.hidden}<input type="hidden" name="script_key" value="{key}"><input type="hidden" name="text" value="{text}"><input type="hidden" name="care" value="0"><button class="btn btn-p btn-block" data-busy="记下…"{"" if story.is_open_hours else " disabled"}>我发了</button></form></div></div>"""


# ---------------------------------------------------------------- what happened, what to do


def traces(story: Story, now: datetime) -> SafeString:
    """Return what happened, line by line; nothing where nothing did."""
    lines = [
        f'<li class="{one.tone}"><b class="m">{words.short_moment(one.at, now).replace("今天 ", "")}</b> {escape(one.text)}'
        + (f'<div class="fs13 muted">{escape(one.note)}</div>' if one.note else "")
        + "</li>"
        for one in story.traces
    ]
    return mark_safe(f'<ul class="tl" style="margin-bottom:-14px">{"".join(lines)}</ul>' if lines else "")


def _bar(sheet: Sheet) -> str:
    story, task, member = sheet.story, sheet.story.task, sheet.story.member
    name, called, is_call = escape(member.name), escape(member.called), task.channel == Task.Channel.CALL
    phone = ""
    if member.phone_consent and not is_call:
        phone = f'<a class="vb" {_opens(f"{sheet.url}call/", f"给{called}打电话")} aria-label="给{name}打电话">{yjb.icon("phone", "i-22")}电话</a>'
    return f"""<div class="botbar"><div class="in">
{phone}
<a class="vb" {_opens(f"{sheet.url}later/", "稍后，为什么？")}>{yjb.icon("alarm-clock", "i-22")}稍后</a>
{_button(sheet, called)}
<a class="vb" {_opens(f"{sheet.url}menu/", f"{name} · {escape(story.label)}")} aria-label="更多操作">{yjb.icon("ellipsis", "i-22")}更多</a>
</div></div>"""


def _opens(url: str, title: str) -> str:
    return f'href="{url}" hx-get="{url}" hx-target="#sheet-body" data-sheet="{title}"'


def _button(sheet: Sheet, called: str) -> str:
    story, task = sheet.story, sheet.story.task
    is_chat = task.channel == Task.Channel.WECOM
    if not is_chat and not (task.channel == Task.Channel.CALL and story.member.phone_consent):
        return f'<a class="btn btn-lg grow" id="send-button" {_opens(f"{sheet.url}skip/", "申请跳过，为什么？")}>没加上，申请跳过</a>'
    if not story.is_open_hours:
        return (
            '<span class="btn btn-lg grow off-send" id="send-button" aria-disabled="true">'
            f'<span class="fs14">免打扰时段，{sheet.opens} 后可以{"发" if is_chat else "打"}</span></span>'
        )
    if is_chat:
        return (
            '<button class="btn btn-send btn-lg grow" form="send" id="send-button" data-busy="正在打开聊天…">'
            f"{yjb.icon('message-circle', 'i-22')}去聊天发送</button>"
        )
    return (
        f'<a class="btn btn-p btn-lg grow" id="send-button" {_opens(f"{sheet.url}call/", f"给{called}打电话")}>'
        f"{yjb.icon('phone', 'i-22')}打电话</a>"
    )
