"""The library: stylists write, publish, withdraw and renew; guides propose, stylists adopt with credit or say why not."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.catalogue.models import StyleColor
from guides.notices.pushing import tell_and_push
from guides.notices.services import Notice
from yejibao.core import audit
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.scope import Actor

from ..models import Outfit, OutfitCredit, OutfitPiece, OutfitPlan
from ..queries import garment_of, pieces_of
from ..rules import DAYS, GROWTH_POINTS, ROLES, Fault, Garment, blocking, faults_of, week_faults
from ..scoped import PROPOSE, PUBLISH
from ..wardrobe import group_names

MOST_PIECES = 8
EDITED = ("name", "season", "occasion", "plan_id", "day", "low_c", "high_c", "groups", "reason", "body_tip", "pitch")
LENGTHS = {"name": 40, "reason": 200, "body_tip": 120, "pitch": 120}


class BreaksRules(Invalid):
    code, title = "outfit.breaks_rules", _("这套还不能发")


def start_draft(words: dict[str, Any], styles: Sequence[int], *, actor: Actor, now: datetime) -> Outfit:
    """Begin an outfit as a stylist. It may break rules until it is published. Raises Invalid or Forbidden."""
    _must_be_stylist(actor)
    outfit = Outfit(key=_fresh_key(), stylist_id=actor.staff_id, created_at=now)
    return _write(outfit, words, styles, actor=actor, now=now)


@transaction.atomic
def edit_outfit(outfit: Outfit, words: dict[str, Any], styles: Sequence[int], *, actor: Actor, now: datetime) -> Outfit:
    """Write a draft, or put a proposal right before it is adopted. What is published is changed by a new version."""
    _must_be_stylist(actor)
    held = _lock(outfit)
    if held.state not in (Outfit.State.DRAFT, Outfit.State.PROPOSED):
        raise Conflict(_("发布过的不能直接改，出一个新版本"))
    return _write(held, words, styles, actor=actor, now=now)


@transaction.atomic
def new_version(outfit: Outfit, *, actor: Actor, now: datetime) -> Outfit:
    """Begin the next version of an outfit as a draft of the same words and pieces. One draft of it at a time."""
    _must_be_stylist(actor)
    _lock(outfit)
    held = list(Outfit.objects.filter(key=outfit.key).order_by("-version"))
    if draft := next((one for one in held if one.state == Outfit.State.DRAFT), None):
        return draft
    facts = {name: getattr(outfit, name) for name in (*EDITED, "key", "author_id")}
    fresh = Outfit.objects.create(
        **facts, version=held[0].version + 1, stylist_id=actor.staff_id, created_at=now, updated_at=now
    )
    rows = OutfitPiece.objects.filter(outfit=outfit).order_by("position").values_list("style_id", flat=True)
    _hang(fresh, list(rows))
    audit.record(actor, "outfit.drafted", fresh, after={"key": fresh.key, "version": fresh.version})
    return fresh


@transaction.atomic
def publish(outfit: Outfit, *, actor: Actor, now: datetime) -> Outfit:
    """Publish a draft; the version before goes down with it. Raises BreaksRules, Conflict or Forbidden."""
    _must_be_stylist(actor)
    held = _lock(outfit)
    if held.state != Outfit.State.DRAFT:
        raise Conflict(_("「%(name)s」%(state)s，不能发布") % {"name": held.name, "state": held.get_state_display()})
    return _go_live(held, actor=actor, now=now)


@transaction.atomic
def withdraw(outfit: Outfit, *, why: str, actor: Actor, now: datetime) -> Outfit:
    """Take an outfit down, or drop a draft. Weeks show the plan without it from now on."""
    _must_be_stylist(actor)
    why = _needs_why(why)
    outfit.move_to(Outfit.State.WITHDRAWN, ended_at=now, ended_why=why, updated_at=now)
    audit.record(actor, "outfit.withdrawn", outfit, after={"name": outfit.name}, reason=why)
    return outfit


# ---------------------------------------------------------------- proposals


@transaction.atomic
def propose(words: dict[str, Any], styles: Sequence[int], *, actor: Actor, now: datetime) -> Outfit:
    """Hand in an outfit as a guide. It has to keep the rules already. Raises BreaksRules, Invalid or Forbidden."""
    if not actor.may(PROPOSE) or actor.staff_id is None:
        raise Forbidden(permission=PROPOSE)
    kept = {name: words.get(name, "") for name in ("name", "season", "occasion", "reason", "body_tip", "pitch")}
    outfit = Outfit(
        key=_fresh_key(), author_id=actor.staff_id, created_at=now, state=Outfit.State.PROPOSED, proposed_at=now
    )
    written = _write(outfit, kept, styles, actor=actor, now=now)
    _must_keep_rules(written)
    return written


@transaction.atomic
def adopt(outfit: Outfit, *, actor: Actor, now: datetime) -> Outfit:
    """采纳: publish a proposal under its guide's name, with her growth points. Raises BreaksRules, Conflict or Forbidden."""
    _must_be_stylist(actor)
    held = _lock(outfit)
    if held.state != Outfit.State.PROPOSED or held.author_id is None:
        raise Conflict(_("「%(name)s」已经有结果了") % {"name": held.name})
    if held.author_id == actor.staff_id:
        raise Conflict(_("自己投的稿请另一位搭配师审"))
    live = _go_live(held, actor=actor, now=now)
    OutfitCredit.objects.create(outfit=live, guide_id=held.author_id, points=GROWTH_POINTS, at=now)
    audit.record(actor, "outfit.adopted", live, after={"name": live.name, "points": GROWTH_POINTS})
    _tell(
        live,
        _("你搭的「%(name)s」被采纳了") % {"name": live.name},
        f"已经进搭配库，署你的名，成长分 +{GROWTH_POINTS}",
        now,
    )
    return live


