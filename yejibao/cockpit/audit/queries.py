"""Which rows of the trail an actor may read, and how they are found among ten million.

Who reads what: reliability-security §3, row "audit log". Newest first, by cursor: each filter has its index, and no page
counts. Lines name people by themselves, members by their number and, to those who may open the card, by a masked name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db.models import Model, Q, QuerySet

from crm.members.models import Member
from guides.org import matrix
from guides.org.models import Dealer, OrgUnit, Staff, Store
from guides.org.scoped import NOBODY, under_grants
from yejibao.core import audit, secret_marks, tunables
from yejibao.core.audit_words import action_words, actions_of
from yejibao.core.clock import local_moment
from yejibao.core.models import AuditEntry
from yejibao.core.personal import mask_mobiles, mask_name
from yejibao.core.scope import Actor

from ..job_words import NAMES_OF_JOBS
from .wording import RESOURCES, Names, facts_words, named_in, scope_words

PAGE, VIEW = 50, "audit.view"
CAMPAIGNS = ("campaign.", "mass_message.")
MONEY = ("wallet.", "stored_value.", "money.", "coupon.", "refund.")
SEEN_IN = (audit.EXPORTED, audit.LISTED)  # their rows hold the ids of all they showed
SAW = (*audit.REVEALS, audit.VIEWED)
# What the trail may call by its name.
MODELS: dict[str, tuple[type[Model], str]] = {
    Staff._meta.label: (Staff, "name"), OrgUnit._meta.label: (OrgUnit, "name"), Store._meta.label: (Store, "short_name"),
    Dealer._meta.label: (Dealer, "name"), Member._meta.label: (Member, "member_no"),
}  # fmt: skip


def entries_for(actor: Actor) -> QuerySet[AuditEntry]:
    """The rows an actor may read."""
    rows = AuditEntry.objects.all()
    if actor.is_system or actor.has_role(*matrix.exactly(VIEW, "all", "logged")):
        return rows
    condition = NOBODY
    if actor.has_role(*matrix.exactly(VIEW, "own", "reveals")):
        condition |= Q(actor_id=actor.staff_id, action__in=audit.REVEALS)
    if grants := actor.reach(*matrix.leaders(VIEW, "reveals")):
        people = Staff.objects.filter(under_grants(grants, path="unit__path", store="store_id"))
        condition |= Q(actor_id__in=people.values("pk"), action__in=audit.REVEALS)
    if actor.has_role(*matrix.exactly(VIEW, "own", "campaigns")):
        condition |= Q(actor_kind="staff", actor_id=actor.staff_id) & _any_of(CAMPAIGNS)
    if actor.has_role(*matrix.exactly(VIEW, "all", "money")):
        condition |= _any_of(MONEY)
    if actor.has_role(*matrix.exactly(VIEW, "own", "ticket")):
        condition |= Q(actor_kind="staff", actor_id=actor.staff_id, resource="crm.Ticket")
    return rows.filter(condition)


PARTS = {
    ("own", "reveals"): "你点开过的完整号码", ("store", "reveals"): "本店同事点开过的完整号码", ("own", "campaigns"): "你办的活动和群发",
    ("all", "money"): "动到钱的操作", ("own", "ticket"): "你办的售后单",
}  # fmt: skip


def part_of(actor: Actor) -> str:
    """Return in words which part of the trail an actor reads, "" where it is all."""
    if actor.has_role(*matrix.exactly(VIEW, "all", "logged")):
        return ""
    return "、".join(said for right, said in PARTS.items() if actor.has_role(*matrix.exactly(VIEW, *right)))


def _any_of(prefixes: Sequence[str]) -> Q:
    condition = Q()
    for prefix in prefixes:
        condition |= Q(action__startswith=prefix)
    return condition


@dataclass(frozen=True)
class Filters:
    """What was asked for. Days are local, both ends in."""

    since: date
    until: date
    person: int | None = None
    group: str = ""
    resource: str = ""

    def apply(self, rows: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        rows = rows.filter(
            at__gte=local_moment(self.since, time()), at__lt=local_moment(self.until + timedelta(days=1), time())
        )
        if self.person is not None:
            rows = rows.filter(actor_id=self.person, actor_kind="staff")  # members have numbers of their own
        if self.group:
            rows = rows.filter(action__in=actions_of(self.group))
        if self.resource:
            rows = rows.filter(resource=self.resource)
        return rows


@dataclass(frozen=True)
class Line:
    """One row as the screen has it."""

    entry: AuditEntry
    what: str
    about: str
    before: str
    after: str
    on_behalf_of: str
    scope: str


Cursor = tuple[datetime, int]


def page_of(rows: QuerySet[AuditEntry], actor: Actor, *, after: Cursor | None) -> tuple[list[Line], Cursor | None]:
    """Return one page, newest first, and where the next begins. Three statements, however long the page, and one for
    each kind of thing it calls by name."""
    if after is not None:
        at, pk = after
        rows = rows.filter(Q(at__lt=at) | Q(at=at, pk__lt=pk), at__lte=at)
    found = list(rows.order_by("-at", "-pk")[: PAGE + 1])
    more = (found[PAGE - 1].at, found[PAGE - 1].pk) if len(found) > PAGE else None
    return lines_of(found[:PAGE], actor), more


def lines_of(entries: Sequence[AuditEntry], actor: Actor) -> list[Line]:
    wanted = {(one.resource, one.resource_id) for one in entries if one.resource in MODELS and _number(one.resource_id)}
    wanted |= {("guides.Staff", str(one.on_behalf_of_id)) for one in entries if one.on_behalf_of_id}
    for one in entries:
        wanted |= named_in(one.before) | named_in(one.after)
    names = _names(wanted)
    ids = {pk for one in entries if one.resource == audit.MEMBER and (pk := _number(one.resource_id)) is not None}
    members = _members(ids, actor) if ids else {}
    return [
        Line(
            one, action_words(one.action), _about(one, names, members), facts_words(one.before, names, one.resource),
            facts_words(one.after, names, one.resource), names.get(("guides.Staff", str(one.on_behalf_of_id)), ""), scope_words(one.scope),
        )
        for one in entries
    ]  # fmt: skip


def _names(wanted: set[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return the names of people, units, stores and dealers: one statement for each of these tables that is named at all."""
    found: dict[tuple[str, str], str] = {}
    for label, (model, column) in MODELS.items():
        if ids := [int(pk) for table, pk in wanted if table == label]:
            rows = model._default_manager.filter(pk__in=ids).values_list("pk", column)
            found |= {(label, str(pk)): mask_mobiles(name) for pk, name in rows}
    return found


