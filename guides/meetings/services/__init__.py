"""All writes of meetings."""

from .calls import count_joined, make_calls
from .coming import remind, sign_in, tell_attendees
from .planning import call_off, plan_meeting

__all__ = ["call_off", "count_joined", "make_calls", "plan_meeting", "remind", "sign_in", "tell_attendees"]
