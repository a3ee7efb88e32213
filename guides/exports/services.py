"""All writes of exports: asking, making, handing out once, forgetting. Limits of reliability-security §10 and §11."""

import base64
import hashlib
import logging
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.db import connection, transaction
from django.db.models import Sum
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from guides.approvals.models import Approval
from guides.approvals.services import ask_approval, on_decided
from guides.notices import services as notices
from guides.notices.services import Notice
from guides.org.actors import actor_for
from guides.org.confirming import must_be_confirmed
from guides.org.models import Staff
from yejibao.core import audit, clock, hints, limits, tunables, words
from yejibao.core.errors import Conflict, DomainError, Forbidden, Invalid, NotFound, TooMany
from yejibao.core.scope import Actor

from .models import Export, ExportFile
from .pinning import in_role, pinned
from .registry import Exportable, find
from .sheets import shown, workbook

log = logging.getLogger("yejibao.exports")

State = Export.State
MOST_ROWS = 5_000  # role_rules of org_and_roles.yaml
BY_RULE = limits.CLASSES["export"].per_day
A_DAY = tunables.number(
    "exports-a-day", group="导出和号码", name="一个人一天最多导出几次", unit="次", default=BY_RULE, least=1, most=BY_RULE,
    why="只能比规定的 5 次更严；查出有人乱导时先调低",
)  # fmt: skip
LINK_LASTS = timedelta(minutes=10)
FILE_LASTS = timedelta(hours=24)
KEEP = timedelta(days=180)  # the line in one's own list; the audit row stays
LEASE, TRIES = timedelta(minutes=5), 3
JOB = "guides.exports.jobs.make_exports"
APPROVED = ("member.export", "member.export_phone")
SAMPLE = 5  # rows that whoever approves sees
TELL_EVERY = 500  # rows between two looks at the progress


class TooManyRows(Invalid):
    code, title = "export.too_many_rows", _("一次导不了这么多")


class NothingThere(Invalid):
    code, title = "export.empty", _("没有可以导出的")


class LinkUsed(Conflict):
    code, title = "export.link_used", _("这个下载链接已经失效")


# ---------------------------------------------------------------- asking


def ask_export(
    key: str, given: Mapping[str, str], *, actor: Actor, now: datetime, reason: str = "", with_phone: bool = False
) -> Export:
    """Ask for an export of a registered list; it is made by itself, after its approvals where it needs them.

    Raises NotFound for an unknown list or what is out of sight, Forbidden, ConfirmFirst, Invalid (too many rows: with how
    to split), TooMany after five of a day.
    """
    one = find(key)
    if one is None or actor.staff_id is None:
        raise NotFound()
    _must_be_allowed(one, actor, with_phone=with_phone)
    must_be_confirmed(actor)
    kind = one.approval_phone if with_phone else one.approval
    asker, role, unit = pinned(actor, kind) if kind else (actor, {}, None)
    params = one.clean(asker, given)
    reason = reason.strip()[:255]
    if one.is_personal and len(reason) < 2:
        raise Invalid(
            _("写一句导出来做什么用"),
            errors=[{"field": "reason", "code": "required", "message": "写一句导出来做什么用"}],
        )
    params = params | role | {"with_phone": with_phone}
    count = _count(one, asker, params)
    title = f"{one.title} {one.describe(params)}".strip()
    with transaction.atomic():
        # Two taps at once: the second waits here, and counts the first. Not FOR UPDATE: rows that point at her need not wait.
        Staff.objects.select_for_update(no_key=True).get(pk=actor.staff_id)
        today = clock.local_day(now)
        used = Export.objects.filter(staff_id=actor.staff_id, asked_on=today).exclude(state__in=Export.NOT_COUNTED)
        if used.count() >= (most := A_DAY.at(now)):
            raise TooMany(_("今天已经导出 %(most)s 次，明天再导") % {"most": most}, retry_after=3600)
        export = Export.objects.create(
            kind=one.key, title=title[:120], params=params, with_phone=with_phone, reason=reason, staff_id=actor.staff_id,
            working_role=actor.working_role, state=State.WAITING if kind else State.QUEUED, asked_at=now, asked_on=today,
            ip=actor.session_facts.get("ip") or None, agent=actor.session_facts.get("agent", "")[:255],
            request_id=actor.session_facts.get("request_id", ""), rows_total=count,
        )  # fmt: skip
        audit.record(
            actor, "export.asked", export, reason=reason,
            after={"list": one.title, "what": one.describe(params), "rows": count, "with_phone": with_phone},
        )  # fmt: skip
        if kind:
            # Whoever approves sees the sum of the day, however it was split.
            before = rows_of_day(actor.staff_id, now=now)
            said = f"导出 {count:,} 行：{title}" + (f"（今天已经导出 {before:,} 行）" if before else "")
            ask_approval(
                kind, key=f"export:{export.pk}", title=said[:120], reason=reason, unit=unit, facts={"export": export.pk},
                url=reverse("guides:export-asked", args=[export.pk]), actor=asker, now=now,
            )  # fmt: skip
        else:
            transaction.on_commit(_wake)
    return export


