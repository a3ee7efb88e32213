"""Look through members and orders for what cannot be right: set-based, a range of ids a statement, and it can be stopped."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction

from yejibao.core import clock
from yejibao.core.clock import local_day
from yejibao.core.personal import decrypt

from .models import QualityCount, QualityFinding, QualityRun

STEP, KEPT = 50_000, 500  # ids a statement; examples of each check
OLDEST_YEAR, OLDEST_AGE = 1901, 110
MUCH_FEN = 50_000_000  # 50 万元 in one order
PREFIXES = 256


@dataclass(frozen=True)
class Check:
    """One thing that can be wrong. `owner` is the role whose matter it is; `about` says what to do."""

    key: str
    label: str
    about: str
    owner: str = "hq_crm"
    subject: str = "member"
    where: str = ""  # SQL over `m` (member) or `o` (order, with its member `m`)


MEMBERS = (
    Check("no_phone", "没有手机号", "请导购在下次聊天时问一下；没有手机号对不上商城和小程序的单。", where="m.phone_index = ''"),
    Check("no_store", "没有归属门店", "没有门店就没有人跟进，请分给最近的门店。", where="m.main_store_id IS NULL"),
    Check("no_birthday", "生日只填了一半", "月和日要一起填。", where="(m.birth_month IS NULL) <> (m.birth_day IS NULL)"),
    Check(
        "birth_day", "生日没有这一天", "比如 2 月 30 日，请导购问一下再改。",
        where="m.birth_day > CASE WHEN m.birth_month = 2 THEN 29 WHEN m.birth_month IN (4, 6, 9, 11) THEN 30 ELSE 31 END"
        " OR m.birth_month NOT BETWEEN 1 AND 12 OR m.birth_day < 1",
    ),
    Check(
        "registered_late", "入会时间在将来", "多半是系统的钟不对，请来源的负责人查。", "sys_admin",
        where="m.registered_at > %(now)s",
    ),
    Check("odd_name", "姓名不像姓名", "测试、数字或符号，请导购改成怎么称呼他。", where="m.name ~ '^[0-9 .*?？-]*$' OR m.name ~* '测试|test'"),
)  # fmt: skip
BIRTH_YEAR = Check("birth_year", "出生年份不可能", f"早于 {OLDEST_YEAR} 年、在将来，或超过 {OLDEST_AGE} 岁。")
PHONE_TWICE = Check("phone_twice", "手机号重复", "多半是一个人办了两张卡，请在「关联待确认」里合并。", "hq_operator")
NAME_TWICE = Check("name_twice", "同店同名同生日", "很可能是一个人，核对后合并。", "hq_operator")
ORDERS = (
    Check(
        "sale_before_card", "买在入会之前", "入会时间或付款时间有一个不对。", subject="order",
        where="m.registered_at IS NOT NULL AND o.paid_at < m.registered_at - interval '1 day'",
    ),
    Check(
        "no_money", "金额是零", "不是赠品的单不会是零元，请核对收银。", "finance", "order",
        where="o.paid_fen = 0 AND NOT o.is_gift AND o.status = 'paid'",
    ),
    Check("much_money", "金额大得不正常", "超过 50 万元，请核对是不是少了小数点。", "finance", "order", where=f"o.paid_fen >= {MUCH_FEN}"),
    Check(
        "money_back", "退的比付的多", "退款超过实付，请财务核对。", "finance", "order", where="o.refunded_fen > o.paid_fen"
    ),
    Check("no_guide", "门店单没有导购", "没有导购就没有人感谢和回访，请店长补。", subject="order", where="o.guide_id IS NULL AND o.kind = 'retail'"),
)  # fmt: skip
CHECKS: dict[str, Check] = {one.key: one for one in (*MEMBERS, BIRTH_YEAR, PHONE_TWICE, NAME_TWICE, *ORDERS)}

Found = Iterable[tuple[str, int, list[tuple[int, str]]]]  # check, count, examples


def look_on(*, now: datetime, budget: timedelta) -> dict[str, int]:
    """Go on with the day's look until it is through or the time is up; return the counts so far."""
    deadline = clock.monotonic() + budget.total_seconds()
    day = local_day(now)
    run, _created = QualityRun.objects.get_or_create(day=day, defaults={"started_at": now})
    while run.done_at is None and clock.monotonic() < deadline:
        with transaction.atomic():
            held = QualityRun.objects.select_for_update(skip_locked=True).filter(pk=run.pk, done_at=None).first()
            if held is None:  # another worker is at it, or it is through
                break
            run = held
            step = PARTS[run.part]
            following, found = step(run.hand, now)
            _add(run, found)
            if following is None:
                run.part, run.hand = run.part + 1, 0
                if run.part == len(PARTS):
                    _finish(run, now)
            else:
                run.hand = following
            run.save()
    return {key: int(count) for key, count in run.counts.items()}


def _add(run: QualityRun, found: Found) -> None:
    for key, count, examples in found:
        run.counts[key] = run.counts.get(key, 0) + count
        kept = run.found.setdefault(key, [])
        kept += [list(one) for one in examples[: KEPT - len(kept)]]


