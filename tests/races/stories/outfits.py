"""Two at once in the library of outfits."""

from crm.catalogue.loading import load_catalogue
from crm.catalogue.models import StyleColor
from crm.catalogue.outfits import services
from crm.catalogue.outfits.models import Outfit, OutfitPiece, OutfitPlan
from crm.catalogue.outfits.services.library import BreaksRules
from tests.factories.guides import actor, holder_of
from tests.races.at_once import in_peace, overtaken
from tests.races.world import NOON, World
from yejibao.core.errors import Conflict
from yejibao.core.models import AuditEntry
from yejibao.core.scope import Actor

WORDS = {"name": "藏青配白", "season": "秋", "occasion": "商务", "reason": "藏青显气色，白衬衫提亮"}
LOOK = ("25FXF101-NV", "26SCS202-WH", "26SXZ951-BR", "26SPS971-BR")
BROKEN = ("25FXF101-NV", "26SCS202-WH", "26SXZ951-BR", "26SPS971-BK")  # a black belt with brown shoes


def _ids(codes: tuple[str, ...]) -> list[int]:
    if not StyleColor.objects.filter(sku_code=codes[0]).exists():
        load_catalogue()
    known = dict(StyleColor.objects.filter(sku_code__in=codes).values_list("sku_code", "pk"))
    return [known[code] for code in codes]


def _stylist(world: World) -> Actor:
    return actor(holder_of("stylist", world.org))


def _proposal(world: World) -> Outfit:
    return services.propose(WORDS, _ids(LOOK), actor=world.guide, now=NOON)


def a_proposal_is_edited_while_it_is_adopted(world: World) -> None:
    """What was judged is what is published, whatever a colleague writes at that moment."""
    idea, first, second = _proposal(world), _stylist(world), _stylist(world)
    both = overtaken(
        lambda: services.adopt(idea, actor=first, now=NOON),
        lambda: services.edit_outfit(idea, WORDS, _ids(BROKEN), actor=second, now=NOON),
    )
    in_peace(both.first)
    worn = OutfitPiece.objects.filter(outfit=idea).order_by("position").values_list("style__sku_code", flat=True)
    assert isinstance(both.second, Conflict) and list(worn) == list(LOOK)


def two_days_of_a_week_are_published(world: World) -> None:
    """The same suit on Monday and Tuesday: the second sees what the first hung there."""
    stylist, styles = _stylist(world), _ids(LOOK)
    plan = OutfitPlan.objects.create(key=f"w{Outfit.objects.count()}", name="一周", season="秋", low_c=1, high_c=9)
    days = [
        services.start_draft(WORDS | {"plan_id": plan.pk, "day": day}, styles, actor=stylist, now=NOON)
        for day in (1, 2)
    ]
    both = overtaken(*[lambda one=one: services.publish(one, actor=stylist, now=NOON) for one in days])
    in_peace(both.first)
    assert isinstance(both.second, BreaksRules)


def two_who_refuse(world: World) -> None:
    idea, stylist = _proposal(world), _stylist(world)
    stale = Outfit.objects.get(pk=idea.pk)
    both = overtaken(
        lambda: services.refuse(idea, why="颜色再收一收", actor=stylist, now=NOON),
        lambda: services.refuse(stale, why="换条裤子", actor=stylist, now=NOON),
    )
    in_peace(both.first)
    assert isinstance(both.second, Conflict)
    assert AuditEntry.objects.filter(action="outfit.refused", resource_id=str(idea.pk)).count() == 1
