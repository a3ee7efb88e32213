"""券 on their way: given out, claimed, held while a sale waits, used once, given back, ended."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from crm.benefits.coupon_rules import CouponRule, LineFacts, coupon_rule
from crm.benefits.models import Coupon, CouponBatch, CouponMove, CouponTemplate
from crm.benefits.rules import GRACE_DAYS
from crm.members.models import Member
from guides.org.models import Staff
from yejibao.core import audit, clock
from yejibao.core.errors import Conflict
from yejibao.core.scope import Actor

State, What = Coupon.State, CouponMove.What
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # no letters that look like others


class NotGiven(Conflict):
    code, title = "coupon.closed", _("这批券现在不能领")


class OutOfStock(Conflict):
    code, title = "coupon.quota", _("券已经领完了")


class HasOne(Conflict):
    code, title = "coupon.per_member", _("已经领过了")


class NotUsable(Conflict):
    code, title = "coupon.not_usable", _("这张券现在不能用")


def new_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(12))


def validity_of(template: CouponTemplate, *, now: datetime) -> tuple[datetime, datetime]:
    """Return from when until when a coupon given out now is valid, half-open."""
    if template.starts_on and template.ends_on:
        day_after = template.ends_on + timedelta(days=1)
        return clock.local_moment(template.starts_on, time()), clock.local_moment(day_after, time())
    last = clock.local_day(now) + timedelta(days=template.valid_days or 1)
    return now, clock.local_moment(last, time())


# ---------------------------------------------------------------- one by one

# Counter and coupon in one statement. The row of the batch decides: whoever comes second sees what the first left.
# Two claims of one member at once meet in the key (batch, member, nth); the second comes again and reads the first.
TAKE_ONE = """
    WITH owned AS (
        SELECT count(*) AS n, coalesce(max(nth), 0) AS last FROM crm_coupon
        WHERE batch_id = %(batch)s AND member_id = %(member)s
    ), taken AS (
        UPDATE crm_couponbatch b SET taken_count = taken_count + 1 FROM owned
        WHERE b.id = %(batch)s AND b.state = 'running' AND b.opens_at <= %(now)s AND %(now)s < b.closes_at
              AND %(way)s = ANY(b.ways) AND owned.n < b.per_member
              AND (b.stock_count IS NULL OR b.taken_count < b.stock_count)
        RETURNING owned.last
    )
    INSERT INTO crm_coupon (code, batch_id, member_id, nth, key, way, state, issuer_id, bearer_unit_id, issued_at,
                            valid_from, valid_until, is_grace, subject, discount_fen, sales_fen)
    SELECT %(code)s, %(batch)s, %(member)s, last + 1, %(key)s, %(way)s, 'usable', %(issuer)s, %(bearer)s, %(now)s,
           %(valid_from)s, %(valid_until)s, false, '', 0, 0
    FROM taken RETURNING id
"""


def take_one(
    batch: CouponBatch, member: Member, *, way: Coupon.Way, issuer: Staff | None, key: str, now: datetime
) -> Coupon:
    """Give a member one coupon of a batch; the same key again returns the same coupon.

    Raises NotGiven, OutOfStock or HasOne. Inside a transaction or alone: counter and coupon are one statement.
    """
    valid_from, valid_until = validity_of(batch.template, now=now)
    if valid_until <= now:
        raise NotGiven(_("这批券已经过了使用日期"))
    values: dict[str, Any] = {
        "batch": batch.pk, "member": member.pk, "now": now, "way": way, "key": key, "code": new_code(),
        "issuer": issuer.pk if issuer else None, "bearer": bearer_of(batch, issuer=issuer, member=member),
        "valid_from": valid_from, "valid_until": valid_until,
    }  # fmt: skip
    mine = Coupon.objects.filter(batch=batch, member=member)
    for _try in range(2):
        if done := mine.filter(key=key).with_terms().first():
            return done
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(TAKE_ONE, values)
                row = cursor.fetchone()
        except IntegrityError:
            continue
        if row:
            return Coupon.objects.with_terms().get(pk=row[0])
        break
    raise _why_none(batch, member, way=way, now=now)


def _why_none(batch: CouponBatch, member: Member, *, way: str, now: datetime) -> Conflict:
    batch.refresh_from_db()
    if batch.state != CouponBatch.State.RUNNING or way not in batch.ways or not batch.opens_at <= now < batch.closes_at:
        return NotGiven()
    if Coupon.objects.filter(batch=batch, member=member).count() >= batch.per_member:
        return HasOne(_("每人限 %(count)d 张") % {"count": batch.per_member})
    return OutOfStock()


def bearer_of(batch: CouponBatch, *, issuer: Staff | None, member: Member) -> int:
    """Return the unit that bears the cost: HQ, the batch's branch, or the store that gave it (else the member's own)."""
    if batch.bearer == CouponBatch.Bearer.STORE:
        store = (issuer and issuer.store) or member.main_store
        if store is not None:
            return int(store.unit_id)
    if batch.bearer == CouponBatch.Bearer.BRAND:
        return house_of(batch)
    return int(batch.unit_id)


def house_of(batch: CouponBatch) -> int:
    """Return the unit at the root of a batch's: HQ."""
    return int((batch.unit.path or "").split("/")[0])


