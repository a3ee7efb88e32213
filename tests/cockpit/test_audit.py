"""操作记录: who reads which rows, who saw a member, and that every action has words."""

import ast
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from crm.aftersale.models import Ticket
from crm.aftersale.rules import rules
from crm.visits.models import Visit
from guides.org.models import Staff
from guides.org.people import FACTS as PERSON_FACTS
from guides.org.units import STORE_FACTS
from tasks.cadences.publishing import LABELS
from tests.factories.crm import make_member, make_ticket
from tests.factories.guides import Org, actor, holder_of, make_staff, sign_in
from yejibao.cockpit.audit import queries
from yejibao.cockpit.audit.wording import RESOURCES, UNTOLD, facts_words, field_words
from yejibao.core import audit, clock
from yejibao.core.audit_words import ACTIONS, GROUPS, action_words
from yejibao.core.models import AuditEntry
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).parents[2]


@pytest.fixture
def as_(client: Client) -> Callable[[Staff], Client]:
    return lambda person: sign_in(client, person)


def acts(*rows: tuple[Staff | None, str, str, str]) -> None:
    for person, action, resource, pk in rows:
        audit.record(actor(person) if person else Actor.system(), action, resource, resource_id=pk)


# ---------------------------------------------------------------- who reads what (reliability-security §3)


def test_each_role_reads_its_own_part(org: Org) -> None:
    service, operator = holder_of("customer_service", org), holder_of("hq_operator", org)
    finance = holder_of("finance", org)
    acts(
        (org.guide, "member.phone_revealed", "crm.Member", "1"),
        (org.guide, "auth.login", "guides.Staff", "1"),
        (org.stranger, "member.phone_revealed", "crm.Member", "2"),
        (operator, "campaign.published", "tasks.Campaign", "1"),
        (operator, "cadence.published", "tasks.CadenceVersion", "1"),
        (finance, "wallet.refunded", "crm.Wallet", "1"),
        (service, "ticket.moved", "crm.Ticket", "1"),
        (None, "ticket.moved", "crm.Ticket", "2"),
    )
    seen = {
        role: sorted(
            (one.action, one.resource_id)
            for one in queries.entries_for(actor(person))
            if one.action != "org.role_assigned"
        )
        for role, person in {
            "guide": org.guide, "store_manager": org.manager, "stranger": org.stranger, "hq_operator": operator,
            "finance": finance, "customer_service": service, "executive": holder_of("executive", org),
        }.items()
    }  # fmt: skip
    assert seen == {
        "guide": [("member.phone_revealed", "1")],
        "store_manager": [("member.phone_revealed", "1")],
        "stranger": [("member.phone_revealed", "2")],
        "hq_operator": [("campaign.published", "1")],
        "finance": [("wallet.refunded", "1")],
        "customer_service": [("ticket.moved", "1")],
        "executive": [],
    }
    assert queries.entries_for(actor(holder_of("sys_admin", org))).count() == AuditEntry.objects.count()


def test_the_page_says_it_in_words_and_looking_is_on_record(org: Org, as_: Any, now: Any) -> None:
    member = make_member(owner=org.guide, name="王建国", member_no="M88")
    audit.record(
        actor(org.guide, facts={"ip": "10.0.0.7", "agent": "x wxwork/4.1.20 iPhone", "request_id": "r"}),
        "member.phone_revealed", member, reason="约到店",
    )  # fmt: skip
    audit.record(
        actor(org.manager), "org.staff_state", org.guide, before={"state": "active"}, after={"state": "leave"}, on_behalf_of_id=org.guide.pk
    )  # fmt: skip
    admin = holder_of("sys_admin", org)
    page = as_(admin).get("/hq/audit/")
    assert page.status_code == 200
    for words in (
        "看了完整手机号",
        "会员 M88",
        "原因：约到店",
        "企业微信 4.1.20 · iPhone",
        "10.0.0.7",
        "改了员工状态",
        "原来 状态 在职",
        "状态 请假",
        "代林晓雯",
    ):
        assert words in page.text, words
    assert "王建国" not in page.text and "王**" not in page.text  # the keeper of the system is told no names of members
    assert "member.phone_revealed" not in page.text
    assert AuditEntry.objects.filter(action="audit.viewed", actor_id=admin.pk).count() == 1
    assert "王**" in as_(org.manager).get("/hq/audit/").text
    assert as_(holder_of("executive", org)).get("/hq/audit/", headers={"Accept": "application/json"}).status_code == 403


