"""Which script to offer first. The rule is the domain file's (`contexts`, `requirements`, picker):

a script is offered if all its contexts fit and what it leans on is known; a guide's favourites first, then the most
specific, then one this member has not read for 180 days, else the one he read longest ago.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Max

from crm.members.models import Member
from guides.org.models import Staff
from tasks.followups.models import Task

from .facts import ANSWER_LINK, Subject, facts_for, subjects_of
from .models import Script, ScriptFavourite, ScriptUse
from .rendering import Rendered, render
from .words import BUYER_LABELS, MISSING, PRODUCT_LABELS, is_service

NOT_AGAIN_WITHIN = timedelta(days=180)
OWN = "own:"  # the key of a guide's own wording is own:7
POINTS_WORTH_SAYING = 100
# The fact that shows that a requirement is met.
PROOF = {
    "coupon": ("coupon_title",),
    "balance": ("balance",),
    "event": ("event_name",),
    "new_item": ("new_item_name",),
    "outfit": ("outfit_link", "outfit_name"),
    "survey": ("survey_link",),
    "level_gap": ("next_level_gap",),
}
# Between two texts of the same specificity and freshness, the one about the person beats the one about the garment.
WEIGHT = {"gift": 6, "vip": 5, "first": 4, "repeat": 2, "loyal": 2, "stored_value": 1}
PRODUCT_WEIGHT = 3


@dataclass(frozen=True)
class Offered:
    """A text that is ready to be sent."""

    key: str
    text: str
    spans: tuple[tuple[int, int], ...]
    tone: str  # warm | expert | brief | mine
    title: str = ""
    script: Script | None = None
    is_favourite: bool = False
    used_at: datetime | None = None

    @property
    def marked(self) -> str:
        """The text with ⟦ and ⟧ around what was filled in."""
        return Rendered(self.text, self.spans).marked


@dataclass(frozen=True)
class Situation:
    """What holds for a subject, in the words scripts use."""

    buyer: frozenset[str]
    product: str
    timing: str
    channel: str
    scenes: frozenset[str]
    met: frozenset[str]
    is_opted_out: bool
    is_gift: bool

    def misfit(self, script: Script) -> str:
        """Return why a script cannot be said here, in a few words for the guide; empty if it can."""
        if script.audience != "member":
            return "给同事看的"
        if self.is_opted_out and not is_service(script.text, script.requires):
            return "他退订了营销，不带券和链接"
        for need in script.requires:
            if need not in self.met:
                return MISSING.get(need, need)
        if script.buyer != "any" and script.buyer not in self.buyer:
            return f"说给{BUYER_LABELS.get(script.buyer, script.buyer)}的"
        if script.product not in ("any", self.product):
            return f"讲{PRODUCT_LABELS.get(script.product, script.product)}的"
        if script.timing not in ("any", self.timing):
            return "隔天才说的" if script.timing == "next_day" else "当天才说的"
        if script.channel not in ("any", self.channel):
            return "快递单才说的" if script.channel == "delivery" else "店里买的才说"
        if not set(script.scene) <= self.scenes:
            return "场合不对"
        return ""


def situation_of(subject: Subject, facts: Mapping[str, str]) -> Situation:
    """Return the contexts and requirements that hold for a subject."""
    member, context = subject.member, subject.context
    is_profiled = not member.no_profiling  # 不看个性化推荐: what is said is chosen by the occasion alone
    is_vip = is_profiled and (member.tier_631 == "core" or member.member_level in ("V4", "V5"))
    buyer = {str(context.get("buyer") or member.purchase_node)}
    buyer |= {
        word
        for word, holds in (("vip", is_vip), ("gift", context.get("gift")), ("stored_value", "balance" in facts))
        if holds
    }
    said = context.get("scene") or []
    scenes = {"any", *([said] if isinstance(said, str) else said)}
    scenes |= {
        word
        for word, holds in (
            ("vip", is_vip),
            ("repeat", is_profiled and member.purchase_count >= 2),
            ("old_member", is_profiled and member.purchase_count >= 1),
            ("dormant", is_profiled and member.lifecycle_stage == "dormant"),
            ("lunar", member.birthday_calendar == "lunar"),
            ("female", member.gender == "f"),
            ("gift", context.get("gift")),
            ("call", subject.channel == Task.Channel.CALL),
        )
        if holds
    }
    met = {need for need, proofs in PROOF.items() if any(proof in facts for proof in proofs)}
    if _number(facts.get("points")) >= POINTS_WORTH_SAYING or _number(facts.get("points_expiring")) > 0:
        met.add("points")
    return Situation(
        buyer=frozenset(buyer),
        product=str(subject.hero.get("care") or ""),
        timing=str(context.get("timing") or "same_day"),
        channel="delivery" if context.get("delivery") else "store",
        scenes=frozenset(scenes),
        met=frozenset(met),
        is_opted_out=bool(member.marketing_opt_out),
        is_gift=bool(context.get("gift")),
    )


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0


# ---------------------------------------------------------------- offering


@dataclass(frozen=True)
class Words:
    """What there is to say to some members, as read."""

    scripts: list[Script]  # in force, of the tasks' kinds, in order of their ids
    favourites: list[ScriptFavourite]  # the guides', newest first
    used: dict[tuple[int, str], datetime]  # when (member, script) was last read
    last_items: dict[int, str] | None = None  # the hero of the purchase before, by task; None: not read yet
    surveys: dict[int, str] | None = None  # the link of what he may still say something to, by task; None: not read yet


def offer(task: Task, *, guide: Staff, now: datetime, also: str = "", words: Words | None = None) -> list[Offered]:
    """Return the scripts for one task, the best first; the guide's own wording of its node at the end.

    `also` is the key of one she picked in the library: it is added at the end if it may be said to this member.
    `words` is what a page has read already, for this guide.
    """
    offers = offer_many([task], guide=guide, now=now, words=words)[task.pk]
    if also and all(one.key != also for one in offers):
        picked = offer_one(task, also, guide=guide, now=now)
        return [*offers, picked] if picked else offers
    return offers


def offer_many(
    tasks: Sequence[Task], *, guide: Staff | None, now: datetime, words: Words | None = None
) -> dict[int, list[Offered]]:
    """Return the scripts of many tasks, by task id, in a fixed number of queries.

    Spoken by `guide`, or by each task's assignee. Where no scene fits, all of its kind whose facts are
    known are offered.
    """
    subjects = subjects_of(tasks, guide=guide)
    read = {"last_items": words.last_items, "surveys": words.surveys} if words else {}
    facts = facts_for(subjects, now=now, **read)
    words = words or _words(subjects)
    scripts: dict[str, list[Script]] = defaultdict(list)
    for script in words.scripts:
        scripts[script.task_type].append(script)
    used = words.used
    favourites: dict[int, set[str]] = defaultdict(set)
    own: dict[int, list[ScriptFavourite]] = defaultdict(list)
    for mine in words.favourites:
        if mine.script_key:
            favourites[mine.guide_id].add(mine.script_key)
        else:
            own[mine.guide_id].append(mine)
    return {
        one.key: [
            _offered(script, facts[one.key], favourites[one.guide.pk], used.get((one.member.pk, script.key)))
            for script in rank(
                scripts[one.task_type],
                situation_of(one, facts[one.key]),
                favourites=favourites[one.guide.pk],
                last_used={key: at for (member, key), at in used.items() if member == one.member.pk},
                now=now,
            )
        ]
        + [own_words(mine, facts[one.key]) for mine in own[one.guide.pk] if mine.node in ("", one.node)]
        for one in subjects
    }


def _words(subjects: Sequence[Subject]) -> Words:
    """Read what there is to say to these members. Three queries."""
    kinds, guides = {one.task_type for one in subjects}, {one.guide.pk for one in subjects}
    scripts = list(Script.objects.in_force().filter(task_type__in=kinds, audience="member").order_by("pk"))
    return Words(
        scripts=scripts,
        favourites=list(ScriptFavourite.objects.filter(guide_id__in=guides).order_by("-pk")),
        used=_last_uses(subjects, [script.key for script in scripts]),
    )


def _offered(script: Script, facts: Mapping[str, str], favourites: Iterable[str], used_at: datetime | None) -> Offered:
    said = render(script.text, facts)
    return Offered(
        key=script.key,
        text=said.text + _link_below(facts),
        spans=said.spans,
        tone=script.tone,
        title=script.title,
        script=script,
        is_favourite=script.key in favourites,
        used_at=used_at,
    )


def _link_below(facts: Mapping[str, str]) -> str:
    """Return the line with which he answers by a tap, for what has one."""
    link = facts.get(ANSWER_LINK)
    return f"\n方便的话点这里回我一声：{link}" if link else ""


def own_words(mine: ScriptFavourite, facts: Mapping[str, str]) -> Offered:
    """Return a guide's own wording, filled in."""
    said = render(mine.text, facts)
    return Offered(
        key=f"{OWN}{mine.pk}", text=said.text + _link_below(facts), spans=said.spans, tone="mine", title="我的话术"
    )


