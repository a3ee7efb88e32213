"""Reports: the fixed layout as the file's samples have it, to the letter; shared, read, and drawn as A4."""

import io
from typing import Any

import pypdfium2
import pytest
from django.test import Client
from PIL import Image

from guides.notices.models import Notification
from guides.org.models import Staff
from guides.patrol.book import FILE, book
from guides.patrol.models import Coaching, Finding, ItemScore, Visit
from guides.patrol.rectify import services as rectify
from guides.patrol.rectify.models import Rectification
from guides.patrol.reports import layout, pdf
from guides.patrol.reports.layout import ROWS_FILE
from guides.patrol.reports.models import PatrolReport, ReportReader
from guides.patrol.reports.queries import page_of_reports, read_report
from guides.patrol.reports.services import make_reports, read_material
from tests.factories.guides import Org, actor, holder_of, make_staff, sign_in
from tests.factories.patrol import begin, develop, fill, hand_in, make_visit
from tests.guides.patrol.conftest import NOW
from yejibao.core import clock as product_clock
from yejibao.core.domain_files import read_yaml
from yejibao.core.outbox import drain_events

REPORT = book()["report"]


def reports_of(visit: Visit) -> dict[str, PatrolReport]:
    return {one.department: one for one in PatrolReport.objects.filter(visit=visit).order_by("pk")}


def coach(visit: Visit, guide: Staff, item: str, topic: str) -> None:
    score = ItemScore.objects.get(visit=visit, item__key=item)
    import uuid

    Coaching.objects.create(visit=visit, client_id=uuid.uuid4(), item=score.item, topic=topic, guide=guide)


# ---------------------------------------------------------------- the layout


def test_the_titles_are_those_of_the_samples() -> None:
    assert layout.title_of("retail") == REPORT["sample"]["title"]
    assert layout.title_of("visual") == REPORT["sample_visual"]["title"]
    assert layout.title_of("crm") == REPORT["sample_crm"]["title"]


def test_the_rows_are_those_of_the_file() -> None:
    rows = read_yaml(ROWS_FILE)
    assert {key: [row["name"] for row in mine] for key, mine in rows.items()} == REPORT["summary_rows"]
    known = {row["key"] for row in read_yaml(FILE)["items"]}
    assert {key for mine in rows.values() for row in mine for key in row["items"]} <= known


def test_the_header_and_rows_are_the_samples_to_the_letter(org: Org, supervisor: Staff, clock: Any) -> None:
    """report.sample and its kin: store, grade, date, duration, patroller, nth, score; score, problem and conclusion by row."""
    one, three = (make_staff("guide", store=org.store, name=name) for name in ("导购1", "导购3"))
    Staff.objects.filter(pk=supervisor.pk).update(name="张三")
    type(org.store).objects.filter(pk=org.store.pk).update(name="上海示例专柜", grade="A")
    org.store.refresh_from_db()
    supervisor.refresh_from_db()
    clock.travel("2025-08-06 10:00")
    visit = begin(supervisor, org.store)
    low = {"guide_sales_skill": 2, "cashier_tidy": 3, "lighting_focus": 3, "member_knowledge": 3}
    low |= {"crm_activity_content": 3, "crm_activity_form": 3, "hygiene_floor": 3, "hygiene_shelf": 3}
    fill(visit, low, score=4)
    told = {
        "guide_sales_skill": ("", False), "cashier_tidy": ("收银台有私人物品，已现场清理", True),
        "lighting_focus": ("射灯偏位2盏，加强培训", True),
    }  # fmt: skip
    for key, (problem, solved) in told.items():
        rows = ItemScore.objects.filter(visit=visit, item__key=key)
        rows.update(problem=problem or "不会推整套", is_solved=solved)
    for item, topic, guide in (
        ("guide_sales_skill", "sales_talk", one), ("guide_sales_skill", "product_knowledge", three),
        ("member_knowledge", "member_count", one), ("member_knowledge", "member_structure", three),
        ("crm_activity_content", "activity_content", one), ("crm_activity_form", "activity_form", three),
    ):  # fmt: skip
        coach(visit, guide, item, topic)
    clock.travel("2025-08-06 12:30")
    visit = hand_in(visit)
    Visit.objects.filter(pk=visit.pk).update(nth_this_year=15)
    visit.refresh_from_db()
    # What the sample's rows leave out: what was taught is the whole problem there.
    Finding.objects.filter(visit=visit).exclude(item__key__in=("cashier_tidy", "lighting_focus")).update(problem="")
    material = read_material(visit)
    retail = layout.facts_of(material, "retail")
    header = {
        key: retail["header"][key]
        for key in ("store_name", "store_grade", "patrol_date", "duration_hours", "patroller")
    }
    sample = REPORT["sample"]
    assert header == {
        "store_name": sample["store_name"], "store_grade": sample["store_grade"], "patrol_date": sample["patrol_date"],
        "duration_hours": str(sample["duration_hours"]), "patroller": sample["patroller"],
    }  # fmt: skip
    assert retail["header"]["nth_this_year"] == sample["nth_this_year"]
    rows = {row["name"]: row for row in retail["rows"]}
    skills = rows["导购销售技巧"]
    assert skills["score"] == sample["rows"][0]["score"]
    assert skills["problem"].lstrip("；") == sample["rows"][0]["problem"]
    assert layout.CONCLUSIONS[skills["conclusion"]] == sample["rows"][0]["conclusion"]
    visual = {row["name"]: row for row in layout.facts_of(material, "visual")["rows"]}
    lights = REPORT["sample_visual"]["rows"][1]
    # lighting_brightness (4, weight 3) stands in the row, too: (2*3 + 3*4) / 5 = 3.6 -> 4
    assert (visual["灯光情况"]["problem"], visual["灯光情况"]["score"]) == (lights["problem"], 4)
    assert layout.CONCLUSIONS[visual["灯光情况"]["conclusion"]] == lights["conclusion"]
    assert (visual["橱窗陈列"]["problem"], visual["橱窗陈列"]["conclusion"]) == ("无", "resolved")
    crm = {row["name"]: row for row in layout.facts_of(material, "crm")["rows"]}
    wanted = REPORT["sample_crm"]["rows"]
    assert (crm["会员熟悉度"]["score"], crm["会员熟悉度"]["problem"].lstrip("；")) == (3, wanted[0]["problem"])
    assert (crm["CRM活动熟悉度"]["score"], crm["CRM活动熟悉度"]["problem"].lstrip("；")) == (3, wanted[1]["problem"])


