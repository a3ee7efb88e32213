"""Mass messages over a real socket: made once whatever happens, confirmed by a person, read back by page."""

import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from yejibao.core import clock as product_clock
from yejibao.core.errors import Invalid
from yejibao.wecom.errors import GatewayError
from yejibao.wecom.mass import queries, results, services, steps
from yejibao.wecom.mass.models import MassSend, MassTarget
from yejibao.wecom.mass.services import cancel, plan_message, remind

from .conftest import GUIDE

CREATE, LIST = "externalcontact/add_msg_template", "externalcontact/get_groupmsg_list_v2"


def calls(sandbox: Any, api: str) -> int:
    return len(sandbox.get("calls", api=api)["calls"])


def states(send: MassSend) -> dict[str, str]:
    return dict(send.targets.order_by("target").values_list("target", "state"))


# ---------------------------------------------------------------- the usual way


def test_made_confirmed_and_read_back(plan: Any, go: Any, noon: Any, sandbox: Any, customers: list[str]) -> None:
    send = plan(targets=[*customers, "wmother"])
    assert go() == {"created": 1}
    send.refresh_from_db()
    assert (send.state, send.platform_id[:3], states(send)["wmother"]) == ("created", "msg", "unusable")
    assert sandbox.get("chat", userid=GUIDE)["chats"] == []  # nothing is sent until she says so
    noon(seconds=20)
    assert go() == {"read": 1}
    assert queries.by_sender("winter") == {GUIDE: {"parts": 1, "confirmed": 0, "sent": 0, "targets": 6}}

    sandbox.post("unfriend", userid=GUIDE, external_userid=customers[0], by="member")
    (asked,) = sandbox.get("masses", userid=GUIDE)["masses"]
    assert (asked["targets"], asked["is_sent"], asked["text"]) == (5, False, "冬装到店，周末来坐坐")
    assert sandbox.post("masses/confirm", id=asked["id"], userid=GUIDE)["reached"] == 4
    noon(minutes=10)
    assert go() == {"read": 1}
    send.refresh_from_db()
    assert (send.state, states(send)) == (
        "ended", {customers[0]: "not_friend", "wmother": "unusable"} | dict.fromkeys(customers[1:], "sent"),
    )  # fmt: skip
    found = queries.standing("winter")
    assert (found.states, found.senders, found.confirmed) == ({"ended": 1}, 1, 1)
    assert found.targets == {"not_friend": 1, "unusable": 1, "sent": 4}
    assert go() == {} and calls(sandbox, CREATE) == 1


def test_while_it_is_handed_out_reading_waits(plan: Any, go: Any, noon: Any, sandbox: Any) -> None:
    sandbox.post("settings", mass_dispatch_seconds=60)
    send = plan()
    go()
    noon(seconds=20)
    assert go() == {"put_off": 1}
    noon(seconds=60)
    assert go() == {"read": 1}
    send.refresh_from_db()
    assert (send.state, send.errcode) == ("created", 0)


def test_all_unusable_is_a_failure(plan: Any, go: Any) -> None:
    send = plan(targets=["wmother", "wmnobody"])
    assert go() == {"failed": 1}
    send.refresh_from_db()
    assert (send.state, send.errcode, set(states(send).values())) == ("failed", 41048, {"unusable"})
    assert not MassTarget.objects.filter(counts_on__isnull=False).exists()


# ---------------------------------------------------------------- never twice

LOST = [
    {"drop_after_effect": True},
    {"http": 502, "after_effect": True},
    {"truncated": True},
    {"errcode": -1, "after_effect": True},
]


@pytest.mark.parametrize("order", LOST)
def test_a_lost_answer_makes_no_second_one(plan: Any, go: Any, noon: Any, sandbox: Any, order: dict[str, Any]) -> None:
    send = plan()
    sandbox.fault(CREATE, times=1, **order)
    assert go() == {"unknown": 1}
    send.refresh_from_db()
    assert (send.state, send.platform_id) == ("unknown", "")
    assert go() == {}
    noon(seconds=20)
    assert go()["found"] == 1
    send.refresh_from_db()
    (made,) = sandbox.get("masses", userid=GUIDE)["masses"]
    assert (send.state, send.platform_id, calls(sandbox, CREATE)) == ("created", made["id"], 1)


def test_what_was_never_made_is_asked_for_again_once_that_is_sure(plan: Any, go: Any, noon: Any, sandbox: Any) -> None:
    send = plan()
    sandbox.fault(CREATE, reset=True, times=1)
    assert go() == {"unknown": 1}
    for _ in range(10):
        noon(seconds=59)
        assert set(go()) <= {"looking"}
    assert calls(sandbox, CREATE) == 0
    noon(seconds=60)
    assert go() == {"never_made": 1, "created": 1}
    send.refresh_from_db()
    assert (send.state, send.asked_count, calls(sandbox, CREATE)) == ("created", 2, 1)


