"""Our numbers at the platform: 6-32 of [0-9A-Za-z], never used twice."""

import secrets
from datetime import datetime

from yejibao.core import clock

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # read out on the phone without mistakes


def new_number(prefix: str, now: datetime) -> str:
    """Return prefix, local time and 60 random bits: sorts by time, and cannot be guessed."""
    return (
        prefix
        + now.astimezone(clock.SHANGHAI).strftime("%y%m%d%H%M%S")
        + "".join(secrets.choice(ALPHABET) for _ in range(12))
    )