@transaction.atomic
def refuse(outfit: Outfit, *, why: str, actor: Actor, now: datetime) -> Outfit:
    """Say no to a proposal, with what its guide can learn from it."""
    _must_be_stylist(actor)
    why = _needs_why(why)
    outfit.move_to(Outfit.State.REFUSED, stylist_id=actor.staff_id, ended_at=now, ended_why=why, updated_at=now)
    audit.record(actor, "outfit.refused", outfit, after={"name": outfit.name}, reason=why)
    _tell(outfit, _("你搭的「%(name)s」这次没采纳") % {"name": outfit.name}, why, now)
    return outfit


# ---------------------------------------------------------------- rules


def faults_in(
    pieces: Sequence[Garment], *, plan: OutfitPlan | None, day: int | None, but: int | None = None
) -> list[Fault]:
    """Return what is wrong with an outfit, alone and in its week: the other days as they are published now."""
    found = faults_of(pieces)
    if plan is None or day is None:
        return found
    week, holder = _week_with(pieces, plan=plan, day=day, but=but)
    if holder:
        found.append(Fault("taken", f"「{plan.name}」{DAYS[day - 1]}已经有「{holder.name}」，先把它下架，或换一天"))
    return found + week_faults(week)


def _week_with(
    pieces: Sequence[Garment], *, plan: OutfitPlan, day: int, but: int | None
) -> tuple[list[Sequence[Garment]], Outfit | None]:
    rows = list(Outfit.objects.published().filter(plan=plan).exclude(pk=but or 0))
    hung = pieces_of(rows)
    days: dict[int, Sequence[Garment]] = {row.day: hung[row.pk] for row in rows if row.day}
    holder = next((row for row in rows if row.day == day), None)
    days[day] = pieces
    return [days.get(place, ()) for place in range(1, 8)], holder


def _must_keep_rules(outfit: Outfit, *, but: int | None = None) -> None:
    wrong = blocking(faults_in(pieces_of([outfit])[outfit.pk], plan=outfit.plan, day=outfit.day, but=but))
    if wrong:
        raise BreaksRules(
            "；".join(fault.text for fault in wrong),
            errors=[{"field": "pieces", "code": fault.code, "message": fault.text} for fault in wrong],
        )


def _go_live(outfit: Outfit, *, actor: Actor, now: datetime) -> Outfit:
    if outfit.plan_id:  # two outfits for days of one week are judged one after the other
        OutfitPlan.objects.select_for_update(no_key=True).get(pk=outfit.plan_id)
    before = Outfit.objects.filter(key=outfit.key, state=Outfit.State.PUBLISHED).first()
    _must_keep_rules(outfit, but=before.pk if before else None)
    if not outfit.reason:
        raise Invalid(errors=[{"field": "reason", "code": "required", "message": "写一句为什么这样搭，导购要照着说"}])
    if before:
        before.move_to(Outfit.State.WITHDRAWN, ended_at=now, ended_why=f"换成第 {outfit.version} 版", updated_at=now)
    outfit.move_to(Outfit.State.PUBLISHED, published_at=now, stylist_id=actor.staff_id, updated_at=now)
    audit.record(actor, "outfit.published", outfit, after={"name": outfit.name, "version": outfit.version})
    return outfit


# ---------------------------------------------------------------- writing one row


def _lock(outfit: Outfit) -> Outfit:
    """Return the row as it is now, for nobody else to write until the end: its pieces are judged and published as one."""
    return Outfit.objects.select_for_update(no_key=True).get(pk=outfit.pk)


