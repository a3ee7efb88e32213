"""The one scope filter: an actor's grants become a condition on a store's org path."""

from django.db.models import Q

from yejibao.core.scope import Actor, Grant

NOBODY = Q(pk__in=())


def under_grants(grants: tuple[Grant, ...], *, path: str, store: str) -> Q:
    """Return the condition "within these grants" for a model whose org path is at `path` and whose store at `store`.

    Grants that reach only the person himself match nothing here; the caller adds what `self` means for its table.
    """
    condition = Q()
    for grant in grants:
        if grant.reach == "all":
            return Q(pk__isnull=False)
        if grant.store_ids:
            condition |= Q(**{f"{store}__in": grant.store_ids})
        elif grant.reach == "units" and grant.path:
            condition |= Q(**{f"{path}__startswith": grant.path})
    return condition or NOBODY


def store_filter(actor: Actor, *, prefix: str) -> Q:
    """Return the condition for stores the actor sees at all, a guide's own included."""
    path, store = (f"{prefix}__unit__path", f"{prefix}_id") if prefix else ("unit__path", "pk")
    condition = under_grants(actor.grants, path=path, store=store)
    if actor.store_id:
        condition |= Q(**{store: actor.store_id})
    return condition
