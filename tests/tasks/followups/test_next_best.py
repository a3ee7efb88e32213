"""下一步 on a member's page and beside his chat: it agrees with 今日, and a tap makes a task of it."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from crm.members.models import Member
from tasks.followups.models import Reach, Task
from tests.factories.benefits import make_coupon
from tests.factories.crm import make_friend, make_member, make_ticket
from tests.factories.guides import Org, holder_of, make_org, sign_in
from tests.factories.tasks import make_task
from yejibao.core import clock as product_clock
from yejibao.core.models import AuditEntry

pytestmark = pytest.mark.django_db


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel("2026-03-04 10:00")
    return make_org()


@pytest.fixture
def member(org: Org) -> Member:
    found = make_member(owner=org.guide, name="王建平", salutation="王哥", birth_month=3, birth_day=4)
    make_friend(found, external_user_id="wm1")
    return found


def card(client: Client, member: Member, *, area: str = "g") -> str:
    page = client.get(f"/{area}/members/{member.public_id}/").content.decode()
    assert "data-panel-error" not in page
    start = page.find('id="next-card"')
    return page[start : page.find("</section>", start)] if start >= 0 else ""


def take(client: Client, member: Member, rule: str = "birthday_day") -> Any:
    return client.post(f"/g/members/{member.public_id}/next/", {"rule": rule})


def test_a_tap_makes_the_task_that_then_stands_on_the_list(client: Client, org: Org, member: Member) -> None:
    sign_in(client, org.guide)
    assert "今天是他生日，祝一声就好" in card(client, member) and "去祝福" in card(client, member)
    answer = take(client, member)
    task = Task.objects.get()
    assert answer["Location"] == f"/g/tasks/{task.pk}/"
    assert (task.task_type, task.assignee, task.nature, task.state) == ("birthday_day", org.guide, "service", "open")
    assert task.why == "今天是他生日，祝一声就好，不提买东西"
    assert AuditEntry.objects.filter(action="task.next_best_taken").count() == 1
    assert "birthday_day" not in card(client, member) and f"/g/tasks/{task.pk}/" in card(client, member)
    assert "王建平" in client.get("/g/today/").content.decode()
    assert take(client, member)["Location"] == f"/g/tasks/{task.pk}/"  # tapped again: the one on the list
    assert Task.objects.count() == 1


def test_what_is_no_longer_to_be_done_makes_nothing(client: Client, org: Org, member: Member) -> None:
    sign_in(client, org.guide)
    now = product_clock.now()
    Reach.objects.create(
        member=member, guide=org.guide, channel="wecom_message", nature="service", level=2, at=now, day=now.date()
    )
    assert "先不打扰：今天联系过他了" in card(client, member)
    assert take(client, member)["Location"] == f"/g/members/{member.public_id}/"
    assert not Task.objects.exists()


def test_the_list_and_the_ticket_speak_first(client: Client, org: Org, member: Member) -> None:
    sign_in(client, org.guide)
    task = make_task(member, org.guide, now=product_clock.now(), why="问大衣合不合身")
    assert "问大衣合不合身" in card(client, member) and f"/g/tasks/{task.pk}/" in card(client, member)
    make_ticket(member, kind="care", opened_at="2026-03-03 16:00", guide=org.guide)
    assert "清洗保养还在办" in card(client, member)


def test_the_manager_gives_it_to_the_guide_and_sees_who_is_at_it(client: Client, org: Org, member: Member) -> None:
    sign_in(client, org.manager)
    assert "派给导购" in card(client, member)
    assert take(client, member)["Location"] == f"/g/members/{member.public_id}/"
    assert Task.objects.get().assignee == org.guide
    shown = card(client, member)
    assert f"{org.guide.display_name}在跟进" in shown and "看一眼" in shown


def test_hq_reads_it_and_has_no_button(client: Client, org: Org, member: Member) -> None:
    sign_in(client, holder_of("hq_operator", org))
    shown = card(client, member, area="hq")
    assert "今天是他生日" in shown and "<button" not in shown
    assert take(client, member).status_code == 403


def test_a_strangers_member_is_not_there(client: Client, org: Org, member: Member) -> None:
    sign_in(client, org.stranger)
    assert take(client, member).status_code == 404


def test_beside_the_chat_it_stands_only_where_nothing_else_is_to_be_done(
    client: Client, org: Org, member: Member
) -> None:
    sign_in(client, org.guide)
    make_coupon(member, now=product_clock.now() - timedelta(days=1))

    def beside() -> str:
        page = client.get("/g/sidebar/", {"external_user_id": "wm1"}, headers={"HX-Request": "true"}).content.decode()
        assert "data-panel-error" not in page
        return page

    assert "今天是他生日" in beside()
    make_task(member, org.guide, now=product_clock.now(), why="问大衣合不合身")
    assert 'id="next-card"' not in beside()
