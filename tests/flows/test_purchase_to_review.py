"""The whole loop over HTTP: a purchase enters, the guide is told, she sends, it counts, her manager sees it."""

import json
import re
from io import StringIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import call_command
from django.test import Client

from guides.org.models import Staff
from tasks.cadences.conservation import prove
from tasks.cadences.models import Cadence, Enrollment
from tasks.followups.models import Reach, Task, TaskEvidence
from tasks.review.jobs import refresh_days
from tasks.scripts.loading import load_scripts
from tests.conftest import SandboxControl, TestClock
from tests.factories.crm import order_row
from tests.factories.guides import Org, make_org
from tests.factories.platform import Platform
from tests.factories.tasks import LOADED_AT, load_rules
from yejibao.core.models import OutboxMessage

pytestmark = pytest.mark.django_db

WECOM = {"HTTP_USER_AGENT": "Mozilla/5.0 (iPhone) wxwork/4.1.36 MicroMessenger/7.0.1", "HTTP_ACCEPT": "text/html"}
CUSTOMER = "wmWangJianping"


@pytest.fixture
def org(clock: TestClock, settings: Any) -> Org:
    settings.PUBLIC_BASE_URL = "http://testserver"
    clock.travel("2026-11-21 14:00")
    load_rules()
    load_scripts(now=LOADED_AT)
    return make_org()


@pytest.fixture
def platform(sandbox: SandboxControl, clock: TestClock, org: Org) -> Platform:
    platform = Platform(sandbox, clock)
    platform.join(org.guide, org.manager, org.stranger)
    return platform


