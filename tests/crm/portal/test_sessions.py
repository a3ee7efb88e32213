"""Sessions of members: what a token opens, for how long, where, and what ends it."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from crm.members.models import Member
from crm.members.services import close_member, merge_members
from crm.portal.models import MemberSession
from crm.portal.sessions import LIFE, TicketGone, begin_session, find_session, give_ticket, use_ticket
from crm.privacy.services import forget_members
from tests.factories.crm import make_member
from tests.factories.guides import make_org, make_staff, sign_in
from tests.factories.portal import bearer, sign_in_member, token_of
from yejibao.core import clock as product_clock
from yejibao.core import outbox
from yejibao.core.models import AuditEntry
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db

MINI, H5 = MemberSession.Place.MINI_PROGRAM, MemberSession.Place.H5


def now() -> Any:
    return product_clock.system_now()


def test_the_token_is_kept_as_its_hash_alone() -> None:
    token = token_of(make_member())
    session = MemberSession.objects.get()
    assert token not in str(session.__dict__) and len(session.token_hash) == 64
    assert find_session(token, place=MINI, now=now()) == session
    assert find_session(session.token_hash, place=MINI, now=now()) is None


def test_it_ends_after_seven_days_and_opens_only_its_own_place() -> None:
    token = token_of(make_member())
    assert find_session(token, place=MINI, now=now() + LIFE - timedelta(minutes=1)) is not None
    assert find_session(token, place=MINI, now=now() + LIFE) is None
    assert find_session(token, place=H5, now=now()) is None


def test_signing_in_is_in_the_trail_as_the_member_without_his_name() -> None:
    member = make_member(name="王建国")
    token_of(member)
    row = AuditEntry.objects.get(action="auth.member_login")
    assert (row.actor_kind, row.actor_id, row.actor_name) == ("member", member.pk, "会员")


def test_a_closed_card_opens_nothing_more_at_the_next_request(client: Client) -> None:
    member = make_member()
    sign_in_member(client, member)
    assert client.get("/my/").status_code == 200
    Member.objects.filter(pk=member.pk).update(status="closed")
    assert client.get("/my/", headers={"Accept": "text/html"})["Location"].startswith("/my/enter/?next=/my/")


def test_closing_and_forgetting_end_the_sessions_themselves() -> None:
    closed, forgotten, other = make_member(), make_member(), make_member()
    for member in (closed, forgotten, other):
        token_of(member)
    close_member(closed, actor=Actor.system(), reason="…", now=product_clock.now())
    outbox.drain_events()
    forget_members([forgotten.pk], now=product_clock.now())
    assert list(MemberSession.objects.values_list("member_id", flat=True)) == [other.pk]


def test_a_merged_card_leads_to_the_one_that_was_kept() -> None:
    kept, gone = make_member(), make_member()
    token = token_of(gone)
    merge_members(kept=kept, gone=gone, actor=Actor.system(), reason="…", now=product_clock.now())
    session = find_session(token, place=MINI, now=now())
    assert session is not None and session.member == kept


# ---------------------------------------------------------------- into the web view


def test_a_ticket_opens_the_web_view_once(client: Client) -> None:
    token_of(make_member())
    ticket = give_ticket(MemberSession.objects.get(), now=now())
    first = client.get(f"/my/enter/?ticket={ticket}&next=/my/orders/")
    assert (first.status_code, first["Location"]) == (302, "/my/orders/")
    cookie = first.cookies[settings.MEMBER_COOKIE_NAME]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert client.get("/my/orders/").status_code == 200
    assert Client().get(f"/my/enter/?ticket={ticket}").status_code == 401


def test_a_ticket_lives_a_minute_and_leads_nowhere_else() -> None:
    token_of(make_member())
    ticket = give_ticket(MemberSession.objects.get(), now=now())
    with pytest.raises(TicketGone):
        use_ticket(ticket, facts={}, now=now() + timedelta(seconds=61))
    with pytest.raises(TicketGone):
        use_ticket("", facts={}, now=now())
    again = give_ticket(MemberSession.objects.get(), now=now())
    assert Client().get(f"/my/enter/?ticket={again}&next=//evil.example/")["Location"] == "/my/"


def test_leaving_ends_it_here(client: Client) -> None:
    sign_in_member(client, make_member())
    client.post("/my/leave/")
    assert MemberSession.objects.count() == 0
    assert client.get("/my/", headers={"Accept": "text/html"}).status_code == 302


# ---------------------------------------------------------------- staff here, members there


def test_sessions_of_staff_count_nowhere_on_members_pages(client: Client) -> None:
    sign_in(client, make_staff())
    assert client.get("/my/").status_code == 401
    assert client.get("/api/v1/member/me/").status_code == 401


def test_sessions_of_members_count_nowhere_else(client: Client) -> None:
    member = make_member(owner=make_org().guide)
    sign_in_member(client, member)
    for path in ("/g/today/", f"/g/members/{member.public_id}/", "/api/v1/staff/"):
        assert client.get(path, headers=bearer(member)).status_code == 401, path


def test_a_cookie_opens_no_api_and_a_header_no_page(client: Client) -> None:
    member = make_member()
    sign_in_member(client, member)
    assert client.get("/api/v1/member/me/").status_code == 401
    assert Client().get("/my/", headers=bearer(member)).status_code == 401


def test_an_account_without_a_card_opens_nothing(client: Client) -> None:
    begin_session(openid="wx:o1", unionid="", member=None, place=H5, facts={}, now=now())
    token = token_of(None, place=H5)
    client.cookies[settings.MEMBER_COOKIE_NAME] = token
    assert client.get("/my/").status_code == 401


def test_walking_through_addresses_ends_the_session(client: Client, settings: Any) -> None:
    settings.MISSES_LOCK = True
    sign_in_member(client, make_member())
    statuses = [client.get(f"/my/pay/00000000-0000-4000-8000-{number:012}/").status_code for number in range(32)]
    assert (statuses[0], statuses[-1]) == (404, 401)
    assert AuditEntry.objects.filter(action="auth.session_locked", actor_kind="member").count() == 1


def test_pages_ask_for_the_token_against_forgery() -> None:
    strict = sign_in_member(Client(enforce_csrf_checks=True), make_member())
    assert strict.post("/my/privacy/allow/").status_code == 403
