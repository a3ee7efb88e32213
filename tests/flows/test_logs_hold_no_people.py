"""A purchase, its push, the guide's pages, a request at HQ and what may go wrong on the way.

No log line, event, queue, key in Redis, job or address of it carries the member's phone; no line and no address his name.
The same is watched for in every other test (tests/no_people.py).
"""

import json
import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any
from urllib.parse import quote

import pytest
from django.core.signals import request_started
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test import Client

from crm.friends.services import read_customers
from crm.members.models import FriendLink, Member
from crm.privacy.loading import load_texts
from crm.privacy.models import MemberRequest
from crm.privacy.services import ALLOWED
from tasks.followups.jobs import open_due_tasks
from tasks.followups.models import Task
from tasks.review.jobs import refresh_days
from tasks.scripts.loading import load_scripts
from tests.conftest import SandboxControl, TestClock
from tests.factories.crm import order_row
from tests.factories.guides import Org, make_org, make_staff, sign_in
from tests.factories.platform import Platform
from tests.factories.tasks import LOADED_AT, load_rules
from tests.flows.test_purchase_to_review import feed
from yejibao.celery import app
from yejibao.core import clock as product_clock
from yejibao.core import desk, logs
from yejibao.core.models import OutboxMessage
from yejibao.core.outbox import drain_events
from yejibao.wecom import gateway
from yejibao.wecom.inbox.jobs import work_inbox
from yejibao.wecom.inbox.services import take_in
from yejibao.wecom.sender import drain_messages

pytestmark = pytest.mark.django_db

NAME, PHONE, NOTE, TEXT = "欧阳建平", "13800132075", "袖长改短两厘米", "您上次看中的羊毛大衣到了"
SECRETS = (NAME, PHONE, NOTE, TEXT, NAME[:2], PHONE[3:], json.dumps(NAME)[1:-1])


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
def asked() -> Iterator[list[str]]:
    """Every address the product was asked for, and where it sent people."""
    seen: list[str] = []

    def note(environ: dict[str, Any] | None = None, **_: Any) -> None:
        if environ:
            seen.append(f"{environ['PATH_INFO']}?{environ['QUERY_STRING']} {environ.get('HTTP_REFERER', '')}")

    request_started.connect(note)
    yield seen
    request_started.disconnect(note)


@pytest.fixture
def org(clock: TestClock, settings: Any) -> Org:
    settings.PUBLIC_BASE_URL = "http://testserver"
    clock.travel("2026-11-21 14:00")
    load_rules()
    load_scripts(now=LOADED_AT)
    load_texts(now=LOADED_AT)
    return make_org()


def test_no_line_queue_or_address_names_a_member(
    org: Org, sandbox: SandboxControl, clock: TestClock, written: Any, asked: list[str], _redis: Any, settings: Any
) -> None:
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

    _ask_at_hq(org, guide, task)
    _friend_with_phone(org, sandbox)

    _queues_hold_nobody(_redis, settings)
    text = written()
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    requests = [line for line in lines if line["event"] == "request"]
    assert len(requests) >= 6 and all(line["request_id"] and line["route"] and line["ms"] >= 0 for line in requests)
    assert org.guide.pk in {line["staff"] for line in requests if "staff" in line}
    assert [line["job"] for line in lines if line["event"] == "job"] == ["tasks.followups.jobs.open_due_tasks"]
    assert any(str(line.get("message", "")).isdigit() or isinstance(line.get("message"), int) for line in lines)
    for secret in (*SECRETS, "DETAIL", "q="):
        assert secret not in text, secret
    addresses = "\n".join(asked)
    assert "/g/members/" in addresses and f"/hq/privacy/{MemberRequest.objects.get().pk}/copy/" in addresses
    for secret in (*SECRETS, quote(NAME)):
        assert secret not in addresses, secret


