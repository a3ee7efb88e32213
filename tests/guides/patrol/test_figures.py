"""Figures: coverage, score, on-time and solved rates as models.yaml has them; scope upwards; pages and the export."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from guides.exports.registry import find
from guides.org.models import Staff, Store
from guides.patrol.figures import services
from guides.patrol.figures.models import FiguresDue, PatrolItemMonth, PatrolMonth
from guides.patrol.figures.queries import Sums, limited_to, open_unit, read_board
from guides.patrol.models import Coaching, ItemScore
from guides.patrol.rectify import services as rectify
from guides.patrol.rectify.models import Rectification
from tests.factories.guides import Org, actor, holder_of, make_staff, make_store, sign_in
from tests.factories.patrol import make_visit, set_place
from tests.guides.patrol.conftest import NOW
from yejibao.core import clock as product_clock
from yejibao.core.domain_files import read_yaml
from yejibao.core.errors import NotFound
from yejibao.core.outbox import drain_events

NOVEMBER = date(2026, 11, 1)
LOW = {"hygiene_floor": 3, "facade_window_display": 2}


@pytest.fixture
def supervised(org: Org) -> Staff:
    return holder_of("region_manager", org)


def count() -> None:
    drain_events()
    services.count_due()


def submitted(row: Rectification, *, at: Any) -> None:
    Rectification.objects.filter(pk=row.pk).update(submitted_at=at, submitted_by_id=row.finding.owner_id)
    type(row.finding).objects.filter(pk=row.pk).update(state="submitted")


def accept(row: Rectification, person: Staff, *, handed_in: Any) -> None:
    submitted(row, at=handed_in)
    found = Rectification.objects.with_finding().get(pk=row.pk)
    rectify.accept_rectification(found, actor=actor(person), now=product_clock.now())


# ---------------------------------------------------------------- the file's examples, to the digit


def kpi(key: str) -> dict[str, Any]:
    book = read_yaml(Path(__file__).parents[3] / "crm" / "data" / "models.yaml")
    return next(row["example"] for row in book["kpis"] if row["key"] == key)


def test_the_rates_of_the_file() -> None:
    for key, sums, rate in (
        ("patrol_coverage_rate", lambda one: Sums(visited=one["num"], stores=one["den"]), "coverage"),
        ("rectify_on_time_rate", lambda one: Sums(on_time=one["num"], due=one["den"]), "on_time_rate"),
    ):
        example = kpi(key)
        assert getattr(sums(example), rate) == example["expected"]
    score = kpi("patrol_score")
    assert Sums(score=score["num"], weight=score["den"]).score_words == str(score["expected"])
    assert Sums(last_sum=41 + 40, last_count=2).score_words == "4.1"  # 4.05, half up
    assert (Sums().coverage, Sums().on_time_rate, Sums().score_words) == (None, None, "—")


# ---------------------------------------------------------------- counting


def test_a_month_is_counted_and_self_patrols_stand_apart(org: Org, supervised: Staff) -> None:
    make_visit(supervised, org.store, LOW)
    make_visit(org.manager, org.store, {"hygiene_floor": 1}, kind="self")
    count()
    row = PatrolMonth.objects.get(store=org.store, month=NOVEMBER)
    assert (row.visit_count, row.self_count, row.last_tenths, row.finding_count) == (1, 1, 49, 2)
    floor = PatrolItemMonth.objects.get(store=org.store, item_key="hygiene_floor")
    assert (floor.weight_sum, floor.score_sum, floor.problem_count, floor.open_count, floor.due_count) == (
        2,
        6,
        1,
        1,
        1,
    )
    assert not FiguresDue.objects.exists()


def test_what_is_accepted_is_solved_and_on_time_by_the_last_submit(org: Org, supervised: Staff, clock: Any) -> None:
    make_visit(supervised, org.store, LOW)
    count()
    rows = list(Rectification.objects.with_finding().order_by("finding__item__seq"))
    clock.advance(hours=30)
    accept(rows[0], supervised, handed_in=NOW + timedelta(hours=23))  # window: 24 h
    accept(rows[1], supervised, handed_in=NOW + timedelta(hours=5))  # floor: 4 h
    count()
    total = read_board(actor(supervised), open_unit(actor(supervised), None), NOVEMBER).total
    assert (total.problems, total.open, total.due, total.on_time, total.resolved_rate, total.on_time_rate) == (
        2, 0, 2, 1, 1.0, 0.5,
    )  # fmt: skip


def test_counted_again_it_is_the_same(org: Org, supervised: Staff) -> None:
    make_visit(supervised, org.store, LOW)
    count()
    before = list(PatrolMonth.objects.values()), list(PatrolItemMonth.objects.order_by("pk").values())
    assert services.count_again(now=NOW)["counted"] >= 1
    after = list(PatrolMonth.objects.values()), list(PatrolItemMonth.objects.order_by("pk").values())
    assert [{k: v for k, v in row.items() if k != "id"} for row in before[1]] == [
        {k: v for k, v in row.items() if k != "id"} for row in after[1]
    ]
    assert len(before[0]) <= len(after[0])


# ---------------------------------------------------------------- the board


def test_the_board_by_unit_category_department_and_item(org: Org, supervised: Staff) -> None:
    closed = make_store(area=org.area, closed_on=date(2026, 10, 31))
    later = make_store(area=org.area, opened_on=date(2026, 12, 1))
    visit = make_visit(supervised, org.store, LOW)
    Coaching.objects.create(
        visit=visit, client_id=visit.public_id, guide=org.guide, topic="sales_talk",
        item=ItemScore.objects.get(visit=visit, item__key="guide_sales_skill").item,
    )  # fmt: skip
    count()
    board = read_board(actor(supervised), open_unit(actor(supervised), None), NOVEMBER)
    assert board.unit == org.region
    assert [(one.name, one.sums.stores, one.sums.visited) for one in board.units] == [
        ("南京一区", 1, 1), ("南京二区", 1, 0),
    ]  # fmt: skip
    assert (board.total.coverage, board.total.score_words, board.total.problems) == (0.5, "4.9", 2)
    problems = {one.key: one.sums.problems for one in board.categories if one.sums.problems}
    assert problems == {"facade": 1, "hygiene": 1}
    assert {one.key: one.sums.problems for one in board.by_department if one.sums.problems} == {
        "visual": 1,
        "retail": 1,
    }
    assert sorted(one.name for one in board.items) == ["地面墙面卫生", "橱窗陈列主题"]
    assert [one.words for one in board.best] == ["4.9"]
    assert board.coaching == [("销售话术", 1, 1)]
    assert [one.problems for one in board.trend] == [0, 0, 0, 0, 0, 2]
    stores = read_board(actor(supervised), org.area, NOVEMBER).units
    assert [(one.name, one.is_store) for one in stores] == [("新街口店", True)]
    assert closed.pk != later.pk


def test_a_department_reads_its_own_items(org: Org, supervised: Staff) -> None:
    visual = actor(holder_of("hq_visual", org))
    make_visit(supervised, org.store, LOW)
    count()
    assert limited_to(visual) == ["visual"]
    unit = open_unit(visual, None)
    board = read_board(visual, unit, NOVEMBER)
    assert unit.level in ("hq", "region")
    assert (board.total.problems, board.total.visited) == (1, 1)
    assert [one.key for one in board.by_department] == ["visual"]
    assert {one.key for one in board.items} == {"facade_window_display"}
    assert (board.best, board.worst) == ([], [])


def test_nobody_reads_beyond_his_stores(org: Org, supervised: Staff) -> None:
    supervisor = actor(holder_of("area_supervisor", org))
    make_visit(supervised, org.other_store, LOW)
    count()
    assert open_unit(supervisor, None) == org.store.unit or open_unit(supervisor, None) == org.area
    for unit in (org.other_area, org.region, org.hq):
        with pytest.raises(NotFound):
            open_unit(supervisor, unit.pk)
    assert read_board(supervisor, open_unit(supervisor, None), NOVEMBER).total.problems == 0


@pytest.mark.parametrize("stores", [1, 4])
def test_the_board_needs_the_same_queries_for_any_size(
    org: Org, supervised: Staff, stores: int, django_assert_num_queries: Callable[..., Any]
) -> None:
    for _ in range(stores):
        store = make_store(area=org.area)
        set_place(store)
        make_visit(supervised, store, LOW)
    count()
    viewer = actor(supervised)
    unit = open_unit(viewer, None)
    with django_assert_num_queries(9):  # units, items, trend, best, worst, coaching; the way up with its two ends
        read_board(viewer, unit, NOVEMBER)


# ---------------------------------------------------------------- pages


def test_the_pages_show_the_figures(client: Client, org: Org, supervised: Staff) -> None:
    make_visit(supervised, org.store, LOW)
    count()
    sign_in(client, supervised)
    for url in ("/hq/patrol/", "/m/patrol/figures/"):
        page = client.get(url).content.decode()
        assert "50%" in page and "4.9" in page and "南京一区" in page
        assert client.get(f"{url}?unit={org.area.pk}&month=2026-11").status_code == 200
        assert client.get(f"{url}?month=2026-13").status_code == 404
        assert client.get(f"{url}?month=2027-01").status_code == 404
        assert client.get(f"{url}?unit={org.hq.pk}").status_code == 404
    sign_in(client, org.guide)
    assert client.get("/hq/patrol/").status_code == 403
    sign_in(client, make_staff("dealer", unit=org.hq))
    assert client.get("/hq/patrol/").status_code == 404


def test_the_export_says_the_same(org: Org, supervised: Staff) -> None:
    make_visit(supervised, org.store, LOW)
    count()
    one = find("patrol")
    assert one is not None
    viewer = actor(supervised)
    params = one.clean(viewer, {"unit": str(org.region.pk), "month": "2026-11", "part": "units"})
    columns = one.columns(viewer, params)
    rows = [[column.of(row) for column in columns] for row in one.rows(viewer, params)]
    assert rows[0][:5] == ["南京一区", 1, 1, 1.0, 1]
    with pytest.raises(NotFound):
        one.clean(viewer, {"unit": str(org.hq.pk), "month": "2026-11"})


def test_a_store_without_visits_is_there_too(org: Org, supervised: Staff) -> None:
    assert Store.objects.count() == 2
    board = read_board(actor(supervised), open_unit(actor(supervised), None), NOVEMBER)
    assert (board.total.stores, board.total.coverage, board.total.score_words) == (2, 0.0, "—")
