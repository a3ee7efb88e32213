"""One task and all that its page shows, read with one statement planned once a connection.

All comes as JSON of whole rows and becomes the models it is of. Asking for each alone took sixteen statements, whose
building cost more than their running.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from crm.members.models import FriendLink, Member
from crm.orders.models import Order
from crm.surveys.models import Survey
from crm.surveys.queries import link_of
from guides.org.models import OrgUnit, Staff, Store
from tasks.cadences.models import CadenceStep, Enrollment
from tasks.followups.models import PendingSend, SkipRequest, Task, TaskEvidence
from tasks.scripts.facts import ASK_HOW_IT_WAS, LAST_ITEM, item_title
from tasks.scripts.models import Script, ScriptFavourite, ScriptUse
from tasks.scripts.ranking import Words
from yejibao.core import clock, reading
from yejibao.core.scope import Actor

from ..labels import ON_ITS_PAGE_SQL
from ..scoped import visible_ids

BOTTOMS = ("trousers",)
NO_BODY_SIZE = ("shoes", "accessory")
YEAR = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Wardrobe:
    """What is known of his buying in the last 365 days, and the sizes he took last (gifts left out of the sizes)."""

    times: int = 0
    fen: int = 0
    size_top: str = ""
    size_bottom: str = ""


@dataclass(frozen=True, slots=True)
class Around:
    """A task with its people, and what stands around it."""

    task: Task
    steps: list[CadenceStep]  # of the task's version, in order
    evidence: list[TaskEvidence]  # oldest first
    uses: list[ScriptUse]
    cycle: list[Task]  # tasks of the same cycle, this one too
    also: list[Task]  # others for this member on the same list: 顺带提醒
    friend: FriendLink | None
    pending: PendingSend | None
    skip_request: SkipRequest | None
    wardrobe: Wardrobe
    words: Words


def _list(of: str, order: str, columns: str = "x.*") -> str:
    return f"(SELECT json_agg(y) FROM (SELECT {columns} FROM {of} ORDER BY {order}) y)"  # null where there is none


def _first(of: str, order: str) -> str:
    return f"(SELECT to_json(y) FROM (SELECT x.* FROM {of} ORDER BY {order} LIMIT 1) y)"


_ALSO = _list(
    f"""tasks_task x WHERE x.member_id = t.member_id AND x.assignee_id = t.assignee_id AND x.state = 'open' AND x.held_at IS NULL
    AND (x.hidden_until IS NULL OR x.hidden_until <= %(now)s) AND x.id <> t.id AND x.task_type NOT IN ({ON_ITS_PAGE_SQL})""",
    "x.priority, x.due_at, x.id LIMIT 5",
)
_SIZE = """(SELECT l.size FROM mine o JOIN crm_orderline l ON l.order_id = o.id
    WHERE l.size <> '' AND {of_kind} AND l.returned_quantity < l.quantity ORDER BY o.paid_on DESC, l.paid_fen DESC LIMIT 1)"""
_WARDROBE = f"""
WITH mine AS MATERIALIZED (
    SELECT x.id, x.paid_on, x.net_amount_fen FROM crm_order x WHERE x.member_id = t.member_id AND x.status = 'paid'
        AND x.net_amount_fen > 0 AND x.known_at <= %(now)s ORDER BY x.paid_at DESC LIMIT 60)
SELECT json_build_array(
    (SELECT count(DISTINCT o.paid_on) FROM mine o WHERE o.paid_on > %(year_ago)s),
    (SELECT coalesce(sum(o.net_amount_fen), 0)::bigint FROM mine o WHERE o.paid_on > %(year_ago)s),
    coalesce({_SIZE.format(of_kind="l.care_key <> ALL(%(bottoms)s) AND l.care_key <> ALL(%(others)s)")}, ''),
    coalesce({_SIZE.format(of_kind="l.care_key = ANY(%(bottoms)s)")}, ''))
"""
_LAST_ITEM = f"""
SELECT to_json(y) FROM (SELECT t.member_id,
    coalesce(o.paid_on, left(nullif(t.context ->> 'days_from', ''), 10)::date, 'infinity') AS before) s
CROSS JOIN LATERAL ({LAST_ITEM}) y
"""
# What he may still say something to, where the words could bring its link.
_SURVEY = f"""crm_survey x WHERE t.task_type IN {ASK_HOW_IT_WAS} AND t.state = 'open' AND x.member_id = t.member_id
    AND x.answered_at IS NULL AND x.expires_at > %(now)s"""
STEP = "x.id, x.version_id, x.key, x.headline, x.offset_minutes, x.open_day, x.outcome_chips"  # a whole rule is five times that
# Whole rows; of people, without what is encrypted. One array: reading twenty values one by one costs more than one large one.
_AROUND = " ".join(
    f"""
