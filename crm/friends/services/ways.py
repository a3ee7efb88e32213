"""Codes that add friends: wanted here, made there, once each. The row comes first, the call after its commit.

`add_contact_way` makes another code each time it is called. So a call whose answer is missing is looked for by its token
(the platform's `state`) before anything is called again.
"""

from __future__ import annotations

import io
import logging
import secrets
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _
from PIL import Image

from crm.friends.models import ContactWay
from crm.friends.queries import people_of
from crm.friends.scoped import WAY_ROLES
from guides.org.models import RoleAssignment, Staff, Store
from guides.org.scoped import under_grants
from yejibao.core import audit, clock
from yejibao.core.clock import local_day
from yejibao.core.errors import Conflict, Forbidden, Invalid, NotFound
from yejibao.core.scope import Actor
from yejibao.wecom import contacts
from yejibao.wecom.errors import GatewayError, Kind
from yejibao.wecom.gateway import Gateway

log = logging.getLogger("yejibao.friends")

State = ContactWay.State
MARKS = {"guide": "g", "store": "s", "live": "l", "parcel": "p", "event": "e"}
LEASE_SECONDS = 60
LOOK_BACK = timedelta(minutes=5)
PAUSES = (timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=5), timedelta(minutes=30))
PICTURE_SIDE = 2000  # pixels; more is no code
MOST_OF_A_KIND = 50  # live, parcel and event codes in force at one store


class NotYourCode(Forbidden):
    code, title = "perm.way.edit", _("这个码不归你管")


class NobodyBehind(Conflict):
    code, title = "way.nobody", _("这个码后面没有在职的人")


class TooManyCodes(Conflict):
    code, title = "way.too_many", _("这类码太多了，先停用几个")


# ---------------------------------------------------------------- wanting


@transaction.atomic
def want_way(
    *, kind: str, actor: Actor, now: datetime, guide: Staff | None = None, store: Store | None = None, name: str = ""
) -> ContactWay:
    """Want a code; `bring_ways` makes it. A guide's and a store's own exist once: asking again returns the one there is.

    Raises NotYourCode, TooManyCodes, or Invalid where name or place are missing.
    """
    if kind not in ContactWay.Kind.values or (kind == ContactWay.Kind.GUIDE) != (guide is not None and store is None):
        raise Invalid(_("选一位导购，或者选一家门店"))
    if guide is None and store is None:
        raise Invalid(_("选一位导购，或者选一家门店"))
    _check(actor, kind=kind, guide=guide, store=store)
    own = guide.display_name or guide.name if guide else store.short_name if store else ""
    name = (name.strip() or own)[:30]
    in_force = ContactWay.objects.filter(kind=kind, guide=guide, store=store, retired_at=None)
    if kind in (ContactWay.Kind.GUIDE, ContactWay.Kind.STORE):
        facts = {
            "name": name,
            "token": _token(kind),
            "next_at": now,
            "created_at": now,
            "created_by_id": actor.staff_id,
        }
        found, _is_new = ContactWay.objects.get_or_create(
            kind=kind, guide=guide, store=store, retired_at=None, defaults=facts
        )
        return found
    if not name or name == own:
        raise Invalid(
            _("给这个码起个名字"), errors=[{"field": "name", "code": "required", "message": "给这个码起个名字"}]
        )
    if in_force.count() >= MOST_OF_A_KIND:
        raise TooManyCodes()
    way = ContactWay.objects.create(
        kind=kind, guide=guide, store=store, name=name, token=_token(kind), next_at=now, created_at=now,
        created_by_id=actor.staff_id,
    )  # fmt: skip
    audit.record(actor, "way.wanted", way, after={"kind": kind, "name": name})
    return way


def _check(actor: Actor, *, kind: str, guide: Staff | None, store: Store | None) -> None:
    if actor.is_system or (kind == ContactWay.Kind.GUIDE and guide is not None and guide.pk == actor.staff_id):
        return
    reach = under_grants(actor.reach(*WAY_ROLES), path="unit__path", store="pk")
    place = store.pk if store else guide.store_id if guide else None
    if place is None or not Store.objects.filter(reach, pk=place).exists():
        raise NotYourCode()


def _token(kind: str) -> str:
    return MARKS[kind] + secrets.token_hex(8)


