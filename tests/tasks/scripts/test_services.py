"""The nightly count of what was used, and how much a guide may keep."""

from datetime import timedelta

import pytest

from tasks.scripts import services
from tasks.scripts.jobs import count_script_uses
from tasks.scripts.loading import load_scripts
from tasks.scripts.models import Script, ScriptFavourite, ScriptUse
from tests.factories.crm import make_member
from tests.factories.guides import actor, make_staff
from tests.tasks.scripts.test_loading import ALL
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Invalid

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-03-02 03:00")


def test_counts_members_of_90_days_and_replies_within_48_hours():
    load_scripts(now=NOW)
    guide = make_staff()
    anna, bert, carl = (make_member(owner=guide) for _ in range(3))

    def use(member, *, days, replied_hours=None, key="m30_suit"):
        at = NOW - timedelta(days=days)
        replied = at + timedelta(hours=replied_hours) if replied_hours else None
        ScriptUse.objects.create(script_key=key, member=member, guide=guide, at=at, replied_at=replied)

    use(anna, days=3, replied_hours=48)
    use(anna, days=5)
    use(bert, days=4, replied_hours=49)
    use(carl, days=91, replied_hours=1)
    use(carl, days=1, key="")
    assert services.count_uses(now=NOW) == ALL
    script = Script.objects.get(key="m30_suit")
    assert (script.used_90_count, script.replied_90_count, script.counted_at) == (2, 1, NOW)
    services.count_uses(now=NOW + timedelta(days=100))
    script.refresh_from_db()
    assert script.used_90_count == 0


def test_the_job_counts(clock):
    clock.travel(NOW)
    load_scripts(now=NOW)
    assert count_script_uses(surprise="ignored") == {"scripts": ALL}


def test_a_guide_keeps_a_hundred_wordings():
    guide = make_staff()
    ScriptFavourite.objects.bulk_create(
        [ScriptFavourite(guide=guide, text=f"第 {n} 条", created_at=NOW) for n in range(services.OWN_PIECES)]
    )
    with pytest.raises(Invalid, match="最多留 100 条"):
        services.keep_own_words(actor=actor(guide), text="再来一条", now=NOW)
