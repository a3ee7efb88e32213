"""Who mends and who checks (patrol_checklist.yaml, rectification.assign and .checker)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta

from django.db.models import Q

from guides.org.actors import permissions_of
from guides.org.models import Staff, Store
from guides.org.queries import heads_of_stores, managers_of_stores
from guides.org.scoped import under_grants
from yejibao.core.scope import Actor

from ..models import Finding
from .models import Rectification

CHECK = "rectification.check"
CHECK_WITHIN = timedelta(hours=48)
STAND_INS = ("area_supervisor", "region_manager")


def mender_of(store: Store, role: str, *, day: date) -> int | None:
    """Return who mends in a store: for `guide` the one the manager named, else the manager, else the area supervisor."""
    if role == "guide" and store.duty_guide_id and _works_in(store, [store.duty_guide_id]):
        return store.duty_guide_id
    managers = managers_of_stores([store.pk], day=day)
    return managers.get(store.pk) or heads_of_stores([store.pk], role="area_supervisor", day=day).get(store.pk)


def may_mend(store: Store) -> Q:
    """Return the condition for people who may be given something to mend: those of the store, and its manager."""
    held = Q(role_assignments__role="store_manager", role_assignments__unit_id=store.unit_id)
    return Q(state__in=Staff.MAY_SIGN_IN) & (Q(store_id=store.pk) | held)


def checker_of(finding: Finding, *, submitted_by: int | None, day: date) -> int | None:
    """Return who looks at what was mended: the patroller; where he may not check, left or mended himself, the area
    supervisor, then the region's manager. Nobody checks his own."""
    patroller = finding.visit.patroller
    if may_check_by_role(finding.visit.role) and patroller.is_active and patroller.pk != submitted_by:
        return patroller.pk
    for role in STAND_INS:
        head = heads_of_stores([finding.store_id], role=role, day=day).get(finding.store_id)
        if head is not None and head != submitted_by:
            return head
    return None


def may_check_by_role(role: str) -> bool:
    return CHECK in permissions_of(frozenset([role]))


def may_check(rectification: Rectification, actor: Actor, *, now: datetime) -> bool:
    """Tell whether this person may say yes or no now: the checker; after 48 h, or where there is none, whoever supervises
    the store. Never on his own work."""
    if actor.staff_id is None or actor.staff_id == rectification.submitted_by_id or not actor.may(CHECK):
        return False
    if actor.staff_id == rectification.checker_id:
        return True
    waited = rectification.submitted_at is not None and rectification.submitted_at + CHECK_WITHIN <= now
    checker = rectification.checker
    if not waited and checker is not None and checker.is_active:
        return False
    grants = actor.reach(*STAND_INS)
    within = under_grants(grants, path="unit__path", store="pk")
    return bool(grants) and Store.objects.filter(within, pk=rectification.finding.store_id).exists()


def may_lead(finding: Finding, actor: Actor) -> bool:
    """Tell whether somebody heads the store: may give the work to another, or say that it waits for HQ."""
    path = finding.store.unit.path or "-"
    grants = actor.reach("store_manager", "area_supervisor")
    return any(grant.path and path.startswith(grant.path) for grant in grants)


def _works_in(store: Store, staff_ids: Collection[int]) -> bool:
    return Staff.objects.filter(pk__in=staff_ids, store_id=store.pk, state__in=Staff.MAY_SIGN_IN).exists()
