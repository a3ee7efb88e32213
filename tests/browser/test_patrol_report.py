"""After a patrol: three departments read its report, a problem is mended with a photo, re-checked and closed; the figures follow."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guides.org.models import Staff
from guides.patrol.figures.services import count_due
from guides.patrol.models import Finding, Visit
from guides.patrol.reports.models import PatrolReport, ReportReader
from tests.conftest import PC, PHONE, TestClock
from tests.core.test_look import FAULTS
from tests.factories import patrol
from tests.factories.guides import Org, holder_of, make_org, session_of
from yejibao.core.clock import parse_iso
from yejibao.core.outbox import drain_events

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SMALL = {"width": 360, "height": 780}
LOW = {"facade_window_display": 2, "hygiene_floor": 3, "member_knowledge": 3, "lighting_brightness": 3}


@pytest.fixture
def org(transactional_db: None, clock: TestClock, tmp_path: Path, settings: Any) -> Org:
    settings.MEDIA_ROOT = tmp_path
    clock.travel(parse_iso("2026-10-20 11:00"))
    org = make_org()
    type(org.store).objects.filter(pk=org.store.pk).update(duty_guide=org.guide)
    org.store.refresh_from_db()
    patrol.set_place(org.store)
    return org


@pytest.fixture
def visit(org: Org, clock: TestClock) -> Visit:
    supervisor = holder_of("area_supervisor", org)
    Staff.objects.filter(pk=supervisor.pk).update(name="何敏", display_name="何敏")
    for role, name in (("hq_visual", "周岚"), ("hq_retail", "吴越"), ("hq_crm", "郑可")):
        person = holder_of(role, org)
        Staff.objects.filter(pk=person.pk).update(name=name, display_name=name)
    supervisor.refresh_from_db()
    patrol.make_visit(supervisor, org.store, {"facade_window_display": 3}, score=4)
    drain_events()
    clock.travel(parse_iso("2026-11-21 14:00"))
    visit = patrol.make_visit(supervisor, org.store, LOW)
    patrol.develop(visit, *LOW)
    drain_events()
    return visit


@pytest.fixture
def shown(open_page: Callable[..., Any]) -> Callable[..., Any]:
    def at(person: Staff, path: str, size: dict[str, int] = PHONE, name: str = "") -> Any:
        page = open_page(size, sessionid=session_of(person), reduced_motion="reduce")
        page.goto(path)
        assert page.evaluate(FAULTS) == []
        keep(page, f"{name}-{size['width']}" if name else "")
        return page

    return at


def keep(page: Any, name: str) -> None:
    if name and (folder := os.environ.get("SHOTS")):
        page.wait_for_timeout(400)
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def test_three_departments_read_it_and_a_problem_is_closed(
    org: Org, visit: Visit, shown: Callable[..., Any], tmp_path: Path
) -> None:
    supervisor, finding = visit.patroller, Finding.objects.get(visit=visit, item__key="hygiene_floor")
    for name, department in (("周岚", "visual"), ("吴越", "retail"), ("郑可", "crm")):
        report = PatrolReport.objects.get(visit=visit, department=department)
        person = Staff.objects.get(name=name)
        page = shown(person, f"/m/patrol/reports/{report.pk}/")
        assert report.title in page.inner_text("#main")
        assert ReportReader.objects.get(report=report, staff=person).read_at is not None
        page.close()
    whole = PatrolReport.objects.get(visit=visit, department="")
    page = shown(org.manager, f"/m/patrol/reports/{whole.pk}/", PHONE, "report")
    reading = page.inner_text("#reading")
    assert "周岚" in reading and "吴越" in reading and "郑可" in reading
    assert "4 个待跟进" in page.inner_text("#problems")
    page.get_by_role("link", name="看 4 个整改").click()
    page.wait_for_selector("text=地面墙面卫生")
    keep(page, "findings-390")
    page.close()

    page = shown(org.guide, f"/g/rectify/{finding.pk}/", PHONE, "rectify")
    photo = tmp_path / "after.jpg"
    photo.write_bytes(patrol.picture(5))
    page.set_input_files('input[type="file"]', str(photo))
    page.wait_for_selector(".ph-one[data-state=done]")
    page.get_by_label("改了什么").fill("拖了两遍，踢脚线也擦了")
    page.get_by_role("button", name="提交，等复查").click()
    page.wait_for_selector("text=已提交")
    page.close()
    drain_events()
    finding.refresh_from_db()
    assert finding.state == Finding.State.SUBMITTED

    page = shown(supervisor, f"/m/patrol/findings/{finding.pk}/", PHONE, "finding")
    assert page.locator('img[alt="整改后的照片"]').count() == 1
    page.get_by_role("button", name="通过").click()
    page.wait_for_selector("text=已完成")
    keep(page, "finding-closed-390")
    page.goto(f"/m/patrol/reports/{whole.pk}/")
    assert "3 个待跟进" in page.inner_text("#problems")


@pytest.mark.parametrize("size", [PHONE, SMALL], ids=lambda size: str(size["width"]))
def test_the_phone_pages_fit(org: Org, visit: Visit, shown: Callable[..., Any], size: dict[str, int]) -> None:
    count_due()
    finding = Finding.objects.filter(visit=visit).order_by("pk")[0]
    for path, name in (
        ("/m/patrol/reports/", "reports"), (f"/m/patrol/findings/{finding.pk}/", "finding-open"), ("/m/patrol/findings/", "findings-list"),
        ("/m/patrol/figures/", "figures"), ("/m/patrol/reminders/", "reminders"),
    ):  # fmt: skip
        shown(visit.patroller, path, size, name).close()


def test_the_desk_shows_the_months_figures(org: Org, visit: Visit, shown: Callable[..., Any]) -> None:
    count_due()
    page = shown(holder_of("region_manager", org), "/hq/patrol/", PC, "board")
    assert "南京一区" in page.inner_text("#units")
    page.get_by_role("link", name="南京一区").click()
    page.wait_for_selector("text=新街口店")
    assert page.evaluate(FAULTS) == []
