"""The library: drafts, publishing by the rules, versions, withdrawing; proposals adopted with credit or refused with a reason."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from crm.catalogue.models import StyleColor
from crm.catalogue.outfits import services
from crm.catalogue.outfits.models import Outfit, OutfitCredit, OutfitPiece, OutfitPlan
from crm.catalogue.outfits.queries import pieces_of
from crm.catalogue.outfits.services.library import BreaksRules, faults_in
from guides.notices.models import Notification
from tests.factories.guides import Org, actor, holder_of
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.models import AuditEntry

from .conftest import NOW

GOOD = ("25FXF101-NV", "26SCS202-WH", "26SXZ951-BR", "26SPS971-BR")
WORDS: dict[str, Any] = {"name": "藏青配白", "season": "秋", "occasion": "商务", "reason": "藏青显气色，白衬衫提亮"}


def ids(*codes: str) -> list[int]:
    known = dict(StyleColor.objects.filter(sku_code__in=codes).values_list("sku_code", "pk"))
    return [known[code] for code in codes]


@pytest.fixture
def stylist(org: Org) -> Any:
    return actor(holder_of("stylist", org))


def proposal(org: Org, **facts: Any) -> Outfit:
    return services.propose(WORDS | facts, ids(*GOOD), actor=actor(org.guide), now=NOW)


def test_a_draft_lies_from_outside_in_and_is_seen_by_stylists_alone(org: Org, stylist: Any) -> None:
    draft = services.start_draft(WORDS, ids(*reversed(GOOD)), actor=stylist, now=NOW)
    assert [one.role for one in pieces_of([draft])[draft.pk]] == ["outer", "inner", "shoes", "accessory"]
    assert not Outfit.objects.visible_to(actor(org.guide)).filter(pk=draft.pk).exists()
    services.publish(draft, actor=stylist, now=NOW)
    assert Outfit.objects.visible_to(actor(org.guide)).filter(pk=draft.pk).exists()


def test_an_outfit_that_breaks_rules_is_kept_as_a_draft_and_not_published(stylist: Any) -> None:
    draft = services.start_draft(WORDS, ids("25FXF101-NV", "26SXZ951-BR", "26SPS971-BK"), actor=stylist, now=NOW)
    with pytest.raises(BreaksRules) as told:
        services.publish(draft, actor=stylist, now=NOW)
    assert told.value.errors == [{"field": "pieces", "code": "belt", "message": "腰带是黑，皮鞋是棕：皮带要和皮鞋同色"}]
    draft.refresh_from_db()
    assert draft.state == "draft"


@pytest.mark.parametrize(
    ("words", "field"),
    [({"name": ""}, "name"), ({"season": "雨季"}, "season"), ({"reason": "好"}, "reason"), ({"plan_id": 1}, "day"), ({"low_c": 9, "high_c": 3}, "low_c")],
)  # fmt: skip
def test_what_a_form_brings_is_checked(stylist: Any, words: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as told:
        services.start_draft(WORDS | words, ids(*GOOD), actor=stylist, now=NOW)
    assert field in [one["field"] for one in told.value.errors]


def test_a_day_of_a_plan_has_one_outfit_and_its_neighbours_are_judged(org: Org, stylist: Any) -> None:
    plan = OutfitPlan.objects.get(key="autumn_commute")
    draft = services.start_draft(WORDS | {"plan_id": plan.pk, "day": 2}, ids(*GOOD), actor=stylist, now=NOW)
    with pytest.raises(BreaksRules) as told:
        services.publish(draft, actor=stylist, now=NOW)
    assert {one["code"] for one in told.value.errors} == {"taken", "no_rest"}  # Monday's suit, Wednesday's shoes
    services.withdraw(Outfit.objects.get(key="af_tue"), why="换季", actor=stylist, now=NOW)
    pieces = pieces_of([draft])[draft.pk]
    assert {fault.code for fault in faults_in(pieces, plan=plan, day=2)} == {"no_rest"}
    with pytest.raises(IntegrityError), transaction.atomic():
        Outfit.objects.filter(key="af_mon").update(day=3)


def test_a_new_version_takes_the_place_of_the_old_one(stylist: Any) -> None:
    old = Outfit.objects.get(key="af_mon")
    draft = services.new_version(old, actor=stylist, now=NOW)
    assert services.new_version(old, actor=stylist, now=NOW) == draft
    assert (draft.version, OutfitPiece.objects.filter(outfit=draft).count()) == (2, 5)
    live = services.publish(draft, actor=stylist, now=NOW)
    old.refresh_from_db()
    assert (old.state, old.ended_why, live.state, live.day) == ("withdrawn", "换成第 2 版", "published", 1)
    with pytest.raises(Conflict):
        services.edit_outfit(live, WORDS, ids(*GOOD), actor=stylist, now=NOW)


def test_only_stylists_keep_the_library(org: Org) -> None:
    guide, mine = actor(org.guide), proposal(org)
    with pytest.raises(Forbidden):
        services.start_draft(WORDS, ids(*GOOD), actor=guide, now=NOW)
    with pytest.raises(Forbidden):
        services.adopt(mine, actor=guide, now=NOW)
    with pytest.raises(Forbidden):
        services.propose(WORDS, ids(*GOOD), actor=actor(holder_of("hq_merch", org)), now=NOW)


def test_an_adopted_proposal_bears_her_name_and_gives_twenty_points_once(org: Org, stylist: Any) -> None:
    mine = proposal(org)
    assert (mine.state, mine.author) == ("proposed", org.guide)
    live = services.adopt(mine, actor=stylist, now=NOW)
    assert (live.state, live.author_id) == ("published", org.guide.pk)
    credit = OutfitCredit.objects.get()
    assert (credit.guide_id, credit.points, credit.outfit_id) == (org.guide.pk, 20, live.pk)
    assert Notification.objects.get(staff=org.guide).title == "你搭的「藏青配白」被采纳了"
    with pytest.raises(Conflict):
        services.adopt(mine, actor=stylist, now=NOW)
    services.publish(services.new_version(live, actor=stylist, now=NOW), actor=stylist, now=NOW)
    assert OutfitCredit.objects.count() == 1
    assert list(AuditEntry.objects.filter(action="outfit.adopted").values_list("after__points", flat=True)) == [20]


def test_the_database_credits_an_outfit_once(org: Org, stylist: Any) -> None:
    live = services.adopt(proposal(org), actor=stylist, now=NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        OutfitCredit.objects.create(outfit=live, guide=org.guide, points=20, at=NOW)


def test_a_refused_proposal_says_why_to_its_guide_alone(org: Org, stylist: Any) -> None:
    mine = proposal(org)
    with pytest.raises(Invalid):
        services.refuse(mine, why=" ", actor=stylist, now=NOW)
    services.refuse(mine, why="颜色再收一收", actor=stylist, now=NOW)
    assert Notification.objects.get(staff=org.guide).text == "颜色再收一收"
    assert Outfit.objects.visible_to(actor(org.guide)).filter(pk=mine.pk).exists()
    assert not Outfit.objects.visible_to(actor(org.stranger)).filter(pk=mine.pk).exists()


def test_nobody_judges_his_own_idea(org: Org) -> None:
    from guides.org.models import RoleAssignment

    RoleAssignment.objects.create(staff=org.guide, role="stylist", unit=org.hq)
    with pytest.raises(Conflict):
        services.adopt(proposal(org), actor=actor(org.guide), now=NOW)


def test_a_proposal_has_to_keep_the_rules_already(org: Org) -> None:
    with pytest.raises(BreaksRules):
        services.propose(WORDS, ids("25FXF101-NV", "26SCS202-WH"), actor=actor(org.guide), now=NOW)
    assert not Outfit.objects.filter(author=org.guide).exists()
