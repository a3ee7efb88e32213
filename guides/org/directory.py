"""What the platform's address book says of our people: who left, who was disabled, who has another user id.

The event only says whom to look at. What is true is read again, so that late, doubled and swapped events end the same.
"""

from datetime import datetime

from yejibao.core import clock
from yejibao.core.models import AuditEntry
from yejibao.core.scope import Actor
from yejibao.wecom import gateway
from yejibao.wecom.errors import GatewayError
from yejibao.wecom.events import PersonChanged

from .models import Staff
from .services import rename_staff, resign_staff, set_staff_state

PLATFORM = Actor.system("wecom")
NOT_FOUND, OUT_OF_RANGE = 60111, 60011
DISABLED, LEFT = 2, 5
State = Staff.State


def follow_people(events: list[PersonChanged]) -> None:
    """Bring the people of these events in line with the address book. Raises GatewayError when it cannot be asked."""
    for event in events:
        if event.new_userid and event.new_userid != event.userid:
            _rename(event)
    newest: dict[str, PersonChanged] = {}
    for event in sorted(events, key=lambda event: event.at):
        newest[event.userid] = event
        if event.new_userid:  # an event that came before its rename found nobody of the old id, and disabled him
            newest[event.new_userid] = event
    deleted = {event.userid for event in events if event.what == "deleted"}
    people = Staff.objects.filter(wecom_user_id__in=newest).exclude(state=State.RESIGNED)
    for person in people.order_by("pk"):
        event = newest[person.wecom_user_id]
        bring_in_line(person, status_of(person.wecom_user_id), was_deleted=person.wecom_user_id in deleted,
                      at=clock.parse_iso(event.at))  # fmt: skip


def status_of(userid: str) -> int | None:
    """Return 1 active, 2 disabled, 4 not activated, 5 left; 0 outside the app's range, None where there is nobody."""
    try:
        return int(gateway.default().get("user/get", userid=userid).get("status") or 1)
    except GatewayError as error:
        if error.code == NOT_FOUND:
            return None
        if error.code == OUT_OF_RANGE:
            return 0
        raise


def bring_in_line(person: Staff, status: int | None, *, was_deleted: bool, at: datetime) -> None:
    """Let a person's state follow the address book's `status_of` him."""
    if status == LEFT or status is None and was_deleted:
        resign_staff(person, actor=PLATFORM, now=at, reason="通讯录里已删除")
    elif status in (DISABLED, 0, None):
        # Nobody of this id and no word of deletion: the app may no longer see him. That can be undone, leaving cannot.
        if person.state != State.DISABLED:
            reason = "企业微信里已禁用" if status == DISABLED else "不在应用可见范围"
            set_staff_state(person, state=State.DISABLED, actor=PLATFORM, now=at, reason=reason)
    elif person.state == State.DISABLED and _disabled_by_platform(person):
        set_staff_state(person, state=State.ACTIVE, actor=PLATFORM, now=at, reason="企业微信里已恢复")


def _disabled_by_platform(person: Staff) -> bool:
    """Tell whether the platform disabled him, and no person of ours: only then the platform may bring him back."""
    last = AuditEntry.objects.filter(
        resource=Staff._meta.label, resource_id=str(person.pk), action="org.staff_state"
    ).order_by("-pk")
    return last.values_list("actor_kind", "actor_name").first() == (PLATFORM.kind, PLATFORM.name)


def _rename(event: PersonChanged) -> None:
    person = Staff.objects.filter(wecom_user_id=event.userid).first()
    if person is not None and status_of(event.new_userid) is not None:
        rename_staff(person, wecom_user_id=event.new_userid, actor=PLATFORM)
