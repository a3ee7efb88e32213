"""What members say on a colleague's page of the back office, and the stores one finds where somebody moves."""

import pytest
from django.test import Client

from crm.members.models import GuideHandover
from tests.factories.crm import make_member
from tests.factories.guides import Org, holder_of, make_org, make_store, sign_in
from yejibao.core import clock

pytestmark = pytest.mark.django_db


@pytest.fixture
def org() -> Org:
    return make_org()


def browser_of(role: str, org: Org) -> Client:
    return sign_in(Client(headers={"Accept": "text/html"}), holder_of(role, org))


def test_figures_only_and_who_decides(org: Org) -> None:
    member = make_member(owner=org.guide, name="郭宇航")
    page = browser_of("sys_admin", org).get(f"/hq/people/{org.guide.pk}/").content.decode()
    assert "名下会员" in page and member.name not in page and "交接等人定" not in page and "看名单" not in page
    hq = browser_of("hq_operator", org)
    assert f"/hq/members/?guide={org.guide.pk}" in hq.get(f"/hq/people/{org.guide.pk}/").content.decode()
    assert hq.get(f"/hq/members/?guide={org.guide.pk}").content.decode().count("row-link") == 1
    GuideHandover.objects.create(guide=org.guide, store=org.store, left_at=clock.now())
    page = browser_of("sys_admin", org).get(f"/hq/people/{org.guide.pk}/").content.decode()
    assert "交接等人定" in page and "在「会员交接」里定" in page and "看方案" not in page


def test_stores_to_move_to_are_few_until_one_types(org: Org) -> None:
    for _ in range(12):
        make_store(area=org.area)
    page = browser_of("sys_admin", org).get("/m/handovers/new/?kind=move").content.decode()
    assert page.count('name="store"') == 8 and "/hq/org/find/stores/" in page
    refused = browser_of("sys_admin", org).post(
        "/m/handovers/new/", {"kind": "move", "person": org.guide.pk, "store": org.other_store.pk, "starts_on": ""}
    )
    assert refused.status_code == 422 and f'value="{org.other_store.pk}" checked' in refused.content.decode()
