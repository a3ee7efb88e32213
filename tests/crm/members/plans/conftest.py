"""A store in which somebody leaves, with the colleagues who may take over."""

from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from crm.members.models import GuideHandover, Member
from crm.members.services import confirm_plan, plan_giving
from crm.members.services.plans import Plan
from guides.org.models import Staff
from guides.org.moving import transfer_staff
from guides.org.services import resign_staff
from tests.factories.guides import Org, actor, make_org, make_staff, sign_in
from yejibao.core import outbox
from yejibao.core.clock import local_day, parse_iso
from yejibao.core.scope import Actor
from yejibao.wecom import gateway, tokens
from yejibao.wecom.gateway import Gateway

NOW = parse_iso("2026-11-23 10:00")
SYSTEM = Actor.system()
HTMX = {"HX-Request": "true", "Accept": "text/html"}


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel(NOW)
    return make_org()


@pytest.fixture
def door(sandbox: Any) -> Gateway:
    gateway._gateway.cache_clear()
    tokens.Credentials.forget_process_copies()
    return gateway.default()


def colleagues(org: Org) -> tuple[Staff, Staff]:
    return make_staff(store=org.store, name="何勇"), make_staff(store=org.store, name="马超")


def leave(org: Org) -> GuideHandover:
    resign_staff(org.guide, actor=SYSTEM, now=NOW)
    outbox.drain_events()
    return GuideHandover.objects.get(guide=org.guide)


def go_for_long(org: Org) -> GuideHandover:
    return plan_giving(org.guide, reason="long_leave", actor=actor(org.manager), now=NOW)


def move(org: Org) -> GuideHandover:
    transfer_staff(org.guide, to=org.other_store, starts_on=local_day(NOW), actor=SYSTEM, now=NOW)
    outbox.drain_events()
    return GuideHandover.objects.get()


def confirm(handover: GuideHandover, plan: Plan, by: Staff, now: datetime = NOW) -> GuideHandover:
    done = confirm_plan(handover, plan=plan, version=handover.version, actor=actor(by), now=now)
    outbox.drain_events()
    return done


def owners() -> dict[str, str]:
    rows = Member.objects.filter(status="active").order_by("name")
    return {name: owner for name, owner in rows.values_list("name", "owner_guide__name")}


@pytest.fixture
def manager(client: Client, org: Org) -> Client:
    client.defaults["HTTP_ACCEPT"] = "text/html"
    return sign_in(client, org.manager)
