"""Whoever above the store reads who a member is leaves a row in the audit trail, on whichever page (reliability-security §12).

Nothing here names a page: every route these people may open is opened over the rows of a store below them, and an answer with
the member's name in it, masked or not, has to come with its row. In a store it is the day's work, and leaves none.
"""

import re
from collections.abc import Iterator

import pytest

from guides.org.models import Staff
from tests.factories.guides import holder_of, make_org
from tests.walk.browser import Caller, install_spies, text_of, watching
from tests.walk.holes import as_actor, callable_routes
from tests.walk.urlconf import ROUTES, Route
from tests.walk.world import MARKS, OWN, Rows, own_rows

pytestmark = pytest.mark.django_db
ABOVE = (
    "hq_operator",
    "customer_service",
    "finance",
    "area_supervisor",
)  # ways to see members: all, by ticket, by money, a list
WRITES = re.compile(r'INSERT INTO "?core_auditentry')
# Where the mark is no member's: a number somebody else gave, which bears it here, or a colleague of the asker.
NO_MEMBER = {"/g/till/refunds/{pk}/": "who reads an order reads its number, which bears the mark here"}


@pytest.mark.parametrize("role", ABOVE)
def test_who_reads_a_name_above_the_store_is_on_record(role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    org = make_org()
    rows = own_rows(org.guide, org)
    install_spies(monkeypatch)
    unseen = {
        route.template for route, seen in _read(holder_of(role, org), rows)
        if route.template not in NO_MEMBER and not any(WRITES.search(sql) for sql in seen)
    }  # fmt: skip
    assert unseen == set(), "audit.saw_members(actor, ids, where=…) in the view"


def _read(person: Staff, rows: Rows) -> Iterator[tuple[Route, list[str]]]:
    """Yield each route whose page names the member, with the statements it ran."""
    caller = Caller(person)
    for route, method in callable_routes(as_actor(person), ROUTES):
        if method != "GET" or len(route.arguments) > 1 or route.template.startswith("/api/"):
            continue
        for path in _paths(route, rows):
            with watching() as seen:
                answer = caller.call("GET", path, html=True)
            if answer.status_code == 200 and MARKS[OWN] in text_of(answer):
                yield route, [sql for sql, _given in seen.statements]
                break


def _paths(route: Route, rows: Rows) -> list[str]:
    if not route.arguments:
        return [route.path()]
    ((name, converter),) = route.arguments
    return [route.path(**{name: value}) for value in rows.values(converter)]
