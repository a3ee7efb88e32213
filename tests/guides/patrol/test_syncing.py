"""What a phone brings arrives once, whatever is sent again; what two changed is written by neither unseen."""

import copy
from uuid import uuid4

import pytest

from guides.org.models import Staff
from guides.patrol.models import Coaching, ItemScore, PatrolPhoto, Visit
from guides.patrol.queries import changes_since
from guides.patrol.services import Arrival, VisitClosed
from tests.factories.guides import Org
from tests.factories.patrol import (
    HERE,
    begin,
    fill,
    hand_in,
    said,
    sync,
    upload,
    value,
)
from tests.guides.patrol.conftest import NOW
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Invalid

OTHER = "the-tablet-in-the-bag"
KEY = "display_color"


@pytest.fixture
def visit(org: Org, supervisor: Staff) -> Visit:
    return begin(supervisor, org.store)


def score(visit: Visit, key: str = KEY) -> tuple[int | None, int]:
    row = ItemScore.objects.get(visit=visit, item__key=key)
    return row.score, row.rev


def test_a_batch_is_written_and_told_back(visit: Visit) -> None:
    outcome = sync(
        visit, said(display_color=value(4, note="蓝灰"), lighting_focus=value(None, is_na=True, na_reason="无射灯"))
    )
    assert len(outcome.taken) == 2 and not outcome.conflicts and not outcome.refused
    visit.refresh_from_db()
    told = changes_since(visit, 0)
    assert (told["rev"], told["items"][KEY]["value"]["note"], told["items"][KEY]["rev"]) == (2, "蓝灰", 1)
    assert told["items"]["lighting_focus"]["value"]["na_reason"] == "无射灯"
    assert changes_since(visit, 2)["items"] == {}


def test_the_same_batch_again_changes_nothing(visit: Visit) -> None:
    batch = said(display_color=value(4))
    first = sync(visit, copy.deepcopy(batch))
    again = sync(visit, batch)
    visit.refresh_from_db()
    assert (first.taken, score(visit), visit.rev) == (again.taken, (4, 1), 1)


def test_a_change_whose_answer_was_lost_may_be_made_anew(visit: Visit) -> None:
    sync(visit, said(display_color=value(4)))
    outcome = sync(visit, said(display_color=value(3, problem="跳色")))  # still on revision 0: it heard no answer
    assert (outcome.conflicts, score(visit)) == ([], (3, 2))


def test_an_older_change_that_comes_late_is_not_written(visit: Visit) -> None:
    early, late = said(display_color=value(2)), said(display_color=value(5))
    sync(visit, late)
    outcome = sync(visit, early)
    assert (len(outcome.taken), score(visit)) == (1, (5, 1))


def test_two_phones_on_one_item_are_a_conflict(visit: Visit, supervisor: Staff) -> None:
    sync(visit, said(display_color=value(4)))
    outcome = sync(visit, said(device=OTHER, display_color=value(2, problem="乱")))
    (clash,) = outcome.conflicts
    assert (outcome.taken, score(visit)) == ([], (4, 1)), "nothing is overwritten unseen"
    assert (clash["key"], clash["theirs"]["rev"], clash["theirs"]["value"]["score"]) == (KEY, 1, 4)
    assert clash["theirs"]["by_id"] == supervisor.pk
    assert sync(visit, said(device=OTHER, lighting_focus=value(5))).conflicts == [], "other items go on"


def test_what_the_person_chose_is_written_on_the_newest(visit: Visit) -> None:
    sync(visit, said(display_color=value(4)))
    outcome = sync(visit, said(device=OTHER, display_color=(1, value(2, problem="乱"))))
    assert (outcome.conflicts, score(visit)) == ([], (2, 2))
    (clash,) = sync(visit, said(display_color=(1, value(5)))).conflicts
    assert clash["theirs"]["value"]["problem"] == "乱"


def test_the_same_value_from_two_phones_is_no_conflict(visit: Visit) -> None:
    sync(visit, said(display_color=value(4)))
    outcome = sync(visit, said(device=OTHER, display_color=value(4)))
    assert (outcome.conflicts, len(outcome.taken), score(visit)) == ([], 1, (4, 1))


def test_after_another_phone_a_lost_answer_is_a_conflict_again(visit: Visit) -> None:
    sync(visit, said(display_color=value(4)))
    sync(visit, said(device=OTHER, display_color=(1, value(3, problem="跳色"))))
    assert len(sync(visit, said(display_color=value(5))).conflicts) == 1


