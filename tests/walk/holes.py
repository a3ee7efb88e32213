"""What an answer gives away, or a call changes, that this person may not see or set. An empty list is what one wants."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import Any

from django.http import HttpResponse

from crm.members.models import Member
from guides.org.models import RoleAssignment, Staff, StaffSession, Store
from tasks.followups.models import Task
from tests.factories.guides import actor
from tests.factories.portal import as_member
from yejibao.core import clock
from yejibao.core.access import Anonymous, Token
from yejibao.core.scope import Actor

from .browser import (
    Caller,
    Seen,
    as_form,
    asked_for,
    code_of,
    has_written,
    looked_up,
    own_code,
    text_of,
    watching,
    written,
)  # fmt: skip
from .urlconf import ROUTES, Route
from .world import FOREIGN, MARKS, ORG_GUIDE, ORG_MARK, Rows, business_models

REFUSED_BODY = (400, 405, 422)  # the body was judged first; nothing is told of the row by that
JUNK = "no_such_field"  # as a sort key it names no column
HIGHER_ROLE = "sys_admin"
# Rows that name what somebody typed, not a row he reached.
READS_ANYWAY = {
    "/hq/audit/members/{public_id}/": "whoever reads the whole trail reads who saw a member, without his name (audit.view)",
    "/g/goods/{pk}/": "a style is the brand's, its pictures too; how many lie where is told to who looks it up (stock.read)",
    "/hq/goods/{pk}/": "a style is the brand's, its pictures too",
}
# Whose money it is has to be known where it is paid back: to an account of the same name. Masked.
NAMED_ANYWAY = {
    "/hq/service/{pk}/": "finance reads tickets about money, and how their member is called (ticket.read); no card of his opens to it",
    "/g/till/refunds/{pk}/": "who reads an order reads its number, which bears the mark here",
    "/hq/wallet/cards/{public_id}/": "finance reads every card's entries (ledger.read)",
    "/hq/wallet/refunds/{public_id}/": "finance pays to an account of the same name (reliability-security §5)",
}
NOTED_IN = (
    "core_auditentry", "core_idempotencykey", "guides_staffsession", "guides_notification", "crm_membersession",
)  # fmt: skip


@dataclass(frozen=True)
class Hole:
    kind: str
    method: str
    path: str
    what: str
    label: str


def callable_routes(who: Actor, routes: Sequence[Route]) -> Iterator[tuple[Route, str]]:
    """Yield (route, method) for what this person may call at all, but for what is open to everybody."""
    for route in routes:
        for method in route.telling_methods:
            rule = route.asks(method)
            if not isinstance(rule, Anonymous | Token) and rule.allows(who):
                yield route, method


# ---------------------------------------------------------------- ids in the path


class Sight:
    """Which rows of each set one person sees, by the tables' own filters."""

    def __init__(self, who: Actor, sets: Sequence[Rows]) -> None:
        self.who, self.sets = who, {rows.base: rows for rows in sets}
        self.models = {model._meta.db_table: model for model in business_models()}
        self._known: dict[tuple[int, str], bool | None] = {}

    def of(self, base: int, table: str) -> bool | None:
        """Tell whether he sees the set's row of a table; None where the table has no filter of its own."""
        if (base, table) not in self._known:
            model = self.models.get(table)
            row = self.sets[base].of(model) if model else None
            manager: Any = model._default_manager if model else None
            known = row is not None and hasattr(manager, "visible_to")
            self._known[base, table] = manager.visible_to(self.who).filter(pk=row.pk).exists() if known else None
        return self._known[base, table]

    def gives_away(self, text: str) -> bool:
        """Tell whether a text names a foreign member, or a foreign store or colleague, that is out of his sight."""
        hidden = [MARKS[FOREIGN]] if self.of(FOREIGN, Member._meta.db_table) is False else []
        if self.of(FOREIGN, Store._meta.db_table) is False:
            hidden.append(ORG_MARK)
        elif self.of(FOREIGN, Staff._meta.db_table) is False:
            hidden.append(ORG_GUIDE)  # a department sees the stores it goes to, and nobody in them
        return any(mark in text for mark in hidden)


def as_actor(person: Staff | Member) -> Actor:
    return as_member(person) if isinstance(person, Member) else actor(person)


