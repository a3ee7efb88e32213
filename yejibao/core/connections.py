"""What a failed connection tells of the request that was on it, for the doors to other platforms."""

import requests
import urllib3


def is_surely_unsent(error: requests.RequestException) -> bool:
    """Tell whether nobody was reached at all; of every other failure nobody knows whether the request was worked off."""
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    return isinstance(error, requests.ConnectTimeout) or isinstance(
        reason,
        (
            urllib3.exceptions.NewConnectionError,
            urllib3.exceptions.NameResolutionError,
            urllib3.exceptions.ConnectTimeoutError,
        ),
    )
