"""What the two benches of the ledger share: cards with money, the sides that move it, and the proof at the end.

Every side does the same work, a spend or a top-up by turns: look at the balance under its lock, change it, write the transfer
under a new key and its legs. `ours` calls the product's services. The others write into twins of the three tables, with the same
columns, checks, indexes, foreign keys and the trigger that lets no unbalanced transfer be committed: `one` is the same statement
from bare psycopg, `two` the same work as two statements of a transaction, `pgbench` the same statement without any Python.
`plain` is `one` into tables without foreign keys and trigger: what these two cost.
"""

import random
import re
import shutil
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection, connections

from bench.figures import progress
from bench.ledger_storm import wider_pool
from crm.members.models import Member
from crm.wallet.models import Transfer, Wallet
from crm.wallet.services import moving, prove_ledger
from yejibao import devserv
from yejibao.core import clock
from yejibao.core.scope import Actor

CONNECTIONS = 16
PRINCIPAL, GIFT = 100_000_000, 6_000_000  # enough for every round
ACTOR = Actor.system("bench")
_TABLES = ("wallet", "transfer", "ledgerentry")

_OPENING = """
WITH noted AS (
    INSERT INTO crm_transfer (kind, actor_kind, key, wallet_id, principal_fen, gift_fen, at, booked_on)
    SELECT 'top_up', 'system', 'opening:' || id, id, principal_fen, gift_fen, now(), current_date FROM crm_wallet
    RETURNING id, wallet_id, principal_fen, gift_fen
)
INSERT INTO crm_ledgerentry (transfer_id, account, wallet_id, side, amount_fen, booked_on)
SELECT id, account, wallet, side, amount, current_date FROM noted, LATERAL (VALUES
    ('cash_counter', NULL::bigint, 1, principal_fen), ('gift_cost', NULL, 1, gift_fen),
    ('principal', wallet_id, -1, principal_fen), ('gift', wallet_id, -1, gift_fen)
) AS leg (account, wallet, side, amount)
"""
_UPDATE = """
UPDATE bare_wallet SET principal_fen = principal_fen - %(principal)s, gift_fen = gift_fen - %(gift)s
WHERE id = %(wallet)s AND principal_fen >= %(principal)s AND gift_fen >= %(gift)s RETURNING id
"""
_INSERT = """
WITH noted AS (
    INSERT INTO bare_transfer (kind, actor_kind, key, wallet_id, principal_fen, gift_fen, subject, store_id, by_id, at, booked_on)
    VALUES ('spend', 'system', %(key)s, %(wallet)s, %(principal)s, %(gift)s, 'bench', NULL, NULL, %(at)s, %(day)s)
    ON CONFLICT DO NOTHING RETURNING id
)
INSERT INTO bare_ledgerentry (transfer_id, account, wallet_id, side, amount_fen, booked_on)
SELECT noted.id, account, wallet, side, amount, %(day)s FROM noted, (VALUES
    ('principal', %(wallet)s::bigint, 1, %(principal)s::bigint), ('gift', %(wallet)s, 1, %(gift)s),
    ('revenue_clearing', NULL, -1, %(principal)s::bigint + %(gift)s)
) AS leg (account, wallet, side, amount)
"""


_KEYS = """
ALTER TABLE bare_transfer ADD FOREIGN KEY (wallet_id) REFERENCES bare_wallet DEFERRABLE INITIALLY DEFERRED,
    ADD FOREIGN KEY (store_id) REFERENCES guides_store DEFERRABLE INITIALLY DEFERRED,
    ADD FOREIGN KEY (by_id) REFERENCES guides_staff DEFERRABLE INITIALLY DEFERRED,
    ADD FOREIGN KEY (refunds_id) REFERENCES bare_transfer DEFERRABLE INITIALLY DEFERRED,
    ADD FOREIGN KEY (reverses_id) REFERENCES bare_transfer DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE bare_ledgerentry ADD FOREIGN KEY (wallet_id) REFERENCES bare_wallet DEFERRABLE INITIALLY DEFERRED;
"""
_GUARDS = "".join(
    import_module(f"crm.migrations.{name}").BALANCED.replace("crm_", "bare_")
    for name in ("0022_wallet", "0032_entries_balanced", "0045_legs_looked_at_once")
)


