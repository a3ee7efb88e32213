"""The same question finds the former answer first."""

from yejibao.core.finding import sharing, words_of
from yejibao.core.scope import Actor

from .models import HqCall, KnowledgeDraft

FOUND = 3
LOOKED_AT = 30  # those that share the most


def find_answers(text: str, *, actor: Actor, category: str = "") -> list[KnowledgeDraft]:
    """Return the kept answers that are most like a question, at most three, within sight. One statement."""
    asked = words_of(text)
    if not asked:
        return []
    rows = KnowledgeDraft.objects.visible_to(actor).exclude(state=KnowledgeDraft.State.REFUSED)
    found = list(sharing(rows, asked).select_related("category")[:LOOKED_AT])
    # Of two that are as like, the one of the category that is chosen, then the one that has helped more often.
    found.sort(key=lambda one: (one.shared, one.category.key == category, one.helped_count, one.pk), reverse=True)
    return found[:FOUND]


def find_calls(text: str, *, actor: Actor) -> list[HqCall]:
    """Return answered questions in sight that are most like one: one's own and those of one's stores. One statement."""
    asked = words_of(text)
    if not asked:
        return []
    rows = sharing(HqCall.objects.visible_to(actor).filter(first_answer_at__isnull=False), asked)
    return list(rows.select_related("category", "store")[:FOUND])
