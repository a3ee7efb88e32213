"""What the store says to what he said: one answer, which he reads on his own page."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from yejibao.core import audit
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.scope import Actor

from ..models import Survey
from ..scoped import REPLY, reply_filter

LONGEST = 300


class RepliedAlready(Conflict):
    code, title = "survey.replied_already", _("这条评价已经回复过了")


@transaction.atomic
def reply(survey: Survey, text: str, *, actor: Actor, now: datetime) -> Survey:
    """Answer what a member said, once; he reads it as the store's. Raises Forbidden, Invalid, RepliedAlready."""
    if not Survey.objects.filter(reply_filter(actor), pk=survey.pk).exists():
        raise Forbidden(permission=REPLY)
    words = text.strip()
    if not words or len(words) > LONGEST:
        raise Invalid(errors=[{"field": "text", "code": "length", "message": str(_("写一句话，最多三百字"))}])
    waiting = Survey.objects.filter(pk=survey.pk, answered_at__isnull=False, replied_at=None)
    if not waiting.update(reply=words, replied_by_id=actor.staff_id, replied_at=now):
        raise RepliedAlready()
    survey.reply, survey.replied_by_id, survey.replied_at = words, actor.staff_id, now
    audit.record(actor, "survey.replied", survey)
    return survey
