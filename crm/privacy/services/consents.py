"""What a member agreed to and took back. Taking back is one act like giving, works at once, and costs him no service."""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.events import MemberChanged
from crm.members.models import Member
from crm.members.services import lock_members, opt_in, opt_out
from crm.privacy.models import ConsentKind, ConsentRecord, ConsentText
from guides.org import matrix
from yejibao.core import audit, desk, outbox
from yejibao.core.errors import Conflict, Forbidden, Invalid, NotFound
from yejibao.core.scope import Actor

# The ways marketing reaches a member; each can be refused by itself (task_types.yaml, channels).
CHANNELS = {
    "wecom_message": _("企业微信消息"),
    "manual_call": _("电话"),
    "sms": _("短信"),
    "wecom_moment": _("朋友圈"),
    "group_message": _("社群"),
}
ALLOWED = ("marketing_opt_out", "no_profiling", "phone_consent")  # what one sheet shows and sets
MAY = matrix.holders("member.consent")


class IsNeeded(Conflict):
    code, title = "consent.is_needed", _("撤回隐私政策就是注销会员，请走「删除」")


class NoText(Conflict):
    code, title = "consent.no_text", _("这一项还没有发布的文本，不能请会员同意")


def current_text(kind: str) -> ConsentText | None:
    """Return the newest published version of a kind."""
    return ConsentText.objects.filter(kind=kind).order_by("-version").first()


@transaction.atomic
def set_consent(
    member: Member, *, kind: str, is_given: bool, channel: str, actor: Actor, now: datetime
) -> ConsentRecord | None:
    """Note that a member agreed to the current version, or took his consent back; None where nothing changes.

    Raises Invalid, Forbidden, NotFound, NoText, or IsNeeded for taking back the privacy policy itself.
    """
    if kind not in ConsentKind.values or channel not in ConsentRecord.Channel.values:
        raise Invalid(_("选一项授权和渠道"))
    _check(member, actor)
    if kind == ConsentKind.PRIVACY and not is_given:
        raise IsNeeded()
    text = current_text(kind)
    if is_given and text is None:
        raise NoText()
    lock_members([member.pk])
    last = ConsentRecord.objects.filter(member=member, kind=kind).order_by("-at", "-pk").first()
    if last and last.is_given == is_given and (not is_given or last.text_id == (text.pk if text else None)):
        return None
    record = ConsentRecord.objects.create(
        member=member, kind=kind, text=text, is_given=is_given, channel=channel, at=now, by_id=actor.staff_id
    )
    audit.record(
        actor,
        "consent.given" if is_given else "consent.withdrawn",
        member,
        after={"kind": kind, "version": text.version if text else None, "channel": channel},
    )
    _apply(member, kind, is_given=is_given, actor=actor, now=now)
    return record


def _apply(member: Member, kind: str, *, is_given: bool, actor: Actor, now: datetime) -> None:
    """Write what counts now into the columns that audiences and the engine read."""
    match kind:
        case ConsentKind.MARKETING if is_given:
            opt_in(member, channels=CHANNELS, actor=actor, reason="同意接收营销信息", now=now)
        case ConsentKind.MARKETING:
            opt_out(member, channels=CHANNELS, actor=actor, reason="撤回营销同意", now=now)
        case ConsentKind.PROFILING:
            Member.objects.filter(pk=member.pk).update(no_profiling=not is_given)
            member.no_profiling = not is_given
            outbox.publish(MemberChanged(member.pk, "profiling"))
        case ConsentKind.LIVE_MATCHING:
            Member.objects.filter(pk=member.pk).update(live_matching=is_given)
            member.live_matching = is_given


@transaction.atomic
def set_channels(member: Member, *, refused: Collection[str], channel: str, actor: Actor, now: datetime) -> Member:
    """Set by which ways marketing may not reach a member, exactly; all refused is the consent taken back."""
    if unknown := set(refused) - CHANNELS.keys():
        raise Invalid(
            _("没有这种渠道"), errors=[{"field": "refused", "code": "unknown", "message": str(sorted(unknown))}]
        )
    _check(member, actor)
    is_given = set(refused) != CHANNELS.keys()
    said = ConsentRecord.objects.filter(member=member, kind=ConsentKind.MARKETING).order_by("-at", "-pk").first()
    if not is_given or (said and not said.is_given):  # all gone, or some come back
        set_consent(member, kind=ConsentKind.MARKETING, is_given=is_given, channel=channel, actor=actor, now=now)
    words = _("会员说的，记在%(where)s") % {"where": ConsentRecord.Channel(channel).label}
    opt_in(member, channels=CHANNELS.keys() - set(refused), actor=actor, reason=str(words), now=now)
    return opt_out(member, channels=refused, actor=actor, reason=str(words), now=now)


@transaction.atomic
def set_allowed(
    member: Member,
    *,
    refused: Collection[str],
    may_profile: bool,
    may_call: bool,
    seen: str,
    channel: str,
    actor: Actor,
    now: datetime,
) -> Member:
    """Write what a whole sheet says a member allows: only what differs, all or nothing.

    `seen` is `desk.seen(member, ALLOWED)` of when the sheet was opened. Raises Stale when it changed since: an old sheet must
    not give again what he took back elsewhere.
    """  # fmt: skip
    _check(member, actor)
    lock_members([member.pk])
    held = Member.objects.get(pk=member.pk)
    desk.must_be_as_seen(held, ALLOWED, seen)
    if set(refused) != set(held.marketing_opt_out):
        set_channels(held, refused=refused, channel=channel, actor=actor, now=now)
    if may_profile == held.no_profiling:
        kind = ConsentKind.PROFILING
        set_consent(held, kind=kind, is_given=may_profile, channel=channel, actor=actor, now=now)
    if may_call != held.phone_consent:
        set_phone_consent(held, is_given=may_call, actor=actor, reason=str(_("会员说的")), now=now)
    return held


@transaction.atomic
def set_phone_consent(member: Member, *, is_given: bool, actor: Actor, reason: str, now: datetime) -> Member:
    """Note whether a member agrees to be called at all, about service too."""
    _check(member, actor)
    changed = Member.objects.filter(pk=member.pk).exclude(phone_consent=is_given).update(phone_consent=is_given)
    member.phone_consent = is_given
    if changed:
        audit.record(actor, "member.phone_consent", member, after={"phone_consent": is_given}, reason=reason)
        outbox.publish(MemberChanged(member.pk, "phone_consent"))
    return member


def _check(member: Member, actor: Actor) -> None:
    if actor.kind != "member" and not actor.has_role(*MAY):  # a member, of himself: the next line
        raise Forbidden(permission="member.consent")
    if not Member.objects.visible_to(actor).filter(pk=member.pk).exists():
        raise NotFound()