def claim(batch: CouponBatch, member: Member, *, key: str, now: datetime, way: Coupon.Way = Coupon.Way.CLAIM) -> Coupon:
    """领券, by the member himself: what all may claim, or what who came through a code may. Raises NotGiven, OutOfStock or HasOne."""
    must_be_for(batch, member)
    return take_one(batch, member, way=way, issuer=None, key=key, now=now)


def must_be_for(batch: CouponBatch, member: Member) -> None:
    levels = batch.template.member_levels
    if member.status != Member.Status.ACTIVE or (levels and member.member_level not in levels):
        raise NotGiven(_("这批券不是给这位会员等级的"))


# ---------------------------------------------------------------- many at once

ISSUE_MANY = """
    INSERT INTO crm_coupon (code, batch_id, member_id, nth, key, way, state, issuer_id, bearer_unit_id, issued_at,
                            valid_from, valid_until, is_grace, subject, discount_fen, sales_fen)
    SELECT given.code, %(batch)s, m.id, (SELECT coalesce(max(c.nth), 0) FROM crm_coupon c WHERE c.batch_id = %(batch)s AND c.member_id = m.id) + 1,
           %(key)s, %(way)s, 'usable', %(issuer)s,
           CASE WHEN %(by_store)s THEN coalesce(s.unit_id, %(bearer)s) ELSE %(bearer)s END, %(now)s,
           %(valid_from)s, %(valid_until)s, false, '', 0, 0
    FROM unnest(%(members)s::bigint[], %(codes)s::text[]) AS given(member_id, code)
    JOIN crm_member m ON m.id = given.member_id LEFT JOIN guides_store s ON s.id = m.main_store_id
"""


@transaction.atomic
def issue(
    batch: CouponBatch,
    member_ids: Iterable[int],
    *,
    issuer: Staff | None,
    actor: Actor,
    now: datetime,
    key: str,
    way: Coupon.Way = Coupon.Way.AUDIENCE,
    valid: tuple[datetime, datetime] | None = None,
) -> int:
    """Give each of these members a coupon, and return how many got one: set-based, whole or not at all.

    Who has had this key, or as many as one may have, is passed by. `valid` is from when until when where the template does
    not say. Raises NotGiven or OutOfStock.
    """
    held = CouponBatch.objects.select_for_update().select_related("template", "unit").get(pk=batch.pk)
    if held.state != CouponBatch.State.RUNNING or way not in held.ways or not held.opens_at <= now < held.closes_at:
        raise NotGiven()
    valid_from, valid_until = valid or validity_of(held.template, now=now)
    if valid_until <= now:
        raise NotGiven(_("这批券已经过了使用日期"))
    wanted = _eligible(held, sorted(set(member_ids)), key=key)
    if held.stock_count is not None and held.taken_count + len(wanted) > held.stock_count:
        raise OutOfStock(
            _("只剩 %(left)d 张，要发 %(count)d 张") % {"left": held.left_count, "count": len(wanted)},
            left=held.left_count,
        )
    if not wanted:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            ISSUE_MANY,
            {
                "batch": held.pk, "key": key, "way": way, "issuer": issuer.pk if issuer else None, "now": now,
                "by_store": held.bearer == CouponBatch.Bearer.STORE,
                "bearer": held.unit_id if held.bearer != CouponBatch.Bearer.BRAND else house_of(held),
                "valid_from": valid_from, "valid_until": valid_until,
                "members": wanted, "codes": [new_code() for _ in wanted],
            },
        )  # fmt: skip
    held.taken_count += len(wanted)
    held.save(update_fields=["taken_count"])
    audit.record(actor, "coupon.issued", held, after={"count": len(wanted), "way": way, "key": key})
    return len(wanted)


