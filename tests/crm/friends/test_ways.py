"""Codes that add friends: made once, found again after a lost answer, with the right people behind them."""

from typing import Any

import pytest

from crm.friends.models import ContactWay
from crm.friends.posters import font_file
from crm.friends.queries import people_of
from crm.friends.services import (
    NotYourCode,
    bring_ways,
    follow_people,
    retire_way,
    retry_way,
    want_everyones,
    want_way,
)
from guides.org.actors import actor_for
from guides.org.models import Staff
from guides.org.services import resign_staff
from tests.conftest import SandboxControl
from tests.factories.crm import make_friend
from tests.factories.guides import Org, holder_of, make_org, make_staff, sign_in
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Invalid
from yejibao.core.outbox import drain_events
from yejibao.core.scope import Actor
from yejibao.wecom import gateway, tokens

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-03-02 10:00")
SYSTEM = Actor.system()


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel(NOW)
    tokens.Credentials.forget_process_copies()
    gateway._gateway.cache_clear()
    return make_org()


@pytest.fixture
def platform(org: Org, sandbox: SandboxControl) -> SandboxControl:
    sandbox.post("clock", now=NOW.isoformat())
    sandbox.post("world", people=[{"userid": one.wecom_user_id, "name": one.name} for one in Staff.objects.all()])
    return sandbox


def own(person: Staff) -> ContactWay:
    return want_way(kind="guide", guide=person, actor=actor_for(person), now=NOW)


def bring(**more: Any) -> dict[str, int]:
    return bring_ways(door=gateway.default(), now=NOW, **more)


def made(platform: SandboxControl) -> list[dict[str, Any]]:
    ways: list[dict[str, Any]] = platform.get("ways")["ways"]
    return ways


def test_a_guides_own_code_is_made_once(org: Org, platform: SandboxControl) -> None:
    assert own(org.guide).pk == own(org.guide).pk
    assert bring() == {"ready": 1}
    way = ContactWay.objects.get()
    assert (way.state, way.next_at, way.user_ids) == ("ready", None, [org.guide.wecom_user_id])
    assert bytes(way.picture or b"").startswith(b"\x89PNG")
    assert [(one["state"], one["type"]) for one in made(platform)] == [(way.token, 1)]
    assert bring() == {}


def test_a_lost_answer_makes_no_second_code(org: Org, platform: SandboxControl, clock: Any) -> None:
    own(org.guide)
    platform.fault("externalcontact/add_contact_way", drop_after_effect=True, times=1)
    assert bring() == {"put_off": 1}
    way = ContactWay.objects.get()
    assert (way.state, way.config_id, len(made(platform))) == ("asked", "", 1)
    assert bring_ways(door=gateway.default(), now=clock.advance(seconds=10)) == {"ready": 1}
    way.refresh_from_db()
    assert [one["config_id"] for one in made(platform)] == [way.config_id]


def test_a_refused_code_says_so_and_is_tried_again_by_hand(org: Org, platform: SandboxControl) -> None:
    platform.post("world", people=[{"userid": org.guide.wecom_user_id, "name": "x", "external_right": False}])
    way = own(org.guide)
    assert bring() == {"failed": 1}
    way.refresh_from_db()
    assert (way.state, way.errcode, bring()) == ("failed", 84074, {})
    platform.post("world", people=[{"userid": org.guide.wecom_user_id, "name": "x"}])
    retry_way(way, actor=actor_for(org.manager), now=NOW)
    assert bring() == {"ready": 1}


def test_a_store_code_follows_the_stores_people(org: Org, platform: SandboxControl) -> None:
    mate = make_staff(store=org.store)
    platform.post("world", people=[{"userid": mate.wecom_user_id, "name": "小王"}])
    way = want_way(kind="store", store=org.store, actor=actor_for(org.manager), now=NOW)
    bring()
    way.refresh_from_db()
    assert way.user_ids == sorted([org.guide.wecom_user_id, mate.wecom_user_id])
    resign_staff(mate, actor=SYSTEM, now=NOW)
    assert (follow_people(now=NOW), bring()) == (1, {"ready": 1})
    assert made(platform)[0]["user"] == [org.guide.wecom_user_id]
    assert follow_people(now=NOW) == 0


def test_the_code_of_one_who_left_leads_to_the_manager(org: Org, platform: SandboxControl) -> None:
    way = own(org.guide)
    bring()
    resign_staff(org.guide, actor=SYSTEM, now=NOW)
    assert people_of([way], now=NOW) == {way.pk: [org.manager.wecom_user_id]}
    drain_events()
    bring()
    assert made(platform)[0]["user"] == [org.manager.wecom_user_id]