def _finish(run: QualityRun, now: datetime) -> None:
    """Show what this run found in the place of the last one's."""
    QualityFinding.objects.all().delete()
    rows = []
    for key, examples in run.found.items():
        is_order = CHECKS[key].subject == "order"
        for place, (subject, shared) in enumerate(examples, 1):
            ids = {"order_id": subject} if is_order else {"member_id": subject}
            rows.append(QualityFinding(check_key=key, place=place, shared=shared, **ids))
    QualityFinding.objects.bulk_create(rows, batch_size=2000)
    QualityCount.objects.filter(day=run.day).delete()
    QualityCount.objects.bulk_create(
        [QualityCount(check_key=key, day=run.day, count=run.counts.get(key, 0)) for key in CHECKS]
    )
    run.found, run.done_at = {}, now


# ---------------------------------------------------------------- parts of a run: (hand) -> (next hand or None, what was found)


def _ranges(table: str, hand: int) -> tuple[int, int] | None:
    """Return the ids (first, last) of the next range, the newest first; None at the end. The hand is the last first."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT max(id) FROM {table}" + (f" WHERE id < {int(hand)}" if hand else ""))
        (last,) = cursor.fetchone()
    return (last - STEP + 1, last) if last else None


def _grouped(checks: Iterable[Check], source: str, alias: str, span: tuple[int, int], now: datetime) -> Found:
    cases = ", ".join(f"CASE WHEN {one.where} THEN '{one.key}' END" for one in checks)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT key, count(*), (array_agg(id ORDER BY id DESC))[1:{KEPT}] FROM (
                SELECT {alias}.id, unnest(ARRAY[{cases}]) AS key FROM {source}
                WHERE {alias}.id BETWEEN %(first)s AND %(last)s AND coalesce(m.status, 'active') = 'active'
            ) found WHERE key IS NOT NULL GROUP BY key
            """,
            {"first": span[0], "last": span[1], "now": now},
        )
        return [(key, count, [(pk, "") for pk in ids]) for key, count, ids in cursor.fetchall()]


def _members(hand: int, now: datetime) -> tuple[int | None, Found]:
    span = _ranges("crm_member", hand)
    if span is None:
        return None, []
    return span[0], [*_grouped(MEMBERS, "crm_member m", "m", span, now), _birth_years(span, now)]


def _birth_years(span: tuple[int, int], now: datetime) -> tuple[str, int, list[tuple[int, str]]]:
    """Years are encrypted: the one check that has to open values, a range at a time."""
    this_year = local_day(now).year
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, birth_year FROM crm_member WHERE id BETWEEN %s AND %s AND birth_year <> '' AND status = 'active'"
            " ORDER BY id DESC",
            list(span),
        )
        wrong = []
        for pk, sealed in cursor.fetchall():
            year = decrypt(sealed, column="crm_member.birth_year")
            if not (year.isdigit() and max(OLDEST_YEAR, this_year - OLDEST_AGE) <= int(year) <= this_year):
                wrong.append((pk, ""))
    return BIRTH_YEAR.key, len(wrong), wrong[:KEPT]


def _orders(hand: int, now: datetime) -> tuple[int | None, Found]:
    span = _ranges("crm_order", hand)
    if span is None:
        return None, []
    return span[0], _grouped(ORDERS, "crm_order o LEFT JOIN crm_member m ON m.id = o.member_id", "o", span, now)


def _phones(hand: int, now: datetime) -> tuple[int | None, Found]:
    """Members that share a phone, by the beginning of its index: one statement for a 256th of them."""
    if hand >= PREFIXES:
        return None, []
    until = f"AND phone_index < '{hand + 1:02x}'" if hand + 1 < PREFIXES else ""
    found = _alike(
        f"SELECT array_agg(id ORDER BY id DESC) FROM crm_member WHERE phone_index >= '{hand:02x}' {until}"
        " AND phone_index <> '' AND status = 'active' GROUP BY phone_index HAVING count(*) > 1"
    )
    return hand + 1, [(PHONE_TWICE.key, *found)]


def _names(hand: int, now: datetime) -> tuple[int | None, Found]:
    """Members of one store with one name and one birthday, a store at a time."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(id) FROM guides_store WHERE id > %s", [hand])
        (store,) = cursor.fetchone()
    if store is None:
        return None, []
    found = _alike(
        f"SELECT array_agg(id ORDER BY id DESC) FROM crm_member WHERE main_store_id = {int(store)} AND status = 'active'"
        " AND birth_month IS NOT NULL AND name <> '' GROUP BY name, birth_month, birth_day, gender"
        " HAVING count(*) > 1 AND count(DISTINCT phone_index) > 1"
    )
    return store, [(NAME_TWICE.key, *found)]


def _alike(statement: str) -> tuple[int, list[tuple[int, str]]]:
    groups: dict[str, list[int]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(statement)
        for (ids,) in cursor.fetchall():
            groups[str(ids[0])] = ids
    return sum(map(len, groups.values())), [(pk, name) for name, ids in groups.items() for pk in ids][:KEPT]


PARTS: tuple[Callable[[int, datetime], tuple[int | None, Found]], ...] = (_members, _orders, _phones, _names)