def _ask_at_hq(org: Org, guide: Client, task: Task) -> None:
    """The number by a tap, what he allows, and his own copy, as customer service hands it out."""
    member = task.member
    number = f"/g/members/{member.public_id}/reveal/phone/"
    assert PHONE in guide.post(number, {"reason": "电话回访"}).content.decode()
    assert guide.post(f"/g/tasks/{task.pk}/phone/").status_code in (200, 422)
    sheet = {"channels": ["wecom_message"], "seen": desk.seen(member, ALLOWED)}
    assert guide.post(f"/g/members/{member.public_id}/allows/", sheet).status_code in (
        200,
        302,
        409,
    )
    agent = sign_in(Client(headers={"Accept": "text/html"}), make_staff("customer_service"))
    assert PHONE not in agent.post("/hq/privacy/new/", {"words": PHONE}).content.decode()
    told = {
        "member": str(member.public_id),
        "kind": "copy",
        "channel": "phone",
        "wish": f"我是{NAME}，{PHONE}",
        "idempotency_key": "k-2",
    }
    page = agent.post("/hq/privacy/new/", told)["Location"]
    agent = sign_in(Client(headers={"Accept": "text/html"}), make_staff("customer_service"))  # a copy takes two people
    agent.post(f"{page}act/", {"act": "check", "proof": "called_back"})
    assert PHONE in agent.post(f"{page}copy/").content.decode()
    # Refused: the errors name fields and rules, not what was typed.
    refused = agent.post("/hq/privacy/new/", told | {"kind": PHONE, "idempotency_key": "k-3"})
    assert (refused.status_code, PHONE in refused.content.decode()) == (422, False)
    refused = feed(
        order_row("A3", store=org.store.code, guide=PHONE, paid_at=PHONE, member={"phone": f"{PHONE}9", "name": NAME})
    )
    assert PHONE not in json.dumps(refused) and NAME not in json.dumps(refused, ensure_ascii=False)


def _friend_with_phone(org: Org, sandbox: SandboxControl) -> None:
    """A customer whose phone stands in the guide's remark, as the platform tells it and calls us about it."""
    who = {"userid": org.guide.wecom_user_id, "external_userid": "wmOuyang"}
    sandbox.post("friend", **who, name=NAME, tell=False)
    sandbox.post("remark", **who, remark=f"{NAME} {PHONE}", remark_mobiles=[PHONE])
    read_customers(["wmOuyang"], door=gateway.default(), now=product_clock.now())
    assert FriendLink.objects.filter(external_user_id="wmOuyang").exclude(phone_indexes=[]).exists()
    xml = (
        "<xml><ToUserName><![CDATA[x]]></ToUserName><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[unheard_of]]></Event>"
        f"<CreateTime>1700000000</CreateTime><Remark><![CDATA[{NAME} {PHONE}]]></Remark></xml>"
    )
    assert take_in("yejibao", xml.encode(), now=product_clock.now())
    work_inbox()
    drain_events()


def _queues_hold_nobody(redis: Any, settings: Any) -> None:
    """What waits or waited: in PostgreSQL, in Redis, as it lies there."""
    with connection.cursor() as cursor:
        for table in (
            "core_outboxevent",
            "core_outboxmessage",
            "core_idempotencykey",
            "core_heartbeat",
            "wecom_inboxentry",
            "core_auditentry",
        ):
            cursor.execute(f"SELECT count(*), string_agg(t::text, chr(10)) FROM {table} t")
            count, rows = cursor.fetchone()
            assert count or table == "core_heartbeat", table
            assert PHONE not in (rows or ""), table
            if table in ("core_outboxevent", "core_auditentry"):
                assert NAME not in (rows or ""), table
        cursor.execute("SELECT string_agg(convert_from(body_bytes, 'UTF8'), chr(10)) FROM core_outboxmessage")
        bodies = cursor.fetchone()[0] or ""
        assert PHONE not in bodies and PHONE[3:] not in bodies
    for key in redis.scan_iter(f"*yj:{settings.SLOT}:*", count=1000):
        kind = redis.type(key)
        value = (
            redis.get(key) if kind == b"string" else redis.lrange(key, 0, -1) if kind == b"list" else redis.dump(key)
        )
        assert PHONE.encode() not in key and PHONE not in str(value), key


@pytest.mark.logs_people
def test_what_goes_wrong_with_a_row_in_it_is_told_without_the_row(org: Org, written: Any) -> None:
    Member.objects.create(member_no=f"V{PHONE}", name=NAME)
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
    assert "not stored" in text and "not read" in text
    for secret in (*SECRETS, "DETAIL"):
        assert secret not in text, secret