def _must_be_allowed(one: Exportable, actor: Actor, *, with_phone: bool) -> None:
    if not one.open_to(actor):
        raise Forbidden(permission=one.permission)
    if with_phone and not one.approval_phone:
        raise Forbidden(_("这份名单不能带手机号"), permission="export.phone")


def _count(one: Exportable, actor: Actor, params: dict[str, Any]) -> int:
    """Return how many rows there are, opening none of a person. Raises TooManyRows or NothingThere."""
    most = MOST_ROWS + 1
    count = one.count(actor, params, most) if one.count else sum(1 for _ in islice(one.rows(actor, params), most))
    _must_fit(count)
    return count


def _all_rows(one: Exportable, actor: Actor, params: dict[str, Any]) -> list[Any]:
    """Return the rows. Raises TooManyRows or NothingThere."""
    rows = list(islice(one.rows(actor, params), MOST_ROWS + 1))
    _must_fit(len(rows))
    return rows


def _must_fit(count: int) -> None:
    if count > MOST_ROWS:
        raise TooManyRows(
            _("一次最多导出 %(most)s 行，这里不止。请按门店、大区或日期分几次导。") % {"most": f"{MOST_ROWS:,}"}
        )
    if not count:
        raise NothingThere(_("这个范围里一行也没有，换个条件再导。"))


def _wake() -> None:
    hints.wake(JOB)


# ---------------------------------------------------------------- approved or not


def go_on(approval: Approval, *, actor: Actor, now: datetime) -> None:
    """Let an export be made once its approvals are there, or end it. Runs where the last of them is given."""
    export = Export.objects.select_for_update().filter(pk=approval.facts.get("export"), state=State.WAITING).first()
    if export is None:
        return
    if approval.state == Approval.State.APPROVED:
        export.state = State.QUEUED
        export.save(update_fields=["state"])
        transaction.on_commit(_wake)
        return
    export.state, export.ended_at = State.REFUSED, now
    export.error = str(approval.get_state_display())
    export.save(update_fields=["state", "ended_at", "error"])


for _kind in APPROVED:
    on_decided(_kind)(go_on)


def asked_of(pk: int, *, actor: Actor) -> tuple[Export, Approval]:
    """Return an export with the approval that an actor gives, gave or asked for. Raises NotFound."""
    approval = Approval.objects.visible_to(actor).filter(kind__in=APPROVED, facts__export=pk).order_by("-pk").first()
    export = Export.objects.select_related("staff").filter(pk=pk).first() if approval else None
    if approval is None or export is None:
        raise NotFound()
    return export, approval


