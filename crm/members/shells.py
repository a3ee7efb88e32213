"""Which of a member's two cards a person works with: the one on the phone of who serves him, or HQ's."""

from django.urls import reverse

from guides.org.pages import shell_of
from yejibao.core.scope import Actor

from .models import Member


def card_url(actor: Actor, member: Member) -> str:
    """Return the address of a member's card for the role this actor works in."""
    is_at_hq = shell_of(actor) == "base/hq.html" or not actor.has_role("guide", "store_manager")
    return reverse("crm:hq-member" if is_at_hq else "crm:member", args=[member.public_id])
