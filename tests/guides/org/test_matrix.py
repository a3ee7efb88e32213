"""The matrix is one file: it says what the permissions say, what the roles reach, and the tables let nobody see more."""

import ast
from itertools import chain
from pathlib import Path

import pytest

from crm.aftersale.models import Ticket
from crm.members.models import Member
from crm.orders.models import Order
from guides.org import matrix, rights_words
from guides.org.actors import role_book, role_facts, role_names
from guides.org.models import OrgUnit, Staff, Store
from tasks.followups.models import Task
from tests.factories.crm import make_member, make_order, make_ticket
from tests.factories.guides import Org, actor, holder_of, make_org, make_staff, make_store, make_unit
from tests.factories.tasks import make_task

ACTIONS = matrix.book()["actions"]
OTHER_NAMES = matrix.book()["permissions"]
SUBTREES = ("store", "area", "region", "branch", "all", "stores_owned")


# ---------------------------------------------------------------- one file with the permissions and the roles


def test_it_names_roles_that_exist_and_reaches_that_are_theirs() -> None:
    for action in ACTIONS:
        for role, right in matrix.rights(action).items():
            scope = role_facts(role)["scope"]
            # A department's matters are those of all stores, narrowed to its kind; a guide cashes up in her own store.
            allowed = {"own", "all" if scope == "dept" else scope} | ({"store"} if role == "guide" else set())
            allowed |= {"all"} if right.only == "count" else set()  # how many lie where is no row of anybody's
            assert right.reach in allowed, (action, role, right)


def test_every_action_with_a_permission_names_the_same_roles() -> None:
    permissions = role_book()["permissions"]
    same = {name: name for name in ACTIONS if name in permissions} | OTHER_NAMES
    assert len(same) >= 12
    for action, permission in same.items():
        assert set(matrix.holders(action)) == set(permissions[permission]), action


def test_every_role_is_in_it() -> None:
    assert set(chain.from_iterable(ACTIONS.values())) == set(role_names())


def test_the_screens_have_words_for_every_action_and_how_it_is_narrowed() -> None:
    assert set(ACTIONS) <= set(rights_words.ACTIONS)
    rights = [right for action in ACTIONS for right in matrix.rights(action).values()]
    assert {right.only for right in rights} - {""} <= set(rights_words.NARROWED)
    assert {right.reach for right in rights} <= set(rights_words.REACHES)
    shown = [(one.name, one.reach, one.only) for one in rights_words.reaches_of("customer_service")]
    assert ("会员详情", "全公司", "有售后单的") in shown


ROOT = Path(__file__).parents[3]
NAMES_ONLY = ("guides/org/rights_words.py",)  # what pages call permissions and actions


def named_by_code() -> set[str]:
    """Return every text of the departments' code that could be an action."""
    found: set[str] = set()
    for part in ("guides", "crm", "tasks", "livestream", "yejibao/cockpit", "yejibao/core", "yejibao/intake"):
        for path in (ROOT / part).rglob("*.py"):
            if str(path.relative_to(ROOT)) not in NAMES_ONLY:
                tree = ast.walk(ast.parse(path.read_text()))
                found |= {one.value for one in tree if isinstance(one, ast.Constant) and isinstance(one.value, str)}
    return found


def test_every_action_has_a_reader_or_waits_for_one() -> None:
    read = named_by_code()
    unread = {name for name in ACTIONS if not {name, OTHER_NAMES.get(name, name)} & read}
    assert sorted(unread) == sorted(matrix.book()["later"]), (
        "what has a reader no longer stands under later:, the rest does"
    )


def test_a_refusal_names_what_stands_in_the_data() -> None:
    known = set(role_book()["permissions"]) | set(ACTIONS) | set(matrix.book()["refusals"])
    named = set()
    for part in ("guides", "crm", "tasks", "livestream", "yejibao"):
        for path in (ROOT / part).rglob("*.py"):
            if "Forbidden(" not in (text := path.read_text()):
                continue
            for node in ast.walk(ast.parse(text)):
                match node:
                    case ast.Call(
                        func=ast.Name(id="Forbidden"),
                        keywords=[ast.keyword(arg="permission", value=ast.Constant(value=name))],
                    ):
                        named.add(name)
    assert len(named) > 8 and sorted(named - known) == []
    assert set(matrix.book()["refusals"]) <= named, "nobody is refused by these any more"