def feed(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    """Post orders as the till does and return the answers per row."""
    out = StringIO()
    call_command("feed_token", "till", stdout=out, stderr=StringIO())
    answer = Client().post(
        "/api/v1/feed/orders", json.dumps({"orders": rows}), content_type="application/json",
        headers={"Authorization": f"Bearer {out.getvalue().strip()}"},
    )  # fmt: skip
    assert answer.status_code == 200, answer.content
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def suit(org: Org, number: str = "A1", **facts: Any) -> dict[str, Any]:
    return order_row(
        number, store=org.store.code, guide=org.guide.wecom_user_id, paid_at="2026-11-21T14:00:00+08:00",
        member={"member_no": "M1", "name": "王建平", "phone": "13800132075", "owner_guide": org.guide.wecom_user_id,
                "friend_external_id": CUSTOMER},
        **facts,
    )  # fmt: skip


def enter(client: Client, platform: Platform, person: Staff, address: str) -> Any:
    """Open an address in the browser of WeCom without a session: by way of the platform's sign-in, back to the page."""
    answer = client.get(address, **WECOM)
    for _ in range(3):
        if answer.status_code != 302 or "redirect_uri" in answer["Location"]:
            break
        answer = client.get(answer["Location"], **WECOM)
    query = parse_qs(urlsplit(answer["Location"]).query)
    code = platform.sandbox.post("code", userid=person.wecom_user_id)["code"]
    back = urlsplit(query["redirect_uri"][0]).path
    answer = client.get(back, {"code": code, "state": query["state"][0]}, **WECOM)
    assert answer.status_code == 302
    return client.get(answer["Location"], **WECOM)


def post(client: Client, address: str, key: str, **data: Any) -> dict[str, Any]:
    answer = client.post(address, data, content_type="application/json", headers={"Idempotency-Key": key})
    assert answer.status_code == 200, answer.content
    body: dict[str, Any] = answer.json()
    return body


def test_from_the_till_to_the_managers_board(org: Org, platform: Platform) -> None:
    # The till posts a purchase; it enters once, however often it is posted.
    assert [row["result"] for row in feed(suit(org))] == ["created"]
    assert [row["result"] for row in feed(suit(org))] == ["same"]
    platform.beat("2026-11-21 14:00")
    assert Enrollment.objects.get().plan == ["m30", "d3", "d30", "d60", "d90"]

    # The guide is told at once, with the reason.
    [(at, title, lines)] = platform.got(org.guide)
    assert (at, title) == ("11-21 14:00", "王建平 · 30 分钟回访")
    assert "藏青羊毛套西" in lines and "14:30 前" in lines

    # She opens the card; it signs her in and brings her to the task, with words to say.
    platform.travel("2026-11-21 14:05")
    guide = Client()
    [card] = platform.sandbox.received(org.guide.wecom_user_id)
    page = enter(guide, platform, org.guide, card["request"]["textcard"]["url"])
    task = Task.objects.get()
    assert page.status_code == 200 and page.request["PATH_INFO"] == f"/g/tasks/{task.pk}/"
    assert "王建平" in page.text and "藏青羊毛套西" in page.text

    # She takes the words; the rules are checked once more; her chat says the message left.
    prepared = post(guide, f"/api/v1/tasks/{task.pk}/send/", "s1")
    assert prepared["external_user_id"] == CUSTOMER and "晓雯" in prepared["text"]
    said = {"text": prepared["text"], "script_key": prepared["script_key"], "receipt": {"errMsg": "sendChatMessage:ok"}}
    sent = post(guide, f"/api/v1/tasks/{task.pk}/sent/", "s2", **said)
    assert sent == post(guide, f"/api/v1/tasks/{task.pk}/sent/", "s2", **said)
    assert (sent["state"], sent["evidence_kind"], sent["evidence_level"]) == ("done", "chat_sent", 2)
    post(guide, f"/api/v1/tasks/{task.pk}/outcome/", "o1", outcome="replied")
    assert (Reach.objects.get().level, TaskEvidence.objects.filter(kind="chat_sent").count()) == (2, 1)
    assert "王建平" not in guide.get("/api/v1/tasks/?state=open").content.decode()

    # Nobody is reminded or troubled any more.
    platform.beat("2026-11-21 15:10")
    assert (len(platform.got(org.guide)), platform.got(org.manager)) == (1, [])

    # Her manager sees it; a guide of another store sees nothing.
    refresh_days()
    board = enter(Client(), platform, org.manager, "/m/review/")
    figures = board.context["figures"]
    assert (figures.done_count, figures.on_time_count, figures.overdue_count) == (1, 1, 0)
    assert "林晓雯" in board.text
    stranger = Client()
    assert enter(stranger, platform, org.stranger, f"/g/tasks/{task.pk}/").status_code == 404
    assert stranger.get("/m/review/").status_code == 403
    assert prove(cadence_id=Cadence.objects.get().pk).missing == 0
    assert not re.search(r"1\d{10}", json.dumps([row["request"]["textcard"] for row in platform.sandbox.received()]))


def test_not_done_in_time_her_manager_steps_in(org: Org, platform: Platform) -> None:
    feed(suit(org))
    for minute in ("14:00", "14:20", "14:30", "15:00"):
        platform.beat(f"2026-11-21 {minute}")
    assert [at for at, *_ in platform.got(org.guide)] == ["11-21 14:00", "11-21 14:20", "11-21 14:30"]
    [(at, title, lines)] = platform.got(org.manager)
    assert (at, title, lines) == ("11-21 15:00", "1 件超时了，要你看一下", "王建平 · 30 分钟回访 · 晓雯")
    refresh_days()
    manager = Client()
    board = enter(manager, platform, org.manager, "/m/review/")
    assert board.context["figures"].overdue_count == 1
    # She urges; it reaches the guide at once and only once.
    task = Task.objects.get()
    for key in ("u1", "u2"):
        answer = manager.post("/m/review/urge/", {"task": task.pk, "idempotency_key": key})
        assert answer.status_code in (200, 204, 302, 303), answer.content
    platform.beat("2026-11-21 15:01")
    assert platform.got(org.guide)[-1][:2] == ("11-21 15:01", "店长提醒你 1 件事")
    assert OutboxMessage.objects.filter(kind="urge").count() == 1
    # She sends for him; both names are kept.
    platform.travel("2026-11-21 15:05")
    post(manager, f"/api/v1/tasks/{task.pk}/claimed/", "c1", text="王哥，谢谢您来")
    proof = TaskEvidence.objects.get(kind="chat_claimed")
    assert (proof.by_id, proof.on_behalf_of_id) == (org.manager.pk, org.guide.pk)


def test_returned_the_next_day_the_cycle_ends_and_care_comes(org: Org, platform: Platform) -> None:
    feed(suit(org))
    platform.beat("2026-11-21 14:00")
    platform.travel("2026-11-22 12:00")
    row = suit(
        org,
        returns=[
            {
                "number": "R1",
                "at": "2026-11-22T11:50:00+08:00",
                "lines": [{"line_no": 1, "quantity": 1, "refund_fen": 128000}],
            }
        ],
    )
    [answer] = feed(row)
    assert answer["result"] == "changed", answer
    platform.beat("2026-11-22 12:01")
    cycle = Enrollment.objects.get()
    assert (cycle.status, cycle.closed_reason) == ("cancelled", "returned_full")
    care = Task.objects.get(task_type="aftersale_care")
    for minute in (30, 34, 38):
        platform.beat(f"2026-11-23 09:{minute}")
    assert [title for _, title, _ in platform.got(org.guide)][-1] == "有 1 件事要跟进"
    guide = Client()
    page = enter(guide, platform, org.guide, f"/g/tasks/{care.pk}/")
    assert page.status_code == 200 and "退" in page.text
    assert prove(cadence_id=Cadence.objects.get().pk).missing == 0
