"""Who may do something with a task, and whether it can be done now; the first lines of every act."""

from collections.abc import Collection
from datetime import datetime

from django.utils.translation import gettext_lazy as _

from guides.org.models import Staff
from guides.org.queries import managers_of_stores
from tasks.cadences.changes import lock_cycles
from yejibao.core import audit, clock
from yejibao.core.errors import Conflict, Forbidden
from yejibao.core.scope import Actor

from .. import hours
from ..labels import ON_ITS_PAGE
from ..models import Task
from ..proof import SILENT, WORDS_LEFT


class QuietHours(Conflict):
    code, title = "quiet_hours", _("免打扰时段")


class NotYourTask(Forbidden):
    code, title = "perm.task", _("这件事不归你做")


class NotYourDecision(Forbidden):
    code, title = "perm.task.approve_skip", _("这件事要由别人来定")


def lock(task: Task, *, also: Collection[int] = ()) -> Task:
    """Take the row until the end of the transaction and bring the object up to date, so that two taps follow each other.

    `also` are other tasks of the same member that this act touches. The cycles first, then the tasks, each in order of
    their ids: as the engine takes them (cadences/changes.py), so that nobody waits for one who waits for him.
    """
    tasks = Task.objects.filter(pk__in=[task.pk, *also], member_id=task.member_id)
    lock_cycles(cycle for cycle in tasks.values_list("enrollment_id", flat=True) if cycle)
    list(tasks.order_by("pk").select_for_update(of=("self",), no_key=True).values_list("pk"))
    task.refresh_from_db()
    return task


def may_act(task: Task, actor: Actor) -> None:
    """The assignee acts; her store manager may act for her (written on behalf). Everybody else is refused."""
    if not (actor.is_system or task.assignee_id == actor.staff_id or _heads(task, actor, "store_manager")):
        raise NotYourTask()


def may_decide(task: Task, actor: Actor, *, about: Staff | None, now: datetime) -> None:
    """Somebody above `about` decides: her store manager, or the area supervisor where that is the manager or none is there.

    Nobody decides on his own. Raises NotYourDecision.
    """
    day = clock.local_day(now)
    manages = about is not None and about.role_assignments.filter(
        about.role_assignments.model.in_force(day), role="store_manager", unit_id=task.store.unit_id
    )
    above_the_store = manages or not managers_of_stores([task.store_id], day=day)
    own = about is not None and about.pk == actor.staff_id
    if own or not _heads(task, actor, "area_supervisor" if above_the_store else "store_manager"):
        raise NotYourDecision()


def must_be_open(task: Task) -> None:
    """Raise Conflict where a task has ended or is held."""
    if task.state != Task.State.OPEN:
        raise Conflict(_("这件事已经是「%(state)s」了") % {"state": task.get_state_display()})
    if task.held_at:
        raise Conflict(_("这件事暂缓中，放出来以后再做"))


def must_be_said(task: Task) -> None:
    """Raise Conflict for a task that words do not end: what it is about has a page of its own, where the answer is given."""
    if task.task_type in ON_ITS_PAGE:
        raise Conflict(_("打开这件事，在上面点一下答复，他的手机上马上看得到"))


def was_closed_in_silence(task: Task, *, now: datetime) -> bool:
    """Tell whether a task was closed by what the system noticed, with no word to the member, and is not past yet."""
    if task.state != Task.State.DONE or now >= task.expire_at:
        return False
    kinds = set(task.evidence.filter(kind__in=[*SILENT, *WORDS_LEFT, "call_logged"]).values_list("kind", flat=True))
    return bool(kinds) and kinds <= set(SILENT)


def no_quiet_hours(task: Task, now: datetime) -> None:
    """Raise QuietHours outside the hours of the assignee's store."""
    if not hours.is_open(task.store, now):
        opens = task.store.opens_at.strftime("%H:%M")
        raise QuietHours(_("免打扰时段，%(opens)s 后可以发") % {"opens": opens}, opens_at=opens)


def note_on_behalf(task: Task, actor: Actor, action: str, *, pk: int | None = None, reason: str = "") -> None:
    """Write down, with both names, that somebody acted for the guide whose task it is; her own acts need no such line."""
    if actor.staff_id is None or actor.staff_id == task.assignee_id:
        return
    audit.record(
        actor, action, Task._meta.label, resource_id=str(pk or task.pk), on_behalf_of_id=task.assignee_id,
        after={"on_behalf_of": task.assignee.name}, reason=reason,
    )  # fmt: skip


def doer(task: Task, actor: Actor) -> int:
    """Return who does it: the person who acts; for the system the assignee."""
    return actor.staff_id or task.assignee_id


def _heads(task: Task, actor: Actor, role: str) -> bool:
    path = task.store.unit.path or "-"
    return any(path.startswith(grant.path) for grant in actor.reach(role) if grant.path)
