"""Moments over a real socket: a job of the platform's, made once, published by people, read back."""

from typing import Any

import pytest

from yejibao.core import clock as product_clock
from yejibao.core.errors import Invalid
from yejibao.wecom import moments
from yejibao.wecom.mass import queries
from yejibao.wecom.mass.models import MassSend
from yejibao.wecom.mass.services import plan_moment

from .conftest import GUIDE, OTHER

CREATE = "externalcontact/add_moment_task"


@pytest.fixture
def planned(db: None, noon: Any, customers: list[str]) -> MassSend:
    number = plan_moment(
        key="m", senders=[GUIDE, OTHER, "nobody.here"], text="新品到店", due_at=product_clock.now(),
        attachments=[{"msgtype": "image", "image": {"media_id": "WWCISP_1"}}],
    )  # fmt: skip
    return MassSend.objects.get(pk=number)


def test_made_published_and_read_back(
    planned: MassSend, go: Any, noon: Any, sandbox: Any, customers: list[str]
) -> None:
    assert go() == {"making": 1}
    noon(seconds=15)
    assert go() == {"created": 1}
    noon(seconds=15)
    assert go() == {"read": 1}
    planned.refresh_from_db()
    assert (planned.state, planned.platform_id[:3]) == ("created", "mom")
    assert list(planned.senders.filter(is_unusable=True).values_list("userid", flat=True)) == ["nobody.here"]
    sandbox.post("masses/confirm", id=planned.platform_id, userid=GUIDE)
    noon(minutes=10)
    go()
    assert queries.by_sender("m")[GUIDE] == {"parts": 1, "confirmed": 1, "sent": 5, "targets": 5}
    sandbox.post("masses/confirm", id=planned.platform_id, userid=OTHER)
    noon(minutes=10)
    go()
    planned.refresh_from_db()
    assert (planned.state, queries.standing("m").targets) == ("ended", {"sent": 6})


def test_a_lost_job_is_found_in_the_list(planned: MassSend, go: Any, noon: Any, sandbox: Any) -> None:
    sandbox.fault(CREATE, drop_after_effect=True, times=1)
    assert go() == {"unknown": 1}
    noon(seconds=20)
    assert go()["found"] == 1
    planned.refresh_from_db()
    assert (planned.state, len(sandbox.get("calls", api=CREATE)["calls"])) == ("created", 1)


def test_a_job_without_anybody_fails(db: None, noon: Any, customers: list[str], go: Any) -> None:
    plan_moment(key="m", senders=["nobody.here"], text="新品", due_at=product_clock.now())
    go()
    noon(seconds=15)
    assert go() == {"failed": 1}


def test_only_one_kind_of_attachment(db: None) -> None:
    mixed = [{"msgtype": "image", "image": {}}, {"msgtype": "link", "link": {}}]
    with pytest.raises(Invalid):
        plan_moment(key="m", senders=[GUIDE], attachments=mixed, due_at=product_clock.now())


def test_pages_of_twenty_and_who_it_was_meant_for(
    db: None, noon: Any, customers: list[str], door: Any, sandbox: Any
) -> None:
    sandbox.post("settings", moment_job_seconds=0)
    since = product_clock.now()
    for number in range(25):
        if number % 7 == 0:  # within the pace of our own
            noon(minutes=2)
        moments.create(door, senders=[GUIDE], text=f"第 {number} 条")
    found, cursor = [], ""
    while True:
        rows, cursor = moments.list_page(door, since=since, until=noon(minutes=1), cursor=cursor)
        found.append(len(rows))
        if not cursor:
            break
    assert found == [20, 5]
    assert sorted(moments.audience_page(door, rows[0].msgid, userid=GUIDE)[0]) == customers
    moments.cancel(door, rows[0].msgid)
