"""All writes of work logs: drafted, handed in once a day, commented, asked for; and the template HQ keeps."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from guides.events import WorkLogHandedIn, WorkLogsAsked
from guides.notices import services as notices
from guides.notices.models import Notification
from guides.notices.pushing import tell_and_push
from guides.notices.services import Notice
from guides.org.models import Staff
from guides.org.queries import HEADS, heads_of_stores
from yejibao.core import audit, clock, desk, outbox
from yejibao.core.domain_files import read_yaml
from yejibao.core.errors import Conflict, Forbidden, Invalid, Stale
from yejibao.core.scope import Actor
from yejibao.core.wearing import wear_out

from . import facts
from .models import WorkLog, WorkLogComment, WorkLogDay, WorkLogTemplate
from .queries import missing_on, times_of

FILE = Path(__file__).resolve().parent.parent / "data" / "work_log.yaml"
KEEPERS = ("hq_retail", "sys_admin")
ANSWER_CHARS, QUESTIONS = 500, 12
REMIND_BEFORE = timedelta(minutes=30)
ASKED_AT_ONCE = 2_000
KEPT = timedelta(days=730)  # the words; they may name members (pii_catalogue: words)


class NotYourLog(Forbidden):
    code, title = "perm.worklog", _("只能写自己的日志")


class NotYourTemplate(Forbidden):
    code, title = "perm.worklog.template", _("日志模板由零售部维护")


class HandedIn(Conflict):
    code, title = "worklog.handed_in", _("这天的日志已经交了")


class TooLate(Conflict):
    code, title = "worklog.closed", _("这天的日志已经不收了")


# ---------------------------------------------------------------- the template


@cache
def _book() -> dict[str, Any]:
    book: dict[str, Any] = read_yaml(FILE)
    return book


def current_template(*, now: datetime) -> WorkLogTemplate:
    """Return the template that holds; the first one is made from the data file."""
    found = WorkLogTemplate.objects.order_by("-number").first()
    if found is not None:
        return found
    book = _book()
    questions = [
        {"key": f"q{number}", "label": label, "is_required": label in book["required"]}
        for number, label in enumerate(book["ask"], start=1)
    ]
    hours = {name: time.fromisoformat(book[name]) for name in ("opens_at", "due_at", "closes_at")}
    template, _made = WorkLogTemplate.objects.get_or_create(
        number=1, defaults={"prefilled": book["prefilled"], "questions": questions, "made_at": now} | hours
    )
    return template


@transaction.atomic
def change_template(
    *,
    prefilled: Sequence[str],
    questions: Sequence[tuple[str, bool]],
    opens_at: time,
    due_at: time,
    closes_at: time,
    seen: int,
    reason: str,
    actor: Actor,
    now: datetime,
) -> WorkLogTemplate:
    """Let logs that are begun from now on ask something else. Raises NotYourTemplate, Invalid, or Stale after another editor."""
    if not actor.has_role(*KEEPERS):
        raise NotYourTemplate()
    reason = desk.needs_reason(reason)
    asked = [(label.strip()[:60], is_required) for label, is_required in questions if label.strip()]
    known = {one.key for one in facts.known()} | set(_book()["prefilled"])
    if not 1 <= len(asked) <= QUESTIONS:
        raise Invalid(_("要有 1 到 %(most)d 个问题") % {"most": QUESTIONS})
    if len({label for label, _required in asked}) < len(asked):
        raise Invalid(_("有两个问题一样"))
    if set(prefilled) - known:
        raise Invalid(_("没有这个数字"))
    if not time(12, 0) <= opens_at < due_at:
        raise Invalid(_("提醒要在中午以后，截止要晚于提醒"))
    before = current_template(now=now)
    if seen != before.number:
        raise Stale(_("刚刚有人改过模板，看过再改。"))
    keys = {one["label"]: one["key"] for one in before.questions}
    fresh = (f"q{before.number + 1}_{number}" for number in range(1, QUESTIONS + 1))
    rows = [
        {"key": keys.get(label) or next(fresh), "label": label, "is_required": is_required}
        for label, is_required in asked
    ]
    try:
        with transaction.atomic():
            template = WorkLogTemplate.objects.create(
                number=seen + 1, prefilled=list(prefilled), questions=rows, opens_at=opens_at, due_at=due_at,
                closes_at=closes_at, made_at=now, made_by_id=actor.staff_id,
            )  # fmt: skip
    except IntegrityError:
        raise Stale(_("刚刚有人改过模板，看过再改。")) from None
    audit.record(actor, "worklog.template_changed", template, after={"number": template.number}, reason=reason)
    return template


# ---------------------------------------------------------------- writing


def draft_of(person: Staff, day: date, *, now: datetime) -> WorkLog:
    """Return a person's log of a day, unsaved where there is none yet."""
    found = WorkLog.objects.filter(staff=person, day=day).select_related("template").first()
    if found is not None:
        return found
    return WorkLog(staff=person, store=person.store, day=day, template=current_template(now=now), changed_at=now)