def _eligible(batch: CouponBatch, member_ids: list[int], *, key: str) -> list[int]:
    """Return who of these is still to get one; the batch is locked."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT m.id FROM crm_member m
            LEFT JOIN LATERAL (
                SELECT count(*) AS n, bool_or(c.key = %(key)s) AS had FROM crm_coupon c
                WHERE c.batch_id = %(batch)s AND c.member_id = m.id
            ) own ON true
            WHERE m.id = ANY(%(members)s) AND m.status = 'active' AND own.n < %(most)s AND own.had IS NOT TRUE
                  AND (%(levels)s = '{}' OR m.member_level = ANY(%(levels)s))
            ORDER BY m.id
            """,
            {
                "key": key,
                "batch": batch.pk,
                "members": member_ids,
                "most": batch.per_member,
                "levels": list(batch.template.member_levels),
            },
        )
        return [pk for (pk,) in cursor.fetchall()]


# ---------------------------------------------------------------- at the till


@dataclass(frozen=True)
class Choice:
    """A coupon of a member beside a basket: what it would take off, or why it cannot."""

    coupon: Coupon
    rule: CouponRule
    discount_fen: int
    why_not: str

    @property
    def is_usable(self) -> bool:
        return not self.why_not


def usable(member: Member, lines: Sequence[LineFacts], *, channel: str, now: datetime, sale: str = "") -> list[Choice]:
    """Return the coupons a member has, the best for this basket first; those that do not fit come last, with the reason.

    `sale` also counts the coupon this very sale holds.
    """
    rows = Coupon.objects.filter(member=member, state=State.USABLE).with_terms()
    if sale:
        rows = rows | Coupon.objects.filter(member=member, state=State.HELD, subject=sale).with_terms()
    choices = []
    for coupon in rows.filter(valid_until__gt=now).order_by("valid_until", "pk"):
        rule = coupon_rule(coupon)
        why = (
            f"{coupon.valid_from.astimezone(clock.SHANGHAI):%m-%d} 起可用"
            if coupon.valid_from > now
            else rule.why_not(lines, level=member.member_level, channel=channel)
        )
        choices.append(Choice(coupon, rule, 0 if why else rule.discount_fen(lines), why))
    return sorted(
        choices, key=lambda one: (bool(one.why_not), -one.discount_fen, one.coupon.valid_until, one.coupon.pk)
    )


def hold(coupon: Coupon, *, subject: str, key: str, now: datetime, actor: Actor) -> Coupon:
    """Keep a coupon for a sale that waits to be paid; nobody else may use it. Raises NotUsable."""
    return _move(coupon, What.HELD, State.HELD, frm=[State.USABLE], subject=subject, key=key, now=now, actor=actor)


@transaction.atomic
def redeem(
    coupon: Coupon,
    *,
    subject: str,
    key: str,
    now: datetime,
    actor: Actor,
    discount_fen: int = 0,
    sales_fen: int = 0,
) -> CouponRule:
    """核销: use a coupon for a sale, once; the same subject and key again gets the same answer. Returns its terms.

    One that the sale holds may be used after its time: it was kept in time. Raises NotUsable.
    """
    _move(
        coupon, What.USED, State.USED, frm=[State.USABLE, State.HELD], subject=subject, key=key, now=now, actor=actor,
        used_at=now, discount_fen=discount_fen, sales_fen=sales_fen,
    )  # fmt: skip
    return coupon_rule(coupon)


def release(coupon: Coupon, *, subject: str, key: str, now: datetime, actor: Actor) -> Coupon:
    """Let go of a coupon whose sale was not paid; nothing happens where the sale does not hold it."""
    if not Coupon.objects.filter(pk=coupon.pk, state=State.HELD, subject=subject).exists():
        return coupon
    return _move(coupon, What.RELEASED, State.USABLE, frm=[State.HELD], subject=subject, key=key, now=now, actor=actor)


