"""Two at once at a question to HQ, a vote, a meeting, a file."""

from datetime import timedelta

from guides.announcements.audience import Audience
from guides.announcements.choosing import Chosen
from guides.drive import services as drive
from guides.drive.models import DriveFile, DriveFolder, DriveUse
from guides.helpdesk import services as helpdesk
from guides.helpdesk.loading import load_categories
from guides.helpdesk.models import HelpCategory, HqCall, HqCallMessage
from guides.helpdesk.services.answering import AlreadyTaken
from guides.helpdesk.services.categories import EDITED, change_category
from guides.meetings import services as meetings
from guides.meetings.models import Meeting, MeetingAttendee
from guides.notices.models import Notification
from guides.votes import services as votes
from guides.votes.models import Vote, VoteBallot, VoteOption
from guides.votes.services import VoteOver
from tests.factories.guides import actor, holder_of
from tests.races.at_once import in_peace, overtaken
from tests.races.world import NOON, World
from yejibao.core import desk
from yejibao.core.errors import Conflict, Stale
from yejibao.core.models import OutboxMessage
from yejibao.core.scope import Actor

MINUTE = timedelta(seconds=60)


def _ask(world: World) -> tuple[HqCall, Actor, Actor]:
    """Return a question and two who may answer it; what earlier races asked is gone."""
    Notification.objects.all().delete()
    HqCall.objects.all().delete()
    load_categories()
    first, second = (actor(holder_of("hq_merch", world.org)) for _ in range(2))
    return helpdesk.ask("顾客要调货，附近哪家有", category="stock_transfer", actor=world.guide, now=NOON), first, second


def _vote(world: World) -> tuple[Vote, list[int], Actor]:
    Vote.objects.all().delete()
    Notification.objects.all().delete()
    who = actor(holder_of("hq_retail", world.org))
    vote = votes.open_vote(
        title="橱窗主题", text="", options=["甲", "乙"], most_choices=1, is_anonymous=True, shows_at_once=False,
        deadline_at=NOON + timedelta(days=1), chosen=Chosen(Audience(roles=["guide"]), "", world.org.hq), actor=who, now=NOON,
    )  # fmt: skip
    return vote, list(VoteOption.objects.filter(vote=vote).values_list("pk", flat=True)), who


def _meeting(world: World) -> tuple[Meeting, Actor]:
    Meeting.objects.all().delete()
    Notification.objects.all().delete()
    who = actor(holder_of("hq_training", world.org))
    held = meetings.plan_meeting(
        title="培训", text="", starts_at=NOON + timedelta(minutes=30), minutes=30, place="线上", link="", on_platform=False,
        needs_sign_in=False, chosen=Chosen(Audience(roles=["guide"]), "", world.org.hq), actor=who, now=NOON,
    )  # fmt: skip
    return held, who


def two_who_take_a_question(world: World) -> None:
    call, first, second = _ask(world)
    both = overtaken(
        lambda: helpdesk.take(call, actor=first, now=NOON), lambda: helpdesk.take(call, actor=second, now=NOON)
    )
    call.refresh_from_db()
    assert isinstance(both.second, AlreadyTaken) and call.assignee_id == first.staff_id


def rated_while_it_is_closed(world: World) -> None:
    call, first, _second = _ask(world)
    helpdesk.answer(call, "有的", actor=first, now=NOON, seen=2**62)
    both = overtaken(
        lambda: helpdesk.rate(call, 5, actor=world.guide, now=NOON),
        lambda: helpdesk.rate(call, 1, actor=world.guide, now=NOON),
    )
    call.refresh_from_db()
    assert (
        isinstance(both.second, Conflict)
        and "评价过" in str(both.second)
        and (call.state, call.rating) == ("closed", 5)
    )


def two_beats_ring(world: World) -> None:
    call, _first, _second = _ask(world)
    both = overtaken(*[lambda: helpdesk.ring_due(now=call.due_at)] * 2)
    assert (in_peace(both.first), in_peace(both.second)) == ({"rung": 1}, {"rung": 0})
    assert HqCallMessage.objects.filter(call=call, event="rung").count() == 1


def two_who_edit_a_category(world: World) -> None:
    load_categories()
    row, admin = HelpCategory.objects.get(key="tool"), actor(holder_of("sys_admin", world.org))
    seen = desk.seen(row, EDITED)

    def change(minutes: int) -> HelpCategory:
        return change_category(
            row, minutes=minutes, hours=8, duty_id=None, head_id=None, is_for_dealers=True, is_open=True, seen=seen, actor=admin,
            now=NOON,
        )  # fmt: skip

    at = 10 if row.first_response_minutes != 10 else 15
    both = overtaken(lambda: change(at), lambda: change(at + 1))
    row.refresh_from_db()
    assert isinstance(both.second, Stale) and row.first_response_minutes == at


def two_beats_hand_out(world: World) -> None:
    vote, _options, _who = _vote(world)
    OutboxMessage.objects.all().delete()
    both = overtaken(*[lambda: votes.hand_out(now=NOON, budget=MINUTE)] * 2)
    vote.refresh_from_db()
    told = in_peace(both.first)["told"] + in_peace(both.second)["told"]
    assert told == vote.ballot_count == VoteBallot.objects.filter(vote=vote).count() > 0


def a_vote_is_cast_while_it_is_withdrawn(world: World) -> None:
    vote, options, who = _vote(world)
    votes.hand_out(now=NOON, budget=MINUTE)
    both = overtaken(
        lambda: votes.withdraw_vote(vote, actor=who, now=NOON),
        lambda: votes.cast(vote, options[:1], actor=world.guide, now=NOON),
    )
    vote.refresh_from_db()
    assert isinstance(both.second, VoteOver) and vote.cast_count == 0


def two_beats_tell(world: World) -> None:
    held, _who = _meeting(world)
    both = overtaken(*[lambda: meetings.tell_attendees(now=NOON, budget=MINUTE)] * 2)
    held.refresh_from_db()
    told = in_peace(both.first)["told"] + in_peace(both.second)["told"]
    assert told == held.attendee_count == MeetingAttendee.objects.filter(meeting=held).count() > 0


def two_beats_remind(world: World) -> None:
    held, _who = _meeting(world)
    meetings.tell_attendees(now=NOON, budget=MINUTE)
    soon = NOON + timedelta(minutes=20)
    both = overtaken(*[lambda: meetings.remind(now=soon)] * 2)
    assert in_peace(both.second) == {"reminded": 0} and in_peace(both.first)["reminded"] > 0


def two_who_call_off(world: World) -> None:
    held, who = _meeting(world)
    both = overtaken(*[lambda: meetings.call_off(held, actor=who, now=NOON)] * 2)
    assert isinstance(both.second, Conflict)


def two_uses_at_once(world: World) -> None:
    DriveUse.objects.all().delete()
    drive.load_folders()
    folder = DriveFolder.objects.get(key="display")
    file = DriveFile.objects.create(folder=folder, name="手册", link="https://a.cn/x", at=NOON)
    both = overtaken(*[lambda: drive.note_use(file, "opened", actor=world.guide, now=NOON)] * 2)
    in_peace(both.first), in_peace(both.second)
    assert list(DriveUse.objects.filter(file=file).values_list("count", flat=True)) == [2]
