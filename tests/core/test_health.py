"""/healthz, /readyz, /statusz, /metrics: what they say and to whom."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from tests.factories.guides import holder_of, make_org, sign_in
from yejibao.core import clock, health
from yejibao.core.models import Heartbeat, OutboxMessage

INSIDE = {"REMOTE_ADDR": "192.168.1.9"}
OUTSIDE = {"REMOTE_ADDR": "8.8.8.8"}
THROUGH_PROXY = {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "8.8.8.8"}


def make_message(key: str, *, late_seconds: float = 0, state: str = "pending") -> OutboxMessage:
    now = clock.now()
    due = now - timedelta(seconds=late_seconds)
    return OutboxMessage.objects.create(
        kind="test", dedupe_key=key, recipient="li.ning", due_at=due, next_at=due, created_at=due, state=state
    )


def beat(name: str, *, seconds_ago: float = 0) -> None:
    with connection.cursor() as cursor:
        cursor.execute("select clock_timestamp() - %s * interval '1 second'", [seconds_ago])
        Heartbeat.objects.update_or_create(name=name, defaults={"at": cursor.fetchone()[0]})


def test_healthz_asks_nobody(client: Client) -> None:
    answer = client.get("/healthz", **OUTSIDE)  # without the db mark a query would fail the test
    assert (answer.status_code, answer.content) == (200, b"ok\n")


@pytest.mark.django_db
def test_ready_when_all_migrations_are_applied(client: Client) -> None:
    answer = client.get("/readyz", **OUTSIDE)
    assert (answer.status_code, answer.json()) == (200, {"ready": True})


@pytest.mark.django_db
def test_ready_is_remembered(client: Client, django_assert_num_queries: Any) -> None:
    client.get("/readyz")
    with django_assert_num_queries(1):  # the database answers; the migration graph is not read again
        client.get("/readyz")


@pytest.mark.django_db
def test_not_ready_while_a_migration_is_missing(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_migrations", health._Remembered())
    with connection.cursor() as cursor:
        cursor.execute("delete from django_migrations where app = 'tasks'")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "tasks.0001_initial" in answer.json()["unapplied_migrations"]


def test_not_ready_without_the_database(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(connection, "cursor", refuse)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "database": "ConnectionRefusedError"})


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("where", "status"),
    [
        ({"REMOTE_ADDR": "127.0.0.1"}, 200),
        ({"REMOTE_ADDR": "::1"}, 200),
        ({"REMOTE_ADDR": "10.1.2.3"}, 200),
        (OUTSIDE, 401),
        (THROUGH_PROXY, 401),  # behind nginx every visitor has its address
    ],
)
def test_statusz_answers_internal_addresses(client: Client, where: dict[str, str], status: int) -> None:
    assert client.get("/statusz", **where).status_code == status


@pytest.mark.django_db
@pytest.mark.parametrize(("where", "status"), [(INSIDE, 200), (OUTSIDE, 403), (THROUGH_PROXY, 403)])
def test_metrics_answer_internal_addresses(client: Client, where: dict[str, str], status: int) -> None:
    assert client.get("/metrics", **where).status_code == status


@pytest.mark.django_db
@pytest.mark.parametrize(("token", "status"), [("right", 200), ("wrong", 403), ("", 403)])
def test_metrics_answer_the_token(client: Client, settings: Any, token: str, status: int) -> None:
    settings.METRICS_TOKEN = "right"
    assert client.get("/metrics", **OUTSIDE, HTTP_AUTHORIZATION=f"Bearer {token}").status_code == status


@pytest.mark.django_db
def test_an_empty_token_setting_lets_nobody_in(client: Client, settings: Any) -> None:
    settings.METRICS_TOKEN = ""
    assert client.get("/metrics", **OUTSIDE, HTTP_AUTHORIZATION="Bearer ").status_code == 403


@pytest.mark.django_db
def test_all_is_well_when_processes_beat_and_nothing_is_late(client: Client) -> None:
    for name in health.MAX_SILENCE_SECONDS:
        beat(name)
    make_message("fresh", late_seconds=5)
    facts = client.get("/statusz").json()
    assert facts["ok"] is True
    assert facts["redis"]["ok"] is True
    assert facts["outbox"]["due"] == 1
    assert 5 <= facts["outbox"]["oldest_due_seconds"] < 60


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "seconds_ago", "ok"), [("worker", 119, True), ("worker", 130, False), ("sender", 61, False)]
)
def test_a_silent_process_shows(client: Client, name: str, seconds_ago: float, ok: bool) -> None:
    for other in health.MAX_SILENCE_SECONDS:
        beat(other)
    beat(name, seconds_ago=seconds_ago)
    hearts = client.get("/statusz").json()["heartbeats"]
    assert (hearts["processes"][name]["ok"], hearts["ok"]) == (ok, ok)


@pytest.mark.django_db
def test_a_process_that_never_ran_shows(client: Client) -> None:
    assert client.get("/statusz").json()["heartbeats"]["processes"]["beat"] == {"ok": False, "age_seconds": None}


@pytest.mark.django_db
def test_late_messages_show(client: Client) -> None:
    make_message("late", late_seconds=500)
    make_message("sent", late_seconds=9000, state="sent")
    outbox = client.get("/statusz").json()["outbox"]
    assert (outbox["ok"], outbox["due"]) == (False, 1)
    assert 500 <= outbox["oldest_due_seconds"] < 560


@pytest.mark.django_db
def test_lost_redis_shows_and_the_rest_still_answers(client: Client, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    facts = client.get("/statusz").json()
    assert (facts["ok"], facts["redis"]) == (False, {"ok": False, "error": "ConnectionError"})
    assert facts["outbox"]["ok"] is True


@pytest.mark.django_db
def test_a_sign_that_fails_is_a_sign(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(health._signs, "broken", lambda now: 1 / 0)  # type: ignore[arg-type,return-value]
    facts = client.get("/statusz").json()
    assert (facts["ok"], facts["broken"]) == (False, {"ok": False, "error": "ZeroDivisionError"})


@pytest.mark.django_db
def test_metrics_are_gauges_by_state(client: Client) -> None:
    make_message("a")
    make_message("b")
    make_message("c", state="parked")
    lines = client.get("/metrics").content.decode().splitlines()
    assert "# TYPE yejibao_outbox_messages gauge" in lines
    assert 'yejibao_outbox_messages{state="pending"} 2.0' in lines
    assert 'yejibao_outbox_messages{state="parked"} 1.0' in lines
    assert 'yejibao_outbox_messages{state="sent"} 0.0' in lines


@pytest.mark.django_db
def test_rooms_add_their_signs_and_figures(client: Client) -> None:
    facts = client.get("/statusz").json()
    assert facts["enrollments"] == {"ok": True, "oldest_due_seconds": 0.0, "due": 0}
    assert 'yejibao_tasks{state="overdue"} 0.0' in client.get("/metrics").content.decode().splitlines()


@pytest.mark.django_db
def test_people_read_it_as_a_page(client: Client) -> None:
    beat("sender", seconds_ago=400)
    page = client.get("/statusz", HTTP_ACCEPT="text/html").content.decode()
    assert "推送发送 400 秒前" in page
    assert "后台任务 没有心跳" in page
    assert "有异常" in page


@pytest.mark.django_db
@pytest.mark.parametrize(("role", "status"), [("hq_operator", 200), ("sys_admin", 200), ("guide", 403)])
def test_statusz_from_outside_needs_a_role(client: Client, role: str, status: int) -> None:
    sign_in(client, holder_of(role, make_org()))
    assert client.get("/statusz", **OUTSIDE).status_code == status


@pytest.mark.django_db
def test_the_api_pages_are_for_people_who_signed_in(client: Client) -> None:
    assert client.get("/api/schema/").status_code == 401
    answer = client.get("/api/docs/", HTTP_ACCEPT="text/html")
    assert (answer.status_code, answer["Location"]) == (302, "/login/?next=/api/docs/")
