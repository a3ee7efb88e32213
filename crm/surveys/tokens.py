"""The link of a survey: opaque, kept as a hash only, and made anew whenever somebody is to have it.

It is derived from the survey's id under the index key, so that the words of a follow-up can bring it without its being stored,
and set-based asking needs no second table. A former key is tried, too: a link that was sent stays the link.
"""

import hashlib
from uuid import UUID

from yejibao.core.personal import blind_index, blind_indexes

PURPOSE = "survey_link"


def token_of(public_id: UUID) -> str:
    """Return the token of a survey that is being asked now."""
    return blind_index(public_id.hex, purpose=PURPOSE)


def hashed(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def known_token(public_id: UUID, kept: str) -> str:
    """Return the token whose hash was kept; "" where the key it was made with is gone."""
    return next((one for one in blind_indexes(public_id.hex, purpose=PURPOSE) if hashed(one) == kept), "")