def test_a_row_is_solved_when_its_last_finding_is(org: Org, supervisor: Staff) -> None:
    visit = make_visit(supervisor, org.store, {"hygiene_floor": 3, "hygiene_shelf": 3})
    drain_events()
    report = reports_of(visit)["retail"]
    viewer = actor(supervisor)

    def row() -> dict[str, Any]:
        return next(one for one in read_report(viewer, report).rows if one["name"] == "门店环境及卫生")

    assert row()["conclusion"] == "follow_up"
    for number, one in enumerate(Rectification.objects.with_finding().order_by("pk")):
        rectify.waive_rectification(one, actor=viewer, now=NOW, reason="现在好了")
        assert row()["conclusion"] == ("follow_up" if number == 0 else "resolved")
    assert report.facts["rows"][2]["conclusion"] == "follow_up"  # what the A4 says stays


# ---------------------------------------------------------------- made and shared


def test_one_report_a_department_and_the_whole_shared_with_who_reads_it(org: Org, supervisor: Staff) -> None:
    people = {role: holder_of(role, org) for role in ("hq_visual", "hq_retail", "hq_crm", "region_manager")}
    other = make_staff("area_supervisor", unit=org.other_area)
    visit = make_visit(supervisor, org.store, {"facade_sign": 3})
    drain_events()
    made = reports_of(visit)
    assert list(made) == ["", "visual", "space", "engineering", "retail", "crm", "merch"]
    assert {one.number for one in made.values()} == {f"PR-{org.store.code}-1121-{visit.pk}"} | {
        f"PR-{org.store.code}-1121-{visit.pk}-{n}" for n in range(1, 7)
    }
    readers = {(one.report.department, one.staff_id): one.why for one in ReportReader.objects.select_related("report")}
    assert readers[("visual", people["hq_visual"].pk)] == "department"
    assert ("", people["hq_visual"].pk) not in readers
    assert readers[("", org.manager.pk)] == "store_manager"
    assert readers[("crm", people["region_manager"].pk)] == "region_manager"
    assert not any(staff == other.pk for _, staff in readers)
    for person in (*people.values(), org.manager):
        assert Notification.objects.filter(staff=person, key=f"patrol_report:{visit.pk}").count() == 1
    assert not Notification.objects.filter(staff=supervisor, key=f"patrol_report:{visit.pk}").exists()


def test_made_twice_is_made_once(org: Org, supervisor: Staff) -> None:
    visit = make_visit(supervisor, org.store)
    drain_events()
    before = PatrolReport.objects.count()
    assert len(make_reports(visit.pk, now=NOW)) == before == PatrolReport.objects.count()


def test_a_self_patrol_has_the_whole_alone(org: Org, supervisor: Staff) -> None:
    visual = holder_of("hq_visual", org)
    visit = make_visit(org.manager, org.store, {"hygiene_floor": 3}, kind="self")
    drain_events()
    assert list(reports_of(visit)) == [""]
    assert not ReportReader.objects.filter(staff=visual).exists()
    assert reports_of(visit)[""].facts["header"]["nth_this_year"] is None


def test_the_last_patrol_stands_beside_it(org: Org, supervisor: Staff, clock: Any) -> None:
    make_visit(supervisor, org.store, score=4)
    clock.travel("2026-12-01 10:00")
    visit = make_visit(supervisor, org.store, {"hygiene_floor": 1}, score=5)
    drain_events()
    facts = reports_of(visit)[""].facts
    assert (facts["before"]["score"], facts["header"]["store_score"]) == ("4.0", "4.9")
    hygiene = next(one for one in facts["categories"] if one["key"] == "hygiene")
    # (2*1 + 2*5 + 1*5 + 1*5) / 6 = 22/6
    assert (hygiene["score"], hygiene["before"]) == ("3.7", 40)


