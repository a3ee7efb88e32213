"""One press, one number: given out by the server for 90 seconds, for one person, one session and one page.

It is spent by being the key under which the press is answered (core/idempotency): the same press again hears the first
answer, another press under it is refused.
"""

import hashlib
import secrets

from django.core import signing
from django.utils.translation import gettext_lazy as _

from yejibao.core.errors import Conflict

from .rules import NONCE_SECONDS

SALT, STOOD = "attendance.clock-in", "attendance.stood"
STOOD_SECONDS = 600


class NonceSpent(Conflict):
    code, title, retryable = "clock.nonce", _("停得久了，再点一次"), True


def issue(*, staff_id: int, session_key: str) -> str:
    """Return a number for one press."""
    return signing.dumps({"s": staff_id, "b": _browser(session_key), "n": secrets.token_hex(8)}, salt=SALT)


def key_of(nonce: str, *, staff_id: int, session_key: str) -> str:
    """Return the key of a press. Raises NonceSpent for a number that is old, made up, or somebody else's."""
    try:
        told = signing.loads(nonce, salt=SALT, max_age=NONCE_SECONDS)
    except signing.BadSignature:  # SignatureExpired is one
        raise NonceSpent() from None
    if told.get("s") != staff_id or told.get("b") != _browser(session_key):
        raise NonceSpent()
    return f"clock:{hashlib.sha256(nonce.encode()).hexdigest()[:40]}"


def _browser(session_key: str) -> str:
    """Return something that tells one session from another, and does not open it."""
    return hashlib.sha256(f"{SALT}:{session_key}".encode()).hexdigest()[:16]


def sign_stood(staff_id: int, distance_m: int | None) -> str:
    """Return how far off the server measured somebody, for the correction that follows a press that was not taken."""
    return signing.dumps({"s": staff_id, "m": distance_m}, salt=STOOD)


def stood_of(token: str, *, staff_id: int) -> int | None:
    """Return how far off this person stood at a press of the last ten minutes; None where the server did not say so."""
    try:
        told = signing.loads(token, salt=STOOD, max_age=STOOD_SECONDS)
    except signing.BadSignature:
        return None
    return told.get("m") if told.get("s") == staff_id else None
