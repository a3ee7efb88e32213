"""What guides does when something it listens to has happened."""

from guides.org.directory import follow_people
from yejibao.wecom import inbox
from yejibao.wecom.events import PersonChanged


@inbox.subscribe(PersonChanged)
def follow_address_book(events: list[PersonChanged]) -> None:
    """Who left the company is refused at once and his members get an heir; who was disabled is refused till he is back."""
    follow_people(events)
