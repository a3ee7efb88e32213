"""The one error type of this door, and what each errcode asks of the caller.

Source: WeCom's table of errcodes. A code in none of these sets is a bug or bad data: not retried, logged as it came.
"""

import re
from enum import StrEnum


class Kind(StrEnum):
    """What a failed call asks for."""

    REFRESH = "refresh"  # the token or ticket is stale: drop it, fetch once, try once more
    TRANSIENT = "transient"  # nothing happened, or repeating is harmless: try again in seconds
    THROTTLE = "throttle"  # too many calls: the breaker of this (corp, API) opens
    ADMIN = "admin"  # somebody has to change a permission or a setting: park the work, alarm
    PERMANENT = "permanent"  # the same call will fail again
    UNKNOWN = "unknown"  # the request may have left and the answer is missing: it may have had its effect


BUSY = -1
REFRESH_CODES = frozenset({40001, 40014, 42001, 42012})
TRANSIENT_CODES = frozenset(
    {BUSY, 6000, 45035, 301022, 301057, 301067, 90304, 41063, 41078, 41079, 41096, 40100, 40129, 400301}
)
THROTTLE_CODES = frozenset({45009, 45011, 45033, 45036})
ADMIN_CODES = frozenset({43012, 50001, 50002, 50003, 60011, 60020, 301055, 301056, 610023, 610024})
# From gettoken itself: the secret is wrong. Asking again only brings the platform to block our address for an hour.
CREDENTIAL_CODES = frozenset({40001, 40013, 40091, 41002, 41004})

_TOKEN_IN_TEXT = re.compile(
    r"((?:access_token|corpsecret|secret|code|user_ticket|jsapi_ticket)=)[^&\s'\"]+", re.IGNORECASE
)


def kind_of(code: int) -> Kind:
    """Return what an errcode other than 0 asks for."""
    if code in REFRESH_CODES:
        return Kind.REFRESH
    if code in TRANSIENT_CODES:
        return Kind.TRANSIENT
    if code in THROTTLE_CODES:
        return Kind.THROTTLE
    if code in ADMIN_CODES or 48000 <= code < 49000 and code != 48010:
        return Kind.ADMIN
    return Kind.PERMANENT


def scrub(text: object) -> str:
    """Return the text without tokens, secrets and codes; for whatever goes into a log, an exception or a row."""
    return _TOKEN_IN_TEXT.sub(r"\1***", str(text))


class GatewayError(Exception):
    """A call to the platform failed.

    `code` is its errcode, None when no JSON answer came. `retryable`: the same call may succeed later without anybody's
    help. `retry_after` is in seconds where it is known. Never carries a URL, token or secret.
    """

    def __init__(
        self,
        code: int | None,
        message: str,
        *,
        kind: Kind,
        api: str = "",
        retryable: bool | None = None,
        retry_after: float = 0.0,
    ) -> None:
        self.code = code
        self.message = scrub(message)[:500]
        self.kind = kind
        self.api = api
        self.retryable = kind not in (Kind.ADMIN, Kind.PERMANENT) if retryable is None else retryable
        self.retry_after = retry_after
        super().__init__(
            f"{api or 'wecom'}: {self.kind} {'' if code is None else code} {self.message}".replace("  ", " ")
        )

    @property
    def may_have_happened(self) -> bool:
        """True when nobody can say whether the call had its effect ("busy" does not say "not delivered")."""
        return self.kind is Kind.UNKNOWN or self.code == BUSY

    @classmethod
    def from_code(cls, code: int, message: str, *, api: str) -> "GatewayError":
        """Return the error for an errcode of the platform."""
        return cls(code, message, kind=kind_of(code), api=api)
