"""Whose stock it is to promise or to send (access_matrix.yaml: stock.reserve, stock.transfer)."""

from django.utils.translation import gettext_lazy as _

from guides.org import matrix
from guides.org.models import Store
from guides.org.scoped import store_filter
from yejibao.core.errors import Forbidden
from yejibao.core.scope import Actor

RESERVE, TRANSFER, EDIT, ITEMS, READ = "stock.reserve", "stock.transfer", "goods.edit", "item.code", "stock.read"


def must_hold(actor: Actor, action: str) -> None:
    """Raise Forbidden unless one of the actor's roles is named in an action."""
    if not (actor.is_system or actor.has_role(*matrix.holders(action))):
        raise Forbidden(permission=action)


def must_answer_for(actor: Actor, action: str, store: Store | None) -> None:
    """Raise Forbidden unless the actor may do this in a store he works in. No store: what belongs to the whole brand."""
    must_hold(actor, action)
    if actor.is_system or actor.has_role(*matrix.exactly(action, "all")):
        return
    if store is None or not Store.objects.filter(store_filter(actor, prefix=""), pk=store.pk).exists():
        raise Forbidden(_("这件事要那家店自己的人来办。"), permission=action)