@transaction.atomic
def give_back(coupon: Coupon, *, subject: str, key: str, full: bool, now: datetime, actor: Actor) -> Coupon:
    """Goods came back. Of the whole order: usable again, with seven days' grace where its time is over; of a part: it stays used."""
    held = Coupon.objects.select_for_update().get(pk=coupon.pk)
    if CouponMove.objects.filter(coupon=held, key=key, what__in=[What.GIVEN_BACK, What.KEPT_USED]).exists():
        return held
    if held.state != State.USED or held.subject != subject:
        raise NotUsable(_("这张券不是这一单用的"))
    if not full:
        _note(held, What.KEPT_USED, subject=subject, key=key, now=now, actor=actor)
        return held
    _note(held, What.GIVEN_BACK, subject=subject, key=key, now=now, actor=actor, discount_fen=held.discount_fen)
    held.state, held.subject, held.used_at, held.discount_fen, held.sales_fen = State.USABLE, "", None, 0, 0
    if held.valid_until <= now:
        grace = clock.local_day(now) + timedelta(days=GRACE_DAYS + 1)
        held.valid_until, held.is_grace = clock.local_moment(grace, time()), True
    held.save(update_fields=["state", "subject", "used_at", "discount_fen", "sales_fen", "valid_until", "is_grace"])
    return held


@transaction.atomic
def _move(
    coupon: Coupon, what: CouponMove.What, to: Coupon.State, *, frm: list[Coupon.State], subject: str, key: str,
    now: datetime, actor: Actor, **stamps: Any,
) -> Coupon:  # fmt: skip
    """Move a coupon on by a guarded UPDATE: of two sales that want it, one gets it."""
    own = Q(state=State.HELD, subject=subject)
    free = Q(state=State.USABLE, valid_from__lte=now, valid_until__gt=now)
    allowed = (own if State.HELD in frm else Q(pk__in=())) | (free if State.USABLE in frm else Q(pk__in=()))
    values = {"state": to, "subject": "" if to == State.USABLE else subject, **stamps}
    try:
        with transaction.atomic():
            moved = Coupon.objects.filter(allowed, pk=coupon.pk).update(**values)
    except IntegrityError:
        raise NotUsable(_("一单只能用一张券")) from None
    if not moved:
        if CouponMove.objects.filter(coupon=coupon, what=what, key=key, subject=subject).exists():
            coupon.refresh_from_db(fields=["state", "subject", "used_at", "discount_fen", "sales_fen"])
            return coupon
        raise NotUsable(_why_not_now(coupon, now=now))
    _note(coupon, what, subject=subject, key=key, now=now, actor=actor, discount_fen=stamps.get("discount_fen", 0))
    for name, value in values.items():
        setattr(coupon, name, value)
    return coupon


def _why_not_now(coupon: Coupon, *, now: datetime) -> Any:
    coupon.refresh_from_db(fields=["state", "valid_from", "valid_until"])
    match coupon.state:
        case State.USED:
            return _("这张券已经用过了")
        case State.HELD:
            return _("这张券正在另一单里等付款")
        case State.USABLE if coupon.valid_until > now:
            return _("这张券还没到使用日期")
    return _("这张券已经过期")


def _note(
    coupon: Coupon, what: CouponMove.What, *, subject: str, key: str, now: datetime, actor: Actor, discount_fen: int = 0
) -> None:
    CouponMove.objects.create(
        coupon=coupon, what=what, subject=subject, key=key, at=now, by_id=actor.staff_id, discount_fen=discount_fen
    )
    audit.record(
        actor,
        f"coupon.{what}",
        coupon,
        after={"subject": subject, "batch": coupon.batch_id, "discount_fen": discount_fen},
    )


# ---------------------------------------------------------------- the end

EXPIRE = """
    WITH over AS (
        SELECT id FROM crm_coupon WHERE state = 'usable' AND valid_until <= %(now)s
        ORDER BY id LIMIT %(batch)s FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE crm_coupon c SET state = 'expired' FROM over WHERE c.id = over.id
"""


def expire_due(*, now: datetime, batch: int = 5_000, budget: timedelta = timedelta(seconds=200)) -> dict[str, int]:
    """End the coupons whose time is over; hourly, set-based, stops by itself."""
    deadline = clock.monotonic() + budget.total_seconds()
    ended = 0
    while clock.monotonic() < deadline:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(EXPIRE, {"now": now, "batch": batch})
            count = cursor.rowcount
        ended += count
        if count < batch:
            break
    return {"coupons_expired": ended}