def sample_of(export: Export, *, actor: Actor) -> tuple[list[str], list[list[Any]]]:
    """Return titles and first rows of what is asked, masked, of people whom `actor` may see himself; his look is noted."""
    one = find(export.kind)
    if one is None or one.sample is None or one.row_id is None:
        return [], []
    params = export.params | {"with_phone": False}
    asker = in_role(_actor(export), params)
    rows = one.sample(actor, asker, params, SAMPLE)
    audit.saw_members(actor, [one.row_id(row) for row in rows], where=f"导出申请 {export.pk}")
    columns = one.columns(asker, params)
    return [column.label for column in columns], [[shown(column, row) for column in columns] for row in rows]


# ---------------------------------------------------------------- making


def make_due(*, now: datetime, budget: timedelta) -> dict[str, int]:
    """Make what waits, one after the other, until the time is up."""
    ends, made = clock.monotonic() + budget.total_seconds(), 0
    while clock.monotonic() < ends and (export := _claim()) is not None:
        _make(export, now=now)
        made += 1
    return {"made": made}


def _claim() -> Export | None:
    """Take one that waits, or one whose worker was lost; after the third try it is given up."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE guides_export SET state = 'running', attempts = attempts + 1, rows_done = 0,
                lease_until = now() + make_interval(secs => %s)
            WHERE id = (SELECT id FROM guides_export WHERE state = 'queued' OR state = 'running' AND lease_until < now()
                        ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
            RETURNING id
            """,
            [LEASE.total_seconds()],
        )
        row = cursor.fetchone()
    return Export.objects.select_related("staff").get(pk=row[0]) if row else None


def _make(export: Export, *, now: datetime) -> None:
    try:
        if export.attempts > TRIES:
            raise Conflict(_("试了三次都没做成，请缩小范围再导；还不行就告诉信息中心。"))
        content, ids = _content(export, now=now)
    except DomainError as refusal:
        _give_up(export, str(refusal.detail or refusal.title), now=now)
        return
    except Exception:
        _give_up(export, "系统出了点问题，没做成。请再导一次。", now=now)
        log.exception("export failed", extra={"facts": {"export": export.pk}})
        return
    with transaction.atomic():
        held = Export.objects.select_for_update().get(pk=export.pk)
        if (held.state, held.attempts) != (State.RUNNING, export.attempts):
            return  # somebody else took over while we slept
        held.state, held.ready_at, held.rows_done = State.READY, now, held.rows_total
        held.save(update_fields=["state", "ready_at", "rows_done"])
        ExportFile.objects.update_or_create(export=held, defaults={"content": base64.b64encode(content).decode()})
        audit.record(
            _actor(export), "export.made", held, reason=export.reason,
            after={"list": export.title, "rows": held.rows_total, "with_phone": export.with_phone,
                   "rows_today": rows_of_day(export.staff_id, now=now), "ids": ids},
        )  # fmt: skip
        notices.tell_each(
            [(export.staff_id, Notice("export", f"export:{export.pk}", f"导出好了：{export.title}", f"/me/exports/{export.pk}/", "24 小时内下载一次"))],
            now=now,
        )  # fmt: skip


def _actor(export: Export) -> Actor:
    """Return who asked, as the database has him now."""
    facts = {"ip": export.ip or "", "agent": export.agent, "request_id": export.request_id}
    return actor_for(export.staff, working_role=export.working_role, facts=facts)


def _content(export: Export, *, now: datetime) -> tuple[bytes, list[int]]:
    """Return the workbook and the ids of its rows, judged by the rights and rows of this moment."""
    one, actor = find(export.kind), _actor(export)
    if one is None or not export.staff.is_active:
        raise NotFound(_("这份名单现在导不了了。"))
    if one.approval:
        actor = in_role(actor, export.params)
    _must_be_allowed(one, actor, with_phone=export.with_phone)
    rows = _all_rows(one, actor, export.params)
    ids = [one.row_id(row) for row in rows] if one.row_id else []
    Export.objects.filter(pk=export.pk).update(rows_total=len(rows))
    last = [one.total(rows)] if one.total else []

    def tell(done: int) -> None:
        if done % TELL_EVERY == 0:
            Export.objects.filter(pk=export.pk).update(rows_done=min(done, len(rows)))

    columns = one.columns(actor, export.params)
    return workbook(export.title, watermark(export, now=now), columns, [*rows, *last], on_row=tell), ids


