"""Our tags as corp tag groups of the platform: made, renamed, removed by name, and the platform's list as it is kept here.

A group stands for a tag, its tags for the values. All goes by name, so that doing it again changes nothing; who does which
is claimed by lease (`wecom.syncing`), so that two workers never do the same at once.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from crm.tags.models import TagValue
from yejibao.core import audit, clock
from yejibao.core.errors import Conflict, Forbidden
from yejibao.core.scope import Actor
from yejibao.wecom import corptags as platform
from yejibao.wecom.errors import GatewayError, Kind
from yejibao.wecom.gateway import Gateway
from yejibao.wecom.syncing import runs
from yejibao.wecom.syncing.models import SyncRun
from yejibao.wecom.syncing.runs import Fetched

from ..models import CorpTag, CorpTagGroup
from ..queries import mapped_tags
from .listing import keep_groups, read_list

log = logging.getLogger("yejibao.corptags")

KIND = SyncRun.Kind.TAGS
State = CorpTagGroup.State
MAY = ("hq_operator", "hq_crm", "sys_admin")
FIRST_GROUP, FIRST_TAG = 100_000, 1_000  # the larger `order` stands first
AT_ONCE = 4
TOO_MANY = "企业标签到 1 万个的上限了，先在管理后台删掉一些"
AGAIN_AFTER = timedelta(minutes=2)  # what could not be brought about is tried again by itself


class MayNotSync(Forbidden):
    code, title = "perm.corptags.sync", _("企业标签由总部来同步")


class NothingToStop(Conflict):
    code, title = "sync.none", _("现在没有在同步")


@dataclass(frozen=True)
class Plan:
    """What a tag and its values ought to be on the platform, and what is known of them there."""

    tag_id: int
    name: str
    order: int
    is_wanted: bool
    group_id: str
    values: dict[str, int]  # value -> order
    known: dict[str, str]  # corp tag id -> the value it stands for
    ours: frozenset[str]  # corp tag ids this app has made


@dataclass
class Brought:
    """What a group is like after it was brought about; `errcode` where the platform refused a part."""

    tag_id: int
    is_wanted: bool = True
    group: platform.CorpTagGroup | None = None
    made: set[str] = field(default_factory=set)
    errcode: int | None = None
    error: str = ""

    def refuse(self, error: GatewayError, what: str) -> None:
        """Note a refusal that will stay one; whatever may heal is raised."""
        if error.kind is not Kind.PERMANENT:
            raise error
        self.errcode, self.error = error.code, what[:120]


# ---------------------------------------------------------------- a sweep over all groups


def start_tag_sync(*, door: Gateway, actor: Actor, now: datetime) -> SyncRun:
    """Begin to bring all groups about, or return the sweep that runs. Reads the platform's whole list first, in one call.

    Call with no transaction open. Raises MayNotSync or GatewayError.
    """
    _check(actor)
    running = current_run()
    if running:
        return running
    want_all()
    counts = read_list(door, now=now)
    keys = CorpTagGroup.objects.filter(tag__isnull=False).order_by("tag__position").values_list("tag_id", flat=True)
    run = runs.begin(KIND, [str(key) for key in keys], now=now, actor_id=actor.staff_id, size=1)
    SyncRun.objects.filter(pk=run.pk, counts={}).update(counts=counts)
    audit.record(actor, "corptags.sync_started", run, after={"groups": run.parts_total})
    return run


def stop_tag_sync(*, actor: Actor, now: datetime) -> SyncRun:
    """Stop the sweep that runs. Raises NothingToStop or MayNotSync."""
    _check(actor)
    run = current_run()
    if run is None or not runs.stop(run, now=now):
        raise NothingToStop()
    audit.record(actor, "corptags.sync_stopped", run)
    return run


def current_run() -> SyncRun | None:
    """Return the sweep that runs."""
    return SyncRun.objects.filter(kind=KIND, state=SyncRun.State.RUNNING).first()


def start_if_wanted(*, door: Gateway, now: datetime) -> SyncRun | None:
    """Begin a sweep where a group waits to be brought about and none was tried lately."""
    if not CorpTagGroup.objects.filter(tag__isnull=False, state=State.WANTED).exists():
        return None
    if SyncRun.objects.filter(kind=KIND, started_at__gt=now - AGAIN_AFTER).exists():
        return None
    return start_tag_sync(door=door, actor=Actor.system(), now=now)


def sync_tags(*, door: Gateway, seconds: float = 50.0, now: datetime | None = None) -> dict[str, int]:
    """Go on with the sweep that runs, if there is one and the platform does not want us to wait. Returns its counts.

    Call with no transaction open. Any number of processes may do it at once: they take different groups.
    """
    run, moment = current_run(), now or clock.now()
    if not runs.may_go_on(run, door, now=moment):
        return {}
    plans = {str(plan.tag_id): plan for plan in _plans()}
    sweep = runs.Sweep(
        run,
        fetch=lambda keys, _cursor: Fetched([bring(door, plans[key]) for key in keys if key in plans], ""),
        apply=partial(_write, now=moment),
        finish=lambda _part: {},
        at_once=AT_ONCE,
    )
    return sweep.go(seconds=seconds, now=now)


def _check(actor: Actor) -> None:
    if not actor.is_system and not actor.has_role(*MAY):
        raise MayNotSync()


@transaction.atomic
def want_all() -> int:
    """Want a group for every tag that ought to have one. Returns how many are new. Twice is like once."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('corp_tags'))")
    held = set(CorpTagGroup.objects.filter(tag__isnull=False).values_list("tag_id", flat=True))
    fresh = [
        CorpTagGroup(name=tag.name, tag=tag, order=FIRST_GROUP - tag.position)
        for tag in mapped_tags()
        if tag.pk not in held
    ]
    CorpTagGroup.objects.bulk_create(fresh)
    return len(fresh)