SELECT json_build_array(to_json(t), (to_jsonb(m) - '{{phone,birth_year}}'::text[])::json, (to_jsonb(g) - '{{phone,password}}'::text[])::json, to_json(gs), to_json(s),
    to_json(u), to_json(o), to_json(os), to_json(e),
    {_list("tasks_cadencestep x WHERE x.version_id = t.cadence_version_id", "x.position", STEP)},
    {_list("tasks_taskevidence x WHERE x.task_id = t.id", "x.at, x.id")},
    {_list("tasks_scriptuse x LEFT JOIN tasks_script d ON d.id = x.script_id WHERE x.task_id = t.id", "x.id", "x.*, to_json(d) AS said")},
    {_list("tasks_task x WHERE x.enrollment_id = t.enrollment_id", "x.id", "x.id, x.node, x.state, x.done_at, x.due_at")},
    CASE WHEN t.state = 'open' THEN {_ALSO} END,
    {_first("crm_friendlink x WHERE x.member_id = t.member_id AND x.guide_id = t.assignee_id", "x.id DESC")},
    {_first("tasks_pendingsend x WHERE x.task_id = t.id AND x.guide_id = %(me)s AND x.used_at IS NULL", "x.id")},
    {_first("tasks_skiprequest x WHERE x.task_id = t.id", "x.id DESC")},
    {_list("tasks_script x WHERE x.task_type = t.task_type AND x.is_current AND x.is_enabled AND x.audience = 'member'", "x.id")},
    {_list("tasks_scriptfavourite x WHERE x.guide_id = t.assignee_id", "x.id DESC")},
    (SELECT json_agg(y) FROM (SELECT x.script_key, max(x.at) AS last FROM tasks_scriptuse x
        WHERE x.member_id = t.member_id GROUP BY 1) y),
    ({_WARDROBE}), ({_LAST_ITEM}),
    {_first(_SURVEY, "x.asked_at DESC")})
FROM tasks_task t
JOIN crm_member m ON m.id = t.member_id
JOIN guides_staff g ON g.id = t.assignee_id LEFT JOIN guides_store gs ON gs.id = g.store_id
JOIN guides_store s ON s.id = t.store_id JOIN guides_orgunit u ON u.id = s.unit_id
LEFT JOIN crm_order o ON o.id = t.order_id LEFT JOIN guides_store os ON os.id = o.store_id
LEFT JOIN tasks_enrollment e ON e.id = t.enrollment_id
WHERE t.id = %(task)s AND t.id IN (%(scope)s)
""".split()  # psycopg reads the parameters of a statement up to 4 KB once, of a longer one each time
)


def read_around(scope: Actor, pk: int, *, staff_id: int | None, now: datetime) -> Around | None:
    """Return a task that `scope` may see with what is around it, else None; and a message prepared by `staff_id`."""
    visible = visible_ids(scope)
    if visible is None:
        return None
    piece, facts = reading.named(*visible, "scope")
    with reading.cursor() as cursor:
        cursor.execute(
            _AROUND.replace("%(scope)s", piece),
            {**facts, "task": pk, "now": now, "me": staff_id or 0, "year_ago": clock.local_day(now) - YEAR,
             "bottoms": list(BOTTOMS), "others": list(NO_BODY_SIZE)},
        )  # fmt: skip
        row = cursor.fetchone()
    return _of(row[0]) if row else None


def _of(row: list[Any]) -> Around:
    task, member, guide, guide_store, store, unit, order, order_store, enrollment, *around = row
    (
        steps,
        evidence,
        uses,
        cycle,
        also,
        friend,
        pending,
        skip_request,
        scripts,
        favourites,
        used,
        wardrobe,
        last_item,
        survey,
    ) = around
    found = reading.row_of(Task, task)
    found.member = reading.row_of(Member, member)
    found.assignee = reading.row_of(Staff, guide)
    found.assignee.store = reading.row_of(Store, guide_store) if guide_store else None
    found.store = reading.row_of(Store, store)
    found.store.unit = reading.row_of(OrgUnit, unit)
    found.order = reading.row_of(Order, order) if order else None
    if found.order:
        found.order.store = reading.row_of(Store, order_store)
    found.enrollment = reading.row_of(Enrollment, enrollment) if enrollment else None
    return Around(
        task=found,
        steps=[reading.row_of(CadenceStep, one) for one in steps or ()],
        evidence=[reading.row_of(TaskEvidence, one) for one in evidence or ()],
        uses=[_use(one) for one in uses or ()],
        cycle=[reading.row_of(Task, one) for one in cycle or ()],
        also=[reading.row_of(Task, one) for one in also or ()],
        friend=reading.row_of(FriendLink, friend) if friend else None,
        pending=reading.row_of(PendingSend, pending) if pending else None,
        skip_request=reading.row_of(SkipRequest, skip_request) if skip_request else None,
        wardrobe=Wardrobe(*wardrobe),
        words=Words(
            scripts=[reading.row_of(Script, one) for one in scripts or ()],
            favourites=[reading.row_of(ScriptFavourite, one) for one in favourites or ()],
            used={(found.member_id, one["script_key"]): datetime.fromisoformat(one["last"]) for one in used or ()},
            last_items={found.pk: item_title({"name": last_item["item_name"], **last_item})} if last_item else {},
            surveys={found.pk: link_of(reading.row_of(Survey, survey))} if survey else {},
        ),
    )


def _use(row: dict[str, Any]) -> ScriptUse:
    use = reading.row_of(ScriptUse, row)
    use.script = reading.row_of(Script, row["said"]) if row["said"] else None
    return use
