"""What a log line holds, and what it never holds."""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from celery import Celery, shared_task
from celery.app.trace import trace_task
from django.db import IntegrityError, connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from tests.factories.crm import make_member
from tests.factories.guides import make_org, sign_in
from yejibao.celery import app as house
from yejibao.core import access, logs
from yejibao.core.models import Heartbeat
from yejibao.urls import urlpatterns as product

pytestmark = pytest.mark.logs_people
PHONE, NAME = "13800132075", "欧阳建平"


@pytest.fixture(params=["json", "plain"])
def written(request: Any) -> Iterator[Callable[[], str]]:
    """What the product's own formatter writes meanwhile, at every level."""
    yield from _listen(request.param)


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The same as objects."""
    for read in _listen("json"):
        yield lambda: [json.loads(line) for line in read().splitlines()]  # noqa: B023


def _listen(style: str) -> Iterator[Callable[[], str]]:
    out = StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(logs.Lines(style))
    root = logging.getLogger()
    root.addHandler(handler)
    before = root.level
    root.setLevel(logging.DEBUG)
    yield out.getvalue
    root.removeHandler(handler)
    root.setLevel(before)
    logs.start()


# ---------------------------------------------------------------- what a line is about


def test_a_line_says_what_it_is_about(lines: Any) -> None:
    logs.start(request_id="r1")
    logs.bind(staff=7)
    with logs.about(message=12):
        logging.getLogger("yejibao.x").warning("held", extra={"facts": {"seconds": 3}})
    logging.getLogger("yejibao.x").info("after")
    first, second = lines()
    assert list(first) == ["at", "level", "logger", "event", "request_id", "staff", "message", "seconds"]
    assert (first["event"], first["message"], first["seconds"], first["level"]) == ("held", 12, 3, "WARNING")
    assert second["staff"] == 7 and "message" not in second


def test_threads_speak_for_themselves(lines: Any) -> None:
    logs.start(request_id="mine")
    thread = threading.Thread(target=lambda: logging.getLogger("yejibao.x").info("beside"))
    thread.start()
    thread.join()
    assert "request_id" not in lines()[0]


# ---------------------------------------------------------------- what never leaves


@pytest.mark.django_db
def test_what_the_database_quotes_of_a_row_does_not_leave(written: Callable[[], str]) -> None:
    member = make_member(name=NAME, member_no="V13800132075X")
    log = logging.getLogger("yejibao.x")
    try:
        with transaction.atomic():
            make_member(name=NAME, member_no=member.member_no)
    except IntegrityError as error:
        assert member.member_no in str(error)  # the driver does quote it
        log.exception("not stored: %s", error)
        log.error("again: %r", error)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT %s::int", [NAME])
    except Exception:
        log.exception("not read")
    text = written()
    assert "member_number" in text and "23505" in text and "22P02" in text
    assert "test_logs.py" in text
    for secret in (NAME, PHONE, member.member_no, "DETAIL", "Key ("):
        assert secret not in text


@pytest.mark.parametrize(
    "error",
    [
        KeyError(NAME), ValueError(f"invalid literal for int() with base 10: '{NAME}'"), KeyError("lin.xiaowen"),
        RuntimeError(f"cannot call {PHONE}"), UnicodeDecodeError("utf-8", NAME.encode(), 0, 1, "bad"),
        TypeError(json.dumps({"name": NAME})),
    ],
)  # fmt: skip
def test_errors_are_told_without_their_values(written: Callable[[], str], error: Exception) -> None:
    try:
        try:
            raise error
        except Exception as first:
            raise RuntimeError("while doing it") from first
    except RuntimeError:
        logging.getLogger("yejibao.x").exception("broke")
    text = written()
    assert type(error).__name__ in text and "while doing it" in text
    for secret in (NAME, PHONE, "lin.xiaowen", NAME.encode("unicode_escape").decode()):
        assert secret not in text


def test_a_row_in_a_line_is_told_by_its_kind(lines: Any) -> None:
    logging.getLogger("yejibao.x").info("wrote to %s", NAME, extra={"facts": {"member": object(), "tel": PHONE}})
    [line] = lines()
    assert (line["event"], line["member"], line["tel"]) == ("wrote to …", "object", "…")


def test_uncaught_errors_leave_by_the_log(lines: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.excepthook", None)
    monkeypatch.setattr("threading.excepthook", None)
    logs.take_over_uncaught()

    def break_down() -> None:
        raise ValueError(NAME)

    thread = threading.Thread(target=break_down)
    thread.start()
    thread.join()
    [line] = lines()
    assert (line["level"], line["error"]["type"], line["error"]["said"]) == ("CRITICAL", "ValueError", "…")


# ---------------------------------------------------------------- requests


@access.anonymous("a test's")
def broken(request: HttpRequest) -> HttpResponse:
    raise LookupError(request.GET.get("q"))


urlpatterns = [*product, path("broken/", broken, name="broken")]


@pytest.mark.django_db
@pytest.mark.urls(__name__)
def test_a_request_leaves_one_line_without_its_query_and_body(client: Client, lines: Any) -> None:
    org = make_org()
    sign_in(client, org.guide)
    seen = len(lines())
    client.get("/g/members/", {"q": PHONE}, HTTP_ACCEPT="text/html", HTTP_X_REQUEST_ID="0123456789abcdef")
    [line] = [one for one in lines()[seen:] if one["event"] == "request"]
    assert (line["request_id"], line["method"], line["staff"], line["role"]) == (
        "0123456789abcdef", "GET", org.guide.pk, "guide",
    )  # fmt: skip
    assert line["status"] in (200, 404) and line["ms"] >= 0 and PHONE not in json.dumps(line)


@pytest.mark.django_db
@pytest.mark.urls(__name__)
def test_an_unhandled_error_is_told_once_with_its_place(client: Client, lines: Any) -> None:
    answer = client.get("/broken/", {"q": NAME})
    told = lines()
    assert answer.status_code == 500
    [error] = [line for line in told if "error" in line]
    assert (error["event"], error["route"], error["error"]["type"]) == ("unhandled error", "broken", "LookupError")
    assert error["error"]["at"][-1].endswith(" broken")
    assert error["request_id"] == answer["X-Request-Id"] == answer.json()["request_id"]
    assert [line["status"] for line in told if line["event"] == "request"] == [500]
    assert len([line for line in told if line["logger"].startswith("django")]) == 0
    assert NAME not in json.dumps(told, ensure_ascii=False)


@pytest.mark.parametrize("given", ["x", "王建平王建平王建平", "13800132075 x y z", "a" * 65])
def test_a_request_id_of_another_form_is_not_taken_over(client: Client, given: str) -> None:
    assert client.get("/healthz", headers={"X-Request-Id": given.encode().decode("latin-1")})["X-Request-Id"] != given


def test_machines_asking_leave_no_line(client: Client, lines: Any) -> None:
    client.get("/healthz")
    assert [line for line in lines() if line["event"] == "request"] == []


# ---------------------------------------------------------------- jobs


@shared_task(name="tests.count_things")
def count_things(name: str = "", **_: Any) -> dict[str, int]:
    logging.getLogger("yejibao.x").info("counting")
    if name:
        raise ValueError(name)
    return {"counted": 3}


@pytest.mark.django_db
def test_a_job_leaves_one_line_and_its_mark(lines: Any) -> None:
    count_things.apply()
    inside, line = [one for one in lines() if one.get("job") == "tests.count_things"]
    assert inside["event"] == "counting" and inside["job_id"] == line["job_id"]
    assert (line["event"], line["state"], line["counts"]) == ("job", "success", {"counted": 3})
    mark = Heartbeat.objects.get(name="job:tests.count_things")
    assert (mark.facts["failures"], mark.at.year > 2000) == (0, True)


@pytest.mark.django_db
def test_a_failed_job_tells_its_error_and_keeps_when_it_last_went_well(lines: Any) -> None:
    count_things.apply()
    went_well = Heartbeat.objects.get(name="job:tests.count_things").at
    for _ in range(2):
        count_things.apply(kwargs={"name": NAME})
    line = lines()[-1]
    assert (line["level"], line["state"], line["error"]["type"]) == ("ERROR", "failure", "ValueError")
    mark = Heartbeat.objects.get(name="job:tests.count_things")
    assert (mark.at, mark.facts["failures"], mark.facts["error"]) == (went_well, 2, "ValueError")
    assert NAME not in json.dumps(lines(), ensure_ascii=False)


@pytest.mark.django_db
def test_the_request_id_goes_with_the_job(lines: Any) -> None:
    app = Celery("elsewhere", broker="memory://", set_as_current=False)
    with logs.about(request_id="r-of-the-page"):
        app.send_task("tests.count_things")
    with app.connection_for_read() as broker:
        message = broker.SimpleQueue("celery").get(timeout=5)
    job = house.tasks["tests.count_things"]
    trace_task(job, message.headers["id"], (), {}, request=message.headers, app=house)  # as a worker does
    told = [one for one in lines() if one.get("job")]
    assert [(one["event"], one["request_id"]) for one in told] == [
        ("counting", "r-of-the-page"), ("job", "r-of-the-page"),
    ]  # fmt: skip


def test_a_broker_behind_a_socket_is_no_news() -> None:
    """A newcomer's first start would show it as a warning."""
    record = logging.makeLogRecord(
        {"msg": "No hostname was supplied. Reverting to default '%s'", "args": ("localhost",)}
    )
    assert not logs.is_news(record) and logs.is_news(logging.makeLogRecord({"msg": "connection lost"}))
    assert logs.config(level="INFO", style="plain")["loggers"]["kombu.connection"]["filters"] == ["is_news"]
