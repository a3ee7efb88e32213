"""离职交接: who is shown to whom, the proposal, one tap, and what happens then."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from crm.members.models import GuideHandover, Member
from crm.members.services import apply_due_handovers, default_heir, propose_heir
from guides.org.models import RoleAssignment, Staff
from guides.org.services import resign_staff
from tests.factories.crm import make_member
from tests.factories.guides import Org, holder_of, make_org, make_staff, make_store, sign_in
from tests.factories.tasks import make_task
from yejibao.core import outbox
from yejibao.core.clock import local_day, parse_iso
from yejibao.core.models import AuditEntry
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db

NOW = parse_iso("2026-11-21 10:00")
LIST = "/m/handovers/"
HTMX = {"HX-Request": "true", "Accept": "text/html"}


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel(NOW)
    return make_org()


@pytest.fixture
def manager(client: Client, org: Org) -> Client:
    client.defaults["HTTP_ACCEPT"] = "text/html"
    return sign_in(client, org.manager)


def leave(person: Staff, *, hours_ago: float = 2, members: int = 2) -> GuideHandover:
    """Let somebody with members resign, and the world hear of it."""
    for number in range(members):
        make_member(owner=person, name=f"王{number}")
    resign_staff(person, actor=Actor.system(), now=NOW - timedelta(hours=hours_ago))
    outbox.drain_events()
    return GuideHandover.objects.get(guide=person)


def colleagues(org: Org) -> tuple[Staff, Staff]:
    """Return two more guides of the store: one with three members, one with one."""
    busy, free = make_staff(store=org.store, name="何勇"), make_staff(store=org.store, name="马超")
    for owner in (busy, busy, busy, free):
        make_member(owner=owner)
    return busy, free


def give(handover: GuideHandover, to: Staff) -> tuple[str, dict[str, Any]]:
    return f"{LIST}{handover.pk}/heir/", {"heir": to.pk}


def test_nothing_to_hand_over_says_so(manager: Client) -> None:
    page = manager.get(LIST).text
    assert "没有要交接的" in page and "最近 30 天" not in page


def test_the_page_says_who_left_who_would_take_over_and_when(manager: Client, org: Org) -> None:
    busy, free = colleagues(org)
    make_task(make_member(owner=org.guide), org.guide, now=NOW - timedelta(hours=3))
    handover = leave(org.guide)
    page = manager.get(LIST)
    (one,) = page.context["waiting"]
    assert (one.member_count, one.decide_by, one.proposed.person) == (3, NOW + timedelta(hours=22), free)
    assert [(other.person, other.member_count) for other in one.others] == [(busy, 3), (org.manager, 0)]
    for words in ("林晓雯", "今天 8:00 离职 · 3 位会员", "没选的话，明天 8:00 自动交给", "剩 22 时", "现有 1 位会员", "建议",
                  "林晓雯的 1 件任务先停着", f'href="{LIST}" aria-current="page"'):  # fmt: skip
        assert words in page.text, words
    assert one.proposed.person == default_heir(handover.guide, now=NOW)


def test_one_tap_hands_over_once(manager: Client, org: Org) -> None:
    busy, _ = colleagues(org)
    task = make_task(make_member(owner=org.guide), org.guide, now=NOW - timedelta(hours=3))
    handover = leave(org.guide)
    path, choice = give(handover, busy)
    key = HTMX | {"Idempotency-Key": "one"}
    first = manager.post(path, choice, headers=key)
    assert (first.status_code, first["HX-Redirect"]) == (204, LIST)
    page = manager.get(LIST).text
    assert "林晓雯的 3 位会员交给何勇了" in page and "最近 30 天交接的" in page and "你选的" in page
    assert "全交给他" not in page
    assert manager.post(path, choice, headers=key).status_code == 204
    again = manager.post(path, choice, headers=HTMX | {"Idempotency-Key": "two"})
    assert (again.status_code, "已经交接完成" in again.text) == (409, True)
    assert Member.objects.filter(owner_guide=busy).count() == 6
    assert AuditEntry.objects.filter(action="member.handed_over", actor_id=org.manager.pk).count() == 1
    outbox.drain_events()
    task.refresh_from_db()
    assert (task.assignee_id, task.held_reason) == (busy.pk, "handover")


def test_it_works_without_a_script(manager: Client, org: Org) -> None:
    busy, _ = colleagues(org)
    path, choice = give(leave(org.guide), busy)
    answer = manager.post(path, choice)
    assert (answer.status_code, answer["Location"]) == (302, LIST)
    assert "林晓雯的 2 位会员交给何勇了" in manager.get(LIST).text


def test_after_24_hours_it_has_happened_by_itself(manager: Client, org: Org, clock: Any) -> None:
    _, free = colleagues(org)
    handover = leave(org.guide, hours_ago=25)
    assert "马上自动交给" in manager.get(LIST).text
    apply_due_handovers(now=NOW)
    page = manager.get(LIST).text
    assert "到时间自动交的" in page and "马超" in page
    assert manager.post(*give(handover, free)).status_code == 409
    clock.advance(days=31)
    assert "到时间自动交的" not in manager.get(LIST).text


def test_the_proposal_left_too(manager: Client, org: Org) -> None:
    busy, free = colleagues(org)
    handover = leave(org.guide)
    leave(free, members=0)
    waiting = {one.handover.pk: one for one in manager.get(LIST).context["waiting"]}
    assert waiting[handover.pk].proposed.person == busy == default_heir(handover.guide, now=NOW)
    assert manager.post(*give(handover, free)).status_code == 422


def test_a_store_without_another_guide_proposes_its_manager(manager: Client, org: Org) -> None:
    handover = leave(org.guide)
    page = manager.get(LIST)
    assert page.context["waiting"][0].proposed.person == org.manager == handover.heir and "店长" in page.text


def test_only_people_on_the_list_take_over(manager: Client, org: Org) -> None:
    handover = leave(org.guide)
    for chosen in (org.stranger.pk, org.guide.pk, "", "x"):
        assert manager.post(f"{LIST}{handover.pk}/heir/", {"heir": chosen}).status_code == 422
    handover.refresh_from_db()
    assert handover.state == "proposed"


def test_another_store_is_out_of_sight(manager: Client, org: Org) -> None:
    handover = leave(org.stranger)
    page = manager.get(LIST)
    assert (page.context["waiting"], "黄婷" in page.text) == ([], False)
    assert manager.post(*give(handover, org.manager)).status_code == 404


@pytest.mark.parametrize("role", ["guide", "area_supervisor", "hq_operator", "sys_admin"])
def test_others_have_no_such_page(client: Client, org: Org, role: str) -> None:
    handover = leave(org.guide)
    sign_in(client, holder_of(role, org))
    assert client.get(LIST, headers={"Accept": "text/html"}).status_code == 403
    assert client.post(*give(handover, org.manager)).status_code == 403


def test_the_region_manager_names_who_receives_a_closed_store(client: Client, org: Org) -> None:
    receiver = make_staff("store_manager", store=org.other_store, name="周店长")
    client.defaults["HTTP_ACCEPT"] = "text/html"
    region = sign_in(client, holder_of("region_manager", org))
    handover = leave(org.guide)
    assert region.get(LIST).context["waiting"] == []  # the store is open: its manager's choice
    assert region.post(*give(handover, receiver)).status_code == 404
    org.store.closed_on = local_day(NOW) + timedelta(days=1)
    org.store.save()
    assert region.get(LIST).context["waiting"] == []
    org.store.closed_on = local_day(NOW)
    org.store.save()
    page = region.get(LIST)
    (one,) = page.context["waiting"]
    assert [other.person for other in one.candidates] == [org.manager, receiver]
    assert "新街口店已关店" in page.text and "观前店 · 现有 0 位会员" in page.text
    assert region.post(*give(handover, org.stranger)).status_code == 422
    assert region.post(*give(handover, receiver)).status_code == 302
    assert Member.objects.filter(owner_guide=receiver).count() == 2


def test_a_region_elsewhere_does_not_name_anybody(client: Client, org: Org) -> None:
    handover = leave(org.guide)
    org.store.closed_on = local_day(NOW)
    org.store.save()
    elsewhere = make_staff("region_manager", unit=make_store().unit)
    assert sign_in(client, elsewhere).post(*give(handover, org.manager)).status_code == 404


def test_office_staff_and_helpers_of_other_stores_are_no_candidates(manager: Client, org: Org) -> None:
    RoleAssignment.objects.create(staff=org.stranger, role="guide", unit=org.store.unit)
    make_staff("", store=org.store, name="没岗位的人")
    leave(org.guide)
    (one,) = manager.get(LIST).context["waiting"]
    assert [other.person for other in one.candidates] == [org.manager]


def test_the_badge_counts_open_ones(manager: Client, org: Org) -> None:
    def badge() -> bool:
        return '交接<span class="cnt">1</span>' in manager.get("/m/shifts/").text

    assert not badge()
    leave(org.guide)
    assert badge()


@pytest.mark.parametrize("rows", [1, 4])
def test_the_page_needs_the_same_queries_for_any_number(
    manager: Client, org: Org, rows: int, django_assert_num_queries: Any
) -> None:
    colleagues(org)
    for number in range(rows):
        gone = make_staff(store=org.store, name=f"走了{number}")
        make_task(make_member(owner=gone), gone, now=NOW - timedelta(hours=3))
        leave(gone)
        done = make_staff(store=org.store, name=f"交了{number}")
        leave(done, hours_ago=30)
    apply_due_handovers(now=NOW)
    manager.get(LIST)
    # session; waiting, managers, people, done and its friends; the panel and its savepoint; two badges
    with django_assert_num_queries(11):
        page = manager.get(LIST)
    assert len(page.context["waiting"]) == len(page.context["done"]) == rows


def test_a_handover_is_proposed_once(org: Org) -> None:
    handover = leave(org.guide)
    assert propose_heir(org.guide.pk, resigned_at=NOW, now=NOW) == handover
