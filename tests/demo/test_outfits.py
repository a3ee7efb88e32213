"""What the demo shows of outfits: ideas adopted, refused and waiting, a week that was sent and opened."""

from crm.catalogue.loading import load_catalogue
from crm.catalogue.outfits.loading import load_outfits
from crm.catalogue.outfits.models import LookShare, Outfit, OutfitCredit
from guides.org.loading import load_org, read_spec
from guides.org.models import Staff
from tests.conftest import TestClock
from tests.factories.crm import make_friend, make_member
from yejibao.demo import outfits


def test_ideas_and_a_week_that_was_sent(db: None, clock: TestClock) -> None:
    now = clock.travel("2026-11-22 12:00")
    load_catalogue()
    load_outfits(now=now)
    load_org(read_spec(), now=now)
    guide = Staff.objects.get(wecom_user_id="linxiaowen")
    make_friend(make_member(owner=guide, purchase_count=4))
    outfits.build(now=now)
    states = sorted(Outfit.objects.filter(author__isnull=False).values_list("state", flat=True))
    assert states == ["proposed", "published", "published", "refused"]
    assert (OutfitCredit.objects.count(), LookShare.objects.exclude(opened_at=None).count()) == (2, 1)
