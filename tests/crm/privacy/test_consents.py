"""What a member agrees to: versions, time, channel; taken back as easily as given; read where members are chosen."""

from typing import Any

import pytest
from django.test import Client

from crm.members.models import Member
from crm.privacy.loading import load_texts
from crm.privacy.models import ConsentRecord, ConsentText
from crm.privacy.queries import consents_of
from crm.privacy.services import ALLOWED, IsNeeded, NoText, set_channels, set_consent
from crm.privacy.services.consents import CHANNELS
from guides.org.actors import actor_for
from tasks.scripts.ranking import member_situation
from tests.factories.crm import make_member
from tests.factories.guides import Org, make_org, make_staff, sign_in
from yejibao.core import desk
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Forbidden, Invalid, NotFound
from yejibao.core.models import AuditEntry
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-11-21 14:00")
SYSTEM = Actor.system()


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel(NOW)
    return make_org()


@pytest.fixture
def member(org: Org) -> Member:
    return make_member(owner=org.guide, phone="13800132075")


def say(member: Member, kind: str, is_given: bool, actor: Actor = SYSTEM) -> ConsentRecord | None:
    return set_consent(member, kind=kind, is_given=is_given, channel="mini_program", actor=actor, now=NOW)


def test_texts_are_versions_and_never_reworded(org: Org) -> None:
    assert (load_texts(now=NOW), load_texts(now=NOW)) == (4, 0)
    ConsentText.objects.filter(kind="marketing").update(text="别的话")
    with pytest.raises(Invalid):
        load_texts(now=NOW)


def test_given_and_taken_back_are_records_and_what_counts_stands_on_the_member(member: Member) -> None:
    with pytest.raises(NoText):
        say(member, "profiling", True)
    load_texts(now=NOW)
    for kind in ("privacy", "marketing", "profiling", "live_matching"):
        assert say(member, kind, True) is not None
        assert say(member, kind, True) is None  # said already
    member.refresh_from_db()
    assert (member.marketing_opt_out, member.no_profiling, member.live_matching) == ([], False, True)
    for kind in ("marketing", "profiling", "live_matching"):
        say(member, kind, False)
    member.refresh_from_db()
    assert (member.marketing_opt_out, member.no_profiling, member.live_matching) == (sorted(CHANNELS), True, False)
    with pytest.raises(IsNeeded):
        say(member, "privacy", False)
    said = ConsentRecord.objects.order_by("pk").values_list("kind", "is_given", "text__version", "channel")
    assert list(said)[-2:] == [("profiling", False, 1, "mini_program"), ("live_matching", False, 1, "mini_program")]
    assert AuditEntry.objects.filter(action="consent.withdrawn").count() == 3


def test_a_newer_text_is_agreed_to_anew(member: Member) -> None:
    load_texts(now=NOW)
    say(member, "privacy", True)
    ConsentText.objects.create(kind="privacy", version=2, title="会员隐私政策", text="新的", published_at=NOW)
    [privacy] = [one for one in consents_of(member) if one.kind == "privacy"]
    assert (privacy.is_given, privacy.is_outdated) == (True, True)
    assert say(member, "privacy", True) is not None
    [privacy] = [one for one in consents_of(member) if one.kind == "privacy"]
    assert not privacy.is_outdated


def test_one_channel_is_refused_by_itself_and_all_are_the_consent_taken_back(member: Member, org: Org) -> None:
    load_texts(now=NOW)
    guide = actor_for(org.guide)
    set_channels(member, refused=["manual_call"], channel="wecom", actor=guide, now=NOW)
    member.refresh_from_db()
    assert (member.marketing_opt_out, ConsentRecord.objects.exists()) == (["manual_call"], False)
    set_channels(member, refused=list(CHANNELS), channel="wecom", actor=guide, now=NOW)
    assert ConsentRecord.objects.get().kind == "marketing"
    set_channels(member, refused=[], channel="wecom", actor=guide, now=NOW)
    member.refresh_from_db()
    assert member.marketing_opt_out == []
    assert list(ConsentRecord.objects.order_by("pk").values_list("is_given", flat=True)) == [False, True]
    for actor, error in (
        (actor_for(org.stranger), NotFound),
        (actor_for(make_staff("area_supervisor", store=org.store)), Forbidden),
    ):
        with pytest.raises(error):
            set_channels(member, refused=[], channel="wecom", actor=actor, now=NOW)


