"""What the database itself refuses, whoever asks. Each guard is taken out once: then the wrong goes through."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from crm.benefits.models import PointsEntry
from crm.benefits.services import hold, redeem, spend_points, use_free_care
from tests.factories.benefits import give_points, make_batch, make_coupon, make_template
from tests.factories.crm import make_member
from tests.factories.guides import actor, make_org
from yejibao.core.clock import parse_iso
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db
NOW = parse_iso("2025-06-10 12:00")
AT: dict[str, Any] = {"now": NOW, "actor": Actor.system()}

# name: (table, the guards that are taken out, the wrong). A guard is a constraint, an index, or `trigger:NAME`.
WRONGS: dict[str, tuple[str, tuple[str, ...], str]] = {
    # points
    "a balance that is not left - debt": ("crm_pointsaccount", ("points_account_adds_up",),
        "UPDATE crm_pointsaccount SET balance = balance + 1 WHERE member_id = {member}"),
    "a debt beside points": ("crm_pointsaccount", ("points_account_debt_or_left",),
        "UPDATE crm_pointsaccount SET left_points = left_points + 5, debt_points = 5 WHERE member_id = {member}"),
    "less than nothing left of a lot": ("crm_pointslot", ("points_lot_within",), "UPDATE crm_pointslot SET left_points = -1 WHERE id = {lot}"),
    "more left of a lot than came in": ("crm_pointslot", ("points_lot_within",), "UPDATE crm_pointslot SET left_points = points + 1 WHERE id = {lot}"),
    "an order that earns twice": ("crm_pointslot", ("points_lot_of_order",),
        "INSERT INTO crm_pointslot (member_id, subject, points, left_points, usable_from, expires_on, level, rate_tenths, multiplier, "
        "earned_points, revision, made_at) SELECT member_id, subject, points, left_points, usable_from, expires_on, level, rate_tenths, "
        "multiplier, earned_points, revision, made_at FROM crm_pointslot WHERE id = {lot}"),
    "a command that is booked twice": ("crm_pointsentry", ("points_entry_key",),
        "INSERT INTO crm_pointsentry (member_id, kind, points, balance_after, subject, key, at) "
        "SELECT member_id, kind, points, balance_after, subject, key, at FROM crm_pointsentry WHERE id = {spent}"),
    "a spending that adds": ("crm_pointsentry", ("points_entry_sign",),
        "INSERT INTO crm_pointsentry (member_id, kind, points, balance_after, subject, key, at) VALUES ({member}, 'spend', 5, 5, '', 'w', now())"),
    "an earning of nothing": ("crm_pointsentry", ("points_entry_sign",),
        "INSERT INTO crm_pointsentry (member_id, kind, points, balance_after, subject, key, at) VALUES ({member}, 'earn', 0, 5, '', 'w', now())"),
    "an entry changed": ("crm_pointsentry", ("trigger:crm_points_append_only",), "UPDATE crm_pointsentry SET points = -1 WHERE id = {spent}"),
    "an entry deleted": ("crm_pointsentry", ("trigger:crm_points_append_only",),
        "DELETE FROM crm_pointsuse WHERE entry_id = {spent}; DELETE FROM crm_pointsentry WHERE id = {spent}"),
    "more given back than was used": ("crm_pointsuse", ("points_use_within",), "UPDATE crm_pointsuse SET returned_points = points + 1 WHERE entry_id = {spent}"),
    # coupons
    "a batch oversold": ("crm_couponbatch", ("coupon_batch_not_oversold",), "UPDATE crm_couponbatch SET taken_count = stock_count + 1 WHERE id = {batch}"),
    "a batch by one person": ("crm_couponbatch", ("coupon_batch_two_people",),
        "UPDATE crm_couponbatch SET made_by_id = {guide}, started_by_id = {guide} WHERE id = {batch}"),
    "a share exceeded": ("crm_couponquota", ("coupon_quota_kept",),
        "INSERT INTO crm_couponquota (batch_id, staff_id, limit_count, used_count) VALUES ({batch}, {guide}, 1, 2)"),
    "a share of nobody": ("crm_couponquota", ("coupon_quota_whose",), "INSERT INTO crm_couponquota (batch_id, limit_count, used_count) VALUES ({batch}, 1, 0)"),
    "two coupons of one command": ("crm_coupon", ("coupon_member_key",), "UPDATE crm_coupon SET key = 'one', batch_id = {batch}, nth = nth + id"),
    "the same coupon of a batch twice": ("crm_coupon", ("coupon_member_nth",), "UPDATE crm_coupon SET nth = 1, batch_id = {batch}"),
    "two coupons for one order": ("crm_coupon", ("coupon_one_per_order",), "UPDATE crm_coupon SET subject = 'sale:1' WHERE id = {held}"),
    "used by no order": ("crm_coupon", ("coupon_subject_of_state",), "UPDATE crm_coupon SET subject = '' WHERE id = {used}"),
    "used at no time": ("crm_coupon", ("coupon_used_at",), "UPDATE crm_coupon SET used_at = NULL WHERE id = {used}"),
    "a discount of a free coupon": ("crm_coupon", ("coupon_used_at",), "UPDATE crm_coupon SET discount_fen = 1 WHERE id = {held}"),
    "a coupon that ends before it begins": ("crm_coupon", ("coupon_time",), "UPDATE crm_coupon SET valid_until = valid_from WHERE id = {held}"),
    "what happened to a coupon changed": ("crm_couponmove", ("trigger:crm_coupon_move_append_only",), "UPDATE crm_couponmove SET what = 'voided'"),
    "a template worth two things": ("crm_coupontemplate", ("coupon_template_worth",), "UPDATE crm_coupontemplate SET percent_off = 15"),
    "a percentage without an end": ("crm_coupontemplate", ("coupon_template_worth",),
        "UPDATE crm_coupontemplate SET kind = 'percent', percent_off = 15, amount_fen = NULL"),
    "a template without a time": ("crm_coupontemplate", ("coupon_template_validity",), "UPDATE crm_coupontemplate SET valid_days = NULL"),
    # levels and benefits
    "an upgrade that goes down": ("crm_levelchange", ("level_change_way",),
        "INSERT INTO crm_levelchange (member_id, from_level, to_level, reason, spend_180_fen, at) VALUES ({member}, 'V3', 'V2', 'upgrade', 0, now())"),
    "one free care taken twice": ("crm_benefituse", ("benefit_use_nth",),
        "INSERT INTO crm_benefituse (member_id, kind, year, nth, level, subject, key, at) "
        "SELECT member_id, kind, year, nth, level, subject, 'other', at FROM crm_benefituse"),
    "one ticket taken twice": ("crm_benefituse", ("benefit_use_key",),
        "INSERT INTO crm_benefituse (member_id, kind, year, nth, level, subject, key, at) "
        "SELECT member_id, kind, year, nth + 1, level, subject, key, at FROM crm_benefituse"),
}  # fmt: skip


@pytest.fixture
def names(clock: Any) -> dict[str, int]:
    """Return the ids of what the wrongs are done to."""
    clock.travel("2025-06-10 12:00")
    org = make_org()
    member = make_member(owner=org.guide, member_level="V3")
    give_points(member, 500, subject="order:1")
    spent = spend_points(member, 200, key="a", subject="sale:1", **AT)
    batch, other = make_batch(make_template(unit=org.hq)), make_batch(make_template(unit=org.hq))
    used, held = make_coupon(member, batch), make_coupon(member, other)
    redeem(used, subject="sale:1", key="u", **AT)
    hold(held, subject="sale:2", key="h", **AT)
    use_free_care(member, subject="ticket:1", key="t", actor=actor(org.guide), now=NOW)
    return {
        "member": member.pk, "spent": spent.entry_id, "lot": spent.lots[0][0], "batch": batch.pk, "used": used.pk,
        "held": held.pk, "guide": org.guide.pk,
    }  # fmt: skip


@contextmanager
def taken_out(table: str, guards: tuple[str, ...]) -> Iterator[None]:
    """Drop the guards; the transaction around the test brings them back."""
    with connection.cursor() as cursor:
        for guard in guards:
            kind, _, name = guard.rpartition(":")
            if kind == "trigger":
                cursor.execute(f"DROP TRIGGER {name} ON {table}")
                continue
            cursor.execute("SELECT 1 FROM pg_constraint WHERE conname = %s", [name])
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}" if cursor.fetchone() else f"DROP INDEX {name}")
    yield


def do(wrong: str, names: dict[str, int]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what waits for the end looks now, and nothing is left pending
        cursor.execute(wrong.format(**names))


@pytest.mark.parametrize("name", WRONGS)
def test_the_database_refuses(names: dict[str, int], name: str) -> None:
    table, guards, wrong = WRONGS[name]
    with pytest.raises(DatabaseError):
        do(wrong, names)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with taken_out(table, guards):
        do(wrong, names)


def test_a_line_of_the_ledger_may_change_its_member_and_nothing_else(names: dict[str, int]) -> None:
    other = make_member()
    PointsEntry.objects.filter(pk=names["spent"]).update(member=other)
    with pytest.raises(DatabaseError), transaction.atomic():
        PointsEntry.objects.filter(pk=names["spent"]).update(member_id=names["member"], points=-100)
