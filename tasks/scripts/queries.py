"""The library as a guide reads it: what there is, filled in for whoever she is about to write to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from crm.members.models import Member
from guides.org.models import Staff
from tasks.followups.models import Task
from yejibao.core.pinyin import initials
from yejibao.core.scope import Actor

from .facts import facts_for, own_facts, subjects_of
from .loading import SCENE_LABELS
from .models import Script, ScriptFavourite
from .ranking import OWN, Offered, Situation, may_be_said, member_situation, offer, situation_of
from .rendering import render
from .words import BUYER_LABELS, NODE_LABELS, PRODUCT_LABELS, TOPICS, kind_names, with_labels

KNOWN_FROM = 10  # members; below that a reply rate says nothing
PRIOR_REPLIES, PRIOR_USES = 2, 10  # models.yaml reply_rate target 0.20, for ranking scripts few have used
RECOMMENDED = "for"  # the topic "what fits this task"
SURE_INITIALS = 4  # letters; fewer of them stand in any long text by chance, so they are looked for in titles only

# What guides look for by two or three letters, and what texts say often without naming it in a title.
KEYWORDS = (
    "保养", "护理", "洗护", "熨烫", "尺码", "换码", "改衣", "搭配", "上新", "新品", "生日", "积分", "储值", "邀约", "到店",
    "会员日", "直播", "试穿", "起球", "送礼", "皮衣", "羽绒", "大衣", "西装", "衬衫", "回访", "售后", "感谢",
)  # fmt: skip


@dataclass(frozen=True)
class Card:
    """One script or own wording in the library."""

    key: str
    title: str
    kind: str
    text: str
    is_favourite: bool = False
    own_id: int | None = None
    used: int | None = None
    reply_rate: float | None = None
    may_send: bool = False
    why_not: str = ""
    fits: bool = False  # on offer for the task at hand


@dataclass(frozen=True)
class Wish:
    """What the guide looks for."""

    words: str = ""
    topic: str = ""
    node: str = ""
    product: str = ""
    tab: str = "all"  # all | fav | mine


@dataclass(frozen=True)
class Library:
    """What she finds, the best first; the counts of the tabs under the same search; how fresh the figures are."""

    cards: list[Card]
    counts: dict[str, int]
    counted_at: datetime | None = None
    has_replies: bool = field(default=False, repr=False)
    own: list[Card] = field(default_factory=list, repr=False)  # her own wordings that match, whatever the tab


def library(
    wish: Wish, *, actor: Actor, guide: Staff, now: datetime, task: Task | None = None, member: Member | None = None
) -> Library:
    """Return the scripts and own wordings that match. A fixed number of queries.

    Filled in for a task, whose own words come first, or for a member she talks to without one. Words of the search are
    Chinese, or first letters of their readings.
    """
    scripts = list(Script.objects.visible_to(actor).in_force().filter(audience="member").order_by("pk"))
    mine = list(ScriptFavourite.objects.visible_to(actor).order_by("-pk"))
    favourites = {one.script_key for one in mine if one.script_key}
    said = _Speaker(task, member=member, guide=guide, now=now)
    has_replies = any(script.replied_90_count for script in scripts)
    found = [script for script in scripts if _matches(script, wish, said)]
    is_hers_first = task is not None and (wish.topic == RECOMMENDED or bool(wish.words))
    order = {one.key: at for at, one in enumerate(offer(task, guide=guide, now=now))} if task and is_hers_first else {}
    if wish.topic == RECOMMENDED and task:
        found = sorted((one for one in found if one.key in order), key=lambda one: order[one.key])
    else:
        found.sort(
            key=lambda one: (
                order.get(one.key, len(order)),
                not _is_named(one, wish),
                one.key not in favourites,
                -_score(one, has_replies),
                -one.used_90_count,
                one.pk,
            )  # fmt: skip
        )
    own = [one for one in mine if not one.script_key and _own_matches(one, wish, task)]
    cards = {
        "all": [said.card(script, favourites, has_replies, fits=script.key in order) for script in found],
        "mine": [said.own_card(one, fits=task is not None and one.node in ("", task.node)) for one in own],
    }
    cards["fav"] = [card for card in cards["all"] if card.is_favourite]
    return Library(
        cards=cards.get(wish.tab, cards["all"]),
        counts={tab: len(group) for tab, group in cards.items()},
        counted_at=max((one.counted_at for one in scripts if one.counted_at), default=None),
        has_replies=has_replies,
        own=cards["mine"],
    )


def picker(wish: Wish, *, actor: Actor, guide: Staff, now: datetime, task: Task | None) -> Sequence[Offered | Card]:
    """Return what a program picks from: the offer for a task, else the library."""
    if task and not (wish.words or wish.topic or wish.node or wish.product):
        return offer(task, guide=guide, now=now)
    return library(wish, actor=actor, guide=guide, now=now, task=task).cards


class _Speaker:
    """Fills texts in for one task or member, or shows labels while nobody is chosen."""

    def __init__(self, task: Task | None, *, guide: Staff, now: datetime, member: Member | None = None) -> None:
        self.is_told = task is not None or member is not None
        self.facts: Mapping[str, str] = own_facts(guide)
        self.situation: Situation | None = None
        if task:
            (subject,) = subjects_of([task], guide=guide)
            self.facts = facts_for([subject], now=now)[subject.key]
            self.situation = situation_of(subject, self.facts)
        elif member:
            self.situation, self.facts = member_situation(member, guide=guide, now=now)

    def say(self, text: str) -> str:
        return render(text, self.facts).text if self.is_told else with_labels(text, self.facts)

    def card(self, script: Script, favourites: set[str], has_replies: bool, *, fits: bool) -> Card:
        may_send = self.situation is not None and may_be_said(script, self.situation)
        return Card(
            key=script.key,
            title=script.title,
            kind=NODE_LABELS.get(script.node) or kind_names().get(script.task_type, ""),
            text=self.say(script.text) if may_send or not self.is_told else with_labels(script.text, self.facts),
            is_favourite=script.key in favourites,
            used=script.used_90_count if script.counted_at else None,
            reply_rate=_reply_rate(script) if has_replies else None,
            may_send=may_send,
            why_not=self.situation.misfit(script) if self.situation and not may_send else "",
            fits=fits,
        )

    def own_card(self, mine: ScriptFavourite, *, fits: bool) -> Card:
        return Card(
            key=f"{OWN}{mine.pk}",
            title="我的话术",
            kind=NODE_LABELS.get(mine.node, "什么时候都行"),
            text=self.say(mine.text),
            own_id=mine.pk,
            may_send=self.is_told,
            fits=fits,
        )


def _reply_rate(script: Script) -> float | None:
    return script.replied_90_count / script.used_90_count if script.used_90_count >= KNOWN_FROM else None


def _score(script: Script, has_replies: bool) -> float:
    """Return what to rank by: the reply rate, pulled to 20 % where few used it; the uses while no reply is known."""
    if not has_replies:
        return float(script.used_90_count)
    return (script.replied_90_count + PRIOR_REPLIES) / (script.used_90_count + PRIOR_USES)


def _matches(script: Script, wish: Wish, said: _Speaker) -> bool:
    if wish.topic in TOPICS and script.task_type not in TOPICS[wish.topic][1]:
        return False
    if wish.node and script.node != wish.node:
        return False
    if wish.product and script.product not in ("any", wish.product):
        return False
    words = wish.words.casefold().split()
    if not words:
        return True
    about = _about(script)
    text = said.say(script.text).casefold()
    return all(_hits(word, about, text) for word in words)


def _hits(word: str, about: str, text: str) -> bool:
    if word in about or word in text:
        return True
    if not (word.isascii() and word.isalpha() and len(word) > 1):
        return False
    return (
        _names(word, about + text) or word in initials(about) or (len(word) >= SURE_INITIALS and word in initials(text))
    )


def _names(word: str, text: str) -> bool:
    """Tell whether the letters are those of a whole word that stands there: by is 保养."""
    return any(initials(one) == word and one in text for one in KEYWORDS)


def _is_named(script: Script, wish: Wish) -> bool:
    words = wish.words.casefold().split()
    return bool(words) and all(_names(word, _about(script) + script.text) for word in words)


def _about(script: Script) -> str:
    """Return what a script is about, in the words on the screen."""
    return " ".join(
        [
            script.title,
            NODE_LABELS.get(script.node, "").replace(" ", ""),
            NODE_LABELS.get(script.node, ""),
            kind_names().get(script.task_type, ""),
            BUYER_LABELS.get(script.buyer, ""),
            PRODUCT_LABELS.get(script.product, ""),
            *(SCENE_LABELS.get(scene, "") for scene in script.scene),
            *(name for name, kinds in TOPICS.values() if script.task_type in kinds),
        ]
    ).casefold()


def _own_matches(mine: ScriptFavourite, wish: Wish, task: Task | None) -> bool:
    node = wish.node or (task.node if task and wish.topic == RECOMMENDED else "")
    if node and mine.node not in ("", node):
        return False
    if wish.topic in TOPICS and mine.node and f"followup_{mine.node}" not in TOPICS[wish.topic][1]:
        return False
    return all(_hits(word, "我的话术", mine.text.casefold()) for word in wish.words.casefold().split())