def want_everyones(*, now: datetime) -> int:
    """Want the codes of guides and open stores that have none; those who left need none. Returns how many."""
    today = local_day(now)
    held = RoleAssignment.objects.filter(RoleAssignment.in_force(today), role="guide").values("staff_id")
    having = ContactWay.objects.filter(kind=ContactWay.Kind.GUIDE, retired_at=None).values("guide_id")
    guides = Staff.objects.employed().filter(pk__in=held, store__isnull=False).exclude(pk__in=having)
    stores_having = ContactWay.objects.filter(kind=ContactWay.Kind.STORE, retired_at=None).values("store_id")
    stores = Store.objects.exclude(pk__in=stores_having).exclude(closed_on__lte=today).filter(
        staff__in=Staff.objects.employed().filter(pk__in=held)
    )  # fmt: skip
    rows = [
        ContactWay(kind="guide", guide_id=pk, name=name[:30], token=_token("guide"), next_at=now, created_at=now)
        for pk, name in guides.order_by("pk").values_list("pk", "display_name")
    ] + [
        ContactWay(kind="store", store_id=pk, name=name[:30], token=_token("store"), next_at=now, created_at=now)
        for pk, name in stores.order_by("pk").distinct().values_list("pk", "short_name")
    ]
    ContactWay.objects.bulk_create(rows, ignore_conflicts=True, batch_size=1000)
    return len(rows)


def follow_people(*, now: datetime, of: Staff | None = None, batch: int = 2000) -> int:
    """Mark the codes behind which other people ought to stand: somebody came, left or changed the store. Returns how many.

    `of`: only the codes this person stands behind.
    """
    ready = ContactWay.objects.filter(state=State.READY).defer("picture").order_by("pk")
    if of is not None:
        ready = ready.filter(user_ids__contains=[of.wecom_user_id])
    marked, after = 0, 0
    while ways := list(ready.filter(pk__gt=after)[:batch]):
        after = ways[-1].pk
        wanted = people_of(ways, now=now)
        other = [way.pk for way in ways if wanted[way.pk] and sorted(way.user_ids) != wanted[way.pk]]
        marked += ContactWay.objects.filter(pk__in=other, next_at=None).update(next_at=now, attempts=0)
    return marked


@transaction.atomic
def retire_way(way: ContactWay, *, actor: Actor, now: datetime) -> ContactWay:
    """Stop a code: scans of it add nobody any more. Twice is like once. Raises NotYourCode or NotFound."""
    held = ContactWay.objects.select_for_update(of=("self",)).select_related("guide", "store").get(pk=way.pk)
    _check(actor, kind="" if actor.staff_id == held.guide_id else held.kind, guide=held.guide, store=held.store)
    if held.retired_at is None:
        held.state, held.retired_at, held.next_at, held.attempts = State.RETIRED, now, now, 0
        held.save(update_fields=["state", "retired_at", "next_at", "attempts"])
        audit.record(actor, "way.retired", held, before={"name": held.name})
    return held


@transaction.atomic
def retry_way(way: ContactWay, *, actor: Actor, now: datetime) -> ContactWay:
    """Try a code that could not be made again. Raises NotFound."""
    if not ContactWay.objects.visible_to(actor).filter(pk=way.pk).exists():
        raise NotFound()
    ContactWay.objects.filter(pk=way.pk, state=State.FAILED).update(state=State.WANTED, next_at=now, attempts=0)
    return ContactWay.objects.get(pk=way.pk)


# ---------------------------------------------------------------- bringing about


def bring_ways(
    *, door: Gateway, now: datetime | None = None, seconds: float = 20.0, only: int | None = None
) -> dict[str, int]:
    """Do at the platform what is due: make, look for, change, end codes, fetch their pictures. Returns counts.

    Call with no transaction open. Two at once take different rows; a killed one's rows come back after a minute.
    """
    tally: Counter[str] = Counter()
    deadline = clock.monotonic() + seconds
    while clock.monotonic() < deadline:
        moment = now or clock.now()
        ways = _claim(moment, limit=1 if only else 20, only=only)
        if not ways:
            break
        people = people_of(ways, now=moment)
        for way in ways:
            tally[_bring_one(way, people[way.pk], door, moment)] += 1
        if only:
            break
    return dict(tally)


