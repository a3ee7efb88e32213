"""Sessions in the database, read together with the person and what he may see: one query a request.

A session ends 8 hours after its last use, and 24 hours (phone) or 12 hours (web) after sign-in however busy it was. It
lives on the machine's clock: turning the demo's clock signs nobody out. Source: reliability-security §11.
"""

from datetime import datetime, timedelta
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore
from django.db.models import OuterRef
from django.db.models.functions import JSONObject

from yejibao.core import clock

IDLE = timedelta(hours=8)
LONGEST_PHONE = timedelta(hours=24)
LONGEST_WEB = timedelta(hours=12)
BEFORE_SIGN_IN = timedelta(hours=1)
TOUCH_AFTER = timedelta(minutes=5)  # a page more in these minutes writes nothing

STAFF = "staff_id"
ROLE = "working_role"
ENDS_AT = "ends_at"


def held_roles(staff: str, day: Any) -> ArraySubquery:
    """Return the roles in force of the staff id at `staff`, as an annotation: role, path, level and owned stores."""
    from .models import RoleAssignment, Store

    owned = Store.objects.filter(dealer_id=OuterRef("dealer_id")).order_by("pk").values("pk")
    return ArraySubquery(
        RoleAssignment.objects.filter(RoleAssignment.in_force(day), staff_id=OuterRef(staff))
        .order_by("pk")
        .values(
            json=JSONObject(role="role", path="unit__path", level="unit__level", store_ids=ArraySubquery(owned)),
        )
    )


class SessionStore(DatabaseSessionStore):
    """Django's store on our own table, with `person` set by the query that loads it."""

    person: Any = None  # guides.Staff with `held_roles`, or None

    @classmethod
    def get_model_class(cls) -> Any:
        from .models import StaffSession

        return StaffSession

    def _get_session_from_db(self) -> Any:
        from .models import StaffSession

        row = (
            StaffSession.objects.filter(session_key=self.session_key, expire_date__gt=clock.system_now())
            .select_related("staff__store__unit")
            .defer("staff__password", "staff__phone")
            .annotate(held_roles=held_roles("staff_id", clock.today()))
            .first()
        )
        if row is None:
            self._session_key = None
            return None
        self._expires_at: datetime = row.expire_date
        if row.staff is not None:
            self.person = row.staff
            self.person.held_roles = row.held_roles
        return row

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        row: Any = super().create_model_instance(data)
        row.staff_id = data.get(STAFF)
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
        later = self.get_expiry_date()
        if self.session_key and later - self._expires_at >= TOUCH_AFTER:
            self.model.objects.filter(session_key=self.session_key).update(expire_date=later)
            self._expires_at = later

    def flush(self) -> None:
        self.person = None
        super().flush()