def test_who_chooses_members_reads_what_they_allow(member: Member, org: Org) -> None:
    free, away = make_member(owner=org.guide), make_member(owner=org.guide, do_not_contact=True)
    Member.objects.filter(pk=member.pk).update(marketing_opt_out=["sms"], no_profiling=True)
    everybody = Member.objects.filter(pk__in=[member.pk, free.pk, away.pk])
    assert set(everybody.may_be_told("sms")) == {free}
    assert set(everybody.may_be_told("wecom_message")) == {free, member}
    assert set(everybody.may_be_profiled()) == {free, away}


def test_without_a_profile_words_are_chosen_by_the_occasion_alone(member: Member, org: Org) -> None:
    Member.objects.filter(pk=member.pk).update(tier_631="core", purchase_count=4, lifecycle_stage="dormant")
    member.refresh_from_db()
    situation, _ = member_situation(member, guide=org.guide, now=NOW)
    assert {"vip", "repeat", "old_member", "dormant"} <= situation.scenes
    member.no_profiling = True
    situation, _ = member_situation(member, guide=org.guide, now=NOW)
    assert not {"vip", "repeat", "old_member", "dormant"} & situation.scenes and "vip" not in situation.buyer


def test_the_guide_notes_what_he_said_in_one_sheet(member: Member, org: Org) -> None:
    load_texts(now=NOW)
    guide = sign_in(Client(headers={"Accept": "text/html"}), org.guide)
    url = f"/g/members/{member.public_id}/allows/"
    assert "不看个性化推荐" in guide.get(url, headers={"HX-Request": "true"}).content.decode()
    told = {"channels": ["wecom_message"], "allows": [], "where": "store"}
    member.refresh_from_db()
    seen = desk.seen(member, ALLOWED)
    assert seen in guide.get(url).content.decode()
    assert guide.post(url, told | {"seen": seen}).status_code == 302
    member.refresh_from_db()
    assert "wecom_message" not in member.marketing_opt_out and "sms" in member.marketing_opt_out
    assert (member.no_profiling, member.phone_consent) == (True, False)
    assert ConsentRecord.objects.get(kind="profiling").channel == "store"
    page = guide.get(f"/g/members/{member.public_id}/").content.decode()
    assert "不看个性化推荐" in page and "138****2075" in page and "13800132075" not in page


def test_an_old_sheet_gives_nothing_back_and_saves_no_halves(member: Member, org: Org) -> None:
    load_texts(now=NOW)
    guide = sign_in(Client(headers={"Accept": "text/html"}), org.guide)
    url = f"/g/members/{member.public_id}/allows/"
    member.refresh_from_db()
    told = {"channels": list(CHANNELS), "allows": ["profiling", "phone"], "seen": desk.seen(member, ALLOWED)}
    set_consent(member, kind="marketing", is_given=False, channel="phone", actor=SYSTEM, now=NOW)  # meanwhile, at HQ
    records = ConsentRecord.objects.count()
    assert guide.post(url, told).status_code == 412
    member.refresh_from_db()
    assert (member.marketing_opt_out, ConsentRecord.objects.count()) == (sorted(CHANNELS), records)
    # Without a text to agree to the last of three is refused, and the first are not written either.
    member.no_profiling = True
    member.save(update_fields=["no_profiling"])
    ConsentText.objects.filter(kind="profiling").delete()
    assert guide.post(url, told | {"seen": desk.seen(member, ALLOWED)}).status_code == 409
    member.refresh_from_db()
    assert (member.marketing_opt_out, member.no_profiling) == (sorted(CHANNELS), True)


def test_the_number_on_a_members_page_shows_after_a_reason(member: Member, org: Org) -> None:
    guide = sign_in(Client(headers={"Accept": "text/html"}), org.guide)
    url = f"/g/members/{member.public_id}/reveal/phone/"
    assert "13800132075" not in guide.get(url).content.decode()
    assert guide.post(url, {"reason": ""}).status_code == 422
    answer = guide.post(url, {"reason": "约到店"})
    assert "13800132075" in answer.content.decode() and "no-store" in answer["Cache-Control"]
    assert AuditEntry.objects.get(action="member.phone_revealed").reason == "约到店"
    foreign = make_member(owner=org.stranger, phone="13900001111")
    assert guide.post(f"/g/members/{foreign.public_id}/reveal/phone/", {"reason": "约到店"}).status_code == 404
