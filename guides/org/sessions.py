"""Sessions in the database, read together with the person and what he may see: one query a request.

A session ends 8 hours after its last use, and 24 hours (phone) or 12 hours (web) after sign-in however busy it was. It
lives on the machine's clock: turning the demo's clock signs nobody out. Source: reliability-security §11.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore
from django.db import connection

from yejibao.core import clock, reading, waiting

if TYPE_CHECKING:
    from .models import Staff

IDLE = timedelta(hours=8)
LONGEST_PHONE = timedelta(hours=24)
LONGEST_WEB = timedelta(hours=12)
BEFORE_SIGN_IN = timedelta(hours=1)
TOUCH_AFTER = timedelta(minutes=5)  # a page more in these minutes writes nothing

STAFF = "staff_id"
ROLE = "working_role"
ENDS_AT = "ends_at"
LOCKED = "locked"  # of a session that was ended for walking: what the sign-in page says about it
ABOUT = "about"  # {"began_at", "device", "ip"}, kept in columns of the row too
CONFIRMED = "confirmed"  # {"way", "at"}: when the person was last seen to be it (confirming.py)


# Who somebody is and what he may see. Written out: it runs with each request, and building it from the ORM costs more
# than running it. `person` is the row of guides_staff it is about, %(day)s the local date on which the roles must hold.
PERSON_FIELDS = ("id", "wecom_user_id", "name", "display_name", "state", "store_id", "unit_id")
PERSON_COLUMNS = f"""
    {", ".join(f"person.{name}" for name in PERSON_FIELDS)},
    coalesce(store.short_name, ''), coalesce(store_unit.path, ''), held.roles::text"""
PERSON_JOINS = """
    LEFT JOIN guides_store store ON store.id = person.store_id
    LEFT JOIN guides_orgunit store_unit ON store_unit.id = store.unit_id
    LEFT JOIN LATERAL (
        SELECT json_agg(json_build_object(
            'role', assigned.role, 'path', unit.path, 'level', unit.level, 'store_ids', coalesce((
                SELECT json_agg(owned.id ORDER BY owned.id) FROM guides_store owned
                WHERE owned.dealer_id = assigned.dealer_id), '[]')) ORDER BY assigned.id) AS roles
        FROM guides_roleassignment assigned JOIN guides_orgunit unit ON unit.id = assigned.unit_id
        LEFT JOIN guides_dealer dealer ON dealer.id = assigned.dealer_id
        WHERE assigned.staff_id = person.id
          AND (dealer.contract_until IS NULL OR dealer.contract_until >= %(day)s)
          AND (assigned.starts_on IS NULL OR assigned.starts_on <= %(day)s)
          AND (assigned.ends_on IS NULL OR assigned.ends_on >= %(day)s)
    ) held ON true"""


@lru_cache(maxsize=4)
def _load_session(waiting_columns: str) -> str:
    return f"""
    SELECT session.session_data, session.seen_at, {PERSON_COLUMNS}, {waiting_columns}
    FROM guides_staffsession session LEFT JOIN guides_staff person ON person.id = session.staff_id {PERSON_JOINS}
    WHERE session.session_key = %(key)s AND session.expire_date > %(now)s"""


@dataclass(frozen=True)
class Found:
    """A person as one query reads him. Fields of `person` beyond PERSON_FIELDS are fetched when asked for."""

    person: "Staff"
    store_name: str
    store_path: str
    held: list[dict[str, Any]]  # role, path, level, store_ids
    waiting: dict[str, int]  # yejibao/core/waiting.py

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> "Found":
        from .models import Staff

        values, (store_name, store_path, held, *counts) = row[: len(PERSON_FIELDS)], row[len(PERSON_FIELDS) :]
        person = Staff.from_db("default", PERSON_FIELDS, values)
        return cls(person, store_name, store_path, json.loads(held or "[]"), waiting.read(counts))


def find_person(staff_id: int, *, day: date) -> Found:
    """Return a person with the roles that hold on a day. Raises Staff.DoesNotExist."""
    from .models import Staff

    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {PERSON_COLUMNS}, {waiting.columns()} FROM guides_staff person {PERSON_JOINS} WHERE person.id = %(staff_id)s",
            {"staff_id": staff_id, "day": day},
        )
        row = cursor.fetchone()
    if row is None:
        raise Staff.DoesNotExist
    return Found.from_row(row)


class SessionStore(DatabaseSessionStore):
    """Django's store on our own table; `found` is the person, set by the query that loads the session."""

    found: Found | None = None
    _seen_at: datetime | None = None

    @classmethod
    def get_model_class(cls) -> Any:
        from .models import StaffSession

        return StaffSession

    def load(self) -> dict[str, Any]:
        if not (self.session_key or "").isalnum():  # none of ours, and perhaps nothing a database takes
            self._session_key = None
            return {}
        facts = {"key": self.session_key, "now": clock.system_now(), "day": clock.today()}
        with reading.cursor() as cursor:
            cursor.execute(_load_session(waiting.columns()), facts)
            row = cursor.fetchone()
        if row is None:
            self._session_key = None
            return {}
        data, self._seen_at, staff_id, *_ = row
        self.found = Found.from_row(row[2:]) if staff_id else None
        return self.decode(data)

    # What stands in our own table needs no signature of ours: whoever could write there could write a person's roles as well.
    def encode(self, session_dict: dict[str, Any]) -> str:
        return json.dumps(session_dict, separators=(",", ":"))

    def decode(self, session_data: bytes | str) -> dict[str, Any]:
        """Return what a session holds; nothing, where it was written another way: its person signs in again."""
        try:
            facts: dict[str, Any] = json.loads(session_data)
        except ValueError:
            return {}
        return facts

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        row: Any = super().create_model_instance(data)
        row.staff_id = data.get(STAFF)
        row.seen_at = clock.system_now()
        for name, value in data.get(ABOUT, {}).items():
            setattr(row, name, value)
        return row

    def get_expiry_date(self, **_: Any) -> datetime:
        """Return when the row ends if it is not used again."""
        now = clock.system_now()
        ends_at = self.get(ENDS_AT)
        if ends_at is None:
            return now + BEFORE_SIGN_IN
        return min(now + IDLE, datetime.fromisoformat(ends_at))

    def get_expiry_age(self, **_: Any) -> int:
        """Return the cookie's age: it outlives the idle time, which the row decides alone."""
        ends_at = self.get(ENDS_AT)
        ends = clock.system_now() + BEFORE_SIGN_IN if ends_at is None else datetime.fromisoformat(ends_at)
        return max(0, int((ends - clock.system_now()).total_seconds()))

    def touch(self) -> None:
        """Note that the session is in use, at most once in five minutes."""
        now = clock.system_now()
        if self._seen_at is None or now - self._seen_at >= TOUCH_AFTER:
            used = {"seen_at": now, "expire_date": self.get_expiry_date()}
            self.model.objects.filter(session_key=self.session_key).update(**used)
            self._seen_at = now

    def flush(self) -> None:
        self.found = None
        super().flush()