def test_one_bad_change_leaves_the_others(visit: Visit, org: Org) -> None:
    batch = said(
        display_color=value(7),
        lighting_focus=value(3, owner=org.stranger.pk),
        nothing_such=value(3),
        hygiene_floor=value(5),
    )
    batch["items"].append({"key": "hygiene_shelf"})
    outcome = sync(visit, batch)
    assert [row[1] for row in outcome.taken] == ["hygiene_floor"]
    assert [(row["key"], row["why"]) for row in outcome.refused] == [
        ("display_color", "打分只能是 1 到 5"), ("lighting_focus", "这位同事不在这家店了"), ("nothing_such", "这次巡店没有这一项"),
        ("hygiene_shelf", "这条没看懂"),
    ]  # fmt: skip
    with pytest.raises(Invalid):
        sync(visit, {"device": "x", "items": "all"})


# ---------------------------------------------------------------- photos and coaching


def test_a_photo_is_one_however_often_it_is_told(visit: Visit, supervisor: Staff) -> None:
    name = upload(supervisor)
    told = {"device": "phone-of-the-test", "photos": [{"key": name, "item": KEY, "taken_at": NOW.isoformat()}]}
    assert [sync(visit, told).taken[0][:2] for _ in range(2)] == [["photos", name]] * 2
    (photo,) = PatrolPhoto.objects.filter(visit=visit)
    assert (photo.flags, photo.url) == ([], f"/files/{name}/")
    visit.refresh_from_db()
    assert [row["id"] for row in changes_since(visit, 0)["photos"]] == [name]
    sync(visit, {"device": "phone-of-the-test", "gone": [{"key": name}]})
    photo.refresh_from_db()
    visit.refresh_from_db()
    assert photo.removed_at is not None and changes_since(visit, visit.rev - 1)["photos"][0]["removed"]


def test_a_photo_that_did_not_arrive_is_refused_alone(visit: Visit, org: Org) -> None:
    foreign = upload(org.guide)
    rows = [{"key": str(uuid4()), "item": KEY, "taken_at": NOW.isoformat()}, {"key": foreign, "item": KEY, "taken_at": NOW.isoformat()}]  # fmt: skip
    outcome = sync(visit, said() | {"photos": rows})
    assert len(outcome.refused) == 2 and not PatrolPhoto.objects.exists()


def test_old_and_used_photos_are_marked(visit: Visit, supervisor: Staff, org: Org) -> None:
    old, fresh = upload(supervisor, seed=1), upload(supervisor, seed=2)
    rows = [
        {"key": old, "item": KEY, "taken_at": parse_iso("2026-11-20 18:00").isoformat()},
        {"key": fresh, "item": KEY, "taken_at": NOW.isoformat()},
    ]
    sync(visit, said() | {"photos": rows})
    assert [row.flags for row in PatrolPhoto.objects.order_by("pk")] == [["old"], []]
    second = begin(org.manager, org.store, kind="self")
    sync(second, said() | {"photos": [{"key": upload(org.manager, seed=2), "item": KEY, "taken_at": NOW.isoformat()}]})
    assert PatrolPhoto.objects.get(visit=second).flags == ["seen"]


def test_coaching_is_kept_and_taken_back(visit: Visit, org: Org) -> None:
    key = str(uuid4())
    taught = {
        "item": "guide_sales_skill",
        "guide": org.guide.pk,
        "topic": "sales_talk",
        "minutes": 15,
        "needs_course": True,
    }
    sync(visit, said("coachings", **{key: taught}))
    row = Coaching.objects.get(visit=visit)
    assert (row.guide, row.topic, row.minutes, row.needs_course) == (org.guide, "sales_talk", 15, True)
    sync(visit, said("coachings", **{key: (1, taught | {"removed": True})}))
    assert not Coaching.objects.filter(removed_at=None).exists()
    refused = sync(visit, said("coachings", **{str(uuid4()): taught | {"guide": org.stranger.pk}})).refused
    assert refused[0]["why"] == "这位同事不在这家店了"


# ---------------------------------------------------------------- a visit that is over


def test_a_closed_visit_takes_nothing_more(visit: Visit) -> None:
    fill(visit)
    hand_in(visit)
    with pytest.raises(VisitClosed):
        sync(visit, said(display_color=(1, value(1, problem="乱"))))
    assert score(visit) == (5, 1)
    assert sync(visit, {"device": OTHER, "known": 0}).taken == [], "reading what it came to is no change"


def test_the_phone_that_begins_twice_has_one_visit(visit: Visit, org: Org, supervisor: Staff) -> None:
    assert begin(supervisor, org.store, arrival=Arrival(fix=HERE)) == visit
