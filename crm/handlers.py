"""What crm does when something it listens to has happened."""

from crm.corptags import services as corptags
from crm.events import FriendChanged, MemberChanged, MembersMerged, MemberTagged
from crm.friends import services as friends
from crm.members.services import add_holding, after_merge, before_merge, open_handover, propose_heir, transfers
from crm.privacy import forgetting as privacy
from crm.scoring.services import recount_members
from crm.tags import services as tags
from guides.events import StaffMoved, StaffResigned
from guides.org.models import Staff
from yejibao.core import clock, outbox
from yejibao.wecom import gateway, inbox
from yejibao.wecom.events import CorpTagChanged, FriendAdded, FriendEdited, FriendLost, TransferFailed

for table in ("crm_order", "crm_ticket", "crm_tagchange", "crm_consentrecord", "crm_qualityfinding"):
    add_holding(table)
add_holding("crm_memberparticulars", stays=privacy.HAS_PARTICULARS)
add_holding("crm_memberrequest", stays=privacy.ASKS_THE_SAME)
add_holding("crm_membertag", stays=tags.COLLIDES)
before_merge(tags.make_room)
after_merge(tags.settle_pair)
friends.after_reading(corptags.note_read)


@outbox.subscribe(StaffResigned)
def open_handovers(events: list[StaffResigned]) -> None:
    """Somebody left: propose who takes over the members; the manager has 24 hours to pick somebody else."""
    for event in events:
        propose_heir(event.staff_id, resigned_at=clock.parse_iso(event.resigned_at), now=clock.now())


@outbox.subscribe(StaffResigned)
def pass_codes_on(events: list[StaffResigned]) -> None:
    """Codes of somebody who left add a colleague from the next minute on, not an account that is gone."""
    now = clock.now()
    for person in Staff.objects.filter(pk__in=[event.staff_id for event in events]).order_by("pk"):
        friends.follow_people(now=now, of=person)


@outbox.subscribe(StaffMoved)
def open_store_change_handovers(events: list[StaffMoved]) -> None:
    """A guide changed the store: her members stay with the old one, whose manager plans who takes over and who goes along."""
    for event in events:
        guide = Staff.objects.get(pk=event.staff_id)
        open_handover(
            guide,
            reason="moved_store",
            store_id=event.from_store_id,
            left_at=clock.parse_iso(event.at),
            now=clock.now(),
        )


@outbox.subscribe(MembersMerged)
def recount_merged(events: list[MembersMerged]) -> None:
    """Purchases changed hands: count both again."""
    now = clock.now()
    ids = {pk for event in events for pk in (event.kept_id, event.gone_id)}
    recount_members(sorted(ids), as_of=clock.local_day(now), now=now)


# ---------------------------------------------------------------- tags go to the chats


@outbox.subscribe(MemberTagged)
def write_tags_to_chats(events: list[MemberTagged]) -> None:
    """What counts of a member's tag changed: it is written to the chat of his guide, soon and together."""
    corptags.follow_tags(events, now=clock.now())


@outbox.subscribe(FriendChanged)
def write_tags_to_new_friends(events: list[FriendChanged]) -> None:
    """A friend came, was passed on, or was found to be a member: both sides tell each other what they know of him."""
    corptags.follow_friends(events, now=clock.now())


@outbox.subscribe(MemberChanged)
def write_tags_to_new_owners(events: list[MemberChanged]) -> None:
    """A member has another guide: what is known of him goes to her chat."""
    corptags.follow_members((event.member_id for event in events if event.what == "owner"), now=clock.now())


@outbox.subscribe(MembersMerged)
def write_tags_of_merged(events: list[MembersMerged]) -> None:
    """Tags changed hands: the friends of both are looked at."""
    corptags.follow_members((pk for event in events for pk in (event.kept_id, event.gone_id)), now=clock.now())


# ---------------------------------------------------------------- the platform's events


@inbox.subscribe(FriendAdded)
def note_friends(events: list[FriendAdded]) -> None:
    """Somebody became a friend: note it with the code he came through; who he is gets read next."""
    friends.follow_added(events)


@inbox.subscribe(FriendEdited)
def read_friends(events: list[FriendEdited]) -> None:
    """A guide changed remark, phone or tags: read it again now; what the platform does not tell now is tried later."""
    friends.follow_edited(events)
    corptags.note_edits(events)
    changed, door = [event.external_userid for event in events], gateway.default()
    friends.read_customers(changed, door=door, now=clock.now())
    corptags.settle_friends(door=door, only=changed, seconds=8)


@inbox.subscribe(CorpTagChanged)
def read_corp_tags(events: list[CorpTagChanged]) -> None:
    """Somebody changed groups or tags in the console: read the list again; what is ours is put right within minutes."""
    corptags.follow_list(events, door=gateway.default(), now=clock.now())


@inbox.subscribe(FriendLost)
def end_friends(events: list[FriendLost]) -> None:
    """Either side deleted the other; the tasks department hears of it and acts on open work."""
    friends.follow_lost(events)


@inbox.subscribe(TransferFailed)
def settle_transfers(events: list[TransferFailed]) -> None:
    """A member refused his new guide, or the new guide has no room."""
    for event in events:
        transfers.note_failure(
            external_userid=event.external_userid, taker=event.userid, reason=event.reason, now=clock.now()
        )