@pytest.mark.parametrize("rows", [1, 40])
def test_any_number_of_lines_takes_the_same_statements(org: Org, as_: Any, now: Any, rows: int) -> None:
    for _ in range(rows):
        acts((org.guide, "member.phone_revealed", "crm.Member", str(make_member(owner=org.guide).pk)))
    keeper = as_(holder_of("sys_admin", org))
    with CaptureQueriesContext(
        connection,
    ) as asked:
        keeper.get("/hq/audit/")
    reads = [one for one in asked if "core_auditentry" in one["sql"] and one["sql"].startswith("SELECT")]
    assert len(reads) == 1 and len(asked) <= 12, [one["sql"][:90] for one in asked]


def test_pages_follow_each_other_without_gap_or_double(org: Org, as_: Any, now: Any) -> None:
    acts(*[(org.guide, "auth.login", "guides.Staff", "1")] * 120)
    keeper = as_(holder_of("sys_admin", org))
    seen: list[str] = []
    page = keeper.get(f"/hq/audit/?person={org.guide.pk}")
    while True:
        seen += [line.entry.pk for line in page.context["lines"]]
        if not (following := page.context["next_url"]):
            break
        page = keeper.get(following, headers={"HX-Request": "true"})
        assert "<html" not in page.text
    assert len(seen) == len(set(seen)) == 120 and seen == sorted(seen, reverse=True)


def test_filters_by_day_kind_and_person(org: Org, as_: Any, now: Any, clock: Any) -> None:
    acts((org.guide, "auth.login", "guides.Staff", "1"), (org.guide, "task.completed", "tasks.Task", "5"))
    clock.advance(days=3)
    acts((org.manager, "auth.login", "guides.Staff", "2"))
    keeper = as_(holder_of("sys_admin", org))

    def found(query: str) -> list[tuple[str, str]]:
        return [
            (line.entry.actor_name, line.entry.action) for line in keeper.get(f"/hq/audit/?{query}").context["lines"]
        ]

    assert found("from=2026-11-21&to=2026-11-21&group=sign_in") == [("林晓雯", "auth.login")]
    assert found(f"person={org.guide.pk}&about=tasks.Task") == [("林晓雯", "task.completed")]
    assert found(f"person={org.manager.pk}") == [("陈国栋", "auth.login")]
    for wrong in ("group=x", "about=x", "person=x"):
        assert keeper.get(f"/hq/audit/?{wrong}").status_code == 404
    assert keeper.get("/hq/audit/?from=2020-01-01").status_code == 422
    assert keeper.get("/hq/audit/?from=x&after=y").status_code == 200


def test_who_saw_this_member(org: Org, as_: Any, now: Any) -> None:
    member, other = make_member(owner=org.guide, member_no="M88"), make_member(owner=org.guide)
    operator = holder_of("hq_operator", org)
    acts(
        (org.guide, "member.phone_revealed", "crm.Member", str(member.pk)),
        (org.guide, "member.registered", "crm.Member", str(member.pk)),
    )
    audit.saw_members(actor(operator), [member.pk])
    audit.saw_members(actor(operator), [member.pk, other.pk], where="任务复盘名单")
    audit.saw_members(actor(org.manager), [member.pk])  # the day's work of a store
    audit.record(actor(operator), audit.EXPORTED, "guides.Export", resource_id="7", after={"ids": [member.pk]})
    audit.record(actor(operator), audit.EXPORTED, "guides.Export", resource_id="8", after={"ids": [other.pk]})
    keeper = as_(holder_of("sys_admin", org))
    led = keeper.post("/hq/audit/members/", {"member_no": "M88"})
    page = keeper.get(led["Location"])
    assert [line.entry.action for line in page.context["lines"]] == [
        "export.made", "member.listed", "member.viewed", "member.phone_revealed",
    ]  # fmt: skip
    assert AuditEntry.objects.filter(action="audit.member_viewed", resource_id=str(member.pk)).exists()
    assert keeper.post("/hq/audit/members/", {"member_no": "M89"}).status_code == 404
    manager = as_(org.manager)
    assert led["Location"] in manager.get(f"/g/members/{member.public_id}/").text
    assert [line.entry.action for line in manager.get(led["Location"]).context["lines"]] == ["member.phone_revealed"]
    assert as_(make_staff("store_manager", store=org.other_store)).get(led["Location"]).status_code == 404


