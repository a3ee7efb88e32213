"""A purchase, its push, the guide's pages and what may go wrong on the way: no log line of it names a member."""

import json
import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test import Client

from crm.members.models import Member
from tasks.followups.jobs import open_due_tasks
from tasks.followups.models import Task
from tasks.review.jobs import refresh_days
from tasks.scripts.loading import load_scripts
from tests.conftest import SandboxControl, TestClock
from tests.factories.crm import order_row
from tests.factories.guides import Org, make_org, sign_in
from tests.factories.platform import Platform
from tests.factories.tasks import LOADED_AT, load_rules
from tests.flows.test_purchase_to_review import feed
from yejibao.celery import app
from yejibao.core import logs
from yejibao.core.models import OutboxMessage
from yejibao.wecom.sender import drain_messages

pytestmark = pytest.mark.django_db

NAME, PHONE, NOTE, TEXT = "欧阳建平", "13800132075", "袖长改短两厘米", "您上次看中的羊毛大衣到了"
PAGE = {"HTTP_ACCEPT": "text/html"}


@pytest.fixture
def written() -> Iterator[Any]:
    """Everything the product's formatters write, and all handlers of anybody else."""
    out = StringIO()
    handlers = []
    for style in ("json", "plain"):
        handler = logging.StreamHandler(out)
        handler.setFormatter(logs.Lines(style))
        handlers.append(handler)
        logging.getLogger().addHandler(handler)
    yield out.getvalue
    for handler in handlers:
        logging.getLogger().removeHandler(handler)
    logs.start()


@pytest.fixture
def org(clock: TestClock, settings: Any) -> Org:
    settings.PUBLIC_BASE_URL = "http://testserver"
    clock.travel("2026-11-21 14:00")
    load_rules()
    load_scripts(now=LOADED_AT)
    return make_org()


def test_no_line_names_a_member(org: Org, sandbox: SandboxControl, clock: TestClock, written: Any) -> None:
    platform = Platform(sandbox, clock)
    platform.join(org.guide, org.manager)
    order = order_row(
        "A1", store=org.store.code, guide=org.guide.wecom_user_id, paid_at="2026-11-21T14:00:00+08:00", note=NOTE,
        member={"member_no": f"V{PHONE}", "name": NAME, "phone": PHONE, "owner_guide": org.guide.wecom_user_id,
                "friend_external_id": "wmOuyang"},
    )  # fmt: skip
    assert [row["result"] for row in feed(order)] == ["created"]
    feed(order_row("A2", store="nowhere", guide=NAME, paid_at="not a time", member={"phone": PHONE, "name": NAME}))

    # The engine's job, the push through the real gateway; once the platform refuses.
    app.tasks["tasks.followups.jobs.open_due_tasks"].apply()
    sandbox.fault("message/send", errcode=81013, times=1)
    drain_messages()
    OutboxMessage.objects.filter(state="failed").update(state="pending", errcode=None, body_sha="", body_bytes=None)
    drain_messages()
    refresh_days()
    open_due_tasks()

    # The guide's pages, searches by phone and name, a message of her own.
    task = Task.objects.get()
    guide = sign_in(Client(headers={"Accept": "text/html"}), org.guide)
    for path in ("/g/today/", f"/g/tasks/{task.pk}/", "/g/nowhere/"):
        assert guide.get(path).status_code in (200, 302, 404), path
    for words in (PHONE, NAME):
        assert guide.post("/g/members/", {"q": words}).status_code == 200
    guide.post(
        f"/api/v1/tasks/{task.pk}/sent/", json.dumps({"text": TEXT, "receipt": {"errMsg": "sendChatMessage:ok"}}),
        content_type="application/json", headers={"Idempotency-Key": "k-1"},
    )  # fmt: skip

    # What goes wrong with a row in it.
    log = logging.getLogger("crm.anything")
    try:
        with transaction.atomic():
            Member.objects.create(member_no=f"V{PHONE}", name=NAME)
    except IntegrityError:
        log.exception("not stored")
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT %s::jsonb", [f"{{{NAME} {PHONE}"])
    except DatabaseError as error:
        log.error("not read: %s", error)

    text = written()
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    requests = [line for line in lines if line["event"] == "request"]
    assert len(requests) >= 6 and all(line["request_id"] and line["route"] and line["ms"] >= 0 for line in requests)
    assert {line["staff"] for line in requests if "staff" in line} == {org.guide.pk}
    assert [line["job"] for line in lines if line["event"] == "job"] == ["tasks.followups.jobs.open_due_tasks"]
    assert any(str(line.get("message", "")).isdigit() or isinstance(line.get("message"), int) for line in lines)
    for secret in (NAME, PHONE, NOTE, TEXT, NAME[:2], PHONE[3:], "DETAIL", "q=", json.dumps(NAME)[1:-1]):
        assert secret not in text, secret