# ---------------------------------------------------------------- who opens what


@pytest.mark.parametrize(
    ("role", "seen"),
    [
        ("hq_visual", {"visual"}), ("hq_retail", {"retail"}), ("hq_franchise", set()), ("hq_crm", {"crm"}),
        ("region_manager", None), ("store_manager", None), ("branch_member_manager", None),
    ],
)  # fmt: skip
def test_a_department_opens_its_own_and_who_leads_all(
    org: Org, supervisor: Staff, role: str, seen: set[str] | None
) -> None:
    visit = make_visit(supervisor, org.store)
    drain_events()
    found = set(PatrolReport.objects.visible_to(actor(holder_of(role, org))).values_list("department", flat=True))
    assert found == (set(reports_of(visit)) if seen is None else seen)


def test_a_dealers_store_is_read_whole_by_who_keeps_dealers(org: Org, supervisor: Staff) -> None:
    type(org.store).objects.filter(pk=org.store.pk).update(kind="dealer")
    org.store.refresh_from_db()
    franchise = holder_of("hq_franchise", org)
    make_visit(supervisor, org.store)
    drain_events()
    assert list(PatrolReport.objects.visible_to(actor(franchise)).values_list("department", flat=True)) == [""]
    assert ReportReader.objects.filter(staff=franchise, why="department").count() == 1


def test_opening_marks_it_read_once_and_by_its_own_readers(client: Client, org: Org, supervisor: Staff) -> None:
    visual = holder_of("hq_visual", org)
    visit = make_visit(supervisor, org.store, {"facade_window_display": 2})
    drain_events()
    report = reports_of(visit)["visual"]
    sign_in(client, visual)
    page = client.get(f"/m/patrol/reports/{report.pk}/")
    assert page.status_code == 200
    text = page.content.decode()
    assert "陈列部门巡店报告" in text and "橱窗陈列主题不好" in text
    assert ReportReader.objects.get(report=report, staff=visual).read_at == product_clock.now()
    assert client.get(f"/m/patrol/reports/{reports_of(visit)['crm'].pk}/").status_code == 404
    assert client.get(f"/m/patrol/reports/{reports_of(visit)['crm'].pk}/a4/").status_code == 404
    sign_in(client, org.stranger)
    assert client.get(f"/m/patrol/reports/{report.pk}/").status_code == 404


@pytest.mark.parametrize("rows", [1, 3])
def test_the_list_needs_the_same_queries_for_any_length(
    org: Org, supervisor: Staff, clock: Any, rows: int, django_assert_num_queries: Any
) -> None:
    for _ in range(rows):
        clock.advance(days=1)
        make_visit(supervisor, org.store)
    drain_events()
    viewer = actor(supervisor)
    with django_assert_num_queries(1):
        found, following = page_of_reports(viewer, department="")
    assert (len(found), following) == (rows, "")


def test_the_photo_of_a_problem_is_seen_by_who_reads_it(client: Client, org: Org, supervisor: Staff) -> None:
    visual = holder_of("hq_visual", org)
    visit = make_visit(supervisor, org.store, {"facade_window_display": 2})
    drain_events()
    develop(visit, "facade_window_display")
    report = reports_of(visit)["visual"]
    (problem,) = read_report(actor(visual), report).problems
    for person, status in ((visual, 200), (org.manager, 200), (org.stranger, 404)):
        sign_in(client, person)
        assert client.get(problem.photo).status_code == status


# ---------------------------------------------------------------- A4


def test_the_a4_has_its_font_and_says_what_the_page_says(client: Client, org: Org, supervisor: Staff) -> None:
    visit = make_visit(supervisor, org.store, {"facade_window_display": 2, "hygiene_floor": 3})
    drain_events()
    report = reports_of(visit)[""]
    sign_in(client, org.manager)
    answer = client.get(f"/m/patrol/reports/{report.pk}/a4/")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/pdf")
    assert b"/FontFile3" in answer.content  # embedded, cut down to what is used
    assert len(answer.content) < 200_000
    with pypdfium2.PdfDocument(answer.content) as document:
        text = "".join(page.get_textpage().get_text_range() for page in document)
        width, height = document[0].get_size()
    assert (round(width), round(height)) == (595, 842)
    for said in ("门店巡店报告", "南京新街口店", "橱窗陈列主题不好", "待跟进", supervisor.name, report.number, "店长"):
        assert said in text
    answer = client.get(f"/m/patrol/reports/{report.pk}/picture/")
    assert answer["Content-Type"] == "image/jpeg"
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert picture.width in (1050, 1051) and picture.height >= 1485


def test_signed_differences() -> None:
    assert (pdf.signed(3), pdf.signed(-14), pdf.signed(10)) == ("+0.3", "-1.4", "+1.0")
