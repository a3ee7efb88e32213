"""A member found by his phone among 10 million: by the keyed index over encrypted columns, beside a plain indexed phone.

Both sides ask for the same phones in the same order, one at a time over one connection, and read the same row: number, name
and phone. Ours normalises, makes the keyed index, and decrypts what it found; the bare table has phones in the clear and an
index over them, which nobody may have.
"""

import random
import time
from collections.abc import Callable, Sequence

from django.db import connection, models

from bench.figures import Options, Report, at_least, interleaved, median, median_ratio, percentile, progress
from crm.members.models import Member
from yejibao.core.personal import blind_index, encrypt, normal_phone

MEMBERS, QUICK = 10_000_000, 300_000
SECONDS_A_TURN = 3.0
BATCH = 50_000


class Bare(models.Model):
    """The same people with their phones in the clear."""

    member_no = models.CharField(max_length=32)
    name = models.CharField(max_length=32)
    status = models.CharField(max_length=8)
    phone = models.CharField(max_length=16)

    class Meta:
        app_label, managed, db_table = "bench", False, "bench_phone"


# The columns of a member without a default in the database, with what a plain new member has there.
_PLAIN = {
    field.column: field.get_default()
    for field in Member._meta.concrete_fields
    if not field.null and field.db_default is models.NOT_PROVIDED
    and field.name not in ("id", "public_id", "member_no", "name", "phone", "phone_index")
}  # fmt: skip
_INSERT = f"""
INSERT INTO crm_member (id, public_id, member_no, name, phone, phone_index, phone_last4, {", ".join(_PLAIN)})
SELECT id, md5(id::text)::uuid, no, name, phone, index, last4, {", ".join(["%s"] * len(_PLAIN))}
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[]) AS n(id, no, name, phone, index, last4)
"""


def main(options: Options) -> Report:
    members = QUICK if options.quick else MEMBERS
    size = fill(members)
    dice = random.Random(7)
    latencies: dict[str, list[float]] = {"ours": [], "bare": []}
    sides = {name: _side(find, latencies[name], dice, members) for name, find in (("ours", _ours), ("bare", _bare))}
    for name, turn in sides.items():
        turn()  # warm
        latencies[name].clear()
    rates = interleaved(3 if options.quick else 7, sides)
    ratio = median_ratio(rates["ours"], rates["bare"])
    p99 = percentile(latencies["ours"], 0.99) * 1000
    return Report(
        value=median(rates["ours"]), unit="look-ups/s", limit=median(rates["bare"]), ratio=ratio,
        limit_is="the same query on a plain indexed phone column of a table of its own, same connection",
        goals=[at_least("of the plain column", ratio, 0.5)],
        more={
            "members": members, "p50_ms": round(percentile(latencies["ours"], 0.5) * 1000, 3), "p99_ms": round(p99, 3),
            "bare_p99_ms": round(percentile(latencies["bare"], 0.99) * 1000, 3), **size,
        },
    )  # fmt: skip


def phone_of(number: int) -> str:
    """Return the phone of a member: 11 digits that a phone may have, each once, not in the order of the rows."""
    spread = number * 7_368_787 % 1_000_000_000
    return f"1{3 + spread % 7}{8 if spread % 7 == 0 else 5}{spread // 7 % 100_000_000:08}"


def _side(
    find: Callable[[str], tuple[str, str, str]], latencies: list[float], dice: random.Random, members: int
) -> Callable[[], float]:
    def turn() -> float:
        wanted: Sequence[int] = [dice.randrange(members) for _ in range(200_000)]
        done, started = 0, time.perf_counter()
        before = started
        while before - started < SECONDS_A_TURN:
            phone = phone_of(wanted[done])
            assert find(phone)[2] == phone
            now = time.perf_counter()
            latencies.append(now - before)
            before, done = now, done + 1
        return done / (before - started)

    return turn


def _ours(typed: str) -> tuple[str, str, str]:
    """As the product does it (find_members), without scope: that is measured elsewhere."""
    index = blind_index(normal_phone(typed), purpose="phone")
    one = Member.objects.filter(phone_index=index, status=Member.Status.ACTIVE).only("member_no", "name", "phone")[0]
    return one.member_no, one.name, one.phone


def _bare(typed: str) -> tuple[str, str, str]:
    found = Bare.objects.filter(phone=normal_phone(typed), status="active").only("member_no", "name", "phone")[0]
    return found.member_no, found.name, found.phone


def fill(members: int) -> dict[str, int]:
    """Fill both tables with the same people; return their sizes on disk. Ciphertexts repeat: one key opens them all alike."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE bench_phone (id bigint PRIMARY KEY, member_no varchar(32), name varchar(32), status varchar(8), phone varchar(16))"
        )
        for first in range(0, members, BATCH):
            numbers = range(first, min(members, first + BATCH))
            phones = [phone_of(number) for number in numbers]
            rows = [
                (
                    number + 1,
                    f"P{number:09}",
                    "王建国",
                    encrypt(phone, column="crm_member.phone"),
                    blind_index(phone, purpose="phone"),
                    phone,
                )
                for number, phone in zip(numbers, phones, strict=True)
            ]
            columns = [list(column) for column in zip(*rows, strict=True)]
            cursor.execute(_INSERT, [*_PLAIN.values(), *columns[:5], [phone[-4:] for phone in phones]])
            cursor.execute(
                "INSERT INTO bench_phone SELECT id, no, name, 'active', phone FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[]) "
                "AS n(id, no, name, phone)",
                [columns[0], columns[1], columns[2], columns[5]],
            )
            if first and first % 1_000_000 == 0:
                progress(f"members: {first:,}")
        cursor.execute("CREATE INDEX bench_phone_phone ON bench_phone (phone)")
        cursor.execute("VACUUM (ANALYZE) crm_member")
        cursor.execute("VACUUM (ANALYZE) bench_phone")
        cursor.execute("SELECT pg_total_relation_size('crm_member'), pg_total_relation_size('bench_phone')")
        ours, bare = cursor.fetchone()
    return {"megabytes": ours >> 20, "bare_megabytes": bare >> 20}
