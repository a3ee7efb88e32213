"""Surveys for tests: asked as the job asks, answered through the services unless a row is enough."""

from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

from crm.members.models import Member
from crm.surveys import services
from crm.surveys.models import Survey
from crm.surveys.services import Given
from crm.surveys.tokens import hashed, token_of
from guides.org.models import Staff, Store
from yejibao.core.scope import Actor

_serial = count(1)


def make_survey(
    member: Member, *, asked_at: datetime, kind: str = "purchase", store: Store | None = None, guide: Staff | None = None, **facts: Any
) -> Survey:  # fmt: skip
    """Return a survey that waits for its member two weeks, about something two days before."""
    public_id = facts.pop("public_id", None) or uuid4()
    place = store or member.main_store
    assert place is not None
    facts = {"about_at": asked_at - timedelta(days=2), "expires_at": asked_at + timedelta(days=14)} | facts
    return Survey.objects.create(
        public_id=public_id, kind=kind, cause=facts.pop("cause", f"order:t{next(_serial)}"), member=member, store=place,
        guide=guide or member.owner_guide, token_hash=hashed(token_of(public_id)), asked_at=asked_at, **facts,
    )  # fmt: skip


def say(
    survey: Survey, stars: int, *reasons: str, words: str = "", now: datetime, is_anonymous: bool = False
) -> Survey:
    """Let its member answer."""
    given = Given(stars, reasons, words, is_anonymous)
    himself = Actor(kind="member", member_id=survey.member_id)
    return services.answer(survey, given, way=Survey.Way.LINK, actor=himself, now=now)
