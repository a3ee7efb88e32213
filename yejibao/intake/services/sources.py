"""Systems that may send data: their tokens, what they may send, and how much of it."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from yejibao.core import audit, desk
from yejibao.core.errors import Invalid
from yejibao.core.scope import Actor
from yejibao.intake import kinds
from yejibao.intake.models import Source

FILES = "excel"  # the source of files that our own people upload
TILL = ("orders", "returns")
# What an editor saw: a mark of these changes with each of them, the token too.
SEEN = ("label", "kinds", "posts_per_minute", "rows_per_day", "tells_counts", "owner_id", "is_active", "token_sha")


def token_hash(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def source_of(token: str) -> Source | None:
    """Return the source a token belongs to, if it may still send."""
    return Source.objects.filter(token_sha=token_hash(token), is_active=True).first() if token else None


@transaction.atomic
def issue_token(name: str, *, now: datetime, may_send: Sequence[str] = TILL, actor: Actor | None = None) -> str:
    """Return a new token for a source; a former one stops working. It is shown this once, only its hash is kept.

    A source that is there already keeps what it may send.
    """
    token = f"yjb_{secrets.token_urlsafe(32)}"
    source, _created = Source.objects.update_or_create(
        name=name,
        defaults={"token_sha": token_hash(token), "is_active": True},
        create_defaults={"token_sha": token_hash(token), "created_at": now, "kinds": list(may_send)},
    )
    audit.record(actor or Actor.system("feed_token"), "feed.token_issued", source, after={"name": name})
    return token


@transaction.atomic
def revoke_token(name: str, *, actor: Actor | None = None) -> bool:
    """Stop a source from posting; False if there is none of that name."""
    source = Source.objects.filter(name=name, is_active=True).first()
    if source is None:
        return False
    Source.objects.filter(pk=source.pk).update(is_active=False)
    audit.record(actor or Actor.system("feed_token"), "feed.token_revoked", source, after={"name": name})
    return True


@transaction.atomic
def save_source(
    *,
    name: str,
    label: str,
    may_send: Sequence[str],
    posts_per_minute: int,
    rows_per_day: int,
    tells_counts: bool,
    owner_id: int | None,
    actor: Actor,
    now: datetime,
    seen: str = "",
) -> Source:
    """Make a source, or with what was `seen` of it change what it may do. It has no token before `issue_token`.

    Raises Stale where somebody changed it meanwhile, Invalid.
    """
    errors = []
    if not 0 < len(name) <= 32 or not name.isascii() or " " in name:
        errors.append({"field": "name", "code": "input.malformed", "message": "编号用字母和数字，最多 32 个"})
    unknown = [key for key in may_send if kinds.find(key) is None]
    if not may_send or unknown:
        errors.append({"field": "kinds", "code": "input.choice", "message": "至少选一种能送的数据"})
    if not 1 <= posts_per_minute <= 60_000:
        errors.append({"field": "posts_per_minute", "code": "input.out_of_range", "message": "每分钟 1 到 60,000 次"})
    if not 1 <= rows_per_day <= 100_000_000:
        errors.append({"field": "rows_per_day", "code": "input.out_of_range", "message": "每天 1 到 1 亿行"})
    held = Source.objects.select_for_update().filter(name=name).first()
    if held is not None and not seen:
        errors.append({"field": "name", "code": "input.taken", "message": "已经有这个编号的来源，到它自己的页面改"})
    if errors:
        raise Invalid(_("有几处要改一下"), errors=errors)
    facts: dict[str, Any] = {
        "label": label[:32],
        "kinds": sorted(may_send),
        "posts_per_minute": posts_per_minute,
        "rows_per_day": rows_per_day,
        "tells_counts": tells_counts,
        "owner_id": owner_id,
    }
    if held is None:
        source = Source.objects.create(name=name, created_at=now, **facts)
        audit.record(actor, "feed.source_saved", source, after=facts)
        return source
    desk.must_be_as_seen(held, SEEN, seen)
    before = {name: getattr(held, name) for name in facts}
    Source.objects.filter(pk=held.pk).update(**facts)
    audit.record(actor, "feed.source_saved", held, before=before, after=facts)
    return held


@transaction.atomic
def change_token(source: Source, *, seen: str, actor: Actor, now: datetime) -> str:
    """Give a source a new token, once for what was seen of it: a second tap leaves the one just shown in force. Raises Stale."""
    held = Source.objects.select_for_update().get(pk=source.pk)
    desk.must_be_as_seen(held, SEEN, seen)
    return issue_token(held.name, now=now, actor=actor)


def file_source(*, now: datetime, name: str = FILES) -> Source:
    """Return the source of uploaded files, or of a command; it has no token."""
    labels = {FILES: "Excel 上传"}
    facts = {"label": labels.get(name, ""), "kinds": [kind.key for kind in kinds.all_kinds()], "created_at": now}
    source, _created = Source.objects.get_or_create(name=name, defaults=facts)
    return source
