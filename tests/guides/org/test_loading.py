"""An organisation from a plain spec."""

from collections import Counter
from datetime import time

import pytest

from guides.org.loading import load_org, made_up_org, read_spec
from guides.org.models import OrgUnit, RoleAssignment, Staff, Store
from guides.org.queries import managers_of_stores
from yejibao.core import clock
from yejibao.core.errors import Invalid

pytestmark = pytest.mark.django_db


def test_the_demo_has_the_sizes_of_the_domain_file() -> None:
    load_org(read_spec(), now=clock.now())
    assert Counter(OrgUnit.objects.values_list("level", flat=True)) == {
        "hq": 1, "branch": 2, "region": 3, "area": 4, "store": 8,
    }  # fmt: skip
    assert Counter(Store.objects.values_list("kind", flat=True)) == {"self_operated": 6, "dealer": 2}
    roles = Counter(RoleAssignment.objects.values_list("role", flat=True))
    assert (roles["guide"], roles["store_manager"], roles["area_supervisor"]) == (24, 8, 4)
    assert len(roles) == 22


def test_each_guide_has_a_backup_in_the_same_store_and_digests_are_spread() -> None:
    load_org(read_spec(), now=clock.now())
    guides = Staff.objects.holding("guide", day=clock.today()).select_related("backup_guide")
    assert [one.name for one in guides if not one.backup_guide or one.backup_guide.store_id != one.store_id] == []
    assert [one.name for one in guides if one.backup_guide == one] == []
    minutes = Counter(Staff.objects.values_list("digest_minute", flat=True))
    assert (min(minutes), max(minutes), max(minutes.values())) == (1, 29, 3)
    assert not Store.objects.filter(duty_guide=None).exists()
    assert set(managers_of_stores(list(Store.objects.values_list("pk", flat=True)), day=clock.today())) == set(
        Store.objects.values_list("pk", flat=True)
    )


def test_paths_lead_from_hq_to_the_store() -> None:
    units = load_org(read_spec(), now=clock.now()).units
    codes = ["hq", "js", "js-nj", "nj-1", "NJ001"]
    expected = "".join(f"{units[code].pk}/" for code in codes)
    assert OrgUnit.objects.get(code="NJ001").path == expected == units["NJ001"].path
    assert Store.objects.get(code="NJ002").opens_at == time(10)


def test_loading_again_changes_nothing() -> None:
    first = load_org(read_spec(), now=clock.now())
    again = load_org(read_spec(), now=clock.now())
    assert first.created == {"units": 18, "stores": 8, "staff": 60}
    assert again.created == {"units": 0, "stores": 0, "staff": 0}
    assert {code: unit.pk for code, unit in again.units.items()} == {
        code: unit.pk for code, unit in first.units.items()
    }


@pytest.mark.parametrize("row", [{"role": "queen", "unit": "hq"}, {"role": "guide", "unit": "nowhere"}])
def test_an_unknown_role_or_unit_is_refused(row: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        load_org(
            {"hq": {"code": "hq", "name": "总部"}, "staff": [{"userid": "a", "name": "甲", **row}]}, now=clock.now()
        )
    assert not OrgUnit.objects.exists()


def test_a_large_company_needs_few_statements(django_assert_max_num_queries: object) -> None:
    spec = made_up_org(branches=2, regions=4, areas=20, stores=200, staff=700)
    with django_assert_max_num_queries(40):  # type: ignore[operator]
        load_org(spec, now=clock.now())
    assert (Store.objects.count(), Staff.objects.count()) == (200, 700)
