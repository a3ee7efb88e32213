"""Systems that may post orders."""

import hashlib
import secrets
from datetime import datetime

from django.db import transaction

from crm.orders.models import FeedSource
from yejibao.core import audit
from yejibao.core.scope import Actor


def token_hash(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


@transaction.atomic
def issue_token(name: str, *, now: datetime) -> str:
    """Return a new token for a source; a former one stops working. It is shown this once, only its hash is kept."""
    token = f"yjb_{secrets.token_urlsafe(32)}"
    source, _created = FeedSource.objects.update_or_create(
        name=name,
        defaults={"token_sha": token_hash(token), "is_active": True},
        create_defaults={"token_sha": token_hash(token), "created_at": now},
    )
    audit.record(Actor.system("feed_token"), "feed.token_issued", source, after={"name": name})
    return token


@transaction.atomic
def revoke_token(name: str) -> bool:
    """Stop a source from posting; False if there is none of that name."""
    source = FeedSource.objects.filter(name=name, is_active=True).first()
    if source is None:
        return False
    FeedSource.objects.filter(pk=source.pk).update(is_active=False)
    audit.record(Actor.system("feed_token"), "feed.token_revoked", source, after={"name": name})
    return True
