"""What a race plays in: one company for all of them, members and tasks anew for each."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crm.members.models import Member
from crm.orders.models import Order
from guides.org.models import Staff
from tasks.cadences.models import Enrollment
from tasks.followups.models import Task
from tests import database
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.guides import Org, actor, make_staff
from tests.factories.tasks import enroll, make_task
from yejibao.core.clock import parse_iso
from yejibao.core.models import OutboxEvent, OutboxMessage
from yejibao.core.scope import Actor

PAID = parse_iso("2025-03-01 15:00")
NOON = parse_iso("2025-03-04 12:00")

_KEPT = ("guides_", "tasks_cadence", "django_", "auth_")


@dataclass(frozen=True)
class World:
    """The company, and what its races are made of."""

    org: Org

    @property
    def guide(self) -> Actor:
        return actor(self.org.guide)

    @property
    def manager(self) -> Actor:
        return actor(self.org.manager)

    def second_manager(self) -> Staff:
        return make_staff("store_manager", store=self.org.store)

    def member(self, **facts: Any) -> Member:
        """Return a member of the guide, her friend."""
        member = make_member(owner=facts.pop("owner", self.org.guide), **facts)
        make_friend(member)
        return member

    def task(self, member: Member | None = None, **facts: Any) -> Task:
        """Return an open task of the guide."""
        facts.setdefault("now", parse_iso("2025-03-04 10:00"))
        return make_task(member or self.member(), facts.pop("assignee", self.org.guide), **facts)

    def buy(self, member: Member, paid_at: datetime | str = PAID, **facts: Any) -> Order:
        return make_order(member, paid_at=paid_at, guide=self.org.guide, **facts)

    def cycle(self, member: Member | None = None, paid_at: datetime | str = PAID) -> Enrollment:
        """Return the cycle of a purchase; its first touch is due when it was paid."""
        order = self.buy(member or self.member(), paid_at)
        enroll(order)
        return Enrollment.objects.get(anchor_order=order)


def fresh(task: Task) -> Task:
    """Return the task as another request would read it."""
    return Task.objects.get(pk=task.pk)


def state(task: Task) -> str:
    return fresh(task).state


def events(topic: str) -> int:
    """Return how often something was told to the departments above."""
    return OutboxEvent.objects.filter(topic=topic).count()


def messages(**facts: Any) -> int:
    """Return how many messages were queued."""
    return OutboxMessage.objects.filter(**facts).count()


def clear() -> None:
    """Empty every table the races write, the company's stay."""
    database.empty(lambda name: name.startswith(_KEPT))