@transaction.atomic
def save_log(
    person: Staff, day: date, answers: dict[str, str], *, actor: Actor, now: datetime, hand_in: bool = False
) -> WorkLog:
    """Keep what was written; with `hand_in` it is final, with the figures of this moment, late after the due time.

    Raises NotYourLog, HandedIn, TooLate after the next day's closing time, or Invalid where a required answer is missing.
    """
    if actor.staff_id != person.pk or person.store_id is None:
        raise NotYourLog()
    Staff.objects.select_for_update().get(pk=person.pk)  # two taps, or two phones, come one after the other
    log = draft_of(person, day, now=now)
    times = times_of(log.template, day)
    if log.handed_in_at:
        raise HandedIn()
    if day > clock.local_day(now) or now >= times.closes_at:
        raise TooLate(_("只能写今天的；昨天的到今天 %(at)s 为止") % {"at": f"{log.template.closes_at:%H:%M}"})
    asked = {one["key"]: one for one in log.template.questions}
    log.answers = {key: answers[key].strip()[:ANSWER_CHARS] for key in asked if answers.get(key, "").strip()}
    log.changed_at = now
    if hand_in:
        wrong = [
            {"field": key, "code": "required", "message": str(_("这一条要写"))}
            for key, one in asked.items() if one["is_required"] and key not in log.answers
        ]  # fmt: skip
        if wrong:
            raise Invalid(_("还有要写的没写"), errors=wrong)
        log.handed_in_at, log.is_late = now, now > times.due_at
        log.facts = facts.read_facts(person.pk, day, log.template.prefilled, now=now)
    log.save()
    if hand_in:
        audit.record(actor, "worklog.handed_in", log, after={"day": str(day), "late": log.is_late})
        Notification.objects.filter(staff=person, key=_key(day)).unread().update(read_at=now)
        outbox.publish(WorkLogHandedIn(staff_id=person.pk, day=day.isoformat()))
    return log


# ---------------------------------------------------------------- reading and commenting


def mark_read(log: WorkLog, *, actor: Actor, now: datetime) -> None:
    """Note that somebody above has opened it."""
    if log.read_at is None and actor.staff_id not in (None, log.staff_id):
        WorkLog.objects.filter(pk=log.pk, read_at=None).update(read_at=now)
        log.read_at = now


@transaction.atomic
def comment(log: WorkLog, text: str, *, actor: Actor, now: datetime) -> WorkLogComment:
    """Write under a log one reads; the writer hears of it, and who commented before hears of his answer. Raises Invalid."""
    words = text.strip()[:500]
    if len(words) < 2:
        wrong = {"field": "text", "code": "required", "message": str(_("写一句再发"))}
        raise Invalid(_("写一句再发"), errors=[wrong])
    row = WorkLogComment.objects.create(log=log, by_id=actor.staff_id, text=words, at=now)
    others = set(log.comments.exclude(by=None).values_list("by_id", flat=True)) | {log.staff_id}
    day = f"{log.day:%m-%d}"
    told = [
        (
            pk,
            Notice("review", f"worklog:{log.pk}", f"{actor.name}评论了你 {day} 的日志", f"/g/worklog/{log.pk}/", words)
            if pk == log.staff_id
            else Notice(
                "review", f"worklog:{log.pk}", f"{log.staff.name} {day} 的日志有新回复", f"/m/worklogs/{log.pk}/", words
            ),
        )
        for pk in sorted(others - {actor.staff_id})
    ]
    tell_and_push(told, now=now)
    return row


