"""The ground floor's small promises: clock, money, personal data, errors, idempotency."""

from datetime import UTC, date, datetime, time

import pytest
from cryptography.exceptions import InvalidTag

from yejibao.core import clock, errors, idempotency, money, personal
from yejibao.core.models import IdempotencyKey


def test_a_wall_clock_promise_is_kept_as_an_instant():
    assert clock.local_moment(date(2025, 3, 4), time(9, 30)) == datetime(2025, 3, 4, 1, 30, tzinfo=UTC)
    assert clock.local_day(datetime(2025, 2, 28, 16, 30, tzinfo=UTC)) == date(2025, 3, 1)
    assert clock.parse_iso("2025-03-01 15:00") == datetime(2025, 3, 1, 7, 0, tzinfo=UTC)


def test_the_clock_can_be_turned_but_not_in_production(settings):
    with clock.travelled(datetime(2025, 3, 1, tzinfo=UTC)):
        assert clock.now() == datetime(2025, 3, 1, tzinfo=UTC)
    assert clock.now().year >= 2026
    settings.PRODUCTION = True
    with pytest.raises(RuntimeError):
        clock.travel(datetime(2025, 3, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("fen", "shown", "exact"),
    [(0, "¥0", "¥0.00"), (123450, "¥1,235", "¥1,234.50"), (-9900, "-¥99", "-¥99.00"), (None, "—", "—")],
)
def test_money_is_fen_until_it_is_shown(fen, shown, exact):
    assert (money.yuan(fen), money.yuan(fen, cents=True)) == (shown, exact)


def test_a_sealed_phone_opens_only_in_its_own_column():
    sealed = personal.encrypt("13800132075", column="crm_member.phone")
    assert "13800132075" not in sealed
    assert sealed != personal.encrypt("13800132075", column="crm_member.phone")
    assert personal.decrypt(sealed, column="crm_member.phone") == "13800132075"
    with pytest.raises(InvalidTag):
        personal.decrypt(sealed, column="guides_staff.phone")


def test_a_phone_is_found_again_by_its_blind_index_and_shown_masked():
    assert personal.normal_phone(" +86 138-0013-2075 ") == "13800132075"
    assert personal.normal_phone("12345678901") == ""
    same = personal.blind_index("13800132075", purpose="phone")
    assert (
        same
        == personal.blind_index("13800132075", purpose="phone")
        != personal.blind_index("13800132075", purpose="card")
    )
    assert (personal.mask_phone("13800132075"), personal.mask_name("王建平"), personal.mask_name("")) == (
        "138****2075", "王**", "",
    )  # fmt: skip


def test_a_refusal_is_problem_json_with_a_code_and_nothing_inside():
    body = errors.Conflict("任务刚被处理过", task=7).problem(instance="/api/v1/tasks/7/", request_id="r1")
    assert body == {
        "type": "/problems/conflict", "title": "刚被别人处理过", "status": 409, "code": "conflict", "detail": "任务刚被处理过",
        "instance": "/api/v1/tasks/7/", "request_id": "r1", "retryable": False, "task": 7,
    }  # fmt: skip


@pytest.mark.django_db
def test_one_key_one_effect_and_one_answer():
    done = []

    def work():
        done.append(1)
        return 201, {"id": len(done)}

    ask = {"actor": "staff:1", "key": "k1", "work": work}
    assert idempotency.run(request_sha="a", **ask) == (201, {"id": 1}, False)
    assert idempotency.run(request_sha="a", **ask) == (201, {"id": 1}, True)
    with pytest.raises(idempotency.KeyMismatch):
        idempotency.run(request_sha="b", **ask)
    assert len(done) == 1


@pytest.mark.django_db
def test_a_refusal_is_remembered_a_crash_is_not():
    def refuse():
        raise errors.Conflict("余额不足")

    def crash():
        raise ZeroDivisionError

    status, body, replayed = idempotency.run(actor="staff:1", key="k2", request_sha="a", work=refuse)
    assert (status, body["detail"], replayed) == (409, "余额不足", False)
    assert idempotency.run(actor="staff:1", key="k2", request_sha="a", work=crash)[2] is True
    with pytest.raises(ZeroDivisionError):
        idempotency.run(actor="staff:1", key="k3", request_sha="a", work=crash)
    assert not IdempotencyKey.objects.filter(key="k3").exists()