def test_find_a_person_by_name(org: Org, as_: Any, now: Any) -> None:
    assert f"person={org.guide.pk}" in as_(holder_of("sys_admin", org)).get("/hq/audit/people/?q=晓雯").text
    assert "黄婷" not in as_(org.manager).get("/hq/audit/people/?q=黄婷").context["people"]
    assert as_(org.manager).get("/hq/audit/people/?q=黄婷").context["people"] == []


def test_the_keeper_exports_it(org: Org, now: Any) -> None:
    from guides.exports.services import ask_export

    acts((org.guide, "auth.login", "guides.Staff", "1"))
    keeper = actor(
        holder_of("sys_admin", org), facts={"confirmed_by": "totp", "confirmed_at": clock.system_now().isoformat()}
    )
    export = ask_export("audit", {}, actor=keeper, now=clock.now())
    assert (export.state, export.title) == ("queued", "操作记录 2026-11-21 至 2026-11-21")
    assert AuditEntry.objects.filter(action="export.asked").exists()


# ---------------------------------------------------------------- words


def records() -> Iterator[tuple[ast.Module, ast.Call]]:
    """Yield (module, call) for each place where something is recorded."""
    for department in ("guides", "crm", "tasks", "livestream", "yejibao"):
        for path in (ROOT / department).rglob("*.py"):
            if "record(" not in (text := path.read_text()):
                continue  # reading the text is quick, taking it apart is not
            tree = ast.parse(text)
            for node in ast.walk(tree):
                if (
                    isinstance(node, ast.Call)
                    and ast.unparse(node.func) in ("audit.record", "record")
                    and len(node.args) > 2
                ):
                    yield tree, node


def texts(node: ast.AST) -> set[str]:
    return {one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)}


def named_in_source() -> set[str]:
    """Return every action that is recorded: written out there, or handed there within the module."""
    found: set[str] = set()
    for tree, call in records():
        match call.args[1]:
            case ast.JoinedStr(values=[ast.Constant(value=head), *_]):
                # Of a word: member.opt_out. Of imports it comes by place and is not read: intake.members.
                keywords = [key for one in ast.walk(tree) if isinstance(one, ast.Call) for key in one.keywords]
                found |= {f"{head}{text}" for key in keywords if key.arg == "what" for text in texts(key.value)}
            case ast.Name(id=name):
                found |= {text for value in given(tree, name) for text in texts(value) if "." in text}
            case other:
                found |= {text for text in texts(other) if "." in text}
    return found


def given(tree: ast.Module, name: str) -> Iterator[ast.expr]:
    """Yield what a name is set to in a module, and what is handed to the functions that take it."""
    places = {}
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=found)], value=value) if found == name:
                yield value
            case ast.FunctionDef(name=function, args=ast.arguments(args=taken)) if name in [one.arg for one in taken]:
                places[function] = [one.arg for one in taken].index(name)
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=function), args=handed) if len(handed) > places.get(function, len(handed)):
                yield handed[places[function]]


def test_every_action_has_words() -> None:
    found = named_in_source()
    assert {"member.opt_out", "member.closed", "auth.session_locked", "member.revealed"} <= found
    assert sorted(found - ACTIONS.keys()) == [], "name them in yejibao/core/audit_words.py"
    assert {group for _, group in ACTIONS.values()} <= GROUPS.keys()


def test_every_thing_and_fact_of_a_row_has_words() -> None:
    keys, things = set(), set()
    for _tree, call in records():
        things |= texts(call.args[2])
        told = [word.value for word in call.keywords if word.arg in ("before", "after")]
        keys |= {
            key.value
            for one in told
            for held in ast.walk(one)
            if isinstance(held, ast.Dict)
            for key in held.keys
            if isinstance(key, ast.Constant)
        }
    keys |= {
        *STORE_FACTS,
        *PERSON_FACTS,
        *LABELS,
        "kinds",
        "label",
        "posts_per_minute",
        "rows_per_day",
        "tells_counts",
        "owner_id",
    }
    assert sorted(key for key in keys - UNTOLD if field_words(key) == "其他") == [], (
        "see FIELDS in yejibao/cockpit/audit/wording.py"
    )
    assert things <= RESOURCES.keys()
    models = {model._meta.label for model in apps.get_models()}
    assert sorted(name for name in RESOURCES if "." in name and name not in models) == []


