"""From a draft to everybody's receipt: four eyes, the hour, the freezing of the audience, and taking it back."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from django.db import connection, transaction
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from guides.approvals.models import Approval
from guides.approvals.services import ask_approval, on_decided
from guides.events import AnnouncementSettled, AnnouncementUnread
from guides.notices import services as notices
from guides.notices.services import Notice
from guides.org.hours import next_push
from guides.org.models import OrgUnit, Staff, Store
from yejibao.core import audit, clock, hints, outbox
from yejibao.core.errors import Conflict, Invalid, NotFound
from yejibao.core.scope import Actor

from .. import audience as audiences
from ..audience import Audience
from ..models import Announcement, AnnouncementReceipt
from ..rules import AGAIN, MANAGERS_AFTER, PRIORITY
from ..scoped import PUBLISH, reach_of
from ..wording import plain_of
from .drafting import MOST_DAYS, lock_draft

State = Announcement.State
JOB = "guides.announcements.jobs.go_on_with_announcements"
APPROVAL = "announcement.company"
AT_ONCE = 2_000  # people a transaction
EVENING = time(22, 0)
OPENING = time(9, 30)
FARTHEST = timedelta(days=90)
EXPIRES_AFTER = timedelta(days=3)  # task_types.yaml, announcement_read: +3 days 22:00


class NobodyMeant(Invalid):
    code, title = "announcement.nobody", _("这样选，一个人也没有")


@transaction.atomic
def publish(
    announcement: Announcement, *, seen: int, actor: Actor, now: datetime, at: datetime | None = None, reason: str = ""
) -> Announcement:
    """Publish a draft now or at a moment; what goes to the whole company first asks for a second pair of eyes.

    Raises Invalid (unfinished, nobody meant, no such moment), Stale, Conflict, AlreadyAsked or NotYoursToAsk.
    """
    held = lock_draft(announcement, seen=seen, actor=actor)
    _must_be_whole(held, at=at, now=now)
    wanted = Audience.read(held.audience)
    _must_be_within_reach(wanted, actor)
    count = audiences.count(wanted, day=clock.local_day(at or now))
    if not count.people:
        raise NobodyMeant(_("没有人符合这些条件，换一下「发给谁」。"))
    held.publish_at, held.audience_count, held.updated_at, held.version = at, count.people, now, held.version + 1
    if wanted.is_whole_company and not actor.is_system:
        held.state = State.ASKED
        held.save(update_fields=["publish_at", "audience_count", "updated_at", "version", "state"])
        ask_approval(
            APPROVAL, key=held.key, title=f"发给全公司 {count.people:,} 人：{held.title}", reason=reason or "全公司公告",
            facts={"announcement": held.pk}, url=reverse("guides:announcement-board", args=[held.pk]), actor=actor, now=now,
        )  # fmt: skip
        return held
    if at is not None and at > now:
        held.state = State.SCHEDULED
        held.save(update_fields=["publish_at", "audience_count", "updated_at", "version", "state"])
        audit.record(actor, "announcement.scheduled", held, after={"title": held.title, "at": at.isoformat()})
        return held
    held.save(update_fields=["publish_at", "audience_count", "updated_at", "version"])
    _go_live(held, actor=actor, now=now)
    return held


def _must_be_whole(held: Announcement, *, at: datetime | None, now: datetime) -> None:
    wrong = []
    if len(held.title.strip()) < 2:
        wrong.append(("title", "写一个标题"))
    if len(held.body.strip()) < 5:
        wrong.append(("body", "正文还没写"))
    if at is not None and not now < at <= now + FARTHEST:
        wrong.append(("publish_at", "定时要在现在之后、90 天之内"))
    if wrong:
        raise Invalid(errors=[{"field": field, "code": "required", "message": said} for field, said in wrong])


def _must_be_within_reach(wanted: Audience, actor: Actor) -> None:
    """Roles change between saving and publishing: what one may not tell any more is not told."""
    within = OrgUnit.objects.filter(reach_of(actor, PUBLISH, path="path", store="store"), pk__in=wanted.units)
    if within.count() < len(set(wanted.units)):
        raise Invalid(_("有单位不归你发，或者已经撤销，重新选「发给谁」。"))


def _go_live(held: Announcement, *, actor: Actor, now: datetime) -> None:
    """Make it public; the receipts follow at once, in batches. Raises Conflict when somebody else was quicker."""
    deadline = now + timedelta(hours=held.deadline_hours) if held.deadline_hours else _evening(now)
    pinned = now + timedelta(days=held.pinned_days) if held.pinned_days else None
    stamps = {
        "published_at": now, "deadline_at": deadline, "pinned_until": pinned, "in_force_until": max(deadline, pinned or now),
        "remind_at": next_reminder(held.level, 0, published_at=now),
        "managers_at": now + MANAGERS_AFTER if held.tells_managers else None,
    }  # fmt: skip
    waiting = Announcement.objects.filter(pk=held.pk, state__in=(State.DRAFT, State.ASKED, State.SCHEDULED))
    if not waiting.update(state=State.PUBLISHED, **stamps):
        raise Conflict(_("这条公告刚被处理过"))
    for name, value in {"state": State.PUBLISHED, **stamps}.items():
        setattr(held, name, value)
    audit.record(actor, "announcement.published", held, after={"title": held.title, "people": held.audience_count})
    transaction.on_commit(lambda: hints.wake(JOB))


def _evening(now: datetime) -> datetime:
    """Return 22:00 of the day, of the next one from 20:00 on: nobody reads what came in the last hours."""
    today = clock.local_moment(clock.local_day(now), EVENING)
    return today if now < today - timedelta(hours=2) else today + timedelta(days=1)


def next_reminder(level: str, reminded: int, *, published_at: datetime) -> datetime | None:
    """Return when those who have not read it are told again; None where the level's rule has no more."""
    again = AGAIN[level]
    if reminded >= len(again):
        return None
    after = again[reminded]
    if after is not None:
        return published_at + after
    return clock.local_moment(clock.local_day(published_at) + timedelta(days=1), OPENING)


