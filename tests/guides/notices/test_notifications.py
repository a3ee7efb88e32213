"""The notification centre: telling one or thousands, what is unread, whose it is, and what of it passes."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from guides.notices import services
from guides.notices.models import Notification
from guides.notices.services import Notice
from guides.org.models import Staff
from tests.factories.guides import Org, actor, make_org, make_staff, sign_in
from yejibao.core import clock as product_clock
from yejibao.core.clock import parse_iso

pytestmark = pytest.mark.django_db

NOW = parse_iso("2026-11-21 10:00")
URL = "/me/notifications/"


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel(NOW)
    return make_org()


@pytest.fixture
def guide(client: Client, org: Org) -> Client:
    sign_in(client, org.guide)
    return client


def notice(number: int = 1, **facts: Any) -> Notice:
    return Notice(
        **{"kind": "task", "key": f"task:{number}", "title": f"第 {number} 件", "url": f"/g/tasks/{number}/"} | facts
    )


def tell(person: Staff, *numbers: int, at: datetime = NOW, **facts: Any) -> list[Notification]:
    for number in numbers:
        services.tell_each([(person.pk, notice(number, **facts))], now=at + timedelta(seconds=number))
    return list(Notification.objects.filter(staff=person).order_by("pk"))


def titles(page: Any) -> list[str]:
    return [line.title for _, lines in page.context["page"].days for line in lines]


# ---------------------------------------------------------------- telling


def test_told_again_takes_the_place_of_what_is_unread(org: Org) -> None:
    tell(org.guide, 1)
    services.tell_each([(org.guide.pk, notice(title="再说一次"))], now=NOW + timedelta(hours=1))
    [one] = Notification.objects.all()
    assert (one.title, one.at) == ("再说一次", NOW + timedelta(hours=1))
    services.mark_read([one.pk], actor=actor(org.guide), now=NOW)
    tell(org.guide, 1)
    assert list(Notification.objects.order_by("pk").values_list("title", "read_at")) == [
        ("再说一次", NOW),
        ("第 1 件", None),
    ]


@pytest.mark.parametrize("count", [1, 40])
def test_many_are_told_with_one_statement(org: Org, count: int, django_assert_num_queries: Any) -> None:
    for _ in range(count):
        make_staff(store=org.store)
    Staff.objects.filter(pk=org.stranger.pk).update(state="resigned")
    everybody = Staff.objects.all()
    with django_assert_num_queries(1):
        told = services.tell(everybody, notice(kind="announcement", key="announcement:5", url="/g/news/5/"), now=NOW)
    assert told == Notification.objects.unread().count() == everybody.count() - 1
    with django_assert_num_queries(1):
        assert services.tell(everybody, notice(kind="announcement", key="announcement:5"), now=NOW) == told
    assert Notification.objects.count() == told, "nobody is told twice of one that is unread"


def test_each_his_own_with_one_statement(org: Org, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        services.tell_each([(org.guide.pk, notice(1)), (org.manager.pk, notice(2)), (org.guide.pk, notice(3))], now=NOW)
    assert services.tell_each([], now=NOW) == 0
    assert sorted(Notification.objects.values_list("staff", "key")) == [
        (org.guide.pk, "task:1"), (org.guide.pk, "task:3"), (org.manager.pk, "task:2"),
    ]  # fmt: skip


@pytest.mark.parametrize("url", ["https://evil.example/", "//evil.example/", "g/today/", "javascript:alert(1)"])
def test_it_leads_to_pages_of_ours_only(org: Org, url: str) -> None:
    with pytest.raises(ValueError, match="ours"):
        services.tell_each([(org.guide.pk, notice(url=url))], now=NOW)


# ---------------------------------------------------------------- the page


@pytest.mark.parametrize("rows", [1, 3, 40])
def test_the_page_needs_the_same_statements_for_any_length(
    guide: Client, org: Org, rows: int, django_assert_num_queries: Any
) -> None:
    tell(org.guide, *range(rows))
    tell(org.stranger, 99)
    guide.get(URL)
    with django_assert_num_queries(
        4
    ):  # who am I and what is unread, in one; the page; unread by kind; the number beside 今日
        page = guide.get(URL)
    assert titles(page) == [f"第 {number} 件" for number in reversed(range(rows))][:30]
    assert page.context["unread"] == rows


def test_the_number_stands_in_the_navigation_of_every_page(guide: Client, org: Org) -> None:
    tell(org.guide, 1, 2, 3)
    html = guide.get("/me/").content.decode()
    assert '<span class="cnt">3</span>' in html and "消息" in html
    tell(org.guide, *range(4, 140))
    assert guide.get("/me/").wsgi_request.waiting["notifications"] == 100, "counted no further"


def test_pages_follow_each_other_without_a_gap(guide: Client, org: Org) -> None:
    services.tell_each([(org.guide.pk, notice(number)) for number in range(70)], now=NOW)
    seen, before = [], ""
    while True:
        page = guide.get(URL, {"before": before}, headers={"HX-Request": "true"} if before else {})
        seen += titles(page)
        before = page.context["page"].before
        if not before:
            break
    assert sorted(seen) == sorted(f"第 {number} 件" for number in range(70))
    for nonsense in ("x", "20261121T000000000000_", "_", "9" * 60, "20261121T000000000000_1;DROP"):
        assert guide.get(URL, {"before": nonsense}).status_code == 200


def test_one_kind_and_the_empty_states(guide: Client, org: Org) -> None:
    assert "还没有消息" in guide.get(URL).content.decode()
    tell(org.guide, 1)
    tell(org.guide, 2, kind="approval")
    assert titles(guide.get(URL, {"kind": "approval"})) == ["第 2 件"]
    assert "这一类还没有消息" in guide.get(URL, {"kind": "ticket"}).content.decode()
    assert len(titles(guide.get(URL, {"kind": "nonsense"}))) == 2


def test_days_and_what_came_of_the_push(guide: Client, org: Org) -> None:
    from yejibao.core import outbox
    from yejibao.core.models import OutboxMessage

    for number, state in enumerate(("sent", "failed", "pending")):
        outbox.enqueue([outbox.NewMessage("test", f"k{number}", org.guide.wecom_user_id, NOW)])
        OutboxMessage.objects.filter(dedupe_key=f"k{number}").update(state=state)
        at = NOW - timedelta(days=number)
        services.tell_each([(org.guide.pk, notice(number))], now=at, pushed=[f"k{number}"])
    html = guide.get(URL).content.decode()
    assert [word in html for word in ("今天", "昨天", "企业微信已送达", "企业微信没送到")] == [True] * 4
    assert [line.pushed for _, lines in guide.get(URL).context["page"].days for line in lines] == [
        "企业微信已送达", "企业微信没送到", "",
    ]  # fmt: skip


# ---------------------------------------------------------------- reading


def test_following_it_reads_it(guide: Client, org: Org) -> None:
    [one] = tell(org.guide, 7)
    answer = guide.get(f"{URL}{one.pk}/")
    assert (answer.status_code, answer.url) == (302, "/g/tasks/7/")
    one.refresh_from_db()
    assert one.read_at == NOW


def test_somebody_elses_is_not_there(guide: Client, org: Org) -> None:
    [one] = tell(org.stranger, 7)
    assert guide.get(f"{URL}{one.pk}/").status_code == 404
    services.mark_read([one.pk], actor=actor(org.guide), now=NOW)
    guide.post(f"{URL}read/")
    guide.post(f"{URL}opened/?m=1")
    one.refresh_from_db()
    assert one.read_at is None
    sign_in(Client(), org.manager)
    assert list(Notification.objects.visible_to(actor(org.manager))) == [], "not even her manager reads it"


def test_all_read_as_far_as_the_page_showed(guide: Client, org: Org) -> None:
    tell(org.guide, 1, 2)
    tell(org.guide, 3, kind="approval")
    tell(org.guide, 4, at=NOW + timedelta(minutes=5))
    product_clock.travel(NOW + timedelta(minutes=6))
    answer = guide.post(
        f"{URL}read/",
        {"upto": (NOW + timedelta(minutes=1)).isoformat(), "kind": "task"},
        headers={"HX-Request": "true"},
    )
    assert sorted(Notification.objects.unread().values_list("key", flat=True)) == ["task:3", "task:4"]
    assert (
        answer.context["unread"],
        "2 条标为已读" in answer.headers["HX-Trigger"].encode().decode("unicode_escape"),
    ) == (2, True)
    assert guide.post(f"{URL}read/", {"upto": "nonsense"}).url == URL
    assert not Notification.objects.unread().exists()


def test_who_comes_by_the_push_has_read_it(guide: Client, org: Org) -> None:
    from yejibao.core import outbox
    from yejibao.core.models import OutboxMessage

    outbox.enqueue([outbox.NewMessage("test", "k1", org.guide.wecom_user_id, NOW)])
    services.tell_each([(org.guide.pk, notice(1)), (org.guide.pk, notice(2))], now=NOW, pushed=["k1"])
    for number in ("", "x", "9" * 30, str(OutboxMessage.objects.get().pk)):
        assert guide.post(f"{URL}opened/?m={number}").status_code == 200
    assert list(Notification.objects.unread().values_list("key", flat=True)) == ["task:2"]


def test_the_old_passes(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "FORGET_ROWS", 2)
    tell(org.guide, *range(5), at=NOW - timedelta(days=40))
    tell(org.manager, 1, at=NOW - timedelta(days=100))
    tell(org.stranger, 1, at=NOW - timedelta(days=40))
    services.mark_all_read(actor=actor(org.guide), kind="", upto=NOW, now=NOW)
    tell(org.guide, 9)
    assert services.forget_old(now=NOW) == 6
    assert sorted(Notification.objects.values_list("staff", flat=True)) == sorted([org.stranger.pk, org.guide.pk])


WHO = [("guide", "base/guide.html"), ("manager", "base/manager.html")]


@pytest.mark.parametrize(("who", "shell"), WHO)
def test_in_everybodys_own_shell(client: Client, org: Org, who: str, shell: str) -> None:
    sign_in(client, getattr(org, who))
    assert client.get(URL).context["shell"] == shell


def test_anonymous_people_have_none(client: Client, org: Org, django_assert_num_queries: Callable[..., Any]) -> None:
    with django_assert_num_queries(0):
        assert client.get(URL, headers={"Accept": "text/html"}).url.startswith("/login/")


def test_unread_counts_by_kind_and_only_the_unread(guide: Client, org: Org) -> None:
    tell(org.guide, 1, 2)
    tell(org.guide, 3, kind="help")
    Notification.objects.filter(key="task:2").update(read_at=NOW)
    page = guide.get(URL)
    counts = {key: count for key, _name, count in page.context["kinds"] if count}
    assert counts == {"task": 1, "help": 1}
    assert [key for key, _name, count in page.context["kinds"]][:2] in (["task", "help"], ["help", "task"])
    assert titles(guide.get(URL, {"unread": "1"})) == ["第 3 件", "第 1 件"]
    assert titles(guide.get(URL, {"unread": "1", "kind": "task"})) == ["第 1 件"]


def test_every_kind_that_is_told_has_a_name() -> None:
    """What a room tells under a kind that the page does not know would stand there in English."""
    import ast
    from pathlib import Path

    root, told = Path(__file__).parents[3], set()
    for part in ("guides", "crm", "tasks", "livestream"):
        for path in (root / part).rglob("*.py"):
            if "Notice(" not in (text := path.read_text()):
                continue
            for node in ast.walk(ast.parse(text)):
                match node:
                    case ast.Call(func=ast.Name(id="Notice"), args=[ast.Constant(value=str(kind)), *_]):
                        told.add(kind)
    assert told - set(Notification.Kind.values) == set() and len(told) > 6
