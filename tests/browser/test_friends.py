"""The pages of codes and friends at 360 px and on a PC: nothing hangs over, nothing is too small to hit."""

from typing import Any

import pytest

from crm.friends.models import Contact, ContactWay, LinkReview
from crm.friends.services import bring_ways, want_way
from guides.org.actors import actor_for
from tests.conftest import PC, SandboxControl
from tests.core.test_look import FAULTS
from tests.factories.crm import make_friend, make_member
from tests.factories.guides import Org, holder_of, make_org, session_of
from yejibao.core import clock as product_clock
from yejibao.wecom import gateway, tokens

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
NARROW = {"width": 360, "height": 780}


@pytest.fixture
def org(sandbox: SandboxControl) -> Org:
    tokens.Credentials.forget_process_copies()
    gateway._gateway.cache_clear()
    org, now = make_org(), product_clock.now()
    sandbox.post("world", people=[{"userid": one.wecom_user_id, "name": one.name} for one in (org.guide, org.manager)])
    own = want_way(kind="guide", guide=org.guide, actor=actor_for(org.guide), now=now)
    want_way(kind="live", store=org.store, name="周六直播", actor=actor_for(org.manager), now=now)
    bring_ways(door=gateway.default())
    one, other = (
        make_member(owner=org.guide, name="王建平", phone="13800132075"),
        make_member(owner=org.guide, name="王建国"),
    )
    make_friend(one, org.guide, added_at=now, way=own)
    make_friend(None, org.guide, added_at=now, external_user_id="wmstranger", remark="云淡风轻")
    contact = Contact.objects.create(external_user_id="wmstranger", name="云淡风轻")
    LinkReview.objects.create(
        contact=contact, guide=org.guide, reason="phones", candidate_ids=[one.pk, other.pk], created_at=now
    )
    return org


def test_a_guides_code_and_her_new_friends(org: Org, open_page: Any) -> None:
    page = open_page(NARROW, sessionid=session_of(org.guide))
    page.goto("/g/code/")
    page.wait_for_selector(".qr")
    assert page.evaluate(FAULTS) == []
    page.goto("/g/friends/")
    page.wait_for_selector("text=没对上会员")
    assert page.evaluate(FAULTS) == []
    page.goto(f"/g/code/{ContactWay.objects.get(kind='guide').pk}/poster/")
    page.wait_for_selector(".pst img")


def test_the_manager_says_who_he_is_in_two_taps(org: Org, open_page: Any) -> None:
    page = open_page(NARROW, sessionid=session_of(org.manager))
    page.goto("/m/codes/")
    assert page.evaluate(FAULTS) == []
    page.goto("/m/links/")
    page.wait_for_selector("text=云淡风轻")
    assert page.evaluate(FAULTS) == []
    page.tap("label:has-text('王建国')")
    page.tap("text=确认 >> nth=-1")
    page.wait_for_selector("text=没有要确认的")


def test_hq_sees_codes_links_and_the_sweep(org: Org, open_page: Any) -> None:
    page = open_page(PC, sessionid=session_of(holder_of("hq_operator", org)))
    for path in ("/hq/codes/", "/hq/links/", "/hq/friends/"):
        page.goto(path)
        assert page.evaluate(FAULTS) == [], path
