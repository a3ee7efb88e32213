"""登录设备: where somebody is signed in, and ending it."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as configured
from django.test import Client

from guides.org.devices import devices_of, ref_of
from guides.org.models import StaffSession
from guides.org.services import set_staff_state
from tests.factories.guides import Org, holder_of, make_org
from tests.factories.guides import sign_in as signed_in
from yejibao.core import clock as product_clock
from yejibao.core.models import AuditEntry
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db

HTML = {"HTTP_ACCEPT": "text/html"}


@pytest.fixture
def org() -> Org:
    return make_org()


def key_of(client: Client) -> str:
    return client.cookies[configured.SESSION_COOKIE_NAME].value


def test_the_page_shows_all_devices_and_no_key(client: Client, org: Org) -> None:
    signed_in(client, org.guide)
    other = signed_in(Client(), org.guide)
    page = client.get("/me/devices/", **HTML).content.decode()
    assert (page.count("没有说明的设备"), page.count("这一台")) == (3, 1)  # one more in the label of the button
    assert not any(key_of(one) in page for one in (client, other))


def test_one_of_my_devices_is_ended_and_the_others_stay(client: Client, org: Org) -> None:
    signed_in(client, org.guide)
    lost, kept = signed_in(Client(), org.guide), signed_in(Client(), org.guide)
    assert client.post("/me/devices/end/", {"ref": ref_of(key_of(lost))})["Location"] == "/me/devices/"
    assert [one.get("/me/").status_code for one in (client, lost, kept)] == [200, 401, 200]
    assert client.post("/me/devices/end/", {"ref": ref_of(key_of(lost))}).status_code == 404
    client.post("/me/devices/end/")
    assert [one.get("/me/").status_code for one in (client, kept)] == [200, 401]
    assert AuditEntry.objects.filter(action__startswith="auth.session").count() == 2


def test_nobody_ends_somebody_elses(client: Client, org: Org) -> None:
    signed_in(client, org.guide)
    boss = signed_in(Client(), org.manager)
    assert client.post("/me/devices/end/", {"ref": ref_of(key_of(boss))}).status_code == 404
    path = f"/hq/people/{org.manager.pk}/devices/"
    assert (client.get(path).status_code, client.post(f"{path}end/").status_code) == (403, 403)
    assert boss.get("/me/").status_code == 200


def test_an_administrator_sees_and_ends_a_colleagues(client: Client, org: Org) -> None:
    keeper = signed_in(client, holder_of("sys_admin", org))
    phone, pc = signed_in(Client(), org.guide), signed_in(Client(), org.guide)
    path = f"/hq/people/{org.guide.pk}/devices/"
    assert org.guide.name in keeper.get(path, **HTML).content.decode()
    assert keeper.post(f"{path}end/", {"ref": ref_of(key_of(phone))})["Location"] == path
    assert [phone.get("/me/").status_code, pc.get("/me/").status_code] == [401, 200]
    keeper.post(f"{path}end/")
    assert (pc.get("/me/").status_code, keeper.get("/me/").status_code) == (401, 200)


def test_taking_a_second_factor_away_needs_a_confirmation(client: Client, org: Org) -> None:
    from guides.org.second_factor import begin_enrolment

    begin_enrolment(org.guide)
    signed_in(client, holder_of("sys_admin", org), confirmed=False)
    form = {"act": "reset_second", "reason": "手机丢了"}
    assert client.post(f"/hq/people/{org.guide.pk}/devices/end/", form).status_code == 403


def test_taking_a_second_factor_away_needs_a_reason(client: Client, org: Org) -> None:
    signed_in(client, holder_of("sys_admin", org))
    path = f"/hq/people/{org.guide.pk}/devices/end/"
    refused = client.post(path, {"act": "reset_second", "reason": " "}, HTTP_ACCEPT="application/json")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "reason")


def test_who_is_barred_is_out_everywhere_and_stays_out(client: Client, org: Org) -> None:
    signed_in(client, org.guide)
    set_staff_state(org.guide, state="disabled", actor=Actor.system(), now=product_clock.now())
    assert not StaffSession.objects.filter(staff=org.guide).exists()
    assert AuditEntry.objects.get(action="auth.sessions_ended").after == {"count": 1}
    set_staff_state(org.guide, state="active", actor=Actor.system(), now=product_clock.now())
    assert client.get("/me/").status_code == 401


def test_a_role_that_changes_ends_the_sessions(client: Client, org: Org) -> None:
    from guides.org.granting import grant_role

    signed_in(client, org.guide)
    now = product_clock.now()
    grant_role(org.guide, role="guide", unit=org.other_store.unit, actor=Actor.system(), now=now)
    assert client.get("/me/").status_code == 401
    entry = AuditEntry.objects.get(action="auth.sessions_ended")
    assert (entry.after, entry.reason) == ({"count": 1}, "岗位变了")


def test_a_session_in_use_is_noted_every_five_minutes(client: Client, org: Org, monkeypatch: Any) -> None:
    signed_in(client, org.guide)
    start = product_clock.system_now()

    def seen_after(minutes: float) -> float:
        moment = start + timedelta(minutes=minutes)
        monkeypatch.setattr(product_clock, "system_now", lambda: moment)
        assert client.get("/me/").status_code == 200
        (device,) = devices_of(org.guide, now=moment)
        assert device.seen_at is not None
        return round((device.seen_at - start).total_seconds() / 60)

    assert [seen_after(minutes) for minutes in (4, 6, 8, 12)] == [0, 6, 6, 12]