def _plans() -> list[Plan]:
    wanted = set(mapped_tags().values_list("pk", flat=True))
    rows = list(CorpTagGroup.objects.filter(tag__isnull=False).select_related("tag"))
    values: dict[int, dict[str, int]] = defaultdict(dict)
    for tag, value, place in TagValue.objects.filter(tag__in=[row.tag_id for row in rows], is_enabled=True).values_list(
        "tag_id", "value", "position"
    ):
        values[tag][value] = FIRST_TAG - place
    known: dict[int, dict[str, str]] = defaultdict(dict)
    ours: dict[int, set[str]] = defaultdict(set)
    for key, tag, value, is_ours in CorpTag.objects.filter(gone_at=None, value__isnull=False).values_list(
        "tag_id", "value__tag_id", "value__value", "is_ours"
    ):
        known[tag][key] = value
        if is_ours:
            ours[tag].add(key)
    return [
        Plan(row.tag_id, row.tag.name, row.order, row.tag_id in wanted, row.group_id,
             values[row.tag_id], known[row.tag_id], frozenset(ours[row.tag_id]))
        for row in rows if row.tag_id and row.tag
    ]  # fmt: skip


# ---------------------------------------------------------------- one group


def bring(door: Gateway, plan: Plan) -> Brought:
    """Make one group at the platform what it ought to be. No database; what the platform refuses for good is noted."""
    done = Brought(plan.tag_id, plan.is_wanted)
    group = _find(door, plan)
    if not plan.is_wanted:
        done.group = _remove(door, group, [*plan.known], plan, done)
        return done
    if group is None:
        try:
            made = platform.add_tags(door, plan.values.items(), group_name=plan.name, order=plan.order)
            done.made = {tag.tag_id for tag in made.tags}
            done.group = platform.list_groups(door, group_ids=[made.group_id])[0]
        except GatewayError as error:
            done.refuse(error, TOO_MANY if error.code == platform.TOO_MANY else "平台不收这个标签组")
        return done
    if _rename(door, group, plan, done):
        group = _read(door, group.group_id) or group
    names = {tag.name for tag in group.tags}
    is_changed = _add(door, group, [value for value in plan.values if value not in names], plan, done)
    if retired := [key for key, value in plan.known.items() if value not in plan.values]:
        done.group = _remove(door, group, retired, plan, done)
        return done
    done.group = _read(door, group.group_id) if is_changed else group
    return done


