"""The service desk keeps the ready sentences: changed, added, put away. Each change is on the trail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from yejibao.core import audit
from yejibao.core.domain_files import read_yaml
from yejibao.core.errors import Invalid
from yejibao.core.scope import Actor

from ..rules import rules
from .filling import NAMES, unknown_in
from .models import ReplyTemplate

FILE = Path(__file__).resolve().parents[2] / "data" / "reply_templates.yaml"
LONGEST = 500


@cache
def _at_first() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read_yaml(FILE)["templates"]
    return found


def load_templates(*, now: datetime) -> int:
    """Add the sentences of the file that are not there; what the desk changed or put away stays. Returns how many."""
    rows = [ReplyTemplate(**{"kinds": []} | one, changed_at=now) for one in _at_first()]
    before = ReplyTemplate.objects.count()
    ReplyTemplate.objects.bulk_create(rows, ignore_conflicts=True)
    return ReplyTemplate.objects.count() - before


@transaction.atomic
def save_template(
    template: ReplyTemplate | None, *, name: str, text: str, kinds: Sequence[str], is_open: bool, actor: Actor, now: datetime
) -> ReplyTemplate:  # fmt: skip
    """Change a sentence, or add one. Raises Invalid: no name, no text, a blank nobody fills."""
    name, text = name.strip()[:24], text.strip()
    wrong = []
    if not name:
        wrong.append({"field": "name", "code": "required", "message": str(_("起个短名字"))})
    if not 4 <= len(text) <= LONGEST:
        wrong.append({"field": "text", "code": "length", "message": str(_("写 4 到 500 个字"))})
    if unknown := unknown_in(text):
        said = _("〔%(name)s〕不会填，能用的有 %(names)s") % {
            "name": unknown[0],
            "names": "".join(f"〔{one}〕" for one in NAMES),
        }
        wrong.append({"field": "text", "code": "blank", "message": str(said)})
    if wrong:
        raise Invalid(_("还差一点，请按提示补上"), errors=wrong)
    facts = {
        "name": name, "text": text, "kinds": [kind for kind in rules().names if kind in kinds], "is_open": is_open,
        "changed_by_id": actor.staff_id, "changed_at": now,
    }  # fmt: skip
    if template is None:
        last = ReplyTemplate.objects.order_by("-place").values_list("place", flat=True).first() or 0
        template = ReplyTemplate.objects.create(key=f"own-{now:%y%m%d%H%M%S%f}", place=min(last + 10, 32000), **facts)
    else:
        ReplyTemplate.objects.filter(pk=template.pk).update(**facts)
        template.refresh_from_db()
    audit.record(actor, "ticket.template_changed", template, after={"name": name, "is_open": is_open})
    return template