@on_decided(APPROVAL)
def go_on(approval: Approval, *, actor: Actor, now: datetime) -> None:
    """Publish what was approved, at its hour; what was not is a draft again."""
    held = (
        Announcement.objects.select_for_update()
        .filter(pk=approval.facts.get("announcement"), state=State.ASKED)
        .first()
    )
    if held is None:
        return
    if approval.state != Approval.State.APPROVED:
        held.state, held.publish_at = State.DRAFT, None
        held.save(update_fields=["state", "publish_at"])
    elif held.publish_at and held.publish_at > now:
        held.state = State.SCHEDULED
        held.save(update_fields=["state"])
    else:
        _go_live(held, actor=actor, now=now)


@transaction.atomic
def unschedule(announcement: Announcement, *, actor: Actor, now: datetime) -> None:
    """Make a scheduled one a draft again. Raises Conflict when it is out."""
    mine = Announcement.objects.editable_by(actor).filter(pk=announcement.pk)
    if not mine.filter(state=State.SCHEDULED).update(state=State.DRAFT, publish_at=None, updated_at=now):
        raise Conflict(_("已经发出去了，或者不是定时的"))
    audit.record(actor, "announcement.unscheduled", announcement, after={"title": announcement.title})


def publish_due(*, now: datetime) -> int:
    """Publish what is scheduled for now or before. Returns how many."""
    published = 0
    for pk in list(
        Announcement.objects.filter(state=State.SCHEDULED, publish_at__lte=now).values_list("pk", flat=True)
    ):
        with transaction.atomic():
            held = Announcement.objects.select_for_update(skip_locked=True).filter(pk=pk, state=State.SCHEDULED).first()
            if held is not None and held.publish_at and held.publish_at <= now:
                held.audience_count = audiences.count(Audience.read(held.audience), day=clock.local_day(now)).people
                held.save(update_fields=["audience_count"])
                _go_live(held, actor=Actor.system("定时公告"), now=now)
                published += 1
    return published