def test_two_alike_are_told_apart_by_whom_they_ask(plan: Any, go: Any, noon: Any, sandbox: Any, people: Any) -> None:
    theirs = plan("theirs", sender="min.wang", targets=["wmother"])
    mine = plan("mine")
    sandbox.fault(CREATE, drop_after_effect=True, times=2)
    assert go() == {"unknown": 2}
    noon(seconds=20)
    assert go()["found"] == 2
    for send, userid in ((theirs, "min.wang"), (mine, GUIDE)):
        send.refresh_from_db()
        assert [one["id"] for one in sandbox.get("masses", userid=userid)["masses"]] == [send.platform_id]


def test_two_alike_of_one_guide_are_told_apart_by_whom_they_go_to(
    plan: Any, go: Any, noon: Any, customers: list[str], sandbox: Any
) -> None:
    first, second = plan("one", targets=customers[:2]), plan("two", targets=customers[2:])
    sandbox.fault(CREATE, drop_after_effect=True, times=2)
    go()
    noon(seconds=20)
    assert go()["found"] == 2
    noon(seconds=20)
    go()
    sandbox.post("masses/confirm", id=MassSend.objects.get(key="two").platform_id)
    noon(minutes=10)
    go()
    assert (set(states(first).values()), set(states(second).values())) == ({"waiting"}, {"sent"})


def test_whoever_asked_and_died_leaves_it_unknown(plan: Any, go: Any, noon: Any, sandbox: Any, door: Any) -> None:
    sandbox.post("settings", mass_dispatch_seconds=0)
    send = plan()
    (held,) = services.claim(now=product_clock.now())
    steps._create(door, held)  # and is killed before it can write it down
    assert go() == {}
    with connection.cursor() as cursor:
        cursor.execute("UPDATE wecom_masssend SET lease_until = now() - interval '1 second'")
    assert go()["found"] == 1
    send.refresh_from_db()
    assert (send.state, calls(sandbox, CREATE)) == ("created", 1)
    assert not services.settle(held, "failed", next_at=product_clock.now())  # it wakes up, too late


@pytest.mark.django_db(transaction=True)
def test_two_workers_make_each_once(
    sandbox: Any, people: Any, door: Any, noon: Any, customers: list[str], django_db_blocker: Any
) -> None:
    now = product_clock.now()
    for number in range(12):
        plan_message(key=f"k{number}", targets=[f"wmx{number}", customers[0]] if number else customers, sender=GUIDE,
                     text=f"第 {number} 条", due_at=now + timedelta(days=number))  # fmt: skip
    late = now + timedelta(days=20)
    tallies: list[dict[str, int]] = []

    def work() -> None:
        try:
            tallies.append(steps.go_on(now=late, seconds=20, door=door))
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    texts = Counter(row["body"]["text"]["content"] for row in sandbox.get("calls", api=CREATE)["calls"])
    assert set(texts.values()) == {1} and len(texts) == MassSend.objects.exclude(state="failed", errcode=None).count()
    assert sum(sum(one.values()) for one in tallies) == len(texts)


def test_busy_and_throttled_wait_and_count_for_nothing(plan: Any, go: Any, noon: Any, sandbox: Any) -> None:
    send = plan()
    sandbox.fault(CREATE, errcode=45033, times=1)
    assert go() == {"put_off": 1}
    send.refresh_from_db()
    assert (send.state, send.errcode) == ("planned", 45033)
    noon(minutes=3)
    assert go() == {"created": 1}


# ---------------------------------------------------------------- plans


def test_a_key_once(plan: Any) -> None:
    first = plan()
    assert plan(text="别的话").pk == first.pk
    assert MassSend.objects.get().text == "冬装到店，周末来坐坐"


def test_a_customer_gets_one_a_day_and_four_a_month(plan: Any, customers: list[str]) -> None:
    now = product_clock.now()
    plan("a", targets=customers[:3])
    second = plan("b", targets=customers)
    assert states(second) == dict.fromkeys(customers[:3], "capped") | dict.fromkeys(customers[3:], "waiting")
    for day in (1, 2, 3):
        plan(f"day{day}", targets=customers[:1], due_at=now + timedelta(days=day))
    fifth = plan("fifth", targets=customers[:1], due_at=now + timedelta(days=4))
    assert (fifth.state, states(fifth)) == ("failed", {customers[0]: "capped"})
    assert plan("december", targets=customers[:1], due_at=now + timedelta(days=9)).state == "planned"