def _make_twin(cursor: Any, twin: str) -> None:
    """Copy the tables with their rows: a plan that is made while a table is empty reads it whole ever after."""
    for name in _TABLES:
        cursor.execute(f"CREATE TABLE {twin}_{name} (LIKE crm_{name} INCLUDING ALL)")
        if name == "wallet":
            cursor.execute(f"ALTER TABLE {twin}_wallet SET (fillfactor = 70)")
        cursor.execute(f"INSERT INTO {twin}_{name} OVERRIDING SYSTEM VALUE SELECT * FROM crm_{name}")
        cursor.execute(
            f"SELECT setval(pg_get_serial_sequence('{twin}_{name}', 'id'), (SELECT max(id) FROM crm_{name}))"
        )


class Cards:
    """Cards with money, the same ones in both sets of tables."""

    def __init__(self, count: int) -> None:
        Member.objects.bulk_create(
            [Member(member_no=f"bench-{number}", name="王建国") for number in range(count)], 2000
        )
        now = clock.now()
        people = Member.objects.order_by("pk").values_list("pk", flat=True)
        rows = [
            Wallet(member_id=pk, card_no=f"{pk:016}", principal_fen=PRINCIPAL, gift_fen=GIFT, opened_at=now)
            for pk in people
        ]
        Wallet.objects.bulk_create(rows, 2000)
        with connection.cursor() as cursor:
            cursor.execute(_OPENING)
            for twin in ("bare", "plain"):
                _make_twin(cursor, twin)
            cursor.execute(_KEYS)
            cursor.execute(_GUARDS)
            for name in (f"{twin}_{table}" for twin in ("crm", "bare", "plain") for table in _TABLES):
                cursor.execute(f"VACUUM (ANALYZE) {name}")
        self.wallets = list(Wallet.objects.order_by("pk"))
        self.links = [psycopg.connect(settings_dsn(), autocommit=True) for _ in range(CONNECTIONS)]
        wider_pool(CONNECTIONS + 4)
        self.keys: list[tuple[str, int, moving.Spent]] = []  # of spends, for the replay


def settings_dsn() -> str:
    facts: dict[str, Any] = settings.DATABASES["default"]
    return psycopg.conninfo.make_conninfo(
        host=facts["HOST"], port=facts["PORT"] or None, user=facts["USER"], password=facts["PASSWORD"] or None, dbname=facts["NAME"]
    )  # fmt: skip


# ---------------------------------------------------------------- the sides


Work = Callable[[int, random.Random, int], None]  # which connection, dice, how many-th of it


def rate_of(work: Work, seconds: float) -> Callable[[], float]:
    """Return a turn: so many seconds from all connections at once, in commands per second."""

    def turn() -> float:
        done, over = [0] * CONNECTIONS, threading.Event()
        trouble: list[BaseException] = []

        def run(place: int) -> None:
            dice = random.Random(place)
            try:
                while not over.is_set():
                    work(place, dice, done[place])
                    done[place] += 1
            except BaseException as error:  # noqa: BLE001  told below
                trouble.append(error)
            finally:
                connections.close_all()

        threads = [threading.Thread(target=run, args=(place,)) for place in range(CONNECTIONS)]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        over.set()
        for thread in threads:
            thread.join()
        if trouble:
            raise trouble[0]
        return sum(done) / (time.perf_counter() - started)

    return turn


def ours(cards: Cards) -> Work:
    """The product's services, from Django connections."""

    def work(_place: int, dice: random.Random, number: int) -> None:
        card, now = dice.choice(cards.wallets), clock.now()
        key, amount = uuid.uuid4().hex, dice.randrange(100, 50_000)
        if number % 2:
            moving.credit(
                card,
                principal_fen=amount,
                gift_fen=50,
                cash="cash_wechat",
                key=key,
                subject="bench",
                actor=ACTOR,
                now=now,
            )
            return
        done = moving.spend(card.member_id, amount_fen=amount, key=key, subject="bench", actor=ACTOR, now=now)
        if number % 64 == 0:
            cards.keys.append((key, amount, done))

    return work


def one(cards: Cards, twin: str = "bare") -> Work:
    """The same statements from bare psycopg."""
    spend, top_up = _twin(moving.SPEND, twin), _twin(moving.TOP_UP, twin)

    def work(place: int, dice: random.Random, number: int) -> None:
        card, now = dice.choice(cards.wallets), clock.now()
        params = _params(card, dice.randrange(100, 50_000), now)
        cards.links[place].execute(top_up if number % 2 else spend, params).fetchone()

    return work