def rank(
    scripts: Iterable[Script],
    situation: Situation,
    *,
    favourites: Iterable[str] = (),
    last_used: Mapping[str, datetime] | None = None,
    now: datetime,
) -> list[Script]:
    """Return the scripts that may be said, in the order they are offered."""
    last_used, favourites = last_used or {}, set(favourites)
    everything = list(scripts)
    fitting = [script for script in everything if not situation.misfit(script)]
    if situation.is_gift:
        fitting = _about_the_giver(fitting)
    if (
        not fitting
    ):  # scenes come from later rooms; until one says which, the guide chooses among those that need nothing
        fitting = [
            script
            for script in everything
            if situation.misfit(script) in ("", "场合不对") and not {"vip", "female", "call"} & set(script.scene)
        ]
    long_ago = datetime.min.replace(tzinfo=UTC)

    def order(script: Script) -> tuple[bool, int, bool, datetime, int, str]:
        at = last_used.get(script.key)
        is_stale = at is not None and at >= now - NOT_AGAIN_WITHIN
        return (
            script.key not in favourites,
            -specificity(script),
            is_stale,
            at if is_stale and at else long_ago,
            -(WEIGHT.get(script.buyer, 0) + (PRODUCT_WEIGHT if script.product != "any" else 0) + len(script.requires)),
            script.key,
        )

    return sorted(fitting, key=order)