# ---------------------------------------------------------------- the day's three beats


def keep_day(*, now: datetime) -> dict[str, int]:
    """Ask for today's logs at their time, remind of them before the end, and tell heads who missed yesterday's: each once."""
    today = clock.local_day(now)
    template = current_template(now=now)
    times, last = times_of(template, today), times_of(template, today - timedelta(days=1))
    tally = {"writers": 0, "reminded": 0, "reported": 0}
    if times.opens_at <= now < times.closes_at:
        tally["writers"] = _ask(today, template, now=now)
    if times.due_at - REMIND_BEFORE <= now < times.due_at:
        tally["reminded"] = _remind(today, template, now=now)
    if now >= last.closes_at:
        tally["reported"] = _report(today - timedelta(days=1), now=now)
    return tally


@transaction.atomic
def _ask(day: date, template: WorkLogTemplate, *, now: datetime) -> int:
    """Publish who is to write; it becomes a duty on 今日 (tasks/handlers.py)."""
    if not _first(day, "asked_at", now):
        return 0
    times = times_of(template, day)
    people = list(missing_on(day).order_by("pk").values_list("pk", flat=True))
    outbox.publish_many(
        WorkLogsAsked(
            day.isoformat(), people[at : at + ASKED_AT_ONCE], times.due_at.isoformat(), times.closes_at.isoformat()
        )
        for at in range(0, len(people), ASKED_AT_ONCE)
    )
    return len(people)


@transaction.atomic
def _remind(day: date, template: WorkLogTemplate, *, now: datetime) -> int:
    if not _first(day, "reminded_at", now):
        return 0
    notice = Notice(
        "task",
        _key(day),
        "今天的日志还没交",
        "/g/worklog/",
        f"数字已经填好，写两句就能交，{template.due_at:%H:%M} 截止",
    )
    people = list(missing_on(day).order_by("pk").values_list("pk", flat=True))
    for at in range(0, len(people), ASKED_AT_ONCE):
        tell_and_push([(pk, notice) for pk in people[at : at + ASKED_AT_ONCE]], now=now)
    return len(people)


@transaction.atomic
def _report(day: date, *, now: datetime) -> int:
    """Tell each head whose people handed nothing in; a manager's own to the one above."""
    known = WorkLogDay.objects.filter(day=day, asked_at__isnull=False).exists()
    if not known or not _first(day, "reported_at", now):
        return 0
    missed: dict[int, list[str]] = {}
    people = list(missing_on(day).select_related("store").order_by("store_id", "pk"))
    heads: dict[str, dict[int, int]] = {
        role: heads_of_stores({one.store_id for one in people if one.store_id}, role=role, day=day)
        for role in HEADS[:2]
    }
    for person in people:
        above = [heads[role].get(person.store_id or 0) for role in HEADS[:2]]
        if head := next((one for one in above if one and one != person.pk), None):
            missed.setdefault(head, []).append(person.name)
    notices.tell_each(
        [
            (head, Notice("review", f"worklog-missing:{day}", f"{day:%m-%d} 有 {len(names)} 人没交日志",
                          f"/m/worklogs/?day={day}", "、".join(names[:8])))
            for head, names in sorted(missed.items())
        ],
        now=now,
    )  # fmt: skip
    return len(people)


def _first(day: date, what: str, now: datetime) -> bool:
    """Claim one beat of a day: True for the first who comes."""
    WorkLogDay.objects.get_or_create(day=day)
    return bool(WorkLogDay.objects.filter(day=day, **{what: None}).update(**{what: now}))


def _key(day: date) -> str:
    return f"worklog-day:{day}"


wear_out("guides_worklog", "changed_at", KEPT, "answers = '{}', facts = '[]'")
wear_out("guides_worklogcomment", "at", KEPT, "text = ''")