def test_the_manager_makes_the_stores_own_code_without_waiting_for_the_morning(
    org: Org, platform: SandboxControl, client: Any
) -> None:
    sign_in(client, org.manager)
    assert "建门店码" in client.get("/m/codes/").content.decode()
    client.post("/m/codes/", {"kind": "store", "store": str(org.store.pk), "idempotency_key": "k1"})
    way = ContactWay.objects.get()
    assert (way.kind, way.state, way.name) == ("store", "ready", org.store.short_name)
    assert "建门店码" not in client.get("/m/codes/").content.decode()


def test_a_retired_code_is_ended_at_the_platform(org: Org, platform: SandboxControl) -> None:
    way = want_way(kind="live", store=org.store, name="周六直播", actor=actor_for(org.manager), now=NOW)
    bring()
    for _ in range(2):
        retire_way(way, actor=actor_for(org.manager), now=NOW)
    assert bring() == {"retired": 1}
    assert made(platform) == []


def test_everybody_gets_a_code_once(org: Org) -> None:
    assert want_everyones(now=NOW) == 4  # two guides, two stores
    assert want_everyones(now=NOW) == 0


def test_who_may_want_which_code(org: Org) -> None:
    with pytest.raises(NotYourCode):
        want_way(kind="guide", guide=org.stranger, actor=actor_for(org.guide), now=NOW)
    with pytest.raises(NotYourCode):
        want_way(kind="event", store=org.other_store, name="年会", actor=actor_for(org.manager), now=NOW)
    with pytest.raises(Invalid):
        want_way(kind="live", store=org.store, actor=actor_for(org.manager), now=NOW)
    hq = actor_for(holder_of("hq_operator", org))
    assert want_way(kind="parcel", store=org.other_store, name="双十二包裹", actor=hq, now=NOW).kind == "parcel"


# ---------------------------------------------------------------- pages


def test_the_code_makes_itself_when_the_guide_opens_it(org: Org, platform: SandboxControl, client: Any) -> None:
    sign_in(client, org.guide)
    assert "正在建你的码" in client.get("/g/code/").content.decode()
    answer = client.post("/g/code/make/", headers={"HX-Request": "true"}).content.decode()
    way = ContactWay.objects.get()
    make_friend(None, org.guide, way=way, added_at=NOW)
    assert f"/g/code/{way.pk}/qr.png" in answer
    page = client.get("/g/code/").content.decode()
    assert "门店1" not in answer and "今天加的" in page
    picture = client.get(f"/g/code/{way.pk}/qr.png")
    assert (picture.headers["Content-Type"], picture.content[:4]) == ("image/png", b"\x89PNG")
    assert "晓雯" in client.get(f"/g/code/{way.pk}/poster/").content.decode()
    poster = client.get(f"/g/code/{way.pk}/poster.png")
    assert poster.content[:4] == b"\x89PNG" if font_file() else poster.status_code == 404


def test_a_stranger_sees_no_code_of_hers(org: Org, platform: SandboxControl, client: Any) -> None:
    way = own(org.guide)
    bring()
    sign_in(client, org.stranger)
    for path in ("qr.png", "poster/", "poster.png"):
        assert client.get(f"/g/code/{way.pk}/{path}").status_code == 404


def test_the_manager_makes_and_ends_a_code_for_the_live(org: Org, platform: SandboxControl, client: Any) -> None:
    sign_in(client, org.manager)
    done = client.post(
        "/m/codes/", {"kind": "live", "name": "周六直播", "store": str(org.store.pk), "idempotency_key": "k1"}
    )
    assert done.status_code == 302
    way = ContactWay.objects.get()
    assert (way.state, "周六直播" in client.get("/m/codes/").content.decode()) == ("ready", True)
    client.post(f"/m/codes/{way.pk}/retire/")
    way.refresh_from_db()
    assert way.state == "retired"
    assert f"way-{way.pk}" not in client.get("/m/codes/?kind=live").content.decode()


@pytest.mark.parametrize("rows", [1, 5])
def test_the_list_of_codes_needs_the_same_queries_for_any_length(
    org: Org, client: Any, rows: int, django_assert_num_queries: Any
) -> None:
    for number in range(rows):
        want_way(kind="event", store=org.store, name=f"活动{number}", actor=SYSTEM, now=NOW)
    sign_in(client, holder_of("hq_operator", org))
    client.get("/hq/codes/")
    with django_assert_num_queries(6):
        client.get("/hq/codes/")
