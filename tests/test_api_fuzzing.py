"""Every operation of our own OpenAPI description, with whatever it allows: no server error, and nothing it does not declare.

Nothing here names an operation: they are read from the description. Ids are drawn from the rows that are there, and from
everything else; the same inputs each run.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.conf import settings
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as runs
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from crm.members.models import Member
from crm.wallet.services import begin_top_up
from guides.org.actors import role_facts, role_names
from guides.org.models import RoleAssignment, Staff
from tests.conftest import SandboxControl, TestClock
from tests.factories.benefits import make_batch
from tests.factories.crm import make_friend, make_member
from tests.factories.guides import Org, actor, make_dealer, make_org, session_of
from tests.factories.portal import bearer
from tests.factories.tasks import load_rules, make_task
from yejibao.core.clock import parse_iso
from yejibao.intake.kinds import all_kinds
from yejibao.intake.services import issue_token

pytestmark = pytest.mark.django_db

NOON = parse_iso("2025-03-04 12:00")
CSRF = "f" * 32
CASES = {"everything": 8, "guide": 3}  # of an operation, by who asks
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def _description() -> Any:
    description = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(request=None, public=True))
    description.app = get_wsgi_application()
    return description


def _operations() -> list[Any]:
    return [found.ok() for found in _description().get_all_operations()]


@pytest.fixture(autouse=True)
def _one_connection() -> Iterator[None]:
    """Keep the test's connection over many requests, as the framework's own test client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def org(clock: TestClock) -> Org:
    clock.travel(NOON)
    load_rules()
    return make_org()


def _with_every_role(org: Org) -> Staff:
    """Return the manager, who holds each of the roles, where it belongs."""
    for role in role_names():
        if role == "store_manager":
            continue
        level = role_facts(role)["level"]
        unit = org.store.unit if level == "store" else getattr(org, level)
        dealer = make_dealer() if role == "dealer" else None
        RoleAssignment.objects.create(staff=org.manager, role=role, unit=unit, dealer=dealer)
    return org.manager


def _ids(org: Org) -> dict[str, list[Any]]:
    """Return what an id in a path may be: something that is there, and what nobody has thought of."""
    task = make_task(make_member(owner=org.guide), org.guide, now=NOON)
    make_friend(task.member)
    numbers = [task.pk, org.guide.pk, org.manager.pk, org.stranger.pk, org.store.pk, org.store.unit_id, org.area.pk]
    top_up = begin_top_up(
        task.member, tier="t1000", method="counter", store=org.store, guide=org.guide, actor=actor(org.guide), now=NOON
    )
    own = [str(top_up.public_id), str(make_batch().public_id), str(task.member.public_id)]
    return {"integer": [*sorted(set(numbers)), 0, 2**31, 2**63], "string": [*own, "x", "\u0000", "会员", "..%2Fme"]}


def _wants_token(operation: Any) -> bool:
    return any("feedToken" in one for one in operation.definition.raw.get("security", ()))


def _wants_member(operation: Any) -> bool:
    return any("memberToken" in one for one in operation.definition.raw.get("security", ()))


def _asks(person: Staff, token: str, operation: Any) -> dict[str, dict[str, str]]:
    """Return who asks: a source of data or a member where the operation wants one's token, else the person."""
    if _wants_member(operation):
        return {"headers": bearer(Member.objects.order_by("pk").first())}
    if _wants_token(operation):
        return {"headers": {"Authorization": f"Bearer {token}"}}
    cookies = {settings.SESSION_COOKIE_NAME: session_of(person), settings.CSRF_COOKIE_NAME: CSRF}
    return {"headers": {"X-CSRFToken": CSRF}, "cookies": cookies}


@pytest.mark.parametrize("who", CASES)
def test_no_operation_breaks_or_answers_what_it_does_not_declare(org: Org, sandbox: SandboxControl, who: str) -> None:
    person = _with_every_role(org) if who == "everything" else org.guide
    token = issue_token("fuzz", now=NOON, may_send=[kind.key for kind in all_kinds()])
    ids, broken = _ids(org), []
    for operation in _operations():
        if who != "everything" and (_wants_token(operation) or _wants_member(operation)):
            continue  # the same whoever is signed in
        try:
            _fuzz(operation, _asks(person, token, operation), ids, cases=CASES[who])
        except FailureGroup as error:
            broken.append(f"{operation.label}: {error}")
    assert broken == [], "\n\n".join(broken)


def _fuzz(operation: Any, asks: dict[str, Any], ids: dict[str, list[Any]], *, cases: int) -> None:
    inputs = operation.as_strategy()
    if operation.body or operation.query or operation.path_parameters:  # there is something to get wrong
        inputs = st.one_of(inputs, operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))

    @seed(20250304)
    @runs(max_examples=cases, deadline=None, database=None, phases=[Phase.generate],
          suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(data=st.data())
    def fuzz(data: st.DataObject) -> None:
        case = data.draw(inputs)
        for parameter in operation.path_parameters:
            kind = parameter.definition["schema"]["type"]
            if data.draw(st.booleans()):
                case.path_parameters[parameter.name] = data.draw(st.sampled_from(ids[kind]))
        with transaction.atomic():  # as if each were the first
            answer = case.call(**asks)
            transaction.set_rollback(True)
        case.validate_response(answer, checks=CHECKS)

    fuzz()