# ---------------------------------------------------------------- everybody's receipt

_SPREAD = f"""
WITH chosen AS ({audiences.CHOSEN})
INSERT INTO guides_announcementreceipt (announcement_id, staff_id, told_at, urge_count)
SELECT %(announcement)s, chosen.id, %(now)s, 0 FROM chosen
WHERE NOT EXISTS (SELECT 1 FROM guides_announcementreceipt r WHERE r.announcement_id = %(announcement)s AND r.staff_id = chosen.id)
ORDER BY chosen.id LIMIT %(most)s ON CONFLICT (announcement_id, staff_id) DO NOTHING RETURNING staff_id
"""


def spread(*, now: datetime, budget: timedelta) -> dict[str, int]:
    """Give receipts and pushes to the audiences of what was published, a batch a transaction, until time is up."""
    ends, told = clock.monotonic() + budget.total_seconds(), 0
    waiting = Announcement.objects.filter(state=State.PUBLISHED, spread_at=None).order_by("published_at", "pk")
    for pk in list(waiting.values_list("pk", flat=True)):
        while clock.monotonic() < ends:
            count = spread_batch(pk, now=now)
            told += count
            if count < AT_ONCE:
                break
    return {"told": told}


def spread_to_newcomers(*, now: datetime) -> dict[str, int]:
    """Tell what is still in force to whoever has joined its audience since: new people, another store, another post."""
    told = 0
    in_force = Announcement.objects.filter(state=State.PUBLISHED, spread_at__isnull=False, in_force_until__gt=now)
    for pk in list(in_force.order_by("published_at", "pk").values_list("pk", flat=True)):
        while (count := spread_batch(pk, now=now)) == AT_ONCE:
            told += count
        told += count
    return {"told": told}


@transaction.atomic
def spread_batch(pk: int, *, now: datetime) -> int:
    """Give receipts to the next of an audience who have none, with what follows from it. Returns how many.

    A killed worker leaves whole batches; the next one goes on. Two at once: the second finds the row taken and does nothing.
    """
    rows = Announcement.objects.select_for_update(skip_locked=True, no_key=True)
    held = rows.filter(pk=pk, state=State.PUBLISHED).first()
    if held is None:
        return 0
    params = audiences.params_of(Audience.read(held.audience), day=clock.local_day(now))
    with connection.cursor() as cursor:
        cursor.execute(_SPREAD, params | {"announcement": pk, "now": now, "most": AT_ONCE})
        new = [staff for (staff,) in cursor.fetchall()]
    if new:
        _tell(held, new, now=now)
    if len(new) < AT_ONCE and held.spread_at is None:
        Announcement.objects.filter(pk=pk).update(spread_at=now)
    return len(new)