def specificity(script: Script) -> int:
    """Return how many contexts a script names."""
    named = sum(word != "any" for word in (script.buyer, script.product, script.timing, script.channel))
    return named + len(set(script.scene) - {"any"})


def _about_the_giver(scripts: list[Script]) -> list[Script]:
    """Keep what can be said to someone who bought a present: nothing about how it fits or wears on him."""
    for_gifts = [script for script in scripts if script.buyer == "gift"]
    general = [script for script in scripts if script.product == "any" and (not for_gifts or script.buyer == "any")]
    return for_gifts + [script for script in general if script not in for_gifts] or scripts


def _last_uses(subjects: Sequence[Subject], keys: Sequence[str]) -> dict[tuple[int, str], datetime]:
    """Return when each member last read each script."""
    rows = (
        ScriptUse.objects.filter(member_id__in={one.member.pk for one in subjects}, script_key__in=set(keys))
        .values("member_id", "script_key")
        .annotate(last=Max("at"))
        .order_by()
    )
    return {(row["member_id"], row["script_key"]): row["last"] for row in rows}


# ---------------------------------------------------------------- one script the guide has chosen


def offer_one(task: Task, script_key: str, *, guide: Staff, now: datetime) -> Offered | None:
    """Return the script or own wording a guide picked for a task, filled in; None if he may not be told this."""
    (subject,) = subjects_of([task], guide=guide)
    facts = facts_for([subject], now=now)[subject.key]
    if script_key.startswith(OWN):
        number = script_key.removeprefix(OWN)
        mine = ScriptFavourite.objects.filter(guide=guide, script_key="", pk=int(number) if number.isdecimal() else 0)
        return own_words(found, facts) if (found := mine.first()) else None
    script = Script.objects.in_force().filter(key=script_key).first()
    if script is None or not may_be_said(script, situation_of(subject, facts)):
        return None
    return _offered(script, facts, (), None)


def may_be_said(script: Script, situation: Situation) -> bool:
    """Tell whether a guide may pick a script against the contexts: opt-out and missing facts still forbid it."""
    blank = Situation(
        buyer=frozenset({script.buyer}),
        product=script.product,
        timing=script.timing,
        channel=script.channel,
        scenes=frozenset(script.scene),
        met=situation.met,
        is_opted_out=situation.is_opted_out,
        is_gift=False,
    )
    return not blank.misfit(script)


def member_situation(member: Member, *, guide: Staff, now: datetime) -> tuple[Situation, dict[str, str]]:
    """Return what holds for a member outside any task, and the facts to fill texts with."""
    subject = Subject(key=member.pk, member=member, guide=guide)
    facts = facts_for([subject], now=now)[subject.key]
    return situation_of(subject, facts), facts
