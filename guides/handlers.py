"""What guides does when something it listens to has happened."""

from guides.events import StaffLent
from guides.notices.services import Notice, tell_each
from guides.org.actors import role_names
from guides.org.directory import follow_people
from guides.org.models import Store
from guides.org.queries import managers_of_stores
from yejibao.core import clock, outbox
from yejibao.wecom import inbox
from yejibao.wecom.events import PersonChanged


@inbox.subscribe(PersonChanged)
def follow_address_book(events: list[PersonChanged]) -> None:
    """Who left the company is refused at once and his members get an heir; who was disabled is refused till he is back."""
    follow_people(events)


@outbox.subscribe(StaffLent)
def tell_who_is_lent(events: list[StaffLent]) -> None:
    """The helper hears where she works from-to, and whoever heads that store that she comes."""
    now = clock.now()
    stores = {one.pk: one.short_name for one in Store.objects.filter(pk__in=[event.store_id for event in events])}
    heads = managers_of_stores(list(stores), day=clock.local_day(now))
    told = []
    for event in events:
        days = f"{event.starts_on[5:]} 至 {event.ends_on[5:]}"
        key, place = f"lent:{event.staff_id}:{event.store_id}", stores[event.store_id]
        told.append((event.staff_id, Notice("approval", key, f"{days}去{place}支援", "/me/", role_names()[event.role])))
        if head := heads.get(event.store_id):
            told.append((head, Notice("approval", key, f"{days}有同事来{place}支援", "/m/shifts/")))
    tell_each(told, now=now)