def _tell(held: Announcement, staff_ids: list[int], *, now: datetime) -> None:
    """Queue a push for each, write it into 消息, and let the tasks know who has something to read."""
    people = list(Staff.objects.filter(pk__in=staff_ids).select_related("store").order_by("pk"))
    messages, nowhere = [], Store()
    for person in people:
        due = next_push(person.store or nowhere, now, minute=person.digest_minute)
        messages.append(
            outbox.NewMessage(
                "announcement", f"{held.key}:{person.pk}", person.wecom_user_id, due, held.key,
                max(due + timedelta(hours=12), held.deadline_at or due), PRIORITY[held.level],
            )
        )  # fmt: skip
    outbox.enqueue(messages)
    notice = notice_of(held)
    notices.tell_each([(one.pk, notice) for one in people], now=now, pushed=[one.dedupe_key for one in messages])
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE guides_announcementreceipt r SET message_id = m.id
            FROM unnest(%s::bigint[], %s::text[]) AS n(staff_id, key) JOIN core_outboxmessage m ON m.dedupe_key = n.key
            WHERE r.announcement_id = %s AND r.staff_id = n.staff_id""",
            [[one.pk for one in people], [one.dedupe_key for one in messages], held.pk],
        )
    if held.needs_confirm:
        outbox.publish_many(unread_events(held, [one.pk for one in people if one.store_id]))


def notice_of(held: Announcement, said: str = "") -> Notice:
    """Return what stands in 消息."""
    text = said or plain_of(held.body, 100)
    return Notice("announcement", held.key, held.title, reverse("guides:announcement", args=[held.pk]), text)


def unread_events(held: Announcement, staff_ids: list[int]) -> list[AnnouncementUnread]:
    """Return what tells the tasks who has something to read, a few thousand people an event."""
    due = held.deadline_at or clock.now()
    expires = clock.local_moment(clock.local_day(due) + EXPIRES_AFTER, EVENING)
    why = "读完点「我知道了」" if held.needs_confirm else "还没读"
    return [
        AnnouncementUnread(
            announcement_id=held.pk, staff_ids=staff_ids[first : first + AT_ONCE], title=held.title, why=why,
            due_at=due.isoformat(), expire_at=max(due, expires).isoformat(),
        )
        for first in range(0, len(staff_ids), AT_ONCE)
    ]  # fmt: skip


# ---------------------------------------------------------------- taking it back


@transaction.atomic
def withdraw(announcement: Announcement, *, actor: Actor, now: datetime, reason: str) -> None:
    """Take back what was published: it is gone from every phone at once; pushes that wait are not sent, sent ones are recalled.

    Raises NotFound, Conflict when it is not out, Invalid without a reason.
    """
    if len(reason.strip()) < 2:
        raise Invalid(errors=[{"field": "reason", "code": "required", "message": "写一句为什么撤回"}])
    held = Announcement.objects.editable_by(actor).select_for_update(of=("self",)).filter(pk=announcement.pk).first()
    if held is None:
        raise NotFound()
    if held.state != State.PUBLISHED:
        raise Conflict(_("这条公告不在发布中"))
    held.state, held.withdrawn_at, held.withdrawn_by_id = State.WITHDRAWN, now, actor.staff_id
    held.withdrawn_reason, held.remind_at, held.managers_at = reason.strip()[:255], None, None
    held.save(update_fields=["state", "withdrawn_at", "withdrawn_by", "withdrawn_reason", "remind_at", "managers_at"])
    notices.settle(held.key, now=now)
    outbox.publish(AnnouncementSettled(held.pk, [], "withdrawn"))
    audit.record(actor, "announcement.withdrawn", held, after={"title": held.title}, reason=reason)
    transaction.on_commit(lambda: hints.wake(JOB))


@transaction.atomic
def pin(announcement: Announcement, *, days: int, actor: Actor, now: datetime) -> None:
    """Pin what is out for so many days from now, 0 to take it down; so long newcomers are told. Raises NotFound, Conflict."""
    held = Announcement.objects.editable_by(actor).select_for_update(of=("self",)).filter(pk=announcement.pk).first()
    if held is None:
        raise NotFound()
    if held.state != State.PUBLISHED or not 0 <= days <= MOST_DAYS:
        raise Conflict(_("这条公告不在发布中"))
    held.pinned_until = now + timedelta(days=days) if days else None
    held.in_force_until = max(held.deadline_at or now, held.pinned_until or now)
    held.save(update_fields=["pinned_until", "in_force_until"])
    audit.record(actor, "announcement.pinned", held, after={"title": held.title, "days": days})


def outstanding_of(held: Announcement) -> list[int]:
    """Return who works in a store and has not read it."""
    rows = AnnouncementReceipt.objects.outstanding().filter(announcement=held, staff__store__isnull=False)
    return list(rows.filter(staff__state__in=Staff.MAY_SIGN_IN).order_by("staff").values_list("staff", flat=True))