def test_what_has_a_name_is_called_by_it(org: Org) -> None:
    audit.record(
        actor(org.manager), "org.staff_post", org.guide, before={"unit_id": org.store.unit_id, "store_id": org.store.pk}
    )
    audit.record(actor(org.manager), "job.run", "job", resource_id="guides.org.jobs.move_staff")
    audit.record(actor(org.manager), "secret.rotated", "secret", resource_id="no_such", after={"is_set": True})
    first, second, third = queries.lines_of(list(AuditEntry.objects.order_by("pk")), actor(org.manager))
    assert first.before == f"组织 {org.store.unit.name}，门店 {org.store.short_name}"
    assert (second.about, third.about, third.after) == ("后台任务 调店生效", "密钥", "有没有值 是")


def test_what_changed_reads_as_a_line() -> None:
    facts = {"state": "leave", "role": "store_manager", "ids": [1, 2, 3, 4], "with_phone": True, "reason": ""}
    assert facts_words(facts) == "状态 请假，岗位 店长，名单里的人 4 个，含手机号 是"
    assert (facts_words(None), action_words("x.y")) == ("", "其他操作")


def test_codes_and_instants_are_told_in_words() -> None:
    """By what the columns of the row it was about call them; whichever room it is in."""
    visit = {"state": "accepted", "starts_at": "2026-11-25T08:30:00+00:00"}
    assert facts_words(visit, resource="crm.Visit") == f"状态 {Visit.State.ACCEPTED.label}，从什么时候 2026-11-25 16:30"
    ticket = {"kind": "quality", "state": "waiting_member"}
    assert (
        facts_words(ticket, resource="crm.Ticket")
        == f"种类 {Ticket.Kind.QUALITY.label}，状态 {rules().states['waiting_member']}"
    )


# reliability-security §12: what must be audited, by the actions that tell of it
MUST = {
    "login, out, fail": ("auth.login", "auth.logout", "auth.login_failed"),
    "reveal": audit.REVEALS,
    "export": ("export.asked", "export.made", "export.downloaded"),
    "view by HQ": (audit.VIEWED, audit.LISTED),
    "owner change": ("member.owner_changed", "member.handed_over"),
    "approvals": ("approval.asked", "approval.given", "approval.refused", "task.skip_decided"),
    "roles": ("org.role_assigned", "org.role_ended", "auth.role_switched"),
    "config": ("cadence.published",),
    "secrets": ("keys.rotation_started", "org.password_set", "feed.token_issued"),
    "messages": ("message.resent", "message.closed", "event.retried", "event.closed", "inbox.replayed"),
    "the trail itself": ("audit.viewed", "audit.member_viewed"),
    "sending after a restore": ("sending.gate_opened",),
}


@pytest.mark.parametrize("what", MUST)
def test_what_must_be_audited_is_recorded_somewhere(what: str) -> None:
    text = "\n".join(
        path.read_text() for one in ("guides", "crm", "tasks", "yejibao") for path in (ROOT / one).rglob("*.py") if path.name != "audit_words.py"
    )  # fmt: skip
    assert [action for action in MUST[what] if f'"{action}"' not in text] == []


def test_names_on_a_board_read_above_the_store_are_on_record(org: Org, as_: Any, now: Any) -> None:
    from tests.factories.tasks import make_task

    member = make_member(owner=org.guide)
    make_task(member, org.guide, now=now - timedelta(days=1), due_at=now - timedelta(hours=3))
    make_ticket(member, opened_at=now)
    url = f"/m/review/names/?unit={org.store.unit_id}&guide={org.guide.pk}"
    as_(org.manager).get(url)
    assert not AuditEntry.objects.filter(action__in=(audit.VIEWED, audit.LISTED)).exists()
    as_(holder_of("hq_operator", org)).get(url)
    assert AuditEntry.objects.get(action=audit.VIEWED).resource_id == str(member.pk)