def _claim(now: datetime, *, limit: int, only: int | None) -> list[ContactWay]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH due AS (
                SELECT id FROM crm_contactway
                WHERE next_at <= %(now)s AND (%(only)s::bigint IS NULL OR id = %(only)s)
                  AND (lease_until IS NULL OR lease_until < clock_timestamp())
                ORDER BY next_at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
            )
            UPDATE crm_contactway w SET lease_until = clock_timestamp() + %(lease)s * interval '1 second'
            FROM due WHERE w.id = due.id RETURNING w.id
            """,
            {"now": now, "lease": LEASE_SECONDS, "limit": limit, "only": only},
        )
        ids = [row[0] for row in cursor.fetchall()]
    return list(ContactWay.objects.filter(pk__in=ids).order_by("next_at", "pk"))


def _bring_one(way: ContactWay, people: list[str], door: Gateway, now: datetime) -> str:
    try:
        return _act(way, people, door, now)
    except GatewayError as error:
        return _put_off(way, error, now)


def _act(way: ContactWay, people: list[str], door: Gateway, now: datetime) -> str:
    if way.retired_at:
        if not way.config_id and way.asked_at:
            _adopt(way, door, now)
        if way.config_id:
            contacts.delete_way(door, way.config_id)
        _write(way, next_at=None)
        return "retired"
    if not people:
        _write(way, state=way.state if way.config_id else State.FAILED, next_at=None)
        return "nobody"
    if not way.config_id:
        return _make(way, people, door, now)
    if sorted(way.user_ids) != sorted(people):
        contacts.update_way(door, way.config_id, user_ids=people, state=way.token, remark=way.name)
        _write(way, user_ids=people)
    if way.picture is None and way.qr_url:
        _write(way, picture=as_png(contacts.fetch_picture(door, way.qr_url)))
    _write(way, state=State.READY, next_at=None, attempts=0, errcode=None)
    return "ready"


def _make(way: ContactWay, people: list[str], door: Gateway, now: datetime) -> str:
    """Make a code, unless an earlier call that nobody answered has made it."""
    if way.asked_at is None or not _adopt(way, door, now):
        if not _still_ours(way):
            return "taken"
        _write(way, state=State.ASKED, asked_at=way.asked_at or now, user_ids=people, keep_lease=True)
        try:
            made = contacts.add_way(door, user_ids=people, state=way.token, remark=way.name)
        except GatewayError as error:
            if not error.may_have_happened:
                _write(way, state=State.WANTED, asked_at=None, keep_lease=True)
            raise
        _write(way, config_id=made.config_id, qr_url=made.qr_code[:512], asked_at=None, keep_lease=True)
    return _act(way, people, door, now)


def _adopt(way: ContactWay, door: Gateway, now: datetime) -> bool:
    """Look among the codes made since the unanswered call for the one with our token; take it over."""
    assert way.asked_at is not None
    # The platform's clock, not ours, stamps them: a little to both sides.
    since, until = way.asked_at - LOOK_BACK, max(now, clock.now()) + LOOK_BACK
    listed = list(contacts.list_ways(door, since=since, until=until))
    ours = set(ContactWay.objects.filter(config_id__in=listed).values_list("config_id", flat=True))
    for config_id in listed:
        if config_id in ours:
            continue
        found = contacts.read_way(door, config_id)
        if found.state == way.token:
            _write(way, config_id=found.config_id, qr_url=found.qr_code[:512], user_ids=sorted(found.user_ids),
                   asked_at=None, keep_lease=True)  # fmt: skip
            return True
    return False


def _still_ours(way: ContactWay) -> bool:
    """Take the lease anew before the one call that cannot be repeated.

    False where the code was retired meanwhile, or the lease ran out and somebody else has it.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE crm_contactway SET lease_until = clock_timestamp() + %s * interval '1 second' "
            "WHERE id = %s AND lease_until = %s AND retired_at IS NULL RETURNING lease_until",
            [LEASE_SECONDS, way.pk, way.lease_until],
        )
        row = cursor.fetchone()
    way.lease_until = row[0] if row else None
    return row is not None


def _put_off(way: ContactWay, error: GatewayError, now: datetime) -> str:
    log.warning("way %s: %s", way.pk, error)
    if error.kind in (Kind.PERMANENT, Kind.ADMIN):
        state = way.state if way.config_id else State.FAILED
        _write(way, state=state, next_at=None, errcode=error.code)
        return "failed"
    pause = timedelta(seconds=error.retry_after) if error.retry_after else PAUSES[min(way.attempts, len(PAUSES) - 1)]
    _write(way, next_at=now + pause, attempts=min(way.attempts + 1, 100), errcode=error.code)
    return "put_off"


def _write(way: ContactWay, *, keep_lease: bool = False, **values: object) -> None:
    if "next_at" in values and not keep_lease:
        values["lease_until"] = None
    rows = ContactWay.objects.filter(pk=way.pk)
    if not rows.filter(retired_at=way.retired_at).update(**values):
        # Retired while we called: what the platform said is kept, that the code is to be ended there stands.
        rows.update(**{name: value for name, value in values.items() if name not in ("state", "next_at", "attempts")})
    for name, value in values.items():
        setattr(way, name, value)


def as_png(content: bytes) -> bytes:
    """Return a platform's picture as a PNG of our own making: decoded within limits, nothing of the file kept."""
    try:
        with Image.open(io.BytesIO(content), formats=["PNG", "JPEG"]) as picture:
            if max(picture.size) > PICTURE_SIDE:
                raise GatewayError(None, "the picture is too large", kind=Kind.PERMANENT, api="picture")
            clean = picture.convert("L")
    except OSError:
        raise GatewayError(None, "no picture", kind=Kind.PERMANENT, api="picture") from None
    out = io.BytesIO()
    clean.save(out, format="PNG", optimize=True)
    return out.getvalue()


def ways_by_token(tokens: Sequence[str]) -> dict[str, int]:
    """Return our codes by the token that comes back with a friend."""
    wanted = [token for token in tokens if token]
    return dict(ContactWay.objects.filter(token__in=wanted).values_list("token", "pk")) if wanted else {}
