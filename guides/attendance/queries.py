"""Who is away on which day: see `calendar`. Who came: see `clockin.queries`."""

from .calendar import AWAY, away_days, kinds_of
from .clockin.queries import present_on

__all__ = ["AWAY", "away_days", "kinds_of", "present_on"]