def id_holes(
    person: Staff | Member, sets: Sequence[Rows], routes: Sequence[Route] = ROUTES, *, fragments: bool = False
) -> list[Hole]:
    """Try the ids of all sets on every route with an argument: what is out of sight answers 404, what is in sight does not.

    With two arguments each also belongs to another set in turn: a sub-object under somebody else's parent. With `fragments`
    whatever asks whether htmx is there is called once more as a fragment.
    """
    who, caller, holes = as_actor(person), Caller(person), []
    sight = Sight(who, sets)
    for route, method in callable_routes(who, routes):
        if not route.arguments:
            continue
        for path, values in _addresses(route, sets, _Probe(caller, route, method)):
            for fragment in (False, True):
                with watching() as seen:
                    response = caller.call(method, path, fragment=fragment, as_form=as_form(route))
                if fault := _fault(response, method, set(values), looked_up(seen, values), sight, route.template):
                    holes.append(Hole("fragment" if fragment else "id", method, path, fault, route.label))
                if not fragments or method != "GET" or not seen.asked_for_fragment:
                    break
    return holes


class _Probe:
    """What a view looks for at each place of its path, found out with what no row has; so not every id of every row is tried.

    What no row has is looked for wherever the view looks at all: ids of rows in other tables would be missed there as well.
    A number is that of a row in each table.
    """

    def __init__(self, caller: Caller, route: Route, method: str) -> None:
        self.caller, self.route, self.method = caller, route, method
        self._known: dict[tuple[str, ...], tuple[set[str], int]] = {}

    def values(self, rows: Rows, before: tuple[str, ...]) -> list[str]:
        """Return the ids of a set that may make a difference at the place behind those."""
        _name, converter = self.route.arguments[len(before)]
        if converter == "int":
            return rows.values(converter)
        tables, status = self._asked(before)
        if tables:
            return rows.values(converter, tables)
        found = rows.values(converter)
        # Refused before anything was looked for, or because of what stands before: one is like all.
        is_over = status == 405 or (status in REFUSED_BODY and self.method != "GET") or (status == 404 and before)
        return found[:1] if is_over else found

    def _asked(self, before: tuple[str, ...]) -> tuple[set[str], int]:
        """Return the tables asked for what no row has at this place, and the answer's status."""
        if before not in self._known:
            names = [name for name, _converter in self.route.arguments]
            path = self.route.path(**dict(zip(names, before, strict=False)))
            with watching() as seen:
                response = self.caller.call(self.method, path, as_form=as_form(self.route))
            absent = self.route.absent[names[len(before)]]
            meant = {absent, int(absent)} if absent.isdecimal() else {absent}
            self._known[before] = asked_for(seen, meant), response.status_code
        return self._known[before]


def _addresses(route: Route, sets: Sequence[Rows], probe: _Probe) -> Iterator[tuple[str, dict[int, set[Any]]]]:
    """Yield (path, ids by set) for each way to fill a route's arguments: all of one set, or with a foreign one among them."""
    names = [name for name, _converter in route.arguments]
    for chosen_sets in product(sets, repeat=len(names)):
        bases = {rows.base for rows in chosen_sets}
        if len(bases) > 1 and FOREIGN not in bases:
            continue
        for chosen in _filled(probe, chosen_sets, ()):
            ids: dict[int, set[Any]] = {base: set() for base in bases}
            for rows, one in zip(chosen_sets, chosen, strict=True):
                ids[rows.base] |= {one, int(one)} if one.isdecimal() else {one}
            yield route.path(**dict(zip(names, chosen, strict=True))), ids


