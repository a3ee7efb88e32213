"""What waits for a person, counted by the query that loads his session: no page pays a statement to learn that nothing does.

    waiting.count("duties", "tasks_duty one WHERE one.assignee_id = person.id AND one.state = 'open'")
    waiting.of(request, "duties")                   # 0 … MOST; beyond it nobody reads the number

A panel of a busy page names it (`@panel("today", order=25, waits="duties")`) and is asked only where something waits.
Each of these is one look into an index that holds nothing but what waits, with every request: keep them few.
"""

from collections.abc import Sequence

from django.http import HttpRequest

MOST = 100

_counted: dict[str, str] = {}  # name -> what is counted, of the row `person` of guides_staff


def count(name: str, rows: str) -> None:
    """Have the rows counted: the text behind FROM, with `person.id`. At import; an index must hold just these rows."""
    _counted[name] = rows


def columns() -> str:
    """Return the columns of the session's query, in the order of `read`."""
    return ", ".join(f"(SELECT count(*) FROM (SELECT FROM {rows} LIMIT {MOST}) few)" for rows in _counted.values())


def read(values: Sequence[int]) -> dict[str, int]:
    """Name the values of `columns`."""
    return dict(zip(_counted, values, strict=True))


def of(request: HttpRequest, name: str) -> int:
    """Return how many wait for whoever asks, 0 for nobody."""
    return int(getattr(request, "waiting", {}).get(name, 0))


def settle(request: HttpRequest, name: str, done: int) -> None:
    """Let the page that follows an act show what is left."""
    if found := getattr(request, "waiting", None):
        found[name] = max(0, found.get(name, 0) - done)