# ---------------------------------------------------------------- and the tables keep it


class Rows:
    """Rows of one guide of one store, by table; `where` they lie is told by the names below."""

    def __init__(self, guide: Staff) -> None:
        store = guide.store
        assert store is not None
        self.member = make_member(owner=guide)
        self.order = make_order(self.member, paid_at="2026-03-01 15:00", guide=guide, store=store)
        self.task = make_task(self.member, guide)
        self.live = make_task(self.member, guide, task_type="live_invite")
        self.ticket = make_ticket(make_member(owner=guide), opened_at="2026-03-02 10:00", store=store, guide=guide)
        self.complaint = make_ticket(
            self.ticket.member, opened_at="2026-03-02 10:00", kind="complaint", store=store, guide=guide
        )
        self.refund = make_ticket(
            self.ticket.member, opened_at="2026-03-02 10:00", kind="return", store=store, guide=guide
        )


# Each is a part of the next wider one; who reaches one reaches those before it.
PLACES = ("own", "store", "area", "region", "branch", "all")


def rows_by_place(org: Org, person: Staff) -> dict[str, Rows]:
    region, branch = make_unit("region", parent=org.branch), make_unit("branch", parent=org.hq)
    far = {
        "area": make_store(area=org.area),
        "region": org.other_store,
        "branch": make_store(area=make_unit("area", parent=region)),
        "all": make_store(area=make_unit("area", parent=make_unit("region", parent=branch))),
    }
    return (
        ({"own": Rows(person)} if person.store_id else {})
        | {"store": Rows(org.guide)}
        | {place: Rows(make_staff(store=store)) for place, store in far.items()}
    )


def reached(place: str, reach: str) -> bool:
    return reach in PLACES and PLACES.index(place) <= PLACES.index(reach)


def may_see(action: str, role: str, place: str, *, kind: str = "") -> bool:
    """Tell by the data alone whether a role sees a row in a place; `kind` is how a right must be narrowed to fit it."""
    right = matrix.rights(action).get(role)
    if right is None:
        return False
    if place == "own":
        return role in matrix.owners(action) and role in ("guide", "store_manager")
    return reached(place, right.reach) and (right.only in ("", kind, "on_behalf"))


@pytest.mark.django_db
@pytest.mark.parametrize("role", [role for role in role_names() if role != "dealer"])
def test_what_a_role_sees_of_each_table_is_what_the_matrix_says(role: str) -> None:
    org = make_org()
    person = holder_of(role, org)
    who, wrong = actor(person), []
    for place, rows in rows_by_place(org, person).items():
        checks = (
            ("member.view_card", Member, rows.member, ""),
            ("member.view_card", Member, rows.ticket.member, "ticket"),
            ("order.read", Order, rows.order, ""),
            ("followup.read", Task, rows.task, ""),
            ("followup.read", Task, rows.live, "own_kind"),
            ("ticket.read", Ticket, rows.complaint, "complaints"),
            ("ticket.read", Ticket, rows.refund, "refunds"),
        )
        for action, model, row, kind in checks:
            seen = model.objects.visible_to(who).filter(pk=row.pk).exists()
            if seen != may_see(action, role, place, kind=kind):
                wrong.append((action, kind, place, seen))
    assert wrong == []


@pytest.mark.django_db
def test_a_dealer_sees_his_stores_and_no_member() -> None:
    org = make_org()
    person = holder_of("dealer", org)
    own = Store.objects.get(dealer__isnull=False)
    rows = {own.pk: Rows(make_staff(store=own)), org.store.pk: Rows(org.guide)}
    who = actor(person)
    assert set(Store.objects.visible_to(who)) == {own}
    assert set(OrgUnit.objects.visible_to(who)) == {own.unit}
    assert not Member.objects.visible_to(who).exists() and not Task.objects.visible_to(who).exists()
    assert set(Order.objects.visible_to(who)) == {rows[own.pk].order}
    assert set(Ticket.objects.visible_to(who).values_list("store_id", flat=True)) == {own.pk}
