"""The audit trail keeps who, what and why, and cannot be rewritten."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from yejibao.core import audit, audit_keeping, clock, sealing
from yejibao.core.clock import parse_iso
from yejibao.core.models import AuditEntry
from yejibao.core.scope import Actor, Grant

pytestmark = pytest.mark.django_db


def test_an_entry_says_who_did_what_to_which_row():
    actor = Actor(
        kind="staff", staff_id=7, name="陈国栋", working_role="store_manager", session_facts={"ip": "10.0.0.7"}
    )
    audit.record(actor, "task.reassigned", "tasks.Task", resource_id="12", after={"to": 9}, reason="她明天休息")
    entry = AuditEntry.objects.get()
    assert (entry.actor_id, entry.working_role, entry.action, entry.resource_id, entry.after, entry.reason, entry.ip) == (
        7, "store_manager", "task.reassigned", "12", {"to": 9}, "她明天休息", "10.0.0.7",
    )  # fmt: skip


@pytest.mark.parametrize("act", [lambda rows: rows.update(reason="改写"), lambda rows: rows.delete()])
def test_the_database_refuses_to_rewrite_it(act):
    audit.record(Actor.system(), "signed_in", "guides.Staff", resource_id="1")
    with pytest.raises(DatabaseError, match="append only"), transaction.atomic():
        act(AuditEntry.objects.all())
    assert AuditEntry.objects.count() == 1


def test_nothing_empties_the_trail_where_the_world_is_not_for_throwing_away():
    audit.record(Actor.system(), "signed_in", "guides.Staff", resource_id="1")
    for table in ("core_auditentry", "core_auditseal"):
        with pytest.raises(DatabaseError, match="append only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL yejibao.scratch = 'off'")
            cursor.execute(f"TRUNCATE {table}")
    assert AuditEntry.objects.count() == 1


def test_the_database_says_when_it_was_written_whatever_the_products_clock_says(clock):
    clock.travel("2020-01-01 10:00")
    audit.record(Actor.system(), "signed_in", "guides.Staff", resource_id="1")
    entry = AuditEntry.objects.get()
    assert (entry.at.year, entry.written_at > parse_iso("2024-01-01")) == (2020, True)


PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 wxwork/4.1.20"
    " MicroMessenger/7.0.1 Language/zh"
)


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        (PHONE, "企业微信 4.1.20 · iPhone"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36",
            "Chrome 120 · Windows 电脑",
        ),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0) MicroMessenger/7.0.1 wxwork/4.1.36", "企业微信 4.1.36 · iPhone"),
        ("x wxwork iPhone", "企业微信 · iPhone"),
        (
            "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/120 Mobile Safari/537.36",
            "Chrome 120 · 安卓手机",
        ),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/120 Safari/537.36 Edg/120", "Edge 120 · Windows 电脑"),
        ("python-requests/2.31", "python-requests"),
        ("", ""),
    ],
)
def test_a_device_is_told_in_a_few_words(agent, said):
    assert audit.device_of(agent) == said


def test_personal_data_is_masked_on_the_way_in():
    audit.record(
        Actor.system(), "member.corrected", "crm.Member", resource_id="7",
        before={"phone": "13800132075", "card": {"address": "中山路 1 号"}},
        after={"phone": "138****2076", "note": "改成 13800132076 了", "level": "V2"}, reason="他来电 13800132075 说的",
    )  # fmt: skip
    entry = AuditEntry.objects.get()
    assert entry.before == {"phone": "138****2075", "card": {"address": "***"}}
    assert entry.after == {"phone": "138****2076", "note": "改成 138****2076 了", "level": "V2"}
    assert entry.reason == "他来电 138****2075 说的"


def test_what_an_act_was_about_is_masked_too():
    audit.record(Actor.system(), "signed_in", "guides.Staff", resource_id="13800132075")
    assert AuditEntry.objects.get().resource_id == "138****2075"


@pytest.mark.parametrize(
    ("grants", "role", "scope"),
    [
        ((Grant("hq_operator", "all"),), "hq_operator", "all"),
        ((Grant("guide", "self"), Grant("store_manager", "units", path="1/2/")), "store_manager", "1/2/"),
        ((Grant("dealer", "units", store_ids=(3, 4)),), "dealer", "stores:3,4"),
        ((Grant("guide", "self"),), "guide", "self"),
    ],
)
def test_the_scope_used_is_that_of_the_working_role(grants, role, scope):
    assert audit.scope_of(Actor(kind="staff", working_role=role, grants=grants)) == scope


# ---------------------------------------------------------------- how long it is kept

THEN = clock.system_now() - timedelta(days=4 * 366)


def sealed_of(moment, *actions):
    for action in actions:
        AuditEntry.objects.create(
            at=moment, actor_kind="system", actor_name="x", action=action, resource="x", resource_id="1"
        )
    return sealing.seal(now=moment)


def test_what_is_past_its_term_goes_and_the_chain_still_holds():
    sealed_of(THEN, "auth.login", "auth.login", "member.phone_revealed")
    sealed_of(clock.system_now(), "auth.login")
    assert audit_keeping.thin_out(now=clock.system_now()) == {"deleted": 2, "seals": 1, "broken": 0}
    assert list(AuditEntry.objects.filter(at=THEN).values_list("action", flat=True)) == ["member.phone_revealed"]
    assert sealing.verify().broken is None
    assert audit_keeping.thin_out(now=clock.system_now())["deleted"] == 0


def test_after_five_years_the_reveals_go_too():
    sealed_of(clock.system_now() - timedelta(days=6 * 366), "auth.login", "member.phone_revealed")
    assert audit_keeping.thin_out(now=clock.system_now())["deleted"] == 2
    sealing.seal(now=clock.system_now())
    assert sealing.verify() == sealing.Check(seals=2, rows=1)  # the row that tells of it


def test_what_is_left_after_a_thinning_is_still_watched():
    sealed_of(THEN, "auth.login", "member.phone_revealed")
    audit_keeping.thin_out(now=clock.system_now())
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE core_auditentry SET actor_name = 'y' WHERE action = 'member.phone_revealed'")
        cursor.execute("SET LOCAL session_replication_role = origin")
    assert sealing.verify().broken is not None


def test_before_its_term_no_row_goes_whoever_says_that_he_thins():
    audit.record(Actor.system(), "signed_in", "guides.Staff", resource_id="1")
    with pytest.raises(DatabaseError, match="append only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL yejibao.thinning = 'on'")
        cursor.execute("DELETE FROM core_auditentry")