def _filled(probe: _Probe, chosen_sets: Sequence[Rows], before: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if len(before) == len(chosen_sets):
        yield before
        return
    for one in probe.values(chosen_sets[len(before)], before):
        yield from _filled(probe, chosen_sets, (*before, one))


def _fault(
    response: HttpResponse, method: str, bases: set[int], read: set[tuple[str, int]], sight: Sight, label: str
) -> str:
    """Return what is wrong with an answer about rows of these sets, "" where nothing is."""
    status = response.status_code
    if status in (401, 500):
        return str(status)
    if status == 403 and "json" in response["Content-Type"] and not code_of(response).startswith(("perm.", "auth.")):
        return f"403 without the permission's name: {code_of(response)}"
    # A row in sight may be asked after in other tables by its own id: whose owner, whose store it is.
    shown = {base for table, base in read if sight.of(base, table)}
    hidden = {table for table, base in read if base not in shown and sight.of(base, table) is False}
    if not read and bases == {FOREIGN} and not any(sight.of(FOREIGN, table) for table in sight.models):
        hidden = {"whatever it reads"}
    if (
        hidden
        and label not in READS_ANYWAY
        and status != 404
        and status not in (REFUSED_BODY if method != "GET" else (405,))
    ):
        return f"{status} for a row of {', '.join(sorted(hidden))} that is out of sight"
    if status < 400 and FOREIGN in bases and label not in NAMED_ANYWAY and sight.gives_away(text_of(response)):
        return "shows a row that is out of sight"
    return ""


# ---------------------------------------------------------------- names of parameters and fields

PLAUSIBLE = {
    "reason": "会员要求调整一下", "note": "说一句原因", "answer": "说一句原因", "text": "您好，衣服还合身吗", "words": "您好",
    "approve": "1", "accept": "1", "outcome": "replied", "kind": "rest", "day": "", "result": "reached", "q": "建国",
    "role": "guide", "state": "active",
}  # fmt: skip


def name_holes(person: Staff | Member, own: Rows | None, foreign: Rows, routes: Sequence[Route] = ROUTES) -> list[Hole]:
    """Put a foreign row's ids, a column that is none and a higher role into every parameter and field a view reads.

    The names are those the view asked for when it was called without any. A foreign row must be neither shown nor named
    in what is written, junk makes no error, and nobody has another owner, store or role afterwards.
    """
    who, caller, holes = as_actor(person), Caller(person), []
    sight = Sight(who, [rows for rows in (own, foreign) if rows])
    if sight.of(FOREIGN, Member._meta.db_table):
        return []  # sees all members: there is nothing foreign to him
    keeper = _Keeper(own.guide if isinstance(person, Member) and own else person, foreign)
    for route, method in callable_routes(who, routes):
        if method in ("PUT", "PATCH", "DELETE"):
            continue
        for path in _own_paths(route, own):
            names = _names_read(caller, route, method, path)
            base = {one: _plausible(one, own) for one in names} if method != "GET" else {}
            for given, value, fragment in _attempts(sorted(names), method, base, foreign):
                fault = _tried(caller, route, method, path, given, value, keeper, sight, fragment=fragment)
                if fault:
                    told = ", ".join(f"{name}={given[name]}" for name in given if given[name] == value)
                    holes.append(Hole("name", method, f"{path} {told}", fault, route.label))
    return holes


def _attempts(
    names: list[str], method: str, base: dict[str, str], foreign: Rows
) -> Iterator[tuple[dict[str, str], str, bool]]:
    """Yield (parameters, the value in question, whether as a fragment): each name alone, then all of them at once."""
    number, uuid = str(FOREIGN), str(_member(foreign).public_id)
    for name in names:
        yield base | {name: number}, number, False
        if "role" in name:
            yield base | {name: HIGHER_ROLE}, HIGHER_ROLE, False
        if any(word in name for word in ("member", "id", "who", "to")):
            yield base | {name: uuid}, uuid, False
    if names and method == "GET":
        yield dict.fromkeys(names, number), number, True
        for value in (uuid, str(_member(foreign).member_no), foreign.guide.wecom_user_id):
            yield dict.fromkeys(names, value), value, False
    if names:
        yield base | dict.fromkeys(names, JUNK), JUNK, False


def _member(rows: Rows) -> Member:
    found = rows.of(Member)
    assert isinstance(found, Member)
    return found


def _own_paths(route: Route, own: Rows | None) -> list[str]:
    """Return the paths of a route to a person's own rows, those with one argument at most twice."""
    if not route.arguments:
        return [route.path()]
    if own is None:
        return []
    filled = [own.values(converter)[:1] for _name, converter in route.arguments]
    names = [name for name, _converter in route.arguments]
    return [route.path(**dict(zip(names, chosen, strict=True))) for chosen in product(*filled)]


def _names_read(caller: Caller, route: Route, method: str, path: str) -> set[str]:
    """Return the names a view asks a query, a form or a JSON body for; twice, as some are asked for only after others."""
    names: set[str] = set()
    for _round in range(2):
        given = {name: _plausible(name, None) for name in names}
        with watching() as seen:
            _call(caller, route, method, path, given, fragment=False)
        fresh = {name for name in seen.names if name.replace("_", "").replace("-", "").isalnum() and name.islower()}
        if fresh <= names:
            break
        names |= fresh
    return names - IGNORED_NAMES


# Read by the framework or the middleware, of every request.
IGNORED_NAMES = {
    "csrfmiddlewaretoken",
    "format",
    "idempotency_key",
    "cursor",
    "page_size",
    "before",
    "next",
    "theme",
    "care",
}


def _plausible(name: str, own: Rows | None) -> str:
    if name in ("until", "due_at"):
        return (clock.now() + timedelta(hours=1)).isoformat()
    if name.endswith("_on") or name in ("day", "date", "from", "to_day"):
        return clock.today().isoformat()
    return PLAUSIBLE.get(name, str(own.base) if own else "1")


def _call(
    caller: Caller, route: Route, method: str, path: str, given: dict[str, str], *, fragment: bool, after: Any = None
) -> Any:
    if method == "GET":
        return caller.call(method, path, query=given, fragment=fragment, html=not path.startswith("/api/"))
    return caller.call(method, path, body=given, as_form=as_form(route), after=after)


def _tried(
    caller: Caller, route: Route, method: str, path: str, given: dict[str, str], value: str, keeper: "_Keeper",
    sight: Sight, *, fragment: bool
) -> str:  # fmt: skip
    keeper.fault = ""
    with watching() as seen:
        look = lambda: keeper.look() if has_written(seen) else None  # noqa: E731
        response = _call(caller, route, method, path, given, fragment=fragment, after=look)
    if response.status_code == 500:
        return "500"
    if response.status_code < 400 and sight.gives_away(text_of(response).replace(value, "")):
        return "shows a row that is out of sight"
    if keeper.fault:
        return keeper.fault
    if value not in (JUNK, HIGHER_ROLE) and (tables := _wrote(seen, value, sight)):
        return f"writes a foreign id into {', '.join(sorted(set(tables)))}"
    return ""


def _wrote(seen: Seen, value: str, sight: Sight) -> list[str]:
    """Return the tables into which a foreign id was written; who sees all stores and people may name them in theirs."""
    # As a number: the same figures in a text are words somebody typed.
    tables = written(seen, {int(value)} if value.isdecimal() else {value}, but=NOTED_IN)
    return [name for name in tables if not (sight.of(FOREIGN, Staff._meta.db_table) and name.startswith("guides_"))]


class _Keeper:
    """What must be as it was after a call: the foreign member and task, and the roles and store of who calls."""

    def __init__(self, person: Staff | Member, foreign: Rows) -> None:
        self.person, self.foreign, self.fault = person, foreign, ""
        self.before = self._state()

    def _state(self) -> list[Any]:
        member = self.foreign.of(Member)
        task = self.foreign.of(Task)
        return [
            list(Member.objects.filter(pk=member.pk if member else 0).values()),
            list(Task.objects.filter(pk=task.pk if task else 0).values()),
            list(RoleAssignment.objects.filter(staff=self.person).order_by("pk").values()),
            list(Staff.objects.filter(pk=self.person.pk).values("store_id", "unit_id", "state", "wecom_user_id")),
            list(Store.objects.filter(pk=FOREIGN).values()),
        ]

    def look(self) -> None:
        named = ("a foreign member", "a foreign task", "his own roles", "his own store or state", "a foreign store")
        changed = [name for name, was, now in zip(named, self.before, self._state(), strict=True) if was != now]
        held = {row["role"] for row in self.before[2]}
        working = {
            str(session.get_decoded().get("working_role", ""))
            for session in StaffSession.objects.filter(staff=self.person)
        }
        if working - held - {""}:
            changed.append("a working role he does not hold")
        self.fault = f"changes {', '.join(changed)}" if changed else ""


__all__ = ["Hole", "Sight", "callable_routes", "id_holes", "name_holes", "own_code"]