def _write(outfit: Outfit, words: dict[str, Any], styles: Sequence[int], *, actor: Actor, now: datetime) -> Outfit:
    facts = _checked(words)
    known = {one.pk: one for one in StyleColor.objects.filter(pk__in=list(styles)[: MOST_PIECES * 2])}
    chosen = [known[pk] for pk in dict.fromkeys(styles) if pk in known]
    if not chosen:
        raise Invalid(errors=[{"field": "pieces", "code": "required", "message": "先挑几件货"}])
    if len(chosen) > MOST_PIECES:
        raise Invalid(errors=[{"field": "pieces", "code": "too_many", "message": f"一套最多 {MOST_PIECES} 件"}])
    for name, value in facts.items():
        setattr(outfit, name, value)
    outfit.updated_at = now
    is_new = outfit.pk is None
    with transaction.atomic():
        outfit.save() if is_new else outfit.save(update_fields=[*facts, "updated_at"])
        _hang(outfit, [one.pk for one in sorted(chosen, key=_from_outside_in)])
        what = "outfit.proposed" if outfit.state == Outfit.State.PROPOSED and is_new else "outfit.drafted"
        audit.record(actor, what, outfit, after={"name": outfit.name, "pieces": len(chosen)})
    return outfit


def _hang(outfit: Outfit, styles: Sequence[int]) -> None:
    OutfitPiece.objects.filter(outfit=outfit).delete()
    OutfitPiece.objects.bulk_create(
        OutfitPiece(outfit=outfit, position=place, style_id=pk) for place, pk in enumerate(styles)
    )


def _from_outside_in(style: StyleColor) -> int:
    role = garment_of(style).role
    return ROLES.index(role) if role in ROLES else len(ROLES)


def _checked(words: dict[str, Any]) -> dict[str, Any]:
    """Return the columns a form fills, or raise Invalid with every field that is wrong."""
    facts: dict[str, Any] = {name: " ".join(str(words.get(name, "")).split())[:most] for name, most in LENGTHS.items()}
    wrong = []
    if len(facts["name"]) < 2:
        wrong.append(_field("name", "起个名字，两个字以上"))
    if len(facts["reason"]) < 5:
        wrong.append(_field("reason", "写一句为什么这样搭，导购要照着说"))
    for name, choices, said in (
        ("season", Outfit.SEASONS, "选一个季节"),
        ("occasion", Outfit.OCCASIONS, "选一个场合"),
    ):
        facts[name] = str(words.get(name, ""))
        if facts[name] not in choices:
            wrong.append(_field(name, said))
    facts["low_c"], facts["high_c"] = _degrees(words.get("low_c")), _degrees(words.get("high_c"))
    if None not in (facts["low_c"], facts["high_c"]) and facts["low_c"] > facts["high_c"]:
        wrong.append(_field("low_c", "最低温比最高温高"))
    facts["groups"] = [key for key in words.get("groups", ()) if key in group_names()]
    plan, day = words.get("plan_id") or None, words.get("day") or None
    facts["plan_id"], facts["day"] = (int(plan), int(day)) if plan and day else (None, None)
    if bool(plan) != bool(day) or (day and not 1 <= int(day) <= 7):
        wrong.append(_field("day", "排进七天模板，要选星期几"))
    if plan and not OutfitPlan.objects.filter(pk=int(plan)).exists():
        wrong.append(_field("plan_id", "没有这个七天模板"))
    if wrong:
        raise Invalid(_("有几处要改一下"), errors=wrong)
    return facts


def _degrees(text: Any) -> int | None:
    try:
        found = int(str(text))
    except (TypeError, ValueError):
        return None
    return found if -50 <= found <= 60 else None


def _field(name: str, message: str) -> dict[str, Any]:
    return {"field": name, "code": "invalid", "message": message}


def _fresh_key() -> str:
    return f"o-{uuid.uuid4().hex[:12]}"


def _needs_why(why: str) -> str:
    if len(why := " ".join(why.split())[:120]) < 2:
        raise Invalid(errors=[{"field": "why", "code": "required", "message": "写一句为什么"}])
    return why


def _must_be_stylist(actor: Actor) -> None:
    if not actor.may(PUBLISH):
        raise Forbidden(permission=PUBLISH)


def _tell(outfit: Outfit, title: object, text: str, now: datetime) -> None:
    assert outfit.author_id is not None
    notice = Notice("goods", f"outfit:{outfit.pk}", str(title), f"/g/outfits/{outfit.pk}/", text)
    tell_and_push([(outfit.author_id, notice)], now=now)