def test_what_the_platform_would_refuse_is_not_planned(plan: Any) -> None:
    for wrong in ({"text": ""}, {"text": "长" * 1400}, {"attachments": [{}] * 10}, {"is_group": True, "sender": ""}):
        with pytest.raises(Invalid):
            plan(**wrong)
    assert not MassSend.objects.exists()


def test_ten_thousand_a_call_by_page_and_resumed(
    noon: Any, db: None, sandbox: Any, people: Any, go: Any, door: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [f"wmcrowd{number:08}" for number in range(10_003)]
    sandbox.post("world", people=[{"userid": GUIDE}])
    sandbox.post("world", contacts=[{"external_userid": one, "followers": [GUIDE]} for one in ids])
    plan_message(key="all", targets=ids, sender=GUIDE, text="换季", due_at=product_clock.now())
    assert go() == {"created": 2}
    sizes = [len(row["body"]["external_userid"]) for row in sandbox.get("calls", api=CREATE)["calls"]]
    assert sizes == [10_000, 3]
    noon(seconds=20)
    for send in MassSend.objects.all():
        sandbox.post("masses/confirm", id=send.platform_id)
    monkeypatch.setattr(results, "IN_HAND_SECONDS", 0.3)  # cut off again and again
    rounds = 0
    while MassSend.objects.filter(state="created").exists():
        go()
        rounds += 1
        assert rounds < 60
    assert queries.standing("all").targets == {"sent": 10_003}
    pages = [
        row["body"].get("cursor")
        for row in sandbox.get("calls", api="externalcontact/get_groupmsg_send_result")["calls"]
    ]
    assert (
        len(pages) == len(set(pages)) + 1 == 11
    )  # of the large one ten, of the small one its first: none was read twice


# ---------------------------------------------------------------- reminding and cancelling


def test_three_reminders_in_a_day_and_a_lost_one_counts(plan: Any, go: Any, noon: Any, sandbox: Any, door: Any) -> None:
    send = plan()
    go()
    noon(seconds=20)
    go()
    send.refresh_from_db()
    sandbox.fault("externalcontact/remind_groupmsg_send", drop_after_effect=True, times=1)
    with pytest.raises(GatewayError):
        remind(send, door=door, now=noon(minutes=1))
    for _ in range(2):
        remind(send, door=door, now=noon(minutes=1))
    with pytest.raises(services.TooManyReminders):
        remind(send, door=door, now=noon(minutes=1))
    assert calls(sandbox, "externalcontact/remind_groupmsg_send") == 3
    remind(send, door=door, now=noon(hours=24))


def test_reminders_of_the_plan_go_to_those_who_have_not_and_never_by_night(
    plan: Any, go: Any, noon: Any, sandbox: Any
) -> None:
    now = product_clock.now()
    send = plan(remind_at=[now + timedelta(hours=1), now + timedelta(hours=11), now + timedelta(hours=12)])
    go()
    for hours, reminded in ((1, 1), (11, 1), (10, 2)):  # 13:00, midnight, 10:00: two missed by night are one
        noon(hours=hours)
        go()
        send.refresh_from_db()
        assert len(send.reminded_at) == reminded
    assert send.remind_at == []


def test_cancelled_stops_who_has_not_confirmed(plan: Any, go: Any, noon: Any, sandbox: Any, door: Any) -> None:
    planned, made = plan("planned"), plan("made", due_at=product_clock.now() + timedelta(days=1))
    cancel(planned.pk, door=door, now=product_clock.now())
    noon(days=1)
    assert go() == {"created": 1}
    for _ in range(2):
        cancel(made.pk, door=door, now=noon(seconds=20))
    assert set(MassSend.objects.values_list("state", flat=True)) == {"cancelled"}
    (one,) = sandbox.get("masses", userid=GUIDE)["masses"]
    assert (one["is_cancelled"], calls(sandbox, CREATE)) == (True, 1)


def test_nobody_cancels_what_nobody_knows_of(plan: Any, go: Any, sandbox: Any, door: Any) -> None:
    send = plan()
    sandbox.fault(CREATE, drop_after_effect=True, times=1)
    go()
    with pytest.raises(services.AlreadyAsked):
        cancel(send.pk, door=door, now=product_clock.now())


def test_too_late_is_not_made(plan: Any, go: Any, noon: Any, sandbox: Any) -> None:
    send = plan(not_after=product_clock.now() + timedelta(hours=2))
    noon(hours=3)
    assert go() == {"expired": 1}
    send.refresh_from_db()
    assert (send.state, calls(sandbox, CREATE)) == ("cancelled", 0)