def _find(door: Gateway, plan: Plan) -> platform.CorpTagGroup | None:
    """Return the group by its id, else by its name."""
    if plan.group_id and (group := _read(door, plan.group_id)):
        return group
    return next((one for one in platform.list_groups(door) if one.name == plan.name), None)


def _read(door: Gateway, group_id: str) -> platform.CorpTagGroup | None:
    try:
        return next(iter(platform.list_groups(door, group_ids=[group_id])), None)
    except GatewayError as error:
        if error.code != platform.BAD_ID:
            raise
        return None


def _rename(door: Gateway, group: platform.CorpTagGroup, plan: Plan, done: Brought) -> bool:
    """Give group and tags their names back; what is not ours keeps its own. Returns whether something changed."""
    names = {tag.name for tag in group.tags}
    wrong = [(group.group_id, group.order, plan.name)] if group.name != plan.name else []
    for tag in group.tags:
        value = plan.known.get(tag.tag_id, tag.name)
        if value != tag.name and value in plan.values and value not in names:
            wrong.append((tag.tag_id, tag.order, value))
    changed = False
    for key, order, name in wrong:
        try:
            platform.edit(door, key, name=name, order=order)
            changed = True
        except GatewayError as error:
            done.refuse(
                error,
                f"「{name}」改不了名：不是业绩宝建的" if error.code == platform.NOT_OURS else f"「{name}」改不了名",
            )
    return changed


def _add(door: Gateway, group: platform.CorpTagGroup, missing: Sequence[str], plan: Plan, done: Brought) -> bool:
    if not missing:
        return False
    try:
        rows = [(value, plan.values[value]) for value in missing]
        made = platform.add_tags(door, rows, group_id=group.group_id)
    except GatewayError as error:
        if error.code == platform.NAME_TAKEN:  # somebody was quicker with one of them: the others stand alone
            if len(missing) > 1:
                return any([_add(door, group, [value], plan, done) for value in missing])
            return True
        done.refuse(error, TOO_MANY if error.code == platform.TOO_MANY else "有标签加不进去")
        return False
    done.made |= {tag.tag_id for tag in made.tags}
    return True


def _remove(
    door: Gateway, group: platform.CorpTagGroup | None, ids: Sequence[str], plan: Plan, done: Brought
) -> platform.CorpTagGroup | None:
    """Delete tags this app has made; those of others stay where they are, and stand for nothing any more."""
    if group is None:
        return None
    if mine := [key for key in ids if key in plan.ours]:
        try:
            platform.delete_tags(door, mine)
        except GatewayError as error:
            done.refuse(error, "有标签删不掉")
    return _read(door, group.group_id)


def _write(rows: Sequence[Brought], *, now: datetime) -> dict[str, int]:
    """Write what was brought about; returns counts of made groups and tags, and of what was refused."""
    tally: Counter[str] = Counter()
    held = {row.tag_id: row for row in CorpTagGroup.objects.filter(tag__in=[one.tag_id for one in rows])}
    for one in rows:
        row = held[one.tag_id]
        if one.group is not None:
            _adopt(row, one.group)
        tally["refused"] += one.errcode is not None
        tally["made"] += len(one.made)
        if not one.is_wanted and one.errcode is None:
            if one.group is None:
                row.delete()
            else:  # others have tags in it: it is theirs now
                CorpTag.objects.filter(group=row).update(value=None)
                CorpTagGroup.objects.filter(pk=row.pk).update(tag=None, group_id=one.group.group_id, state=State.READY)
            tally["removed"] += 1
            continue
        row.group_id, row.state = one.group.group_id if one.group else "", State.FAILED if one.errcode else State.READY
        row.errcode, row.error, row.synced_at = one.errcode, one.error, now
        row.save(update_fields=["group_id", "state", "errcode", "error", "synced_at"])
        if one.group is not None:
            keep_groups([one.group], now=now, made=one.made)
    return {name: count for name, count in tally.items() if count}


def _adopt(row: CorpTagGroup, group: platform.CorpTagGroup) -> None:
    """Take over a group of the same name that was kept as somebody else's."""
    for other in CorpTagGroup.objects.filter(group_id=group.group_id).exclude(pk=row.pk):
        CorpTag.objects.filter(group=other).update(group=row)
        other.delete()
