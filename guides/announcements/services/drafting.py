"""Writing an announcement: a draft that several publishers may open, saved as it is typed."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from guides.org import matrix
from guides.org.models import OrgUnit, Staff
from yejibao.core import audit, files, outbox
from yejibao.core.errors import Conflict, Forbidden, Invalid, NotFound, Stale
from yejibao.core.scope import Actor

from ..audience import Audience
from ..models import Announcement
from ..rules import samples
from ..scoped import PUBLISH, reach_of, reaches_all

ROOM = "announcements"
TITLE_CHARS, BODY_CHARS = 60, 5_000
MOST_HOURS, MOST_DAYS, MOST_SECONDS = 24 * 30, 90, 600


@dataclass(frozen=True)
class Draft:
    """What its editor may set."""

    title: str = ""
    body: str = ""
    level: str = Announcement.Level.NORMAL
    audience: Audience = Audience()
    needs_confirm: bool = False
    min_read_seconds: int = 0
    deadline_hours: int | None = None
    pinned_days: int = 0
    tells_managers: bool = False

    def columns(self) -> dict[str, Any]:
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return values | {"audience": self.audience.facts()}


files.room(
    ROOM,
    rows=lambda actor: Announcement.objects.visible_to(actor),
    may_add=lambda actor: actor.may(PUBLISH),
    takes_documents=True,
    most=9,
)


def own_unit(actor: Actor) -> OrgUnit:
    """Return for whom a publisher speaks: the company, or his branch. Raises Forbidden."""
    if not actor.may(PUBLISH):
        raise Forbidden(permission=PUBLISH)
    if reaches_all(actor, PUBLISH):
        return OrgUnit.objects.get(level=OrgUnit.Level.HQ)
    paths = [grant.path for grant in actor.reach(*matrix.holders(PUBLISH)) if grant.path]
    unit = OrgUnit.objects.filter(path__in=paths).order_by("path").first()
    if unit is None:
        raise Forbidden(permission=PUBLISH)
    return unit


def reach_units(actor: Actor) -> QuerySet[OrgUnit]:
    """Return the units a publisher may name."""
    return OrgUnit.objects.filter(reach_of(actor, PUBLISH, path="path", store="store"), valid_to=None)


def begin(*, actor: Actor, now: datetime, sample: str = "", copy_of: Announcement | None = None) -> Announcement:
    """Open a draft: empty, from a sample, or with what another one said. Raises Forbidden, NotFound for no such sample."""
    unit = own_unit(actor)
    draft = Draft()
    if copy_of is not None:
        draft = Draft(**{one.name: getattr(copy_of, one.name) for one in fields(Draft) if one.name != "audience"},
                      audience=Audience.read(copy_of.audience))  # fmt: skip
    elif sample:
        if sample not in samples():
            raise NotFound()
        one = samples()[sample]
        audience = Audience(
            roles=list(one.targets.get("roles", [])), kinds=list(one.targets.get("store_kinds", [])),
            grades=[grade for grade in one.targets.get("store_grades", []) if len(one.targets["store_grades"]) < 4],
        )  # fmt: skip
        draft = Draft(
            title=one.title, body=one.body, level=one.level, audience=audience, needs_confirm=one.needs_confirm,
            min_read_seconds=one.min_read_seconds, deadline_hours=one.deadline_hours, pinned_days=one.pinned_days,
        )  # fmt: skip
    return Announcement.objects.create(
        **draft.columns(), unit=unit, author_id=actor.staff_id or 0, author_role=actor.working_role, edited_by_id=actor.staff_id,
        created_at=now, updated_at=now,
    )  # fmt: skip


@transaction.atomic
def save_draft(announcement: Announcement, draft: Draft, *, seen: int, actor: Actor, now: datetime) -> Announcement:
    """Write a draft as its editor has it. `seen` is the version he began from.

    Raises Stale when somebody else has saved since, Conflict when it is no draft any more, Invalid for what is too long.
    """
    held = lock_draft(announcement, seen=seen, actor=actor)
    _must_fit(draft)
    for name, value in draft.columns().items():
        setattr(held, name, value)
    if not reaches_all(actor, PUBLISH) and not held.audience["units"]:
        held.audience["units"] = [held.unit_id]
    held.version, held.updated_at, held.edited_by_id = held.version + 1, now, actor.staff_id
    held.save(update_fields=[*draft.columns(), "version", "updated_at", "edited_by"])
    return held


def lock_draft(announcement: Announcement, *, seen: int, actor: Actor) -> Announcement:
    """Return the draft, locked. Raises NotFound, Conflict or Stale."""
    held = Announcement.objects.editable_by(actor).select_for_update(of=("self",)).filter(pk=announcement.pk).first()
    if held is None:
        raise NotFound()
    if not held.is_open:
        raise Conflict(_("这条公告已经%(state)s，不能再改") % {"state": held.get_state_display()})
    if held.version != seen:
        who = Staff.objects.filter(pk=held.edited_by_id).values_list("name", flat=True).first() or "别人"
        raise Stale(_("%(who)s 刚改过这份草稿。下面是最新的内容，看过再改。") % {"who": who})
    return held


def _must_fit(draft: Draft) -> None:
    wrong = []
    if len(draft.title) > TITLE_CHARS:
        wrong.append(("title", f"标题最多 {TITLE_CHARS} 个字"))
    if len(draft.body) > BODY_CHARS:
        wrong.append(("body", f"正文最多 {BODY_CHARS:,} 个字；更长的做成 PDF 附上"))
    if draft.level not in Announcement.Level:
        wrong.append(("level", "选一个类型"))
    if not 0 <= (draft.deadline_hours or 0) <= MOST_HOURS:
        wrong.append(("deadline_hours", f"最多 {MOST_HOURS} 小时"))
    if not 0 <= draft.pinned_days <= MOST_DAYS:
        wrong.append(("pinned_days", f"最多置顶 {MOST_DAYS} 天"))
    if not 0 <= draft.min_read_seconds <= MOST_SECONDS:
        wrong.append(("min_read_seconds", f"最多 {MOST_SECONDS} 秒"))
    if wrong:
        raise Invalid(errors=[{"field": field, "code": "invalid", "message": said} for field, said in wrong])


@transaction.atomic
def drop_draft(announcement: Announcement, *, actor: Actor) -> None:
    """Throw a draft away, its files too. Raises Conflict when it is none any more."""
    held = lock_draft(announcement, seen=announcement.version, actor=actor)
    files.forget(ROOM, [held.pk])
    audit.record(actor, "announcement.dropped", held, before={"title": held.title})
    held.delete()


@transaction.atomic
def add_files(
    announcement: Announcement, uploads: Iterable[UploadedFile], names: Iterable[str], *, actor: Actor, now: datetime
) -> None:
    """Let pictures and documents belong to a draft. Raises what files.take() and lock_draft() raise."""
    held = lock_draft(announcement, seen=announcement.version, actor=actor)
    taken = files.take(uploads, names, room=ROOM, actor=actor, now=now)
    there = len(files.of(ROOM, [held.pk]).get(held.pk, []))
    if there + len(taken) > 9:
        raise Invalid(_("一条公告最多 9 个附件"))
    files.attach(taken, room=ROOM, owner_id=held.pk, by_id=actor.staff_id)


@transaction.atomic
def drop_file(announcement: Announcement, name: uuid.UUID, *, actor: Actor) -> None:
    """Take a file off a draft. Raises NotFound for one it does not have."""
    held = lock_draft(announcement, seen=announcement.version, actor=actor)
    if not files.forget(ROOM, [held.pk], names=[name]):
        raise NotFound()


@transaction.atomic
def show_to_self(announcement: Announcement, *, actor: Actor, now: datetime) -> None:
    """发给自己看: one push, to its editor alone, as the others would get it."""
    person = Staff.objects.get(pk=actor.staff_id)
    key = f"announcement_try:{announcement.pk}:{person.pk}:{int(now.timestamp())}"
    outbox.enqueue(
        [
            outbox.NewMessage(
                "announcement_try", key, person.wecom_user_id, now, f"announcement:{announcement.pk}", priority=2
            )
        ]
    )
