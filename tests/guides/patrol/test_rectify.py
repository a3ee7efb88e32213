"""Rectification: from a finding to the duty, the photos, the re-check; what is late, left or withdrawn."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from guides.notices.models import Notification
from guides.org.models import Staff, Store
from guides.patrol.models import Finding
from guides.patrol.rectify import following, people, services
from guides.patrol.rectify.models import FindingStep, Rectification
from guides.patrol.rectify.queries import hint_of, item_history, last_of_items, page_of_findings, read_story
from tasks.duties import rectifying
from tasks.duties.models import Duty
from tests.factories.guides import Org, actor, holder_of, make_staff, sign_in
from tests.factories.patrol import make_visit, picture
from tests.guides.patrol.conftest import NOW
from yejibao.core import clock as product_clock
from yejibao.core import files
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.outbox import drain_events
from yejibao.core.scope import Actor

State = Finding.State
LOW = {"facade_window_display": 2, "hygiene_floor": 3}


@pytest.fixture
def low(org: Org, supervisor: Staff) -> dict[str, Rectification]:
    """A patrol with two problems, by item: the window is the manager's, the floor the duty guide's."""
    Store.objects.filter(pk=org.store.pk).update(duty_guide=org.guide)
    org.store.refresh_from_db()
    make_visit(supervisor, org.store, LOW)
    drain_events()
    rows = Rectification.objects.with_finding()
    return {one.finding.item.key: one for one in rows}


def photo(person: Staff, seed: int = 0) -> UUID:
    return files.keep(picture(seed), room="rectification", by_id=person.pk, now=product_clock.now()).name


def hand_in(row: Rectification, person: Staff, note: str = "换好了") -> None:
    duty = rectifying.duty_of(row.finding, round=row.round)
    assert duty is not None
    path = row.finding.store.unit.path or ""
    rectifying.finish_duty(
        duty, actor=actor(person), note=note, names=[photo(person)], store_path=path, now=product_clock.now()
    )
    drain_events()


def again(row: Rectification) -> Rectification:
    return Rectification.objects.with_finding().get(pk=row.pk)


def notices(person: Staff) -> list[str]:
    return list(Notification.objects.filter(staff=person, read_at=None).order_by("pk").values_list("title", flat=True))


# ---------------------------------------------------------------- opening


def test_each_problem_is_somebodys_duty_with_the_files_deadline(org: Org, low: dict[str, Rectification]) -> None:
    duties = {one.assignee_id: one for one in Duty.objects.all()}
    window, floor = low["facade_window_display"].finding, low["hygiene_floor"].finding
    assert (window.owner, floor.owner) == (org.manager, org.guide)
    # 24 h from 14:00; 4 h from 14:00
    assert (window.deadline_at, floor.deadline_at) == (parse_iso("2026-11-22 14:00"), parse_iso("2026-11-21 18:00"))
    duty = duties[org.guide.pk]
    assert (duty.task_type, duty.title, duty.due_at) == ("patrol_rectify", "地面墙面卫生", floor.deadline_at)
    assert duty.expire_at == floor.deadline_at + timedelta(days=7)
    assert duty.priority == 2
    assert notices(org.guide) == ["整改：地面墙面卫生"]


def test_opened_twice_is_opened_once(org: Org, low: dict[str, Rectification]) -> None:
    assert services.open_rectifications([one.pk for one in low.values()], now=NOW) == 0
    assert Duty.objects.count() == 2


def test_the_third_low_score_in_90_days_is_the_regions_and_the_departments(
    org: Org, supervisor: Staff, clock: Any
) -> None:
    region, visual = holder_of("region_manager", org), holder_of("hq_visual", org)
    for day in ("2026-09-01", "2026-10-10", "2026-11-20"):
        clock.travel(f"{day} 11:00")
        make_visit(supervisor, org.store, {"facade_window_display": 2})
        drain_events()
    assert "新街口店「橱窗陈列主题」90 天内第 3 次低分" in notices(region)
    assert "新街口店「橱窗陈列主题」90 天内第 3 次低分" in notices(visual)
    clock.travel("2026-12-20 11:00")  # the first is 110 days ago: this is the third again
    make_visit(supervisor, org.store, {"facade_window_display": 1})
    drain_events()
    assert Rectification.objects.order_by("-pk").first().low_count == 3  # type: ignore[union-attr]


# ---------------------------------------------------------------- handing in, checking


def test_handed_in_with_a_photo_it_waits_for_the_patroller(
    org: Org, supervisor: Staff, low: dict[str, Rectification], clock: Any
) -> None:
    clock.travel("2026-11-21 17:30")
    row = low["hygiene_floor"]
    hand_in(row, org.guide)
    row = again(row)
    assert (row.finding.state, row.submitted_by, row.checker) == (State.SUBMITTED, org.guide, supervisor)
    (step,) = FindingStep.objects.filter(finding=row.finding, kind="submitted")
    assert len(files.of("rectification", [step.pk])[step.pk]) == 1
    assert "新街口店「地面墙面卫生」整改好了，等你复查" in notices(supervisor)
    assert Duty.objects.get(assignee=org.guide).state == Duty.State.DONE


def test_accepted_it_is_solved_and_on_time(
    org: Org, supervisor: Staff, low: dict[str, Rectification], clock: Any
) -> None:
    clock.travel("2026-11-21 17:59")
    hand_in(low["hygiene_floor"], org.guide)
    clock.travel("2026-11-22 12:00")  # the check is late, the work was not
    row = services.accept_rectification(
        again(low["hygiene_floor"]), actor=actor(supervisor), now=product_clock.now(), note="很干净"
    )
    assert (row.finding.state, row.is_on_time, row.finding.closed_at) == (State.ACCEPTED, True, product_clock.now())
    assert "复查通过：地面墙面卫生" in notices(org.guide)


def test_sent_back_it_has_a_day_more_and_a_duty_of_its_own(
    org: Org, supervisor: Staff, low: dict[str, Rectification], clock: Any
) -> None:
    clock.travel("2026-11-21 17:00")
    hand_in(low["hygiene_floor"], org.guide)
    row = services.return_rectification(
        again(low["hygiene_floor"]), actor=actor(supervisor), now=product_clock.now(), reason="墙角还有灰"
    )
    drain_events()
    # the deadline was 18:00: 24 h more
    assert (row.finding.state, row.round, row.finding.deadline_at) == (State.REJECTED, 2, parse_iso("2026-11-22 18:00"))
    open_duty = Duty.objects.get(assignee=org.guide, state="open")
    assert (open_duty.why, open_duty.due_at) == ("退回：墙角还有灰", parse_iso("2026-11-22 18:00"))
    clock.travel("2026-11-22 17:00")
    hand_in(again(row), org.guide, "擦了两遍")
    done = services.accept_rectification(again(row), actor=actor(supervisor), now=product_clock.now())
    assert (done.finding.state, done.is_on_time, done.returned_count) == (State.ACCEPTED, True, 1)


def test_who_checks_late_takes_no_time_from_who_mends(
    org: Org, supervisor: Staff, low: dict[str, Rectification], clock: Any
) -> None:
    clock.travel("2026-11-21 17:00")
    hand_in(low["hygiene_floor"], org.guide)
    clock.travel("2026-11-23 15:00")
    row = services.return_rectification(
        again(low["hygiene_floor"]), actor=actor(supervisor), now=product_clock.now(), reason="又脏了"
    )
    assert row.finding.deadline_at == parse_iso("2026-11-24 15:00")


def test_sent_back_needs_a_word(org: Org, supervisor: Staff, low: dict[str, Rectification]) -> None:
    hand_in(low["hygiene_floor"], org.guide)
    with pytest.raises(Invalid):
        services.return_rectification(again(low["hygiene_floor"]), actor=actor(supervisor), now=NOW, reason=" ")


def test_photos_and_a_word_are_needed(org: Org, low: dict[str, Rectification]) -> None:
    row = low["hygiene_floor"]
    duty = rectifying.duty_of(row.finding, round=1)
    assert duty is not None
    with pytest.raises(Invalid) as refusal:
        rectifying.finish_duty(duty, actor=actor(org.guide), note="", names=[], store_path="-", now=NOW)
    assert [one["field"] for one in refusal.value.errors] == ["note", "photos"]


def test_a_late_one_is_still_taken_and_is_not_on_time(
    org: Org, supervisor: Staff, low: dict[str, Rectification], clock: Any
) -> None:
    from tasks.duties.services import expire_duties

    clock.travel("2026-12-01 10:00")
    expire_duties(now=product_clock.now())
    hand_in(low["hygiene_floor"], org.guide)
    row = services.accept_rectification(again(low["hygiene_floor"]), actor=actor(supervisor), now=product_clock.now())
    assert (row.finding.state, row.is_on_time) == (State.ACCEPTED, False)


# ---------------------------------------------------------------- who may


def test_the_manager_hands_in_for_her_guide_and_a_stranger_does_not(org: Org, low: dict[str, Rectification]) -> None:
    row = low["hygiene_floor"]
    duty = rectifying.duty_of(row.finding, round=1)
    assert duty is not None
    path = org.store.unit.path or ""
    with pytest.raises(Forbidden):
        rectifying.finish_duty(
            duty, actor=actor(org.stranger), note="好了", names=[photo(org.stranger)], store_path=path, now=NOW
        )
    hand_in(row, org.manager)
    assert again(row).submitted_by == org.manager


def test_nobody_else_checks_before_two_days_then_the_supervisor_may(
    org: Org, low: dict[str, Rectification], clock: Any
) -> None:
    other = holder_of("area_supervisor", org)
    hand_in(low["hygiene_floor"], org.guide)
    row = again(low["hygiene_floor"])
    for person in (other, org.manager, org.guide):
        assert not people.may_check(row, actor(person), now=product_clock.now())
        with pytest.raises(Forbidden):
            services.accept_rectification(row, actor=actor(person), now=product_clock.now())
    clock.advance(hours=48)
    assert people.may_check(row, actor(other), now=product_clock.now())
    assert not people.may_check(row, actor(org.manager), now=product_clock.now())
    elsewhere = make_staff("area_supervisor", unit=org.other_area)
    assert not people.may_check(row, actor(elsewhere), now=product_clock.now())


def test_of_a_patroller_who_may_not_check_the_area_does(org: Org, supervisor: Staff) -> None:
    branch = holder_of("branch_manager", org)
    make_visit(branch, org.store, {"hygiene_floor": 3})
    drain_events()
    assert Rectification.objects.get().checker == supervisor


def test_of_a_self_patrol_not_the_manager_checks(org: Org, supervisor: Staff) -> None:
    make_visit(org.manager, org.store, {"hygiene_floor": 3}, kind="self")
    drain_events()
    assert Rectification.objects.get().checker == supervisor


# ---------------------------------------------------------------- withdrawn, moved, waiting


def test_withdrawn_the_duty_is_gone(org: Org, supervisor: Staff, low: dict[str, Rectification]) -> None:
    row = services.waive_rectification(
        low["facade_window_display"], actor=actor(supervisor), now=NOW, reason="总部换季，不算"
    )
    drain_events()
    assert row.finding.state == State.WAIVED
    assert Duty.objects.get(assignee=org.manager).state == Duty.State.CANCELLED
    with pytest.raises(Conflict):
        services.waive_rectification(again(row), actor=actor(supervisor), now=NOW, reason="再来一次")


def test_given_to_another_it_is_his_and_no_longer_hers(org: Org, low: dict[str, Rectification]) -> None:
    colleague = make_staff("guide", store=org.store, name="马丽")
    row = services.assign_rectification(low["hygiene_floor"], to=colleague.pk, actor=actor(org.manager), now=NOW)
    drain_events()
    assert row.finding.owner == colleague
    assert Duty.objects.get(assignee=org.guide).state == Duty.State.CANCELLED
    assert Duty.objects.get(assignee=colleague).state == Duty.State.OPEN
    back = services.assign_rectification(again(row), to=org.guide.pk, actor=actor(org.manager), now=NOW)
    drain_events()
    assert Duty.objects.get(assignee=org.guide, state="open").key == f"finding:{back.pk}:3"
    with pytest.raises(Invalid):
        services.assign_rectification(again(row), to=org.stranger.pk, actor=actor(org.manager), now=NOW)
    with pytest.raises(Forbidden):
        services.assign_rectification(again(row), to=colleague.pk, actor=actor(org.guide), now=NOW)


def test_while_it_waits_for_hq_the_deadline_stands_still(org: Org, low: dict[str, Rectification], clock: Any) -> None:
    row = services.let_wait(low["facade_window_display"], actor=actor(org.manager), now=NOW, waits_for="报修单 8")
    clock.travel("2026-11-24 14:00")  # long past the deadline
    assert following.follow_findings(now=product_clock.now())["late"] == 1  # the floor alone
    row = services.resume(again(row), actor=actor(org.manager), now=product_clock.now())
    assert row.finding.deadline_at == parse_iso("2026-11-25 14:00")
    drain_events()
    assert Duty.objects.get(assignee=org.manager, state="open").due_at == parse_iso("2026-11-25 14:00")


# ---------------------------------------------------------------- late, left, closed


def test_late_by_a_day_the_area_hears_by_three_the_region(
    org: Org, supervisor: Staff, low: dict[str, Rectification], clock: Any
) -> None:
    region = holder_of("region_manager", org)
    clock.travel("2026-11-22 17:59")
    assert following.follow_findings(now=product_clock.now())["late"] == 0
    clock.travel("2026-11-22 18:00")
    assert following.follow_findings(now=product_clock.now())["late"] == 1
    assert following.follow_findings(now=product_clock.now())["late"] == 0
    assert "新街口店有 1 项整改逾期" in notices(supervisor)
    assert notices(region) == []
    clock.travel("2026-11-24 18:00")
    following.follow_findings(now=product_clock.now())
    assert notices(region) == ["新街口店有 1 项整改逾期"]


def test_unchecked_for_two_days_the_area_hears(org: Org, low: dict[str, Rectification], clock: Any) -> None:
    hand_in(low["hygiene_floor"], org.guide)
    clock.advance(hours=47, minutes=59)
    assert following.follow_findings(now=product_clock.now())["unchecked"] == 0
    clock.advance(minutes=1)
    assert following.follow_findings(now=product_clock.now())["unchecked"] == 1
    assert following.follow_findings(now=product_clock.now())["unchecked"] == 0


def test_of_who_left_the_manager_mends(org: Org, low: dict[str, Rectification]) -> None:
    from guides.org.services import resign_staff

    resign_staff(org.guide, actor=Actor.system(), now=NOW, reason="离职")
    drain_events()
    assert again(low["hygiene_floor"]).finding.owner == org.manager
    assert Duty.objects.filter(assignee=org.manager, state="open").count() == 2


def test_what_nobody_had_finds_somebody(org: Org, supervisor: Staff, low: dict[str, Rectification]) -> None:
    Finding.objects.update(owner=None)
    assert following.follow_findings(now=NOW)["moved"] == 2
    assert again(low["hygiene_floor"]).finding.owner == org.guide
    Staff.objects.filter(pk__in=[org.guide.pk, org.manager.pk]).update(state="resigned")
    assert following.follow_findings(now=NOW)["moved"] == 2
    assert again(low["hygiene_floor"]).finding.owner == supervisor


def test_a_closed_store_mends_nothing(org: Org, low: dict[str, Rectification], clock: Any) -> None:
    Store.objects.filter(pk=org.store.pk).update(closed_on=NOW.date())
    assert following.follow_findings(now=NOW)["closed"] == 2
    assert set(Finding.objects.values_list("state", flat=True)) == {"waived"}
    drain_events()
    assert set(Duty.objects.values_list("state", flat=True)) == {"cancelled"}


# ---------------------------------------------------------------- what is read


def test_an_items_history_and_what_changed_since(org: Org, supervisor: Staff, clock: Any) -> None:
    for day, score in (("2026-09-10", 2), ("2026-10-10", 4), ("2026-11-10", 3)):
        clock.travel(f"{day} 11:00")
        make_visit(supervisor, org.store, {"hygiene_floor": score})
        drain_events()
    make_visit(org.manager, org.store, {"hygiene_floor": 1}, kind="self")
    assert [(one.score, one.state) for one in item_history(org.store.pk, "hygiene_floor")] == [
        (3, "pending"), (4, ""), (2, "pending"),
    ]  # fmt: skip
    seen = last_of_items(org.store.pk)
    assert hint_of(seen["hygiene_floor"], now=product_clock.now()) == "上次 3 分，还没改好：地面墙面卫生不好"
    assert hint_of(seen["facade_sign"], now=product_clock.now()) == "上次 5 分"
    assert hint_of(None, now=product_clock.now()) == ""


@pytest.mark.parametrize("rows", [1, 3])
def test_the_list_needs_the_same_queries_for_any_length(
    org: Org, supervisor: Staff, rows: int, django_assert_num_queries: Any
) -> None:
    keys = ["hygiene_floor", "hygiene_shelf", "cashier_tidy"][:rows]
    make_visit(supervisor, org.store, dict.fromkeys(keys, 3))
    drain_events()
    viewer = actor(supervisor)
    with django_assert_num_queries(2):  # the rows with all they name, their first photos
        lines, following_page = page_of_findings(viewer, key="open", now=NOW)
    assert (len(lines), following_page) == (rows, "")


def test_the_story_names_who_may_do_what(org: Org, supervisor: Staff, low: dict[str, Rectification]) -> None:
    row = low["hygiene_floor"]
    story = read_story(actor(org.guide), row, now=NOW)
    assert (story.label, story.is_mine, story.can_lead, story.can_check) == ("待整改", True, False, False)
    hand_in(row, org.guide)
    story = read_story(actor(supervisor), again(row), now=product_clock.now())
    assert (story.label, story.can_check, len(story.after)) == ("待复查", True, 1)


# ---------------------------------------------------------------- pages


def test_the_pages_from_duty_to_closed(
    client: Client, org: Org, supervisor: Staff, low: dict[str, Rectification]
) -> None:
    row = low["hygiene_floor"]
    sign_in(client, org.guide)
    page = client.get(f"/g/rectify/{row.pk}/")
    assert page.status_code == 200 and "拍改好的" in page.content.decode()
    refused = client.post(f"/g/rectify/{row.pk}/", {"note": "擦了"})
    assert refused.status_code == 422 and "拍一张改好以后的照片" in refused.content.decode()
    done = client.post(f"/g/rectify/{row.pk}/", {"note": "擦了", "photos": [str(photo(org.guide))]})
    assert done.status_code == 302
    assert "已提交" in client.get(f"/g/rectify/{row.pk}/").content.decode()
    drain_events()
    sign_in(client, supervisor)
    page = client.get(f"/m/patrol/findings/{row.pk}/").content.decode()
    assert "待复查" in page and "通过" in page
    assert client.post(f"/m/patrol/findings/{row.pk}/check/", {"pass": "1", "note": "好"}).status_code == 302
    assert "已完成" in client.get(f"/m/patrol/findings/{row.pk}/").content.decode()
    assert client.get("/m/patrol/findings/?list=done").content.decode().count(">地面墙面卫生<") == 1


def test_a_stranger_sees_none_of_it(client: Client, org: Org, low: dict[str, Rectification]) -> None:
    row = low["hygiene_floor"]
    for person in (org.stranger, make_staff("area_supervisor", unit=org.other_area)):
        sign_in(client, person)
        for url in (f"/g/rectify/{row.pk}/", f"/m/patrol/findings/{row.pk}/"):
            assert client.get(url).status_code == 404