def watermark(export: Export, *, now: datetime) -> str:
    """Return who exported it, in which role, when and by which request: it goes with each page."""
    local = now.astimezone(clock.SHANGHAI)
    role = words.role_name(export.working_role)
    return f"{export.staff.name}（{role}）{local:%Y-%m-%d %H:%M} 导出，编号 {export.pk}-{export.request_id[:8]}，仅供内部使用，请勿外传"


def rows_of_day(staff_id: int, *, now: datetime) -> int:
    """Return how many rows a person has exported today: passing on 5,000 of them is a crime, however they were split."""
    made = Export.objects.filter(
        staff_id=staff_id, asked_on=clock.local_day(now), state__in=(State.READY, State.TAKEN, State.EXPIRED)
    )
    return int(made.aggregate(rows=Sum("rows_total"))["rows"] or 0)


def _give_up(export: Export, said: str, *, now: datetime) -> None:
    with transaction.atomic():
        held = Export.objects.filter(pk=export.pk, state=State.RUNNING, attempts=export.attempts)
        if held.update(state=State.FAILED, error=said[:255], ended_at=now):
            audit.record(
                _actor(export), "export.failed", export, after={"list": export.title}, reason=said, is_refused=True
            )


# ---------------------------------------------------------------- handing out


@transaction.atomic
def make_link(export: Export, *, actor: Actor, now: datetime) -> str:
    """Return what stands in the link: good once, for ten minutes, for this person alone. A new one ends the one before."""
    held = Export.objects.visible_to(actor).select_for_update().filter(pk=export.pk).first()
    if held is None:
        raise NotFound()
    must_be_confirmed(actor)
    if held.state != State.READY:
        raise LinkUsed(_("文件已经下载过，或者过期了。要的话再导一次。"))
    secret = secrets.token_urlsafe(32)
    held.link_hash, held.link_until = _hash(secret), now + LINK_LASTS
    held.save(update_fields=["link_hash", "link_until"])
    return secret


@transaction.atomic
def take(export: Export, secret: str, *, actor: Actor, now: datetime) -> bytes:
    """Return the workbook and forget it. Raises LinkUsed for a link that was used, is older than ten minutes or not hers."""
    mine = Export.objects.visible_to(actor).filter(pk=export.pk, state=State.READY, link_hash=_hash(secret))
    if not mine.filter(link_until__gt=now).update(state=State.TAKEN, ended_at=now, link_hash=""):
        raise LinkUsed(_("链接只能用一次，十分钟内有效。回到导出页再点一次下载。"))
    file = ExportFile.objects.get(export_id=export.pk)
    content = base64.b64decode(file.content)
    file.delete()
    audit.record(actor, "export.downloaded", export, after={"list": export.title, "rows": export.rows_total})
    notices.settle(f"export:{export.pk}", now=now)
    return content


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


# ---------------------------------------------------------------- forgetting


def forget_old(*, now: datetime) -> dict[str, int]:
    """End what nobody took within a day, and delete lines that are half a year old."""
    old = Export.objects.filter(state=State.READY, ready_at__lt=now - FILE_LASTS)
    with transaction.atomic():
        ids = list(old.select_for_update(skip_locked=True).values_list("pk", flat=True))
        ExportFile.objects.filter(export_id__in=ids).delete()
        Export.objects.filter(pk__in=ids).update(state=State.EXPIRED, ended_at=now, link_hash="")
    gone = Export.objects.filter(asked_at__lt=now - KEEP).exclude(state__in=(*Export.GOING_ON, State.READY))
    return {"expired": len(ids), "forgotten": gone.delete()[0]}
