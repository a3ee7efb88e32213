"""/healthz, /readyz, /statusz, /metrics: what they say and to whom."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from tests.factories.guides import holder_of, make_org, sign_in
from yejibao.core import clock, health, probes, signs
from yejibao.core.models import Heartbeat, OutboxEvent, OutboxMessage

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
    monkeypatch.setattr(probes, "_migrations", probes._Remembered())
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
def test_all_is_well_when_processes_beat_and_nothing_is_late(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signs, "_disk", lambda: (0.2, 100.0))  # whatever disk the tests run on
    for name in signs.MAX_SILENCE_SECONDS:
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
    for other in signs.MAX_SILENCE_SECONDS:
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
    facts["redis"].pop("since")
    assert (facts["ok"], facts["redis"]) == (False, {"ok": False, "state": "down", "error": "ConnectionError"})
    assert facts["outbox"]["ok"] is True


@pytest.mark.django_db
def test_a_sign_that_fails_is_a_sign(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    health.sign("broken")(lambda now: 1 / 0)  # type: ignore[arg-type,return-value]
    try:
        facts = client.get("/statusz").json()
    finally:
        health._signs.pop("broken")
    facts["broken"].pop("since")
    assert (facts["ok"], facts["broken"]) == (False, {"ok": False, "state": "down", "error": "ZeroDivisionError"})


def figures(client: Client) -> dict[str, float]:
    """Return what Prometheus reads: value by family and labels."""
    lines = client.get("/metrics").content.decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


@pytest.mark.django_db
def test_queues_are_figures_by_kind(client: Client) -> None:
    make_message("a", late_seconds=50)
    make_message("b")
    make_message("c", state="parked")
    make_message("d", state="failed")
    make_message("e", late_seconds=10, state="unknown")
    OutboxMessage.objects.filter(dedupe_key="e").update(attempts=3)
    make_message("later", late_seconds=-3600)
    make_message("gone", late_seconds=9000, state="sent")
    seen = figures(client)
    found = {
        name: seen[f'yejibao_queue_{name}{{kind="test",queue="outbox"}}']
        for name in ("due", "unknown", "failed", "parked", "retrying", "attempts")
    }
    assert found == {"due": 3, "unknown": 1, "failed": 1, "parked": 1, "retrying": 1, "attempts": 3}
    assert 50 <= seen['yejibao_queue_oldest_due_seconds{kind="test",queue="outbox"}'] < 60


@pytest.mark.django_db
def test_events_tell_their_lag(client: Client) -> None:
    now = clock.now()
    for late in (1, 7):
        OutboxEvent.objects.create(
            topic="x", payload={}, created_at=now - timedelta(seconds=60 + late), done_at=now - timedelta(seconds=60)
        )
    OutboxEvent.objects.create(topic="x", payload={}, created_at=now - timedelta(seconds=30), attempts=2)
    OutboxEvent.objects.create(topic="x", payload={}, created_at=now, parked_at=now)
    seen = figures(client)
    assert seen['yejibao_queue_lag_seconds{kind="",queue="events"}'] == 7
    found = [
        seen[f'yejibao_queue_{name}{{kind="",queue="events"}}'] for name in ("due", "retrying", "attempts", "parked")
    ]
    assert found == [1, 1, 2, 1]
    assert client.get("/statusz").json()["events"]["state"] == "slow"


@pytest.mark.logs_people
@pytest.mark.django_db
def test_requests_are_counted_by_route(client: Client) -> None:
    counted = 'yejibao_http_request_seconds_count{route="healthz",status="200"}'
    before = figures(client).get(counted, 0)
    client.get("/healthz")
    client.get("/healthz?phone=13800132075")
    client.get("/no/such/place/13800132075")
    seen = figures(client)
    assert seen[counted] == before + 2
    assert seen['yejibao_http_request_seconds_bucket{le="+Inf",route="healthz",status="200"}'] == before + 2
    assert seen['yejibao_http_request_seconds_count{route="-",status="404"}'] >= 1
    assert not any("13800132075" in line for line in seen)


@pytest.mark.django_db
def test_rooms_add_their_signs_and_figures(client: Client) -> None:
    facts = client.get("/statusz").json()
    waiting = facts["enrollments"]
    assert (waiting["ok"], waiting["oldest_due_seconds"], waiting["due"]) == (True, 0.0, 0)
    for sign in (
        "notices",
        "recompute",
        "conservation",
        "boards",
        "scoring",
        "orders",
        "wecom",
        "disk",
        "database",
        "tables",
    ):
        assert facts[sign]["state"] in ("ok", "slow"), sign
    assert figures(client)['yejibao_tasks_today{state="overdue"}'] == 0


@pytest.mark.django_db
def test_a_check_that_fails_takes_only_its_own_figures(client: Client, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    seen = figures(client)
    assert seen['yejibao_check_failed{check="redis"}'] == 1
    assert seen['yejibao_check_failed{check="outbox"}'] == 0
    assert not any(line.startswith("yejibao_celery_queue_length") for line in seen)


@pytest.mark.django_db
def test_a_check_that_takes_long_is_ended(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(now: Any) -> health.Facts:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(5)")
        return {"ok": True}

    monkeypatch.setattr(health, "CHECK_SECONDS", 0.05)
    health.sign("slow")(slow)
    try:
        facts = client.get("/statusz").json()
    finally:
        health._signs.pop("slow")
    facts["slow"].pop("since")
    assert facts["slow"] == {"ok": False, "state": "slow", "error": "OperationalError"}
    assert facts["events"]["state"] == "ok"


@pytest.mark.django_db
def test_every_queue_takes_one_question_a_scrape(client: Client, django_assert_max_num_queries: Any) -> None:
    checks = len(health._queues) + sum(check.needs_database for check in health._figures.values())
    client.get("/metrics")  # once, for what is remembered
    with django_assert_max_num_queries(checks * 5 + 10) as asked:  # each inside a savepoint with a timeout of its own
        client.get("/metrics")
    own = [
        one["sql"] for one in asked.captured_queries
        if not one["sql"].startswith(("SAVEPOINT", "RELEASE", "SET LOCAL", "ROLLBACK"))
    ]  # fmt: skip
    assert len(own) <= checks, own


@pytest.mark.django_db
def test_people_are_sent_to_the_page(client: Client) -> None:
    answer = client.get("/statusz", HTTP_ACCEPT="text/html")
    assert (answer.status_code, answer["Location"]) == (302, "/hq/health/")


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
