"""deploy/ keeps step with the product: every setting, every metric, every alarm's words."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.test import Client

from tests.factories.crm import make_member, make_order
from tests.factories.guides import make_org
from yejibao.core import heart, jobtrace
from yejibao.core.clock import now as product_now
from yejibao.core.domain_files import read_yaml
from yejibao.core.models import OutboxMessage

HOUSE = Path(__file__).resolve().parent.parent
DEPLOY = HOUSE / "deploy"
# Of bin/run, tests and scratch worlds; production never sets them.
NOT_IN_PRODUCTION = {
    "YEJIBAO_SLOT", "PYTEST_XDIST_WORKER", "YEJIBAO_CLOCK_FILE", "WECOM_SANDBOX_CONTROL", "YEJIBAO_DEBUG",
    "WECHATPAY_SANDBOX_CONTROL", "WECHATPAY_KEYS_DIR",
}  # fmt: skip


def alarms() -> list[dict[str, Any]]:
    groups = read_yaml(DEPLOY / "alerts.yml")["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.django_db
def test_every_metric_an_alarm_names_exists(client: Client) -> None:
    org = make_org()
    make_order(make_member(owner=org.guide), paid_at=product_now())
    heart.beat("sender", sent=1, lag_seconds=0.1, clock_off_seconds=0.0, in_flight=0)
    heart.beat("conservation:3369", missing=0)
    jobtrace.note_run("tasks.review.jobs.rebuild_days", ms=1)
    OutboxMessage.objects.create(
        kind="task",
        dedupe_key="k",
        recipient="x",
        due_at=product_now(),
        next_at=product_now(),
        created_at=product_now(),
    )
    told = client.get("/metrics").content.decode()
    named = {name for rule in alarms() for name in re.findall(r"yejibao_\w+", rule["expr"])}
    assert len(named) > 20
    for name in sorted(named):
        assert f"# TYPE {re.sub('_(bucket|count|sum|total)$', '', name)}" in told, name


def test_every_alarm_says_in_chinese_what_to_do_and_where_to_read_on() -> None:
    sections = {
        line[3:].strip().lower() for line in (DEPLOY / "runbook.md").read_text().splitlines() if line.startswith("## ")
    }
    names = [rule["alert"] for rule in alarms()]
    assert len(names) == len(set(names))
    for rule in alarms():
        notes = rule["annotations"]
        assert rule["labels"]["severity"] in ("page", "ticket")
        for key in ("summary", "description"):
            assert re.search(r"[\u4e00-\u9fff]{3}", notes[key]), rule["alert"]
        page, _, anchor = notes["runbook"].partition("#")
        assert (page, anchor in sections) == ("runbook.md", True), rule["alert"]


# ---------------------------------------------------------------- the environment


def settings_read() -> set[str]:
    """Return the variables settings.py reads, from its own text."""
    found = set()
    for node in ast.walk(ast.parse((HOUSE / "yejibao/settings.py").read_text())):
        if (
            (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("env", "env_int", "env_list")
            )
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            found.add(str(node.args[0].value))
    return found


def test_the_environment_reference_names_every_setting() -> None:
    told = set(re.findall(r"(?m)^#?\s?([A-Z][A-Z0-9_]+)=", (DEPLOY / "env.example").read_text()))
    read = settings_read() - NOT_IN_PRODUCTION
    assert len(read) > 15
    assert sorted(read - told) == []
    callbacks = {name for name in told if name.startswith("WECOM_CALLBACK_")}  # settings.py takes any name of this form
    assert sorted(told - read - callbacks) == []


# ---------------------------------------------------------------- the units


def units() -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted((DEPLOY / "systemd").iterdir())}


def test_units_come_back_and_stop_in_time() -> None:
    services = {name: text for name, text in units().items() if name.endswith(".service")}
    assert {"yejibao-web.service", "yejibao-worker.service", "yejibao-nightly.service", "yejibao-sender.service",
            "yejibao-beat.service", "yejibao-inbox.service"} <= set(services)  # fmt: skip
    for name, text in services.items():
        runs_once = "Type=oneshot" in text  # called by its timer, not kept alive
        assert runs_once == (name.replace(".service", ".timer") in units()), name
        kept_alive = () if runs_once else ("Restart=always", "PartOf=yejibao.target")
        for line in ("EnvironmentFile=/etc/yejibao/env", "NoNewPrivileges=yes", *kept_alive):
            assert line in text, (name, line)
        if runs_once:
            continue
        assert int(re.search(r"TimeoutStopSec=(\d+)", text)[1]) >= 15, name  # the sender drains for 10 seconds


def test_commands_of_the_units_exist() -> None:
    from django.core.management import get_commands

    for name, text in units().items():
        for command in re.findall(r"manage\.py (\w+)", text):
            assert command in get_commands(), (name, command)


# ---------------------------------------------------------------- growing


def test_the_sharding_plan_places_the_engines_tables() -> None:
    """A table of the hot path that stayed on the coordinator would take its joins with it."""
    plan = (DEPLOY / "citus.sql").read_text()
    placed = re.findall(r"(?m)^SELECT create_(?:distributed|reference)_table\('(\w+)'", plan)
    ours = {model._meta.db_table for model in apps.get_models()}
    assert len(placed) == len(set(placed))
    assert set(placed) <= ours
    engine = {"crm_member", "crm_order", "crm_orderline", "tasks_enrollment", "tasks_enrollmentcause"}
    engine |= {  # whatever hangs on a task
        model._meta.db_table for model in apps.get_models()
        if any(getattr(field.related_model, "__name__", "") == "Task" for field in model._meta.fields)
    }  # fmt: skip
    assert sorted(engine - set(placed)) == []


def test_sizes_say_that_they_are_computed() -> None:
    text = (DEPLOY / "sizes.md").read_text()
    for size in ("100 万", "1000 万", "1.2 亿"):
        assert size in text
    assert "算出来的" in text