def plain(cards: Cards) -> Work:
    """The same statements where nothing is guarded."""
    return one(cards, "plain")


def two(cards: Cards) -> Work:
    """The same work in two statements of one transaction."""

    def work(place: int, dice: random.Random, number: int) -> None:
        card, now = dice.choice(cards.wallets), clock.now()
        params = _params(card, dice.randrange(100, 50_000), now)
        sign = -1 if number % 2 else 1
        link = cards.links[place]
        with link.transaction():
            link.execute(_UPDATE, params | {"principal": sign * params["amount"], "gift": sign * 50}).fetchone()
            link.execute(_INSERT, params | {"principal": params["amount"], "gift": 50})

    return work


def _twin(statement: str, twin: str = "bare") -> str:
    return re.sub(r"\bcrm_(wallet|transfer|ledgerentry)\b", rf"{twin}_\1", statement)


def _params(card: Wallet, amount: int, now: datetime) -> dict[str, Any]:
    return {
        "member": card.member_id, "wallet": card.pk, "amount": amount, "principal": amount, "gift": 50, "cash": "cash_wechat",
        "key": uuid.uuid4().hex, "actor_kind": "system", "subject": "bench", "store": None, "by": None, "at": now,
        "day": clock.local_day(now), "provider": "", "provider_txn": "",
    }  # fmt: skip


def pgbench(cards: Cards, seconds: float) -> Callable[[], float] | None:
    """The same statements from pgbench, where there is one; None where not."""
    found = devserv.pg_tools() / "pgbench"
    binary = str(found) if found.exists() else shutil.which("pgbench")
    if binary is None:
        progress("no pgbench: bare psycopg stands for it")
        return None
    folder = Path(tempfile.mkdtemp(prefix="yejibao-pgbench-"))
    first, last = cards.wallets[0], cards.wallets[-1]
    words = {
        "member": ":member", "wallet": ":member - " + str(first.member_id - first.pk), "amount": ":amount", "principal": ":amount", "gift": "50",
        "cash": "'cash_wechat'", "key": "gen_random_uuid()::text", "actor_kind": "'system'", "subject": "'bench'", "store": "NULL::bigint",
        "by": "NULL::bigint", "at": "now()", "day": "current_date", "provider": "''", "provider_txn": "''",
    }  # fmt: skip
    begins = f"\\set member random({first.member_id}, {last.member_id})\n\\set amount random(100, 50000)\n"
    files = []
    for name, statement in (("spend", moving.SPEND), ("top_up", moving.TOP_UP)):
        path = folder / f"{name}.sql"
        text = re.sub(r"%\((\w+)\)s", lambda found: f"({words[found[1]]})", _twin(statement))
        path.write_text(f"{begins}{' '.join(text.split())};\n")
        files += ["-f", str(path)]
    clients = ["-n", "-c", str(CONNECTIONS), "-j", "2", "-M", "prepared", "-T", str(max(1, round(seconds)))]

    def turn() -> float:
        done = subprocess.run([binary, *clients, *files, settings_dsn()], capture_output=True, text=True, check=False)
        found = re.search(r"tps = ([\d.]+)", done.stdout)
        if not found:
            raise RuntimeError(f"pgbench: {done.stderr[-500:]}")
        return float(found[1])

    return turn


# ---------------------------------------------------------------- the proof


def out_of_balance() -> int:
    """Return how many cards and transfers of ours are off, and whether all of it sums to 0."""
    proof = prove_ledger(now=clock.now())
    return proof.wallets_off_count + proof.transfers_off_count + bool(proof.difference_fen)


def replayed_otherwise(cards: Cards, most: int = 400) -> int:
    """Send commands again that were done; return how many got another answer than the first time, or were done twice."""
    wrong = 0
    sample: Sequence[tuple[str, int, moving.Spent]] = random.Random(3).sample(cards.keys, min(most, len(cards.keys)))
    for key, amount, first in sample:
        member = Transfer.objects.select_related("wallet").get(pk=first.transfer_id).wallet.member_id  # type: ignore[union-attr]
        again = moving.spend(member, amount_fen=amount, key=key, subject="bench", actor=ACTOR, now=clock.now())
        same = (again.transfer_id, again.principal_fen, again.gift_fen) == (
            first.transfer_id,
            first.principal_fen,
            first.gift_fen,
        )
        wrong += not (same and again.is_replay)
    return wrong