def _members(ids: set[int], actor: Actor) -> dict[int, str]:
    """Return members by their number; whoever may open the card reads a masked name as well."""
    rows = Member.objects.filter(pk__in=ids)
    seen = Member.objects.visible_to(actor).filter(pk__in=ids).values("pk")
    named = rows.filter(pk__in=seen).values_list("pk", "member_no", "name")
    plain = rows.exclude(pk__in=seen).values_list("pk", "member_no")
    return {pk: f"{mask_mobiles(number)} {mask_name(name)}" for pk, number, name in named} | {
        pk: mask_mobiles(number) for pk, number in plain
    }


def _about(one: AuditEntry, names: Names, members: dict[int, str]) -> str:
    """Return 员工 林晓雯, 设置 超时几小时提醒: what it was done to, by its name where it has one."""
    kind, pk = RESOURCES.get(one.resource, "其他"), _number(one.resource_id)
    match one.resource:
        case "job":
            name = NAMES_OF_JOBS.get(one.resource_id, "")
        case "setting":
            name = found.name if (found := tunables.find(one.resource_id)) else ""
        case "secret":
            name = secret_marks.labels().get(one.resource_id, "")
        case audit.MEMBER if pk is not None:
            name = members.get(pk, f"编号 {pk}")
        case _ if pk is not None:
            name = names.get((one.resource, str(pk)), f"编号 {pk}")
        case _:
            name = one.resource_id if "." not in one.resource_id else ""
    return f"{kind} {name}".strip()


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def who_saw(member: Member, actor: Actor) -> QuerySet[AuditEntry]:
    """Return the rows that tell of somebody who saw a member: opened, revealed, on a list at HQ, in an exported file."""
    itself = AuditEntry.objects.filter(resource=audit.MEMBER, resource_id=str(member.pk), action__in=SAW)
    among = AuditEntry.objects.filter(action__in=SEEN_IN, after__ids__contains=[member.pk])
    # First the few rows that tell of him, then whether they are the reader's: the other way round reads all of his.
    ids = itself.order_by().values("pk").union(among.order_by().values("pk"), all=True)
    return entries_for(actor).filter(pk__in=ids)


def find_member(words: str, actor: Actor) -> Member | None:
    """Return the member with a card number. Whom the actor may not look up does not exist."""
    members = Member.objects.filter(member_no=words).defer("phone", "birth_year")
    return (
        members.first()
        if actor.has_role("sys_admin")
        else members.filter(pk__in=Member.objects.visible_to(actor).values("pk")).first()
    )


def find_people(words: str, actor: Actor) -> list[Staff]:
    """Return people whose doings the actor may read, by a part of the name or the whole WeCom id."""
    if not words:
        return []
    if actor.has_role("sys_admin"):
        people = Staff.objects.all()
    else:
        people = Staff.objects.answering_to(actor)
    return list(
        people.filter(Q(name__contains=words) | Q(wecom_user_id=words.lower()))
        .select_related("store")
        .order_by("name", "pk")[:20]
    )
